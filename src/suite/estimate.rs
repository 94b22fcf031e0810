//! How long a run will take, roughly: for the dry run and for the time left.

use super::work::{Run, Work};
use crate::models::parameter_count;

/// Training floating-point operations a second and thread that small models reach; the display
/// corrects itself by the runs already finished.
const TRAINING_RATE: f64 = 15e9;
/// Fixed cost of a run: building, tokenising, testing.
const OVERHEAD_SECONDS: f64 = 0.2;

/// Estimated seconds of a run on `threads` threads.
pub fn seconds(run: &Run, threads: usize) -> f64 {
    OVERHEAD_SECONDS
        + match &run.work {
            Work::Throughput(work) => {
                (work.models.len() * work.threads.len()) as f64 * work.seconds_per_model
            }
            Work::Baselines(_) => 5.0,
            Work::Train(work) => match work.train.budget {
                crate::train::Budget {
                    seconds: Some(seconds),
                    ..
                } => seconds,
                budget => {
                    let tokens = budget.steps.unwrap_or(0) * work.train.batch * work.model.seq_len;
                    let parameters = parameter_count(&work.model).unwrap_or(0);
                    // Forward 2, backward 4 operations a parameter and token; attention's scores
                    // and weighted sums besides.
                    let scores = match work.model.model.as_str() {
                        "transformer" => work.model.layers * work.model.width * work.model.seq_len,
                        _ => 0,
                    };
                    let flops = 6.0 * (parameters + scores) as f64 * tokens as f64;
                    flops / (TRAINING_RATE * threads as f64)
                }
            },
        }
}

#[cfg(test)]
mod tests;
