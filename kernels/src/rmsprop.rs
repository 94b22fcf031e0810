//! RMSprop (Tieleman & Hinton 2012), as PyTorch computes it: not centred, without momentum.
//!
//! g ← scale · g; w ← w − lr · decay · w; v ← α v + (1 − α) g²; w ← w − lr · g / (√v + ε).
//!
//! The decay is decoupled as AdamW's is; PyTorch's RMSprop adds it to the gradient. Without decay
//! the two are the same.

use super::adamw::in_pieces;
use super::cost::{self, Cost, Phase};
use super::simd::{Kernel, LANES, Simd, dispatch};

/// One step's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmspropStep {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay α of the mean square.
    pub alpha: f32,
    /// ε, added to the root of the mean square.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Factor on the gradient: below 1 where the global norm is clipped.
    pub gradient_scale: f32,
}

/// Updates weights and the mean square in place. Panics if lengths differ.
pub fn rmsprop_update(weights: &mut [f32], gradient: &[f32], v: &mut [f32], step: &RmspropStep) {
    let n = weights.len();
    assert!(
        gradient.len() == n && v.len() == n,
        "rmsprop: {n} weights, {} gradients, {} mean squares",
        gradient.len(),
        v.len()
    );
    in_pieces([weights, v], gradient, |[w, v], g| {
        dispatch(Update { w, g, v, step });
    });
    // Reads three values and writes two.
    // Longest: scale, square, two of the mean, root, ε, division, rate, subtraction.
    let phase = Phase::new(10.0 * n as f64, 9.0);
    cost::report(|| Cost::new("rmsprop", 0.0, 20.0 * n as f64, phase));
}

struct Update<'a> {
    w: &'a mut [f32],
    g: &'a [f32],
    v: &'a mut [f32],
    step: &'a RmspropStep,
}

impl Kernel for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let h = self.step;
        let rate = s.splat(h.learning_rate);
        let keep = s.splat((1.0 - h.learning_rate as f64 * h.weight_decay as f64) as f32);
        let (alpha, rest) = (s.splat(h.alpha), s.splat(1.0 - h.alpha));
        let (eps, scale) = (s.splat(h.eps), s.splat(h.gradient_scale));
        for i in (0..self.w.len()).step_by(LANES) {
            let g = s.mul(s.read_at(self.g, i), scale);
            let v = s.fma(s.mul(rest, g), g, s.mul(alpha, s.read_at(self.v, i)));
            let w = s.mul(s.read_at(self.w, i), keep);
            let w = s.fnma(rate, s.div(g, s.add(s.sqrt(v), eps)), w);
            s.write_at(self.v, i, v);
            s.write_at(self.w, i, w);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adamw::PARALLEL_FROM;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn equals_the_formula_in_f64() {
        for (n, decay) in [
            (1, 0.0),
            (7, 0.1),
            (16, 0.0),
            (1000, 0.1),
            (PARALLEL_FROM + 3, 0.0),
        ] {
            let step = RmspropStep {
                learning_rate: 0.01,
                alpha: 0.9,
                eps: 1e-8,
                weight_decay: decay as f32,
                gradient_scale: 0.5,
            };
            let start = noise(n, 1);
            let mut want: Vec<f64> = start.iter().map(|&x| x as f64).collect();
            let mut v = vec![0.0; n];
            for t in 1..=3 {
                for (i, g) in noise(n, 10 + t).into_iter().enumerate() {
                    let g = 0.5 * g as f64;
                    v[i] = 0.9 * v[i] + 0.1 * g * g;
                    want[i] -= 0.01 * decay * want[i];
                    want[i] -= 0.01 * g / (v[i].sqrt() + 1e-8);
                }
            }
            let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
            for (level, got) in at_every_level(|| {
                let (mut w, mut v) = (start.clone(), vec![0.0; n]);
                for t in 1..=3 {
                    rmsprop_update(&mut w, &noise(n, 10 + t), &mut v, &step);
                }
                vec![w, v]
            }) {
                assert_close(&format!("{n} {level:?}"), &got[0], &want, 1e-6);
                let v: Vec<f32> = v.iter().map(|&x| x as f32).collect();
                assert_close(&format!("v {n} {level:?}"), &got[1], &v, 1e-6);
            }
        }
    }

    #[test]
    fn the_first_step_is_a_known_number() {
        // v = 0.1 g², so the step is lr / √0.1 whatever the size of the gradient.
        let (mut w, mut v) = (vec![1.0, 1.0], vec![0.0, 0.0]);
        let step = RmspropStep {
            learning_rate: 0.1,
            alpha: 0.9,
            eps: 1e-8,
            weight_decay: 0.0,
            gradient_scale: 1.0,
        };
        rmsprop_update(&mut w, &[1e-3, -20.0], &mut v, &step);
        let by = 0.1 / 0.1f32.sqrt();
        assert_close("w", &w, &[1.0 - by, 1.0 + by], 1e-4);
    }
}
