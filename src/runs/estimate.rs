//! How long a run will take, roughly: for the dry run and for the time left.

use super::throughput::{OPERATION_STEPS, PEAK_PROBES, Throughput};
use super::work::Run;
use super::work_span::RECORDED_STEPS;
use crate::measure::roofline;
use crate::measure::throughput::{Mode, ROUND_SECONDS};
use crate::models::{ModelConfig, parameter_count};
use std::sync::OnceLock;

/// Share of a thread's measured multiply-add rate that training small models reaches, and that of those whose
/// time goes into large products: wide recurrence, or many different tokens. The display corrects itself
/// by the runs already finished.
const TRAINING_SHARE: f64 = 0.35;
const LARGE_TRAINING_SHARE: f64 = 0.6;
/// Shares of the multiply-add rate that steps reach, as measured with AVX2: attention, recurrence with
/// many sequences, and the sequences a thread with which it reaches half of that; decoding, on one thread;
/// and reading the context before it.
const ATTENTION_SHARE: f64 = 0.65;
const RECURRENT_SHARE: f64 = 0.8;
const HALF_ROWS: f64 = 1.25;
const DECODE_SHARE: f64 = 0.1;
const CONTEXT_SHARE: f64 = 0.3;
/// Tokens that are decoded at once, from the same context.
const DECODED: f64 = 17.0;
/// Seconds to start a process; to build a model and its data; of a probe of the peak, of copying, and
/// of what the prediction of speed-ups needs, at a number of threads.
const LAUNCH_SECONDS: f64 = 0.02;
const BUILD_SECONDS: f64 = 0.003;
const PEAK_SECONDS: f64 = 0.06;
const COPY_SECONDS: f64 = 0.2;
const LIMITS_SECONDS: f64 = 0.8;
/// Fixed cost of a run: building, tokenising, testing.
const OVERHEAD_SECONDS: f64 = 0.2;

/// Estimated seconds of a run on `threads` threads.
pub fn seconds(run: &Run, threads: usize) -> f64 {
    let overhead = match run.launch() {
        Some(_) => LAUNCH_SECONDS,
        None => OVERHEAD_SECONDS,
    };
    overhead + run.work.kind().seconds(threads)
}

/// Estimated seconds of a launch: steps before the clock counts, rounds, and what only the first does.
pub(super) fn launch_seconds(work: &Throughput) -> f64 {
    let first = work.launch == 0;
    let (mut before, mut round, mut after) = (0.0, 0.0, 0.0);
    for &threads in &work.threads {
        for model in &work.models {
            let step = step_seconds(work, model, threads);
            before += BUILD_SECONDS + context_seconds(work, model);
            before += (2.0 + if first { 2.0 } else { 0.0 }) * step;
            round += step.max(ROUND_SECONDS);
            if first && work.operations {
                after += OPERATION_STEPS as f64 * step;
            }
            if first && work.work_span {
                let alone = if threads == 1 { step } else { 0.0 };
                after += RECORDED_STEPS as f64 * alone;
            }
        }
        if first {
            after += PEAK_PROBES as f64 * PEAK_SECONDS;
            after += if work.operations { COPY_SECONDS } else { 0.0 };
            after += match work.work_span && threads > 1 {
                true => LIMITS_SECONDS,
                false => 0.0,
            };
        }
    }
    let given = work.seconds_per_model * (work.models.len() * work.threads.len()) as f64;
    // The last round begins before the time is over.
    let rounds = (given + round / 2.0).max(work.repeats as f64 * round);
    before + rounds + after
}

/// Estimated seconds of one step; of decoding all that is done at once, which is many tokens.
fn step_seconds(work: &Throughput, model: &ModelConfig, threads: usize) -> f64 {
    let (batch, tokens) = (work.batch as f64, work.seq_len as f64);
    let rate = roofline_rate();
    match work.mode {
        Mode::Decode => {
            // Weights, keys and values are read once a token, and the state is copied before.
            let flops = DECODED * forward_flops(work, model) / tokens;
            flops / (DECODE_SHARE * rate)
        }
        Mode::TrainStep | Mode::Forward => {
            let passes = if work.mode == Mode::TrainStep {
                3.0
            } else {
                1.0
            };
            // The rows of a recurrent step's product are a thread's sequences.
            let rows = batch / threads as f64;
            let share = match model.attends() {
                true => ATTENTION_SHARE,
                false => RECURRENT_SHARE * rows / (rows + HALF_ROWS),
            };
            passes * forward_flops(work, model) / (share * rate * threads as f64)
        }
    }
}

/// Seconds until decoding has read its context.
fn context_seconds(work: &Throughput, model: &ModelConfig) -> f64 {
    match work.mode {
        Mode::Decode => forward_flops(work, model) / (CONTEXT_SHARE * roofline_rate()),
        Mode::TrainStep | Mode::Forward => 0.0,
    }
}

/// Two operations a parameter and token, and attention's scores and weighted sums.
fn forward_flops(work: &Throughput, model: &ModelConfig) -> f64 {
    let (batch, tokens) = (work.batch as f64, work.seq_len as f64);
    let parameters = parameter_count(model).unwrap_or(0) as f64;
    let scores = match model.attends() {
        true => (model.layers * model.width) as f64 * tokens,
        false => 0.0,
    };
    2.0 * (parameters + scores) * batch * tokens
}

/// This machine's own rate of multiply-adds on one thread, FLOP/s.
fn roofline_rate() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| roofline::peak_flops(1))
}

/// Floating-point operations a second and thread of training this model, from this machine's own rate.
pub(super) fn training_rate(model: &ModelConfig) -> f64 {
    let by_products = model.attends() || model.model == "encoder-decoder";
    let large = model.vocab > 512 || model.width > 80 && !by_products;
    let share = if large {
        LARGE_TRAINING_SHARE
    } else {
        TRAINING_SHARE
    };
    share * roofline_rate()
}

#[cfg(test)]
mod tests;
