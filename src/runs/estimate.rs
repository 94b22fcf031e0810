//! How long a run will take, roughly: for the dry run and for the time left.

use super::work::{Run, Work};
use crate::measure::roofline;
use crate::models::parameter_count;
use std::sync::OnceLock;

/// Share of a thread's measured multiply-add rate that training small models reaches; the display
/// corrects itself by the runs already finished.
const TRAINING_SHARE: f64 = 0.35;
/// Fixed cost of a run: building, tokenising, testing.
const OVERHEAD_SECONDS: f64 = 0.2;

/// Estimated seconds of a run on `threads` threads.
pub fn seconds(run: &Run, threads: usize) -> f64 {
    OVERHEAD_SECONDS
        + match &run.work {
            Work::Throughput(work) => {
                (work.models.len() * work.threads.len()) as f64 * work.seconds_per_model
            }
            Work::Layer(work) => work.seconds,
            Work::Decay(_) => 1.0,
            Work::Baselines(_) => 5.0,
            Work::Train(work) => match work.train.budget {
                crate::train::Budget {
                    seconds: Some(seconds),
                    ..
                } => seconds,
                budget => {
                    let seq_len = work.data.seq_len();
                    let tokens = budget.steps.unwrap_or(0) * work.train.batch * seq_len;
                    let parameters = parameter_count(&work.model).unwrap_or(0);
                    // Forward 2, backward 4 operations a parameter and token; attention's scores
                    // and weighted sums besides.
                    let scores = match work.model.model.as_str() {
                        "transformer" => work.model.layers * work.model.width * seq_len,
                        _ => 0,
                    };
                    let flops = 6.0 * (parameters + scores) as f64 * tokens as f64;
                    flops / (training_rate() * threads as f64)
                }
            },
        }
}

/// Floating-point operations a second and thread of training, from this machine's own rate.
fn training_rate() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| TRAINING_SHARE * roofline::peak_flops(1))
}

#[cfg(test)]
mod tests;
