//! The limits that arithmetic sets: rates of fused multiply-adds in registers, without memory.

use super::parallel;
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use std::hint::black_box;

/// Independent chains: more than latency times throughput (4 cycles, 2 a cycle) of any CPU we
/// know, and few enough for 16 registers.
const CHAINS: usize = 12;
/// Multiply-adds that a chain does in one call.
const DEPTH: usize = 20_000;

/// Runs independent chains of fused multiply-adds `times` times, shared out among all threads.
/// Returns the floating-point operations done, each multiply-add counted as two: over the seconds
/// the call took, they are the machine's peak at this thread's SIMD level.
pub fn multiply_adds(times: usize) -> f64 {
    let level = level();
    let chains = |_| {
        // Hidden from the optimiser, so that nothing is computed beforehand.
        let [factor, addend] = black_box([0.999, 0.001]);
        let chains = Chains::<CHAINS> { factor, addend };
        let (flops, sum) = dispatch_at(level, chains);
        black_box(sum);
        flops
    };
    parallel::map(times, chains).iter().sum()
}

/// Runs one chain of fused multiply-adds, each of which waits for the one before, on this thread.
/// Returns its length: the seconds the call took over that are one operation's latency.
pub fn dependent_multiply_adds() -> usize {
    let [factor, addend] = black_box([0.999, 0.001]);
    let chain = Chains::<1> { factor, addend };
    black_box(dispatch_at(level(), chain));
    DEPTH
}

struct Chains<const N: usize> {
    factor: f32,
    addend: f32,
}

impl<const N: usize> Kernel for Chains<N> {
    /// Floating-point operations done, and a number that depends on all of them.
    type Output = (f64, f32);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (f64, f32) {
        let (a, b) = (simd.splat(self.factor), simd.splat(self.addend));
        let mut chains = [simd.splat(1.0); N];
        // No more than the register tile holds: others would live in memory.
        let count = N.min(S::TILE_ROWS * S::TILE_VECTORS);
        for _ in 0..DEPTH {
            for chain in &mut chains[..count] {
                *chain = simd.fma(*chain, a, b);
            }
        }
        let mut sum = 0.0;
        for &chain in &chains[..count] {
            sum += simd.sum(chain);
        }
        ((2 * count * DEPTH * LANES) as f64, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{available, with_level};

    #[test]
    fn the_chains_compute_what_they_are_counted_for() {
        for &level in available() {
            let chains = Chains::<CHAINS> {
                factor: 1.0,
                addend: 0.0,
            };
            let (flops, sum) = dispatch_at(level, chains);
            // Every lane of every chain keeps its 1.
            assert_eq!(f64::from(sum) * (2 * DEPTH) as f64, flops);
            assert_eq!(with_level(level, || multiply_adds(3)), 3.0 * flops);
        }
        assert_eq!(dependent_multiply_adds(), DEPTH);
    }
}
