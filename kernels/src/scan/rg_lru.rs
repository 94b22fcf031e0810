//! The real-gated linear recurrent unit of Hawk and Griffin (De et al. 2024), as in RecurrentGemma;
//! pre-activations r̃ and ĩ come from elsewhere (block-diagonal maps of x there):
//!
//! r = σ(r̃), i = σ(ĩ)
//! log a = −8 r softplus(Λ)
//! h' = a h + √(1 − a²) (i x), where nothing came before h' = i x
//!
//! With rate c = −8 softplus(Λ), e = e^{c r} − 1, a = 1 + e, 1 − a² = −e (2 + e), whose parts do not
//! cancel, and m = √(1 − a²): d log a = da a − (db i x) a² / m, where 1/m is at most 2000, as in
//! RecurrentGemma (its slope 1/(2√x) is at most 1000); dr = d log a c, dc = Σ d log a r,
//! dΛ = −8 σ(Λ) dc, d(i x) = db m.

#[cfg(test)]
mod tests;

use super::gates::{Gates, MOST, Step};
use super::kernels::Inputs;
use super::step::advance;
use super::{Drive, ScanShape, scan};
use crate::math;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::{Activation, Matrix, read};
use dfdx::prelude::*;

/// log a of a unit whose gate is open and whose softplus is 1.
const SCALE: f32 = -8.0;
/// Least √(1 − a²) that the derivative divides by.
const LEAST_ROOT: f32 = 5e-4;

/// RG-LRU's gates and recurrence: pre-activations `gates` (B·T, 2H), r̃ and ĩ side by side, x (B·T, H),
/// `lambda` Λ (1, H) → h (B·T, H).
///
/// Without a `start`, sequences begin here; with one, (B, H), they go on from these states, and their
/// first step is one like any other. x's tape must be the gates' own; gradients flow to all.
/// Panics if shapes disagree.
pub fn rg_lru(
    gates: Activation,
    x: &Matrix,
    lambda: &Matrix,
    start: Option<&Matrix>,
    shape: ScanShape,
) -> Activation {
    let ((rows, columns), hidden) = (*gates.shape(), gates.shape().1 / 2);
    let shapes = (*x.shape(), *lambda.shape());
    assert_eq!(
        shapes,
        ((rows, hidden), (1, hidden)),
        "rg_lru: with gates ({rows}, {columns}), x and Λ are not ({rows}, {hidden}) and (1, {hidden})"
    );
    let (rate, slope) = rates(&read(lambda));
    let drive = Drive {
        x,
        parameter: lambda,
        rate,
        slope,
    };
    scan::<RgLru>(gates, Some(drive), start, shape)
}

/// RG-LRU a token at a time, or many, for decoding: the rate of each unit.
pub struct RgLruCell {
    rate: Vec<f32>,
}

impl RgLruCell {
    /// Of `lambda` Λ (1, H).
    pub fn new(lambda: &Matrix) -> Self {
        RgLruCell {
            rate: rates(&read(lambda)).0,
        }
    }

    /// Consumes n tokens of each of B sequences, pre-activations `gates` (B·n, 2H) and x (B·n, H), row
    /// b·n + t; updates the states h (B, H), and writes h after each token to y (B·n, H).
    ///
    /// `is_first`, one a sequence, says whether the first of its tokens is the sequence's first: its
    /// state then counts as 0, whatever it holds. Panics if lengths disagree.
    pub fn extend(
        &self,
        gates: &[f32],
        x: &[f32],
        is_first: &[bool],
        h: &mut [f32],
        y: &mut [f32],
    ) {
        let (hidden, batch) = (self.rate.len(), is_first.len());
        if y.is_empty() {
            return;
        }
        let steps = y.len() / h.len().max(1);
        assert!(
            h.len() == batch * hidden && y.len() == steps * h.len() && x.len() == y.len(),
            "rg_lru: h of {} values is not (B, H) = ({batch}, {hidden}), or x of {} and y of {} are not \
             (B·n, H)",
            h.len(),
            x.len(),
            y.len()
        );
        assert_eq!(gates.len(), 2 * x.len(), "rg_lru: gates are (B·n, 2H)");
        for (h, _) in h
            .chunks_exact_mut(hidden)
            .zip(is_first)
            .filter(|(_, first)| **first)
        {
            h.fill(0.0);
        }
        let inputs = |batch: usize| Inputs::<RgLru> {
            x,
            rate: &self.rate,
            is_fresh: is_first[batch],
            ..Inputs::new(gates, hidden)
        };
        advance(batch, steps, inputs, h, y);
        let ends = y.chunks_exact(steps * hidden);
        for (h, y) in h.chunks_exact_mut(hidden).zip(ends) {
            h.copy_from_slice(&y[(steps - 1) * hidden..]);
        }
    }
}

/// −8 softplus(Λ) of every unit, and the derivative.
fn rates(lambda: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut rate, mut slope) = (lambda.to_vec(), lambda.to_vec());
    dispatch(Rates(&mut rate, &mut slope));
    (rate, slope)
}

/// Both hold Λ at first.
struct Rates<'a>(&'a mut [f32], &'a mut [f32]);

impl Kernel for Rates<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(SCALE);
        for j in (0..self.0.len()).step_by(LANES) {
            let (rate, [slope, _]) = math::softplus_and_sigmoids(s, s.read_at(self.0, j));
            s.write_at(self.0, j, s.mul(scale, rate));
            s.write_at(self.1, j, s.mul(scale, slope));
        }
    }
}

/// Pre-activations r̃ and ĩ; driven by x, its rate −8 softplus(Λ).
pub struct RgLru;

impl Gates for RgLru {
    const NAME: &'static str = "rg_lru";
    const BACKWARD_NAME: &'static str = "rg_lru.backward";
    const COUNT: usize = 2;
    const IS_DRIVEN: bool = true;
    const DEPTH: f64 = 7.0;

    #[inline(always)]
    fn forward<S: Simd>(s: S, [r, i, x, rate]: [S::F32; MOST], is_first: bool) -> Step<S> {
        let one = s.splat(1.0);
        let (r, i) = (math::sigmoid(s, r), math::sigmoid(s, i));
        let e = math::exp_m1(s, s.mul(rate, r));
        let a = s.add(one, e);
        let root = s.sqrt(s.mul(s.neg(e), s.add(s.splat(2.0), e)));
        // m and −dm / d log a = a² / m, of which the first step has none.
        let (m, steepness) = match is_first {
            true => (one, s.zero()),
            false => {
                let root_or_least = s.max(s.splat(LEAST_ROOT), root);
                (root, s.div(s.mul(a, a), root_or_least))
            }
        };
        Step {
            a,
            b: s.mul(m, s.mul(i, x)),
            kept: [r, i, m, steepness],
        }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [_, _, x, rate]: [S::F32; MOST],
        step: Step<S>,
        da: S::F32,
        db: S::F32,
    ) -> [S::F32; MOST] {
        let [r, i, m, steepness] = step.kept;
        // b = m i x, with dm / d log a = −steepness
        let written = s.mul(db, s.mul(i, x));
        let dlog = s.fnma(written, steepness, s.mul(da, step.a));
        let dr = s.mul(s.mul(dlog, rate), s.fnma(r, r, r));
        let through = s.mul(db, m);
        let di = s.mul(s.mul(through, x), s.fnma(i, i, i));
        [dr, di, s.mul(through, i), s.mul(dlog, r)]
    }
}
