//! y = a ⊙ f(g): one map of a feed-forward gated by another (Shazeer 2020, "GLU Variants Improve
//! Transformer": SwiGLU, GeGLU), and what else one branch lets through of another.
//!
//! da = dy ⊙ f(g), dg = dy ⊙ a ⊙ f′(g).
//! Cost, for n values: one multiplication and f forward; three and f, f′ backward.

use super::cost::{self, Cost, Id, Phase};
use super::parallel::{self, filled};
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Matrix, Nonlinearity, Output, Slot, matrix, read};
use dfdx::prelude::*;

/// Values that a thread takes at a time.
const PIECE: usize = 1 << 12;
/// Fewer values than this stay on one thread.
const PARALLEL_FROM: usize = 1 << 14;

/// a ⊙ f(g), all (n, D). Gradients flow to both. Panics if shapes differ, or if both are one tensor.
pub fn gated(a: Matrix, g: Activation, f: Nonlinearity) -> Activation {
    let (g, mut tape) = g.split_tape();
    assert_eq!(a.shape(), g.shape(), "gated: shapes differ");
    assert!(Id::value(&a) != Id::value(&g), "gated: one tensor twice");
    let (rows, columns) = *a.shape();
    let n = rows * columns;
    let (pieces, is_worth, level) = (n.div_ceil(PIECE), n >= PARALLEL_FROM, level());
    let (avs, gvs) = (read(&a), read(&g));
    // SAFETY: pieces do not overlap, and each writes all its values.
    let y = unsafe {
        filled(n, |y| {
            parallel::for_each_if(is_worth, pieces, |i| {
                let own = parallel::piece(n, PIECE, i);
                let (a, g) = (&avs[own.clone()], &gvs[own.clone()]);
                let y = y.slice(own);
                dispatch_at(level, Forward { a, g, f, y });
            });
        })
    };
    drop((avs, gvs));
    let y = matrix(y, rows, columns);
    cost::report(|| {
        let phase = Phase::new(2.0 * n as f64, 2.0);
        let cost = Cost::new("gated", phase.work, 12.0 * n as f64, phase);
        cost.reading([&a, &g].map(Id::value))
            .writing([Id::value(&y)])
    });
    let (dy, slots) = (Output::of(&y), [Slot::of(&a), Slot::of(&g)]);
    tape.record(move |gradients| {
        let mut reads = vec![dy.id(), Id::value(&a), Id::value(&g)];
        let (dy, avs, gvs) = (dy.take(gradients), read(&a), read(&g));
        let mut targets = slots.each_ref().map(|slot| slot.open(gradients));
        let shared = targets.each_mut().map(|t| (t.shared(), t.is_first));
        parallel::for_each_if(is_worth, pieces, |i| {
            let own = parallel::piece(n, PIECE, i);
            let kernel = Backward {
                a: &avs[own.clone()],
                g: &gvs[own.clone()],
                dy: &dy[own.clone()],
                f,
                // SAFETY: pieces do not overlap; the targets are different tensors' gradients.
                to: shared.map(|(t, first)| unsafe { (t.slice(own.clone()), first) }),
            };
            dispatch_at(level, kernel);
        });
        for (slot, target) in slots.iter().zip(targets) {
            // SAFETY: every value belongs to a piece.
            unsafe { slot.close(gradients, target) };
        }
        cost::report(|| {
            let phase = Phase::new(5.0 * n as f64, 3.0);
            let cost = Cost::new("gated.backward", phase.work, 20.0 * n as f64, phase);
            let added = shared.iter().zip(&slots).filter(|((_, first), _)| !first);
            reads.extend(added.map(|(_, slot)| slot.id()));
            cost.reading(reads).writing(slots.iter().map(Slot::id))
        });
    });
    y.put_tape(tape)
}

/// a ← a ⊙ f(g) on plain slices, for decoding. Panics if their lengths differ.
pub fn gate(a: &mut [f32], g: &[f32], f: Nonlinearity) {
    assert_eq!(a.len(), g.len(), "gate: lengths differ");
    dispatch_at(level(), InPlace { a, g, f });
}

struct Forward<'a> {
    a: &'a [f32],
    g: &'a [f32],
    f: Nonlinearity,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.y.len()).step_by(LANES) {
            let gate = self.f.of(s, s.read_at(self.g, j));
            s.write_at(self.y, j, s.mul(s.read_at(self.a, j), gate));
        }
    }
}

struct InPlace<'a> {
    a: &'a mut [f32],
    g: &'a [f32],
    f: Nonlinearity,
}

impl Kernel for InPlace<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.a.len()).step_by(LANES) {
            let gate = self.f.of(s, s.read_at(self.g, j));
            s.write_at(self.a, j, s.mul(s.read_at(self.a, j), gate));
        }
    }
}

struct Backward<'a> {
    a: &'a [f32],
    g: &'a [f32],
    dy: &'a [f32],
    f: Nonlinearity,
    /// da and dg: to write, or to add to if they are not the first.
    to: [(&'a mut [f32], bool); 2],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for j in (0..self.dy.len()).step_by(LANES) {
            let dy = s.read_at(self.dy, j);
            let (y, slope) = self.f.with_slope(s, s.read_at(self.g, j));
            let through = s.mul(dy, s.read_at(self.a, j));
            for ((to, first), d) in self
                .to
                .iter_mut()
                .zip([s.mul(dy, y), s.mul(through, slope)])
            {
                let sum = match first {
                    true => d,
                    false => s.add(s.read_at(to, j), d),
                };
                s.write_at(to, j, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, on_tape, values};
    use super::*;

    const KINDS: [Nonlinearity; 5] = [
        Nonlinearity::Identity,
        Nonlinearity::Gelu,
        Nonlinearity::Relu,
        Nonlinearity::Tanh,
        Nonlinearity::Silu,
    ];

    fn exact(f: Nonlinearity, g: f64) -> f64 {
        match f {
            Nonlinearity::Identity => g,
            Nonlinearity::Relu => g.max(0.0),
            Nonlinearity::Tanh => g.tanh(),
            Nonlinearity::Silu => g / (1.0 + (-g).exp()),
            Nonlinearity::Gelu => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                0.5 * g * (1.0 + u.tanh())
            }
        }
    }

    #[test]
    fn values_and_gradients_equal_the_formula_and_its_differences() {
        for (n, d) in [(1, 1), (3, 7), (5, 33)] {
            let (a, g, r) = (noise(n * d, 1), noise(n * d, 2), noise(n * d, 3));
            let g: Vec<f32> = g.iter().map(|g| 4.0 * g).collect();
            let (am, gm) = (matrix(a.clone(), n, d), matrix(g.clone(), n, d));
            for f in KINDS {
                let want: Vec<f32> = (a.iter().zip(&g))
                    .map(|(&a, &g)| (f64::from(a) * exact(f, f64::from(g))) as f32)
                    .collect();
                let loss = |a: &[f64], g: &[f64]| -> f64 {
                    let terms = a.iter().zip(g).zip(&r);
                    terms
                        .map(|((a, g), &r)| a * exact(f, *g) * f64::from(r))
                        .sum()
                };
                let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|&v| v.into()).collect() };
                let da = finite_differences(&a, |a| loss(a, &wide(&g)));
                let dg = finite_differences(&g, |g| loss(&wide(&a), g));
                for (level, got) in at_every_level(|| {
                    let y = gated(am.clone(), on_tape(&gm), f);
                    let mut all = vec![values(&y)];
                    all.extend(gradients(weighed(y, 3), &[&am, &gm]).1);
                    all
                }) {
                    let name = format!("{n}x{d} {f:?} {level:?}");
                    assert_close(&name, &got[0], &want, 1e-6);
                    assert_close(&name, &got[1], &da, 1e-5);
                    assert_close(&name, &got[2], &dg, 1e-5);
                }
                let mut plain = a.clone();
                gate(&mut plain, &g, f);
                let y = gated(am.clone(), gm.clone().put_tape(Tape::Off), f);
                assert_eq!(plain, values(&y));
            }
        }
    }
}
