//! How long a run will take, roughly: for the dry run and for the time left.

use super::work::Run;
use crate::measure::roofline;
use std::sync::OnceLock;

/// Share of a thread's measured multiply-add rate that training small models reaches; the display
/// corrects itself by the runs already finished.
const TRAINING_SHARE: f64 = 0.35;
/// Fixed cost of a run: building, tokenising, testing.
const OVERHEAD_SECONDS: f64 = 0.2;

/// Estimated seconds of a run on `threads` threads.
pub fn seconds(run: &Run, threads: usize) -> f64 {
    OVERHEAD_SECONDS + run.work.kind().seconds(threads)
}

/// Floating-point operations a second and thread of training, from this machine's own rate.
pub(super) fn training_rate() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| TRAINING_SHARE * roofline::peak_flops(1))
}

#[cfg(test)]
mod tests;
