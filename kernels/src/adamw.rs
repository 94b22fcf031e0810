//! AdamW (Loshchilov & Hutter 2019), as PyTorch computes it, and the norm that clipping needs.
//!
//! g ← scale · g; w ← w − lr · decay · w; m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²;
//! w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε).

use super::cost::{self, Cost, Phase, depth};
use super::parallel::{self, Shared};
use super::simd::{Kernel, LANES, Simd, dispatch, dispatch_at, level, with_level};

/// One step's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamwStep {
    /// Step number t, from 1: corrects the bias of the moments.
    pub step: u64,
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay β₁ of the first moment.
    pub beta1: f32,
    /// Decay β₂ of the second moment.
    pub beta2: f32,
    /// ε, added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; 0 for parameters that are not decayed.
    pub weight_decay: f32,
    /// Factor on the gradient: below 1 where the global norm is clipped.
    pub gradient_scale: f32,
}

/// Values that a thread updates at a time: few, so that each thread updates about the rows whose
/// gradient it summed and which it packs for the next step.
const PIECE: usize = 1 << 12;
/// Fewer values than this are updated on one thread.
pub(super) const PARALLEL_FROM: usize = 1 << 15;
/// Values whose squares are summed together first.
const NORM_PIECE: usize = 1 << 14;

/// Updates weights and both moments in place. Panics if lengths differ.
pub fn adamw_update(
    weights: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: &AdamwStep,
) {
    let n = weights.len();
    assert!(
        gradient.len() == n && m.len() == n && v.len() == n,
        "adamw: {n} weights, {} gradients, {} and {} moments",
        gradient.len(),
        m.len(),
        v.len()
    );
    in_pieces([weights, m, v], gradient, |[w, m, v], g| {
        dispatch(Update { w, g, m, v, step });
    });
    // Reads four values and writes three.
    // Longest: scale, square, two additions, root, correction, ε, division, rate, subtraction.
    let phase = Phase::new(16.0 * n as f64, 10.0);
    cost::report(|| Cost::new("adamw", 0.0, 28.0 * n as f64, phase));
}

/// Calls `update` with the pieces of `values` and of the gradient, all equally long, on all threads
/// where that pays; the level of this thread is the level there.
pub(super) fn in_pieces<const N: usize>(
    values: [&mut [f32]; N],
    gradient: &[f32],
    update: impl Fn([&mut [f32]; N], &[f32]) + Sync,
) {
    let (n, level) = (gradient.len(), level());
    let values = values.map(Shared::new);
    parallel::for_each_if(n >= PARALLEL_FROM, n.div_ceil(PIECE), |i| {
        let range = parallel::piece(n, PIECE, i);
        // SAFETY: pieces do not overlap and lie within all slices.
        let own = values.map(|values| unsafe { values.slice(range.clone()) });
        with_level(level, || update(own, &gradient[range]));
    });
}

struct Update<'a> {
    w: &'a mut [f32],
    g: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    step: &'a AdamwStep,
}

impl Kernel for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let h = self.step;
        let correction1 = 1.0 - libm::pow(h.beta1 as f64, h.step as f64);
        let correction2 = 1.0 - libm::pow(h.beta2 as f64, h.step as f64);
        let rate = s.splat((h.learning_rate as f64 / correction1) as f32);
        let root = s.splat((1.0 / correction2.sqrt()) as f32);
        let keep = s.splat((1.0 - h.learning_rate as f64 * h.weight_decay as f64) as f32);
        let (beta1, beta2) = (s.splat(h.beta1), s.splat(h.beta2));
        let (rest1, rest2) = (s.splat(1.0 - h.beta1), s.splat(1.0 - h.beta2));
        let (eps, scale) = (s.splat(h.eps), s.splat(h.gradient_scale));
        for i in (0..self.w.len()).step_by(LANES) {
            let g = s.mul(s.read_at(self.g, i), scale);
            let m = s.fma(rest1, g, s.mul(beta1, s.read_at(self.m, i)));
            let v = s.fma(s.mul(rest2, g), g, s.mul(beta2, s.read_at(self.v, i)));
            let w = s.mul(s.read_at(self.w, i), keep);
            let w = s.fnma(rate, s.div(m, s.fma(s.sqrt(v), root, eps)), w);
            s.write_at(self.m, i, m);
            s.write_at(self.v, i, v);
            s.write_at(self.w, i, w);
        }
    }
}

/// Sum of squares of all parts: in f32 within pieces of fixed size, in f64 over them; NaN or ∞ if a
/// value is.
pub fn squared_norm(parts: &[Vec<f32>]) -> f64 {
    let level = level();
    let of_part = |values: &Vec<f32>| -> f64 {
        let sums = parallel::map(values.len().div_ceil(NORM_PIECE), |i| {
            dispatch_at(
                level,
                Squares(&values[parallel::piece(values.len(), NORM_PIECE, i)]),
            )
        });
        sums.iter().sum()
    };
    let norm = parts.iter().map(of_part).sum();
    let len: usize = parts.iter().map(Vec::len).sum();
    let phase = Phase::new(2.0 * len as f64, depth(len));
    cost::report(|| Cost::new("squared_norm", 0.0, 4.0 * len as f64, phase));
    norm
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let mut total = 0.0;
        for part in self.0.chunks(64 * LANES) {
            let mut sum = s.zero();
            for i in (0..part.len()).step_by(LANES) {
                let x = s.read_at(part, i);
                sum = s.fma(x, x, sum);
            }
            total += s.sum(sum) as f64;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn equals_the_formula_in_f64() {
        for n in [1, 7, 16, 1000, PARALLEL_FROM + 3] {
            let start_step = AdamwStep {
                step: 0,
                learning_rate: 0.01,
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-8,
                weight_decay: 0.1,
                gradient_scale: 0.5,
            };
            let start = noise(n, 1);
            let mut want: Vec<f64> = start.iter().map(|&x| x as f64).collect();
            let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
            for t in 1..=3 {
                for (i, g) in noise(n, 10 + t).into_iter().enumerate() {
                    let g = 0.5 * g as f64;
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.99 * v[i] + 0.01 * g * g;
                    want[i] -= 0.01 * 0.1 * want[i];
                    let (m, v) = (
                        m[i] / (1.0 - 0.9f64.powi(t as i32)),
                        v[i] / (1.0 - 0.99f64.powi(t as i32)),
                    );
                    want[i] -= 0.01 * m / (v.sqrt() + 1e-8);
                }
            }
            let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
            for (level, got) in at_every_level(|| {
                let (mut w, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
                let mut step = start_step;
                for t in 1..=3 {
                    step.step = t;
                    adamw_update(&mut w, &noise(n, 10 + t), &mut m, &mut v, &step);
                }
                vec![w, m, v]
            }) {
                assert_close(&format!("{n} {level:?}"), &got[0], &want, 1e-6);
            }
        }
    }

    #[test]
    fn norm_is_exact_enough_and_shows_what_is_not_finite() {
        for n in [0, 1, 33, 3 * NORM_PIECE + 5] {
            let x = noise(n, 5);
            let want: f64 = x.iter().map(|&x| x as f64 * x as f64).sum();
            for (_, got) in
                at_every_level(|| vec![vec![squared_norm(std::slice::from_ref(&x)) as f32]])
            {
                assert!((got[0][0] as f64 - want).abs() <= 1e-6 * want);
            }
        }
        assert!(squared_norm(&[vec![1.0, f32::NAN]]).is_nan());
        assert!(squared_norm(&[vec![1.0, f32::INFINITY]]).is_infinite());
    }
}
