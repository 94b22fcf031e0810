//! What tests of operations share: reproducible values, comparisons, gradient checks.

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
