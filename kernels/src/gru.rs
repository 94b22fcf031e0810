//! Gated recurrent unit (Cho et al. 2014) as in PyTorch's `GRU`, gates in the order r, z, n, the
//! hidden bias of n inside the product with r:
//!
//! r, z = σ(W_ih x + b_ih + W_hh h + b_hh)
//! m = W_hn h + b_hn
//! n = tanh(W_in x + b_in + r m)
//! h' = (1 − z) n + z h
//!
//! Cost: 2·B·T·3H·(D+H) FLOPs forward, twice that backward; span T steps.

use super::recurrent::{self, Backward, Cell, Cells, Forward, RecurrentWeights, Stepper};
use super::simd::Simd;
use super::{Activation, Matrix, math};

/// The cell.
pub struct Gru;

impl Cell for Gru {
    const NAME: &'static str = "gru";
    const BACKWARD_NAME: &'static str = "gru.backward";
    const GATES: usize = 3;
    const APART: bool = true;
    const DIRECT: bool = true;
    const SAVED: usize = 4;
    const DEPTH: f64 = 5.0;
    // Gradients are dn, dr, dz, dm: the first three belong to W_ih, the last three to W_hh.
    const INPUT_POSITION: [usize; 4] = [1, 2, 0, 0];
    const HIDDEN_POSITION: [usize; 4] = [1, 2, 3, 0];

    #[inline(always)]
    fn forward<S: Simd>(
        s: S,
        [r, z, m, _]: [S::F32; 4],
        input: S::F32,
        h: S::F32,
        c: Cells<S>,
    ) -> Forward<S> {
        let r = math::sigmoid(s, r);
        let z = math::sigmoid(s, z);
        let n = math::tanh(s, s.fma(r, m, input));
        // (1 − z) n + z h = n + z (h − n)
        Forward {
            saved: [r, z, n, m],
            h: s.fma(z, s.sub(h, n), n),
            c,
        }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [r, z, n, m]: [S::F32; 4],
        (h_before, _): (S::F32, Cells<S>),
        _: (S::F32, Cells<S>),
        dh: S::F32,
        dc: Cells<S>,
    ) -> Backward<S> {
        // h' = (1 − z) n + z h: dn = dh' (1 − z), dz = dh' (h − n), dh = dh' z
        let direct = s.mul(dh, z);
        let dz = s.mul(s.mul(dh, s.sub(h_before, n)), s.fnma(z, z, z));
        // n = tanh(… + r m): through tanh, then dr = dn m, dm = dn r
        let dn = s.mul(s.sub(dh, direct), s.fnma(n, n, s.splat(1.0)));
        let dr = s.mul(s.mul(dn, m), s.fnma(r, r, r));
        Backward {
            dgates: [dn, dr, dz, s.mul(dn, r)],
            dh: direct,
            dc,
        }
    }
}

/// Runs the layer over B sequences of T tokens from a zero state: (B·T, D) to (B·T, H).
///
/// Panics if shapes disagree.
pub fn gru(x: Activation, weights: RecurrentWeights, batch: usize, seq_len: usize) -> Activation {
    recurrent::layer::<Gru>(x, weights, batch, seq_len)
}

/// The same from the states h (B, H), whose tape x carries; gradients flow to them.
///
/// Panics if shapes disagree.
pub fn gru_from(
    x: Activation,
    h: &Matrix,
    weights: RecurrentWeights,
    batch: usize,
    seq_len: usize,
) -> Activation {
    recurrent::layer_from::<Gru>(x, [Some(h), None, None], weights, batch, seq_len)
}

/// One step at a time, for decoding.
pub type GruCell = Stepper<Gru>;

#[cfg(test)]
mod tests {
    use super::recurrent::testing::{Reference, again, layer_tests};
    use super::*;
    use std::marker::PhantomData;

    const REFERENCE: Reference<Gru> = Reference {
        step: |input, hidden, h, c| {
            let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
            let r = sigmoid(input[0] + hidden[0]);
            let z = sigmoid(input[1] + hidden[1]);
            let n = (input[2] + r * hidden[2]).tanh();
            ((1.0 - z) * n + z * h, c)
        },
        composed: |input, hidden, h, c| {
            let (mut input, mut hidden) = (input.into_iter(), hidden.into_iter());
            let mut next = || {
                let both = input.next().zip(hidden.next());
                both.expect("three gates")
            };
            let ((r, r_hidden), (z, z_hidden), (n, m)) = (next(), next(), next());
            let r = (r + r_hidden).sigmoid();
            let z = (z + z_hidden).sigmoid();
            let n = (n + r * m).tanh();
            (again(&n) + z * (h - n), c)
        },
        cell: PhantomData,
    };

    layer_tests!(REFERENCE);
}
