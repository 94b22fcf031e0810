//! Soft-capped scores (Gemma Team 2024, "Gemma 2"): s ← c · tanh(s / c), whose derivative is
//! 1 − tanh²(s / c).

use super::super::math;
use super::super::simd::{Kernel, LANES, Level, Simd, dispatch_at};

/// Caps scores; where `slopes` is given, the derivatives of as many go there.
pub fn soft_cap(level: Level, cap: f32, scores: &mut [f32], slopes: Option<&mut [f32]>) {
    let kernel = Cap {
        cap,
        scores,
        slopes,
    };
    dispatch_at(level, kernel);
}

struct Cap<'a> {
    cap: f32,
    scores: &'a mut [f32],
    slopes: Option<&'a mut [f32]>,
}

impl Kernel for Cap<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (cap, inverse) = (s.splat(self.cap), s.splat(1.0 / self.cap));
        for j in (0..self.scores.len()).step_by(LANES) {
            let tanh = math::tanh(s, s.mul(s.read_at(self.scores, j), inverse));
            s.write_at(self.scores, j, s.mul(cap, tanh));
            if let Some(slopes) = &mut self.slopes {
                s.write_at(slopes, j, s.fnma(tanh, tanh, s.splat(1.0)));
            }
        }
    }
}

/// x ← x ⊙ y.
pub struct Multiply<'a>(pub &'a mut [f32], pub &'a [f32]);

impl Kernel for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.0.len()).step_by(LANES) {
            let product = s.mul(s.read_at(self.0, j), s.read_at(self.1, j));
            s.write_at(self.0, j, product);
        }
    }
}
