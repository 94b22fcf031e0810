//! y = f(x Wᵀ + b).

use super::{Activation, Matrix};

/// What follows a linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Nothing.
    Identity,
    /// GELU, tanh form.
    Gelu,
}

/// f(x Wᵀ + b): x (n, in), weight (out, in), bias (1, out) → (n, out).
pub fn linear(
    _x: Activation,
    _weight: &Matrix,
    _bias: Option<&Matrix>,
    _f: Nonlinearity,
) -> Activation {
    todo!()
}
