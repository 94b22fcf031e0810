//! Softmax cross-entropy: loss = −(1/N) Σ_{i: mask_i ≠ 0} Σ_j q_ij log softmax(z_i)[j] over N rows, q_i
//! the one-hot target, or with label smoothing ε (Szegedy et al. 2016) (1 − ε) of it and ε / V of every
//! token.
//!
//! dz_i = (softmax(z_i) − q_i) / N on those rows, 0 on the others; computed with the loss, in the memory
//! of the logits' copy.
//! Cost, for n rows of V: about 5·n·V FLOPs forward, 2·n·V backward; span 2·⌈log₂ V⌉ and a few
//! operations to the gradient, ⌈log₂ n⌉ more to the loss.

use super::cost::{self, Cost, Id, Phase, levels};
use super::gradient::send_scaled;
use super::parallel::{self, Shared, filled, scratch};
use super::simd::{Kernel, LANES, Level, Simd, dispatch_at, level};
use super::{Activation, Scalar, Slot, device, math, read};
use dfdx::prelude::*;

/// Logits that a thread takes at a time.
const PIECE: usize = 1 << 13;

/// Mean of −log softmax(logits)\[target\] in nats over the rows whose mask is not 0; 0 if there
/// are none. logits (n, V), targets and mask n each. Panics if lengths differ or a scored target
/// is not below V.
pub fn cross_entropy(logits: Activation, targets: &[u32], mask: &[f32]) -> Scalar {
    smoothed_cross_entropy(logits, targets, mask, 0.0)
}

/// The same with label smoothing `smoothing` (0…1), as PyTorch's `CrossEntropyLoss` has it.
pub fn smoothed_cross_entropy(
    logits: Activation,
    targets: &[u32],
    mask: &[f32],
    smoothing: f32,
) -> Scalar {
    let (logits, mut tape) = logits.split_tape();
    let (n, vocab) = *logits.shape();
    assert!(
        targets.len() == n && mask.len() == n,
        "cross_entropy: {n} rows, {} targets, {} mask values",
        targets.len(),
        mask.len()
    );
    let scored = mask.iter().filter(|&&m| m != 0.0).count();
    let scale = if scored == 0 {
        0.0
    } else {
        1.0 / scored as f64
    };
    let level = level();
    let read_logits = read(&logits);
    let rows = (PIECE / vocab.max(1)).max(1);
    let gradient = tape.is_on();
    let mut parts = Vec::new();
    let run = |z: Shared<f32>| {
        parts = parallel::map(n.div_ceil(rows), |i| {
            let range = parallel::piece(n, rows, i);
            let cells = range.start * vocab..range.end * vocab;
            // SAFETY: pieces do not overlap.
            let z = unsafe { z.slice(cells.clone()) };
            z.copy_from_slice(&read_logits[cells]);
            let (targets, mask) = (&targets[range.clone()], &mask[range]);
            dispatch_at(
                level,
                Rows {
                    z,
                    targets,
                    mask,
                    vocab,
                    scale: scale as f32,
                    smoothing,
                    gradient,
                },
            )
        });
    };
    // SAFETY: every row belongs to a piece, which copies it first.
    let z = unsafe { filled(n * vocab, run) };
    drop(read_logits);
    let loss = parts.iter().sum::<f64>() * scale;
    let cells = (n * vocab) as f64;
    let loss = device().tensor(loss as f32);
    let (read_id, kept) = (Id::value(&logits), Id::kept(&z));
    cost::report(|| {
        // Maximum, difference, exponential, sum, division, the target's one, 1/N.
        let phase = Phase::new(5.0 * cells, 2.0 * levels(vocab) + 5.0);
        let rows = Cost::new("cross_entropy", 5.0 * cells, 8.0 * cells, phase);
        rows.reading([read_id]).writing([kept])
    });
    cost::report(|| {
        let sum = Cost::new("cross_entropy", 0.0, 0.0, Phase::sums(1, n));
        sum.reading([kept]).writing([Id::value(&loss)])
    });

    let (dloss, dlogits) = (Slot::of(&loss), Slot::of(&logits));
    tape.record(move |g| {
        let factor = dloss.take(g)[0];
        send_scaled(&dlogits, g, z, factor);
        cost::report(|| {
            let phase = Phase::new(2.0 * cells, 2.0);
            let cost = Cost::new("cross_entropy.backward", 2.0 * cells, 12.0 * cells, phase);
            cost.reading([kept, dloss.id()]).writing([dlogits.id()])
        });
    });
    loss.put_tape(tape)
}

/// −log softmax(logits)\[target\] in nats for one row, at a level that [`level`] gave: the loss without
/// its mean and its gradient. Panics if the target is not below the number of logits.
pub fn negative_log_likelihood(level: Level, logits: &[f32], target: u32) -> f64 {
    let mut z = scratch(logits.len());
    z.copy_from_slice(logits);
    dispatch_at(
        level,
        Rows {
            z: &mut z,
            targets: &[target],
            mask: &[1.0],
            vocab: logits.len(),
            scale: 0.0,
            smoothing: 0.0,
            gradient: false,
        },
    )
}

struct Rows<'a> {
    z: &'a mut [f32],
    targets: &'a [u32],
    mask: &'a [f32],
    vocab: usize,
    scale: f32,
    smoothing: f32,
    gradient: bool,
}

impl Kernel for Rows<'_> {
    type Output = f64;
    /// Sum of the losses of the scored rows; turns logits into their gradient if wanted.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let mut total = 0.0;
        let vocab = self.vocab;
        let whole = vocab - vocab % LANES;
        for (i, (&target, &mask)) in self.targets.iter().zip(self.mask).enumerate() {
            let z = &mut self.z[i * vocab..][..vocab];
            if mask == 0.0 {
                z.fill(0.0);
                continue;
            }
            let target = target as usize;
            assert!(
                target < vocab,
                "cross_entropy: target {target} is not below V = {vocab}"
            );
            let mut largest = s.splat(f32::NEG_INFINITY);
            for j in (0..whole).step_by(LANES) {
                largest = s.max(largest, s.read_at(z, j));
            }
            let top = z[whole..]
                .iter()
                .fold(s.largest(largest), |m, &x| if x > m { x } else { m });
            let (at_target, t) = (z[target], s.splat(top));
            // Σ_j (z_j − top), where smoothing needs it.
            let below = match self.smoothing > 0.0 {
                true => z
                    .iter()
                    .map(|&z| f64::from(z) - f64::from(top))
                    .sum::<f64>(),
                false => 0.0,
            };
            let mut sums = s.zero();
            for j in (0..vocab).step_by(LANES) {
                // Past the end e^−∞ adds 0.
                let mut x = s.read_at(z, j);
                if j >= whole {
                    let mut rest = [f32::NEG_INFINITY; 16];
                    rest[..vocab - j].copy_from_slice(&z[j..]);
                    x = s.read(&rest);
                }
                let e = math::exp(s, s.sub(x, t));
                sums = s.add(sums, e);
                s.write_at(z, j, e);
            }
            let sum = s.sum(sums);
            total += libm::log(sum as f64) + (top as f64 - at_target as f64);
            // Of every token the target takes a share ε / V away.
            let share = self.smoothing / vocab as f32;
            if self.smoothing > 0.0 {
                let mean = below / vocab as f64 + f64::from(top);
                total += f64::from(self.smoothing) * (f64::from(at_target) - mean);
            }
            if self.gradient {
                let factor = s.splat(self.scale / sum);
                let less = s.splat(self.scale * share);
                for j in (0..vocab).step_by(LANES) {
                    let mut d = s.mul(s.read_at(z, j), factor);
                    if self.smoothing > 0.0 {
                        d = s.sub(d, less);
                    }
                    s.write_at(z, j, d);
                }
                z[target] -= self.scale * (1.0 - self.smoothing);
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::available;
    use super::super::testing::*;
    use super::super::{Tape, matrix, values};
    use super::*;

    #[test]
    fn the_likelihood_of_a_row_is_that_of_the_formula_in_f64() {
        for vocab in [1, 2, 15, 16, 17, 96, 1000] {
            let z: Vec<f32> = noise(vocab, 3).iter().map(|x| 8.0 * x).collect();
            let sum: f64 = z.iter().map(|&z| f64::from(z).exp()).sum();
            for target in [0, vocab / 2, vocab - 1] {
                let expected = sum.ln() - f64::from(z[target]);
                for &level in available() {
                    let loss = negative_log_likelihood(level, &z, target as u32);
                    assert!((loss - expected).abs() < 2e-6, "{level:?} {vocab}: {loss}");
                }
            }
        }
    }

    #[test]
    fn equals_dfdx_and_the_formula_in_f64() {
        for (n, vocab) in [(1, 1), (1, 2), (3, 16), (70, 17), (130, 96), (9, 1000)] {
            let scaled: Vec<f32> = noise(n * vocab, 1).iter().map(|x| 8.0 * x).collect();
            let z = matrix(scaled.clone(), n, vocab);
            let targets: Vec<u32> = (0..n).map(|i| (i * 7 % vocab) as u32).collect();
            let mask: Vec<f32> = (0..n).map(|i| (i % 3 != 1) as u8 as f32).collect();
            let scored = mask.iter().sum::<f32>();
            let mut weights = vec![0.0; n * vocab];
            (0..n).for_each(|i| weights[i * vocab + targets[i] as usize] = -mask[i] / scored);
            let log = recorded(z.leaky_trace().log_softmax::<Axis<1>>());
            let (_, want) = gradients((log * matrix(weights, n, vocab)).sum::<(), _>(), &[&z]);
            let exact: f64 = scaled
                .chunks(vocab)
                .zip(&targets)
                .zip(&mask)
                .map(|((z, &t), &m)| {
                    let sum: f64 = z.iter().map(|&z| (z as f64).exp()).sum();
                    m as f64 * (sum.ln() - z[t as usize] as f64)
                })
                .sum::<f64>()
                / scored as f64;
            for (level, got) in at_every_level(|| {
                let loss = cross_entropy(z.clone().put_tape(Tape::on()), &targets, &mask);
                let plain = cross_entropy(z.clone().put_tape(Tape::Off), &targets, &mask);
                let (value, mut g) = gradients(loss, &[&z]);
                assert_eq!(values(&plain), [value]);
                g.push(vec![value]);
                g
            }) {
                let name = format!("{n}x{vocab} {level:?}");
                if vocab > 1 {
                    assert_close(&name, &got[0], &want[0], 4e-6);
                }
                assert!(
                    (got[1][0] as f64 - exact).abs() <= 5e-7 * exact.max(1.0),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn smoothing_is_the_formula_in_f64_and_its_differences() {
        let (n, vocab, smoothing) = (5, 19, 0.1);
        let z = noise(n * vocab, 1);
        let targets: Vec<u32> = (0..n).map(|i| (i * 7 % vocab) as u32).collect();
        let mask = [1.0, 1.0, 0.0, 1.0, 1.0];
        let exact = |z: &[f64]| -> f64 {
            let rows = z.chunks(vocab).zip(&targets).zip(mask);
            let loss = rows.map(|((z, &t), m)| {
                let log_sum = z.iter().map(|z| z.exp()).sum::<f64>().ln();
                let of_all: f64 = z.iter().map(|z| log_sum - z).sum();
                let e = f64::from(smoothing);
                f64::from(m) * ((1.0 - e) * (log_sum - z[t as usize]) + e / vocab as f64 * of_all)
            });
            loss.sum::<f64>() / 4.0
        };
        let want = finite_differences(&z, exact);
        let wide: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
        let z = matrix(z, n, vocab);
        for (level, got) in at_every_level(|| {
            let on_tape = z.clone().put_tape(Tape::on());
            let loss = smoothed_cross_entropy(on_tape, &targets, &mask, smoothing);
            let (value, mut g) = gradients(loss, &[&z]);
            g.push(vec![value]);
            g
        }) {
            assert_close(&format!("{level:?}"), &got[0], &want, 2e-6);
            assert!(
                (f64::from(got[1][0]) - exact(&wide)).abs() < 1e-6,
                "{level:?}"
            );
        }
    }

    #[test]
    fn nothing_scored_costs_nothing_and_nan_shows() {
        let z = noise_matrix(2, 3, 1);
        let loss = cross_entropy(z.clone().put_tape(Tape::on()), &[0, 9], &[0.0, 0.0]);
        let (value, g) = gradients(loss, &[&z]);
        assert_eq!((value, &g[0][..]), (0.0, &[0.0; 6][..]));
        let broken = matrix(vec![0.0, f32::NAN], 1, 2);
        assert!(values(&cross_entropy(broken.put_tape(Tape::Off), &[0], &[1.0]))[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "target 3 is not below V = 3")]
    fn a_target_outside_is_refused() {
        cross_entropy(noise_matrix(1, 3, 1).put_tape(Tape::Off), &[3], &[1.0]);
    }
}
