//! How fast models train, run forward and generate: steps timed in turn, A B A B, so that drift of
//! the machine hits all alike.

use super::busy::Disturbance;
use super::graph::Graph;
use super::machine::{Machine, cores};
use super::prediction::{self, Recorded};
use super::{memory, roofline};
use crate::models::{ModelConfig, ModelError, Shape};
use crate::stats::{Interval, median, median_interval};
use kernels::{cost, with_new_threads};
use rounds::{Timed, in_turn};
use serde::{Deserialize, Serialize};

mod operations;
mod rounds;
mod workload;

pub use operations::Operation;
pub use rounds::ROUND_SECONDS;
pub use workload::{Prepared, prepare};

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One full training step on a batch: forward, loss, backward, clipping, AdamW.
    TrainStep,
    /// One forward pass over a batch, nothing kept for a backward pass.
    Forward,
    /// One token for each sequence of the batch, through the recurrent state or KV cache.
    Decode,
}

impl Mode {
    /// The name in records and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mode::TrainStep => "train-step",
            Mode::Forward => "forward",
            Mode::Decode => "decode",
        }
    }
}

/// One thing to be timed.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// What a step is.
    pub mode: Mode,
    /// The model.
    pub config: ModelConfig,
    /// Batch and sequence length; decoding takes the batch only.
    pub shape: Shape,
    /// Threads that really work.
    pub threads: usize,
    /// Decoding: tokens already consumed when the measured token comes.
    pub context: usize,
}

/// How often to repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeats {
    /// Rounds at least, whatever they take; 2 for an interval.
    pub at_least: usize,
    /// Rounds at most.
    pub at_most: usize,
    /// Seconds a workload after which no further round begins.
    pub seconds: f64,
    /// Further steps, after all rounds, in which each operation is timed by itself; 0 for none.
    pub operation_steps: usize,
    /// Likewise, steps of the workloads with one thread in which work and span are recorded.
    pub recorded_steps: usize,
    /// Probes of the machine's peak at each number of threads, spread over the rounds; at least 2.
    pub peak_probes: usize,
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats {
            at_least: 5,
            at_most: 200,
            seconds: 3.0,
            operation_steps: 0,
            recorded_steps: 0,
            peak_probes: 5,
        }
    }
}

/// What was measured of one workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// What a step is.
    pub mode: Mode,
    /// The model's name.
    pub model: String,
    /// Trainable values.
    pub parameters: usize,
    /// Tokens that one step processes: B·T, for decoding B.
    pub tokens_per_step: usize,
    /// Median, with its interval.
    pub tokens_per_second: Interval,
    /// Seconds a step of every round, in order: rounds of workloads measured together are pairs.
    pub step_seconds: Vec<f64>,
    /// Their median, with its interval.
    pub median_step_seconds: Interval,
    /// Floating-point operations of a step, counted by the operations while they ran; for decoding
    /// the model's own account of a token.
    pub flops_per_step: f64,
    /// Bytes that the operations of a step read and wrote, once each, caches ignored; `None` for
    /// decoding.
    pub bytes_per_step: Option<f64>,
    /// Longest chain of dependent floating-point operations through the graph of a step; `None` for
    /// decoding.
    pub span_flops: Option<f64>,
    /// FLOP/s that this machine's multiply-add units reach with as many threads: median over probes
    /// before, between and after the rounds.
    pub peak_flops: f64,
    /// FLOPs of a step per median second, over the peak.
    pub share_of_peak: f64,
    /// The most bytes in use at once for weights, optimiser, working memory and one step; `None` if
    /// the program does not count its allocations.
    pub peak_bytes: Option<usize>,
    /// Decoding: bytes of state that the model keeps for all sequences of the batch.
    pub state_bytes: Option<usize>,
    /// Each operation of a step, where `Repeats::operation_steps` asks for them.
    pub operations: Vec<Operation>,
    /// Work, span and timeline of a step, where `Repeats::recorded_steps` asks for them and one
    /// thread worked.
    #[serde(skip)]
    pub recorded: Option<Recorded>,
    /// What else took processor time during the rounds.
    pub disturbance: Disturbance,
    /// Threads that worked.
    pub threads: usize,
    /// CPU model name.
    pub cpu: String,
}

/// Prepares all workloads, warms them up and times them in turn. Progress (0…1) goes to `progress`.
///
/// # Errors
/// If a model cannot be built, or cannot go on at the context asked for.
pub fn interleaved(
    workloads: &[Workload],
    repeats: Repeats,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<Measurement>, ModelError> {
    let (mut timed, mut observed) = (Vec::new(), Vec::new());
    for workload in workloads {
        let before = memory::live();
        let mut prepared = prepare(workload)?;
        observed.push(observe_step(&mut prepared, before));
        timed.push(Timed::new(prepared));
    }
    let mut peaks = Peaks::new(workloads, repeats.peak_probes);
    let others = in_turn(&mut timed, repeats, &mut |done| {
        peaks.probe_until(done);
        progress(done);
    });
    peaks.probe();
    let cpu = Machine::detect().cpu;
    let finish = |(mut timed, observed): (Timed, Observed)| {
        let prepared = &mut timed.prepared;
        let operations = operations::time(prepared, repeats.operation_steps);
        let records = repeats.recorded_steps > 0 && prepared.workload.threads == 1;
        let recorded =
            records.then(|| prediction::record(|| prepared.step_here(), repeats.recorded_steps));
        Contestant {
            timed,
            observed,
            operations,
            recorded,
        }
        .finish(&peaks, &cpu, others)
    };
    Ok(timed.into_iter().zip(observed).map(finish).collect())
}

/// What the clock alone says of one workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Clocked {
    /// Seconds a step of every round, in order.
    pub step_seconds: Vec<f64>,
    /// What else took processor time during the rounds.
    pub disturbance: Disturbance,
}

/// [`interleaved`] without what is counted and without the machine's peak: for the further launches
/// of a timing, which need only the clock.
///
/// # Errors
/// As there.
pub fn clocked(
    workloads: &[Workload],
    repeats: Repeats,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<Clocked>, ModelError> {
    let prepared = workloads.iter().map(|w| prepare(w).map(Timed::new));
    let mut timed = prepared.collect::<Result<Vec<_>, _>>()?;
    let others = in_turn(&mut timed, repeats, progress);
    let clocked = timed.into_iter().map(|timed| Clocked {
        disturbance: timed.disturbance(others),
        step_seconds: timed.step_seconds,
    });
    Ok(clocked.collect())
}

/// A workload after its rounds, with what was seen beside the clock.
struct Contestant {
    timed: Timed,
    observed: Observed,
    operations: Vec<Operation>,
    recorded: Option<Recorded>,
}

/// What one step did.
struct Observed {
    /// The most bytes in use for the workload, if the program counts them.
    peak_bytes: Option<usize>,
    flops: f64,
    /// Bytes moved.
    bytes: f64,
    /// FLOPs of its longest chain.
    span: f64,
}

impl Contestant {
    fn finish(self, peaks: &Peaks, cpu: &str, others: Disturbance) -> Measurement {
        let prepared = &self.timed.prepared;
        let workload = &prepared.workload;
        let seconds = median_interval(&self.timed.step_seconds, 0.95)
            .expect("at least two rounds of finite, positive times");
        let tokens = prepared.tokens_per_step();
        let rate = |seconds: f64| tokens as f64 / seconds;
        let peak_flops = peaks.of(workload.threads);
        Measurement {
            mode: workload.mode,
            model: workload.config.model.clone(),
            parameters: prepared.parameters,
            tokens_per_step: tokens,
            tokens_per_second: Interval {
                low: rate(seconds.high),
                estimate: rate(seconds.estimate),
                high: if seconds.low > 0.0 {
                    rate(seconds.low)
                } else {
                    f64::MAX
                },
                ..seconds
            },
            step_seconds: self.timed.step_seconds.clone(),
            median_step_seconds: seconds,
            flops_per_step: self.observed.flops,
            bytes_per_step: (workload.mode != Mode::Decode).then_some(self.observed.bytes),
            span_flops: (workload.mode != Mode::Decode).then_some(self.observed.span),
            peak_flops,
            share_of_peak: self.observed.flops / seconds.estimate / peak_flops,
            peak_bytes: self.observed.peak_bytes,
            state_bytes: prepared.state_bytes,
            operations: self.operations,
            recorded: self.recorded,
            disturbance: self.timed.disturbance(others),
            threads: workload.threads,
            cpu: cpu.to_string(),
        }
    }
}

/// Watches one step; `before` bytes were in use before the workload was prepared.
///
/// Runs in threads of its own, whose working memory is new, so that what an earlier workload left
/// in the working memory of the timed threads does not hide what this one needs. The first of the
/// two steps makes what is made once: moments, packed weights.
fn observe_step(prepared: &mut Prepared, before: usize) -> Observed {
    with_new_threads(prepared.workload.threads, || {
        prepared.step_here();
        memory::reset_peak();
        let (_, costs) = cost::counting(|| prepared.step_here());
        let sum = |part: fn(&cost::Cost) -> f64| costs.iter().map(part).sum();
        let not_its_own = before + prepared.bytes_of_measuring();
        Observed {
            peak_bytes: memory::is_counting().then(|| memory::peak().saturating_sub(not_its_own)),
            flops: prepared.decode_flops.unwrap_or(sum(|cost| cost.flops)),
            bytes: sum(|cost| cost.bytes),
            span: Graph::of(&costs).span(),
        }
    })
}

/// Probes of the machine's multiply-add rate, by number of threads.
struct Peaks {
    threads: Vec<usize>,
    probes: Vec<Vec<f64>>,
    /// Probes but the last.
    before_last: usize,
}

impl Peaks {
    fn new(workloads: &[Workload], probes: usize) -> Self {
        let mut threads: Vec<usize> = workloads.iter().map(|w| w.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        Peaks {
            probes: vec![Vec::new(); threads.len()],
            threads,
            before_last: probes.max(2) - 1,
        }
    }

    /// Spreads the probes but the last over the rounds: `done` (0…1) of the time is over.
    fn probe_until(&mut self, done: f64) {
        let probes = self.probes.first().map_or(self.before_last, Vec::len);
        if probes < self.before_last && probes as f64 <= done * self.before_last as f64 {
            self.probe();
        }
    }

    fn probe(&mut self) {
        for (threads, probes) in self.threads.iter().zip(&mut self.probes) {
            probes.push(roofline::peak_flops(*threads));
        }
    }

    fn of(&self, threads: usize) -> f64 {
        let index = self.threads.binary_search(&threads);
        median(&self.probes[index.expect("every workload's threads were probed")])
    }
}

/// Checks a number of threads against this machine.
///
/// # Errors
/// 0, or more than there are cores: such timings would measure waiting.
pub fn check_threads(threads: usize) -> Result<(), ModelError> {
    if (1..=cores()).contains(&threads) {
        return Ok(());
    }
    let remedy = format!("use 1 to {}, the cores of this machine", cores());
    Err(ModelError::impossible("threads", threads, remedy))
}

#[cfg(test)]
mod tests;
