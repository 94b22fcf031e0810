//! Layer normalisation.

use super::{Activation, Matrix};

/// Layer norm of every row.
pub fn layer_norm(_x: Activation, _weight: &Matrix, _bias: &Matrix, _eps: f32) -> Activation {
    todo!()
}

/// (stream + branch, layer norm of it).
pub fn add_layer_norm(
    _stream: Matrix,
    _branch: Activation,
    _weight: &Matrix,
    _bias: &Matrix,
    _eps: f32,
) -> (Matrix, Activation) {
    todo!()
}
