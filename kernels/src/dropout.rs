//! Dropout (Srivastava et al. 2014): y_i = x_i / (1 − p) with probability 1 − p, else 0.
//!
//! Whether element i is kept is a hash of a seed and i: the same whatever the threads, and computed again in
//! the backward pass instead of kept. dx_i = dy_i / (1 − p) where it was kept, else 0.
//! Cost, for n values: a hash and a multiplication each, both ways.

use super::cost::{self, Cost, Id, Phase};
use super::parallel::{self, filled};
use super::{Activation, Output, Slot, matrix, read};
use dfdx::prelude::*;

/// Values that a thread takes at a time.
const PIECE: usize = 1 << 12;
/// Fewer values than this stay on one thread.
const PARALLEL_FROM: usize = 1 << 14;

/// Which values are kept, and what they are multiplied by.
#[derive(Clone, Copy)]
struct Mask {
    seed: [u32; 2],
    /// Hashes from this on keep their value.
    least: u32,
    scale: f32,
}

impl Mask {
    fn new(p: f32, seed: u64) -> Self {
        Mask {
            seed: [seed as u32, (seed >> 32) as u32],
            least: (f64::from(p) * 4_294_967_296.0) as u32,
            scale: 1.0 / (1.0 - p),
        }
    }

    /// What element i is multiplied by. The hash is Wellons' `lowbias32` over the index and both halves of
    /// the seed.
    #[inline(always)]
    fn factor(self, i: usize) -> f32 {
        let mut h = (i as u32).wrapping_mul(0x9e37_79b9) ^ self.seed[0];
        h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d) ^ self.seed[1];
        h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
        h ^= h >> 16;
        if h >= self.least { self.scale } else { 0.0 }
    }
}

/// x (n, D) with each value left out with probability p, those kept divided by 1 − p; the seed says which.
/// Panics unless 0 ≤ p < 1.
pub fn dropout(x: Activation, p: f32, seed: u64) -> Activation {
    assert!((0.0..1.0).contains(&p), "dropout: probability {p}");
    if p == 0.0 {
        return x;
    }
    let (x, mut tape) = x.split_tape();
    let (rows, columns) = *x.shape();
    let (n, mask) = (rows * columns, Mask::new(p, seed));
    let (pieces, is_worth) = (n.div_ceil(PIECE), n >= PARALLEL_FROM);
    let xs = read(&x);
    // SAFETY: pieces do not overlap, and each writes all its values.
    let y = unsafe {
        filled(n, |y| {
            parallel::for_each_if(is_worth, pieces, |piece| {
                let own = parallel::piece(n, PIECE, piece);
                let y = y.slice(own.clone()).iter_mut();
                for ((y, x), i) in y.zip(&xs[own.clone()]).zip(own) {
                    *y = x * mask.factor(i);
                }
            });
        })
    };
    drop(xs);
    let y = matrix(y, rows, columns);
    let phase = Phase::elementwise(n, 8.0);
    let read_id = Id::value(&x);
    cost::report(|| {
        let cost = Cost::new("dropout", n as f64, 8.0 * n as f64, phase);
        cost.reading([read_id]).writing([Id::value(&y)])
    });
    let (dy, dx) = (Output::of(&y), Slot::of(&x));
    tape.record(move |g| {
        let id = dy.id();
        let dy = dy.take(g);
        dx.add(g, |dx| {
            parallel::for_each_chunk(dx, PIECE, |piece, dx| {
                let first = piece * PIECE;
                for ((dx, dy), i) in dx.iter_mut().zip(&dy[first..]).zip(first..) {
                    *dx += dy * mask.factor(i);
                }
            });
        });
        cost::report(|| {
            let cost = Cost::new("dropout.backward", 2.0 * n as f64, 12.0 * n as f64, phase);
            cost.reading([id, dx.id()]).writing([dx.id()])
        });
    });
    y.put_tape(tape)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{on_tape, values};
    use super::*;

    #[test]
    fn what_is_kept_is_scaled_and_as_much_is_kept_as_was_asked_for() {
        for p in [0.1, 0.5, 0.9] {
            let x = matrix(vec![1.0; 200_000], 1000, 200);
            let y = values(&dropout(on_tape(&x), p, 7));
            let kept = y.iter().filter(|y| **y != 0.0).count() as f64 / 200_000.0;
            // Five standard errors.
            let error = (f64::from(p) * f64::from(1.0 - p) / 200_000.0).sqrt();
            assert!(
                (kept - f64::from(1.0 - p)).abs() < 5.0 * error,
                "{p}: {kept}"
            );
            assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0 / (1.0 - p)));
            // Neighbours, in a row and in a column, are left out independently.
            for apart in [1, 200] {
                let both = y
                    .iter()
                    .zip(&y[apart..])
                    .filter(|(a, b)| **a != 0.0 && **b != 0.0);
                let both = both.count() as f64 / 200_000.0;
                let want = f64::from(1.0 - p).powi(2);
                assert!((both - want).abs() < 0.006, "{p} {apart}: {both} {want}");
            }
        }
    }

    #[test]
    fn gradients_pass_where_values_do_and_threads_change_no_bit() {
        for (n, d) in [(1, 1), (3, 7), (60, 700)] {
            let x = noise_matrix(n, d, 1);
            let all = at_every_level(|| {
                let y = dropout(on_tape(&x), 0.3, 5);
                let mut all = vec![values(&y)];
                all.extend(gradients(weighed(y, 2), &[&x]).1);
                all
            });
            let (_, got) = &all[0];
            let r = noise(n * d, 2);
            for ((y, dx), (x, r)) in got[0].iter().zip(&got[1]).zip(values(&x).iter().zip(&r)) {
                let factor = y / x;
                assert!((dx - factor * r).abs() < 1e-6, "{dx} {factor} {r}");
            }
        }
    }

    #[test]
    fn seeds_differ_and_nothing_is_left_out_with_probability_0() {
        let x = noise_matrix(20, 30, 1);
        let with = |p: f32, seed: u64| values(&dropout(on_tape(&x), p, seed));
        assert_eq!(with(0.0, 1), values(&x));
        assert_eq!(with(0.5, 1), with(0.5, 1));
        assert_ne!(with(0.5, 1), with(0.5, 2));
        assert_ne!(with(0.5, 1), with(0.5, 1 << 32 | 1));
    }
}
