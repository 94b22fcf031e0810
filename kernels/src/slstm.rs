//! The sLSTM of xLSTM (Beck et al. 2024), gates in the order i, f, z, o of NX-AI's `xlstm`, each
//! W_ih x + b_ih + W_hh h + b_hh; an exponential input gate, a normaliser n, a stabiliser m:
//!
//! z = tanh(z̃), o = σ(õ), m' = max(ln σ(f̃) + m, ĩ), i = e^(ĩ − m'), f = e^(ln σ(f̃) + m − m')
//! c' = f c + i z, n' = f n + i, h' = o c' / n'
//!
//! with n = 0, m = −∞ at first. What counts of c, n and m is the average ĉ = c / n and the logarithm
//! L = m + ln n of its weight, of which the cell is, exactly:
//!
//! d = ln σ(f̃) + L − ĩ, p = σ(d)
//! ĉ' = p ĉ + (1 − p) z, L' = ĩ + softplus(d), h' = o ĉ'
//!
//! with L = −∞ at first, so that ĉ' = z. Nothing overflows, and nothing is divided. As states begin as
//! zeros, L = 0 stands for −∞ (in f32, −10³⁰ does); an L that is 0 is kept as the least normal number.
//!
//! Backward: dd = dĉ' (ĉ − z) p (1 − p); dĉ = dĉ' p, dL = dd + dL' p, dĩ = dL' (1 − p) − dd,
//! df̃ = dL σ(−f̃).
//! Cost: 2·B·T·4H·(D+H) FLOPs forward, twice that backward; span T steps.

use super::recurrent::{self, Backward, Cell, Cells, Forward, RecurrentWeights, Stepper};
use super::simd::Simd;
use super::{Activation, math};

/// L where nothing has been written: every weight is as nothing beside it, and no sum overflows.
const NOTHING: f32 = -1e30;

/// The cell; beside h, its states are ĉ and L.
pub struct Slstm;

impl Cell for Slstm {
    const NAME: &'static str = "slstm";
    const BACKWARD_NAME: &'static str = "slstm.backward";
    const GATES: usize = 4;
    const CELLS: usize = 2;
    const SAVED: usize = 4;
    const DEPTH: f64 = 7.0;

    #[inline(always)]
    fn forward<S: Simd>(
        s: S,
        [i, f, z, o]: [S::F32; 4],
        _: S::F32,
        _: S::F32,
        [c, l]: Cells<S>,
    ) -> Forward<S> {
        let least = s.splat(f32::MIN_POSITIVE);
        // −ln σ(f̃) = softplus(−f̃)
        let (forgotten, [not_f, _]) = math::softplus_and_sigmoids(s, s.neg(f));
        let l = s.select(s.lt(s.abs(l), least), s.splat(NOTHING), l);
        let d = s.sub(s.sub(l, forgotten), i);
        let (above, [p, q]) = math::softplus_and_sigmoids(s, d);
        let l = s.add(i, above);
        let (z, o) = (math::tanh(s, z), math::sigmoid(s, o));
        let c = s.fma(p, c, s.mul(q, z));
        Forward {
            saved: [q, not_f, z, o],
            h: s.mul(o, c),
            c: [c, s.select(s.lt(s.abs(l), least), least, l)],
        }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [q, not_f, z, o]: [S::F32; 4],
        (_, [c_before, _]): (S::F32, Cells<S>),
        (_, [c, _]): (S::F32, Cells<S>),
        dh: S::F32,
        [dc, dl]: Cells<S>,
    ) -> Backward<S> {
        let one = s.splat(1.0);
        let p = s.sub(one, q);
        // h' = o ĉ': do = dh' ĉ', dĉ' += dh' o
        let d_o = s.mul(s.mul(dh, c), s.fnma(o, o, o));
        let dc = s.fma(dh, o, dc);
        // ĉ' = p ĉ + (1 − p) z
        let dz = s.mul(s.mul(dc, q), s.fnma(z, z, one));
        let dd = s.mul(s.mul(dc, s.sub(c_before, z)), s.mul(p, q));
        let dl_before = s.fma(dl, p, dd);
        let di = s.sub(s.mul(dl, q), dd);
        Backward {
            dgates: [di, s.mul(dl_before, not_f), dz, d_o],
            dh,
            dc: [s.mul(dc, p), dl_before],
        }
    }
}

/// Runs the layer over B sequences of T tokens from where nothing has been written: (B·T, D) to (B·T, H).
///
/// Panics if shapes disagree.
pub fn slstm(x: Activation, weights: RecurrentWeights, batch: usize, seq_len: usize) -> Activation {
    recurrent::layer::<Slstm>(x, weights, batch, seq_len)
}

/// Steps for decoding ([`Stepper::extend_all`]); beside h, the states are ĉ and L, zeros at first.
pub type SlstmCell = Stepper<Slstm>;

#[cfg(test)]
mod tests {
    use super::recurrent::testing::{Reference, again, layer_tests};
    use super::*;
    use crate::testing::*;
    use crate::{Matrix, matrix, on_tape, values};
    use dfdx::prelude::*;
    use std::marker::PhantomData;

    const REFERENCE: Reference<Slstm> = Reference {
        // The original's c, n and m of an average and its weight: n = 1 if there is one.
        step: |input, hidden, _, [c, l]| {
            let state = match l == 0.0 {
                true => [0.0, 0.0, f64::NEG_INFINITY],
                false => [c, 1.0, l],
            };
            let gates = [0, 1, 2, 3].map(|gate| input[gate] + hidden[gate]);
            let (h, [c, n, m]) = original(gates, state);
            (h, [c / n, m + n.ln()])
        },
        composed: |input, hidden, _, [c, l]| {
            let mut gates = input.into_iter().zip(hidden).map(|(a, b)| a + b);
            let mut next = || gates.next().expect("four gates");
            let (i, f, z, o) = (next(), next(), next().tanh(), next().sigmoid());
            let (rows, columns) = *l.shape();
            let nothing = |&l: &f32| if l == 0.0 { NOTHING } else { 0.0 };
            let nothing = values(&l).iter().map(nothing).collect();
            let l = l + matrix(nothing, rows, columns);
            let d = f.sigmoid().ln() + l - again(&i);
            let p = again(&d).sigmoid();
            let c = again(&p) * c + (-p + 1.0) * z;
            (o * again(&c), [c, i + (d.exp() + 1.0).ln()])
        },
        cell: PhantomData,
    };

    layer_tests!(REFERENCE);

    /// h' and c', n', m' of the equations at the head of the file.
    fn original([i, f, z, o]: [f64; 4], [c, n, m]: [f64; 3]) -> (f64, [f64; 3]) {
        let log_f = f.min(0.0) - (-f.abs()).exp().ln_1p();
        let next = (log_f + m).max(i);
        let (i, f) = ((i - next).exp(), (log_f + m - next).exp());
        let (c, n) = (f * c + i * z.tanh(), f * n + i);
        (c / n / (1.0 + (-o).exp()), [c, n, next])
    }

    /// h (T, H) of one sequence by these, x (T, D), from n = 0 and m = −∞.
    fn by_the_original(x: &[f64], w: &[Vec<f64>; 3], [d, h]: [usize; 2]) -> Vec<f64> {
        let [w_ih, w_hh, bias] = w;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut states = vec![[0.0, 0.0, f64::NEG_INFINITY]; h];
        let (mut before, mut y) = (vec![0.0; h], Vec::new());
        for x in x.chunks_exact(d) {
            let gate = |row: usize| {
                let product = dot(&w_ih[row * d..][..d], x);
                bias[row] + product + dot(&w_hh[row * h..][..h], &before)
            };
            let gates = |u: usize| [0, 1, 2, 3].map(|g| gate(g * h + u));
            let next: Vec<_> = (0..h).map(|u| original(gates(u), states[u])).collect();
            states = next.iter().map(|n| n.1).collect();
            before = next.iter().map(|n| n.0).collect();
            y.extend(&before);
        }
        y
    }

    fn wide(m: &Matrix) -> Vec<f64> {
        values(m).iter().map(|&v| f64::from(v)).collect()
    }

    #[test]
    fn values_and_gradients_are_those_of_the_original_with_c_n_and_m() {
        // Input gates of all sizes: the sum of their exponentials would not fit.
        for (t, d, h, scale) in [(9, 3, 5, 1.0), (40, 2, 17, 8.0), (12, 4, 3, 60.0)] {
            let x = matrix(noise(t * d, 1).iter().map(|v| scale * v).collect(), t, d);
            let w = [
                noise_matrix(4 * h, d, 2),
                noise_matrix(4 * h, h, 3),
                noise_matrix(1, 4 * h, 4),
            ];
            let none = matrix(vec![0.0; 4 * h], 1, 4 * h);
            let weights = RecurrentWeights {
                weight_ih: &w[0],
                weight_hh: &w[1],
                bias_ih: &w[2],
                bias_hh: &none,
            };
            let w64 = w.each_ref().map(wide);
            let want = by_the_original(&wide(&x), &w64, [d, h]);
            let want: Vec<f32> = want.iter().map(|&y| y as f32).collect();
            let r = noise(t * h, 6);
            let loss = |x: &[f64], w: &[Vec<f64>; 3]| -> f64 {
                let y = by_the_original(x, w, [d, h]);
                y.iter().zip(&r).map(|(y, &r)| y * f64::from(r)).sum()
            };
            let by_x = finite_differences(&values(&x), |x| loss(x, &w64));
            let by_weight = |i: usize| {
                finite_differences(&values(&w[i]), |moved| {
                    let mut w = w64.clone();
                    w[i] = moved.to_vec();
                    loss(&wide(&x), &w)
                })
            };
            let by_weights = [by_weight(0), by_weight(1), by_weight(2)];
            for (level, got) in at_every_level(|| {
                let y = slstm(on_tape(&x), weights, 1, t);
                let mut out = vec![values(&y)];
                out.extend(gradients(weighed(y, 6), &[&x, &w[0], &w[1], &w[2]]).1);
                out
            }) {
                let what = format!("{level:?} {scale}");
                // Large pre-activations are as many digits short as they are large.
                let tolerance = 4e-6 * f64::from(scale);
                assert_close(&what, &got[0], &want, tolerance);
                assert_close(&what, &got[1], &by_x, 5.0 * tolerance);
                for (got, want) in got[2..].iter().zip(&by_weights) {
                    assert_close(&what, got, want, 5.0 * tolerance);
                }
            }
        }
    }

    /// A layer without a recurrent product whose inputs are the gates: gates (T, 4H) → h, dgates.
    fn of_gates(gates: &Matrix, seq_len: usize, hidden: usize) -> Vec<Vec<f32>> {
        let rows = 4 * hidden;
        let mut ones = vec![0.0; rows * rows];
        (0..rows).for_each(|i| ones[i * (rows + 1)] = 1.0);
        let (identity, none) = (
            matrix(ones, rows, rows),
            matrix(vec![0.0; rows * hidden], rows, hidden),
        );
        let bias = matrix(vec![0.0; rows], 1, rows);
        let weights = RecurrentWeights {
            weight_ih: &identity,
            weight_hh: &none,
            bias_ih: &bias,
            bias_hh: &bias,
        };
        let y = slstm(on_tape(gates), weights, 1, seq_len);
        let mut out = vec![values(&y)];
        out.extend(gradients(weighed(y, 5), &[gates]).1);
        out
    }

    #[test]
    fn gates_beyond_every_exponent_stay_finite_and_right() {
        let extremes = [-1e4f32, -200.0, -90.0, 0.0, 1e-3, 90.0, 200.0, 1e4];
        let (t, hidden) = (6, 64);
        let extreme = |i: usize| extremes[i * 31 % 101 % extremes.len()];
        let gates: Vec<f32> = (0..t * 4 * hidden)
            .map(|i| match i / hidden % 4 {
                // i and f
                0 | 1 => extreme(i),
                _ => noise(1, i as u64)[0],
            })
            .collect();
        let mut want = Vec::new();
        let mut states = vec![[0.0, 0.0, f64::NEG_INFINITY]; hidden];
        for row in gates.chunks(4 * hidden) {
            for (u, state) in states.iter_mut().enumerate() {
                let gates = [0, 1, 2, 3].map(|g| f64::from(row[g * hidden + u]));
                let (h, next) = original(gates, *state);
                *state = next;
                want.push(h as f32);
            }
        }
        let gates = matrix(gates, t, 4 * hidden);
        for (level, got) in at_every_level(|| of_gates(&gates, t, hidden)) {
            assert!(got.iter().flatten().all(|v| v.is_finite()), "{level:?}");
            assert_close(&format!("{level:?}"), &got[0], &want, 2e-3);
        }
    }

    #[test]
    fn a_weight_of_one_is_no_beginning() {
        // ĩ = 0 twice: L is 0 after the first step, of which the second keeps p = σ(ln ½) = ⅓.
        let gates = matrix(vec![0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0], 2, 4);
        let z = 1f64.tanh();
        let want = [0.5 * z, 0.5 * (z / 3.0 - 2.0 * z / 3.0)].map(|h| h as f32);
        for (level, got) in at_every_level(|| of_gates(&gates, 2, 1)) {
            assert_close(&format!("{level:?}"), &got[0], &want, 1e-6);
        }
    }
}
