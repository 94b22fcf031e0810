//! What tests of operations share: reproducible values, comparisons, gradient checks.

use super::simd::{Level, available, with_level};
use super::{Activation, Matrix, Scalar, Tape, backward, matrix, values, with_threads};
use dfdx::prelude::*;

/// `n` reproducible values between −1 and 1 that look random (SplitMix64).
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// max |a − b| / max |b|; infinite where a value is not finite or lengths differ.
pub fn difference(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() || a.iter().chain(b).any(|x| !x.is_finite()) {
        return f64::INFINITY;
    }
    let largest = b.iter().fold(0.0f64, |m, x| m.max(x.abs() as f64));
    let apart = a
        .iter()
        .zip(b)
        .fold(0.0f64, |m, (a, b)| m.max((a - b).abs() as f64));
    if apart == 0.0 {
        0.0
    } else {
        apart / largest.max(1e-30)
    }
}

/// Panics, saying where, unless [`difference`] is at most `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f32], tolerance: f64) {
    let apart = difference(got, want);
    assert!(
        apart <= tolerance,
        "{what}: relative difference {apart:.2e} > {tolerance:.0e}\n got {:?}\nwant {:?}",
        &got[..got.len().min(12)],
        &want[..want.len().min(12)],
    );
}

/// A reproducible matrix.
pub fn noise_matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    matrix(noise(rows * columns, seed), rows, columns)
}

/// Σ yᵢ rᵢ with reproducible noise r, by dfdx primitives: a loss whose gradient differs everywhere.
pub fn weighed(y: Activation, seed: u64) -> Scalar {
    let (rows, columns) = *y.shape();
    (y * noise_matrix(rows, columns, seed)).sum::<(), _>()
}

/// The loss and its gradients with respect to `inputs`, which have all received one.
pub fn gradients(loss: Scalar, inputs: &[&Matrix]) -> (f32, Vec<Vec<f32>>) {
    let value = values(&loss)[0];
    let all = backward(loss);
    (value, inputs.iter().map(|x| all.get(*x).as_vec()).collect())
}

/// d f / d x by central differences in f64.
pub fn finite_differences(x: &[f32], f: impl Fn(&[f64]) -> f64) -> Vec<f32> {
    let mut x: Vec<f64> = x.iter().map(|&x| x as f64).collect();
    const STEP: f64 = 1e-5;
    (0..x.len())
        .map(|i| {
            let middle = x[i];
            x[i] = middle + STEP;
            let above = f(&x);
            x[i] = middle - STEP;
            let below = f(&x);
            x[i] = middle;
            ((above - below) / (2.0 * STEP)) as f32
        })
        .collect()
}

/// Runs `work` at every SIMD level with 1, 2 and 3 threads; panics unless the numbers it returns
/// have the same bits for every number of threads. Returns one result a level.
pub fn at_every_level(work: impl Fn() -> Vec<Vec<f32>> + Sync) -> Vec<(Level, Vec<Vec<f32>>)> {
    let bits = |result: &[Vec<f32>]| -> Vec<Vec<u32>> {
        result
            .iter()
            .map(|v| v.iter().map(|x| x.to_bits()).collect())
            .collect()
    };
    let run = |level, threads| with_level(level, || with_threads(threads, &work));
    available()
        .iter()
        .map(|&level| {
            let one = run(level, 1);
            for threads in [2, 3] {
                assert_eq!(
                    bits(&one),
                    bits(&run(level, threads)),
                    "{level:?}: bits differ between 1 and {threads} threads"
                );
            }
            (level, one)
        })
        .collect()
}

/// An activation with dfdx's own tape: its composite operations (softmax, normalize) fork the tape
/// into a default one, which must record.
pub type DfdxActivation = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// What dfdx composed, as ours.
pub fn recorded(y: DfdxActivation) -> Activation {
    let (y, tape) = y.split_tape();
    y.put_tape(Tape::from(tape))
}
