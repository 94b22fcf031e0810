//! Wall-clock time.

use std::time::Instant;

/// Runs `work` and returns its result with the seconds it took.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}
