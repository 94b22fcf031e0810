//! Elman's recurrent layer (Elman 1990) as in PyTorch's `RNN` with tanh:
//!
//! h' = tanh(W_ih x + b_ih + W_hh h + b_hh)
//!
//! Cost: 2·B·T·H·(D+H) FLOPs forward, twice that backward; span T steps.

use super::recurrent::{self, Backward, Cell, Cells, Forward, RecurrentWeights, Stepper};
use super::simd::Simd;
use super::{Activation, math};

/// The cell.
pub struct Elman;

impl Cell for Elman {
    const NAME: &'static str = "elman";
    const BACKWARD_NAME: &'static str = "elman.backward";
    const GATES: usize = 1;
    const SAVED: usize = 0;
    const DEPTH: f64 = 1.0;

    #[inline(always)]
    fn forward<S: Simd>(
        s: S,
        [a, ..]: [S::F32; 4],
        _: S::F32,
        _: S::F32,
        c: Cells<S>,
    ) -> Forward<S> {
        Forward {
            saved: [a; 4],
            h: math::tanh(s, a),
            c,
        }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        _: [S::F32; 4],
        _: (S::F32, Cells<S>),
        (h, _): (S::F32, Cells<S>),
        dh: S::F32,
        dc: Cells<S>,
    ) -> Backward<S> {
        // h' = tanh(a): da = dh' (1 − h'²)
        let da = s.mul(dh, s.fnma(h, h, s.splat(1.0)));
        Backward {
            dgates: [da; 4],
            dh,
            dc,
        }
    }
}

/// Runs the layer over B sequences of T tokens from a zero state: (B·T, D) to (B·T, H).
///
/// Panics if shapes disagree.
pub fn elman(x: Activation, weights: RecurrentWeights, batch: usize, seq_len: usize) -> Activation {
    recurrent::layer::<Elman>(x, weights, batch, seq_len)
}

/// One step at a time, for decoding.
pub type ElmanCell = Stepper<Elman>;

#[cfg(test)]
mod tests {
    use super::recurrent::testing::{Reference, layer_tests};
    use super::*;
    use std::marker::PhantomData;

    const REFERENCE: Reference<Elman> = Reference {
        step: |input, hidden, _, c| ((input[0] + hidden[0]).tanh(), c),
        composed: |mut input, mut hidden, _, c| ((input.remove(0) + hidden.remove(0)).tanh(), c),
        cell: PhantomData,
    };

    layer_tests!(REFERENCE);
}
