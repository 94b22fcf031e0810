//! Soft-capped scores of a head over the vocabulary (Gemma Team 2024, "Gemma 2"): y = c · tanh(x / c).
//!
//! dx = dy (1 − (y / c)²).
//! Cost, for n values: three operations forward, four backward.

use super::attention::soft_cap;
use super::cost::{self, Cost, Id, Phase};
use super::parallel;
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Output, Slot, matrix, values};
use dfdx::prelude::*;

/// Values that a thread takes at a time.
const PIECE: usize = 1 << 12;

/// c · tanh(x / c) of every value: (n, V) → (n, V).
pub fn capped(x: Activation, cap: f32) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (rows, columns) = *x.shape();
    let n = (rows * columns) as f64;
    let (mut y, level) = (values(&x), level());
    parallel::for_each_chunk(&mut y, PIECE, |_, scores| {
        soft_cap(level, cap, scores, None);
    });
    let (y, read_id) = (matrix(y, rows, columns), Id::value(&x));
    cost::report(|| {
        let cost = Cost::new("capped", 3.0 * n, 8.0 * n, Phase::new(3.0 * n, 3.0));
        cost.reading([read_id]).writing([Id::value(&y)])
    });
    let (out, dx) = (Output::of(&y), Slot::of(&x));
    tape.record(move |g| {
        let (dy, y) = (out.take(g), values(out.values()));
        dx.add(g, |dx| {
            parallel::for_each_chunk(dx, PIECE, |i, dx| {
                let own = i * PIECE..i * PIECE + dx.len();
                let (y, dy) = (&y[own.clone()], &dy[own]);
                dispatch_at(level, Backward { y, dy, cap, dx });
            });
        });
        cost::report(|| {
            let phase = Phase::new(4.0 * n, 4.0);
            let cost = Cost::new("capped.backward", 4.0 * n, 16.0 * n, phase);
            let reads = [out.id(), Id::value(out.values()), dx.id()];
            cost.reading(reads).writing([dx.id()])
        });
    });
    y.put_tape(tape)
}

/// The same in place.
pub fn cap_scores(scores: &mut [f32], cap: f32) {
    soft_cap(level(), cap, scores, None);
}

struct Backward<'a> {
    y: &'a [f32],
    dy: &'a [f32],
    cap: f32,
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let inverse = s.splat(1.0 / self.cap);
        for j in (0..self.dx.len()).step_by(LANES) {
            let t = s.mul(s.read_at(self.y, j), inverse);
            let slope = s.fnma(t, t, s.splat(1.0));
            let sum = s.fma(s.read_at(self.dy, j), slope, s.read_at(self.dx, j));
            s.write_at(self.dx, j, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_tape;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn values_and_gradients_equal_the_formula_and_its_differences() {
        for (n, d) in [(1, 1), (3, 7), (9, 1000)] {
            let x: Vec<f32> = noise(n * d, 1).iter().map(|x| 20.0 * x).collect();
            let r = noise(n * d, 2);
            let f = |x: f64| 5.0 * (x / 5.0).tanh();
            let want: Vec<f32> = x.iter().map(|&x| f(x.into()) as f32).collect();
            let xm = matrix(x.clone(), n, d);
            // dfdx's own tanh where there is too much for differences.
            let (_, want_gradient) = gradients(
                weighed(recorded((xm.leaky_trace() / 5.0).tanh() * 5.0), 2),
                &[&xm],
            );
            if n * d < 100 {
                let loss = |x: &[f64]| x.iter().zip(&r).map(|(&x, &r)| f(x) * f64::from(r)).sum();
                assert_close(
                    "dfdx",
                    &want_gradient[0],
                    &finite_differences(&x, loss),
                    1e-5,
                );
            }
            for (level, got) in at_every_level(|| {
                let y = capped(on_tape(&xm), 5.0);
                let mut all = vec![values(&y)];
                all.extend(gradients(weighed(y, 2), &[&xm]).1);
                all
            }) {
                let name = format!("{n}x{d} {level:?}");
                assert_close(&name, &got[0], &want, 1e-6);
                assert_close(&name, &got[1], &want_gradient[0], 1e-5);
            }
        }
    }
}
