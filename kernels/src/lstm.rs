//! Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000) as in
//! PyTorch's `LSTM`, gates in the order i, f, g, o:
//!
//! i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh), g = tanh(likewise)
//! c' = f c + i g
//! h' = o tanh(c')
//!
//! Cost: 2·B·T·4H·(D+H) FLOPs forward, twice that backward; span T steps.

use super::recurrent::{self, Backward, Cell, Cells, Forward, RecurrentWeights, Stepper};
use super::simd::Simd;
use super::{Activation, Matrix, math};

/// The cell.
pub struct Lstm;

impl Cell for Lstm {
    const NAME: &'static str = "lstm";
    const BACKWARD_NAME: &'static str = "lstm.backward";
    const GATES: usize = 4;
    const CELLS: usize = 1;
    const SAVED: usize = 4;
    const DEPTH: f64 = 5.0;

    #[inline(always)]
    fn forward<S: Simd>(
        s: S,
        [i, f, g, o]: [S::F32; 4],
        _: S::F32,
        _: S::F32,
        [c, none]: Cells<S>,
    ) -> Forward<S> {
        let i = math::sigmoid(s, i);
        let f = math::sigmoid(s, f);
        let g = math::tanh(s, g);
        let o = math::sigmoid(s, o);
        let c = s.fma(f, c, s.mul(i, g));
        Forward {
            saved: [i, f, g, o],
            h: s.mul(o, math::tanh(s, c)),
            c: [c, none],
        }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [i, f, g, o]: [S::F32; 4],
        (_, [c_before, _]): (S::F32, Cells<S>),
        (_, [c, _]): (S::F32, Cells<S>),
        dh: S::F32,
        [dc, none]: Cells<S>,
    ) -> Backward<S> {
        let one = s.splat(1.0);
        // h' = o tanh(c'): do = dh' tanh(c'), dc' += dh' o (1 − tanh²(c'))
        let t = math::tanh(s, c);
        let d_o = s.mul(dh, t);
        let dc = s.fma(s.mul(dh, o), s.fnma(t, t, one), dc);
        // c' = f c + i g: di = dc' g, df = dc' c, dg = dc' i, dc = dc' f
        let (di, df, dg) = (s.mul(dc, g), s.mul(dc, c_before), s.mul(dc, i));
        // σ' = σ (1 − σ), tanh' = 1 − tanh²
        let di = s.mul(di, s.fnma(i, i, i));
        let df = s.mul(df, s.fnma(f, f, f));
        let dg = s.mul(dg, s.fnma(g, g, one));
        let d_o = s.mul(d_o, s.fnma(o, o, o));
        Backward {
            dgates: [di, df, dg, d_o],
            dh,
            dc: [s.mul(dc, f), none],
        }
    }
}

/// Runs the layer over B sequences of T tokens from a zero state: (B·T, D) to (B·T, H).
///
/// Panics if shapes disagree.
pub fn lstm(x: Activation, weights: RecurrentWeights, batch: usize, seq_len: usize) -> Activation {
    recurrent::layer::<Lstm>(x, weights, batch, seq_len)
}

/// The same from the states h and c, each (B, H), whose tape x carries; gradients flow to them.
///
/// Panics if shapes disagree.
pub fn lstm_from(
    x: Activation,
    [h, c]: [&Matrix; 2],
    weights: RecurrentWeights,
    batch: usize,
    seq_len: usize,
) -> Activation {
    recurrent::layer_from::<Lstm>(x, [Some(h), Some(c), None], weights, batch, seq_len)
}

/// One step at a time, for decoding.
pub type LstmCell = Stepper<Lstm>;

#[cfg(test)]
mod tests {
    use super::recurrent::testing::{Reference, again, layer_tests};
    use super::*;
    use std::marker::PhantomData;

    const REFERENCE: Reference<Lstm> = Reference {
        step: |input, hidden, _, [c, none]| {
            let a = |gate: usize| input[gate] + hidden[gate];
            let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
            let c = sigmoid(a(1)) * c + sigmoid(a(0)) * a(2).tanh();
            (sigmoid(a(3)) * c.tanh(), [c, none])
        },
        composed: |input, hidden, _, [c, none]| {
            let mut gates = input.into_iter().zip(hidden).map(|(a, b)| a + b);
            let mut next = || gates.next().expect("four gates");
            let (i, f, g, o) = (next(), next(), next(), next());
            let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
            (o.sigmoid() * again(&c).tanh(), [c, none])
        },
        cell: PhantomData,
    };

    layer_tests!(REFERENCE);
}
