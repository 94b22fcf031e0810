//! How fast models train, run forward and generate: steps timed in turn, A B A B, so that drift of
//! the machine hits all alike.

use super::busy::{Disturbance, Usage, Watch};
use super::clock::timed;
use super::graph::Graph;
use super::machine::{Machine, cores};
use super::prediction::{self, Recorded};
use super::{memory, roofline};
use crate::models::{ModelConfig, ModelError, Shape};
use crate::stats::{Interval, median, median_interval};
use kernels::{cost, with_new_threads};
use serde::{Deserialize, Serialize};

mod operations;
mod workload;

pub use operations::Operation;
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
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats {
            at_least: 5,
            at_most: 200,
            seconds: 3.0,
            operation_steps: 0,
            recorded_steps: 0,
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

/// A round runs a workload at least this long: a shorter step is repeated within the round, so that
/// neither the clock nor what the other workloads left in the caches decides.
const ROUND_SECONDS: f64 = 0.005;
/// Probes of the peak for each number of threads.
const PEAK_PROBES: usize = 5;

/// Prepares all workloads, warms them up and times them in turn. Progress (0…1) goes to `progress`.
///
/// # Errors
/// If a model cannot be built, or cannot go on at the context asked for.
pub fn interleaved(
    workloads: &[Workload],
    repeats: Repeats,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<Measurement>, ModelError> {
    let mut contestants = workloads
        .iter()
        .map(Contestant::new)
        .collect::<Result<Vec<_>, _>>()?;
    let mut peaks = Peaks::new(workloads);
    let budget = repeats.seconds * workloads.len() as f64;
    let at_most = repeats.at_most.max(2);
    let at_least = repeats.at_least.clamp(2, at_most);
    let mut spent = 0.0;
    let watch = Watch::start();
    for round in 0..at_most {
        if round >= at_least && spent >= budget {
            break;
        }
        peaks.probe_until(spent / budget.max(1e-9));
        for contestant in &mut contestants {
            spent += contestant.run_round();
        }
        progress((spent / budget.max(1e-9)).min(1.0));
    }
    peaks.probe();
    let others = watch.others();
    for contestant in &mut contestants {
        let prepared = &mut contestant.prepared;
        contestant.operations = operations::time(prepared, repeats.operation_steps);
        if repeats.recorded_steps > 0 && prepared.workload.threads == 1 {
            contestant.recorded = Some(prediction::record(
                || prepared.step_here(),
                repeats.recorded_steps,
            ));
        }
    }
    let cpu = Machine::detect().cpu;
    Ok(contestants
        .into_iter()
        .map(|contestant| contestant.finish(&peaks, &cpu, others))
        .collect())
}

/// A prepared workload with its timings so far.
struct Contestant {
    prepared: Prepared,
    steps_a_round: usize,
    step_seconds: Vec<f64>,
    /// Processor time of the rounds.
    usage: Usage,
    observed: Observed,
    operations: Vec<Operation>,
    recorded: Option<Recorded>,
    peak_bytes: Option<usize>,
}

/// What one step did.
struct Observed {
    /// The most bytes in use.
    peak: usize,
    flops: f64,
    /// Bytes moved.
    bytes: f64,
    /// FLOPs of its longest chain.
    span: f64,
}

impl Contestant {
    /// Builds the model, measures one step's memory and FLOPs, and warms up.
    fn new(workload: &Workload) -> Result<Self, ModelError> {
        let before = memory::live();
        let mut prepared = prepare(workload)?;
        let observed = observe_step(&mut prepared, workload.threads);
        let peak_bytes = memory::is_counting().then(|| {
            observed
                .peak
                .saturating_sub(before + prepared.bytes_of_measuring())
        });
        // The threads that will be timed start with empty working memory: a first step fills it.
        prepared.step();
        let step = prepared.step().min(prepared.step());
        Ok(Contestant {
            prepared,
            steps_a_round: (ROUND_SECONDS / step.max(1e-9)).ceil().clamp(1.0, 10_000.0) as usize,
            step_seconds: Vec::new(),
            usage: Usage::default(),
            observed,
            operations: Vec::new(),
            recorded: None,
            peak_bytes,
        })
    }

    /// Runs one round and returns the seconds it took, what is not timed included.
    fn run_round(&mut self) -> f64 {
        let ((), whole) = timed(|| {
            let steps = self.steps_a_round;
            let prepared = &mut self.prepared;
            let round = || (0..steps).map(|_| prepared.step()).sum::<f64>();
            self.step_seconds.push(self.usage.add(round) / steps as f64);
        });
        whole
    }

    fn finish(self, peaks: &Peaks, cpu: &str, others: Disturbance) -> Measurement {
        let workload = &self.prepared.workload;
        let seconds = median_interval(&self.step_seconds, 0.95)
            .expect("at least two rounds of finite, positive times");
        let tokens = self.prepared.tokens_per_step();
        let rate = |seconds: f64| tokens as f64 / seconds;
        let peak_flops = peaks.of(workload.threads);
        Measurement {
            mode: workload.mode,
            model: workload.config.model.clone(),
            parameters: self.prepared.parameters,
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
            step_seconds: self.step_seconds,
            median_step_seconds: seconds,
            flops_per_step: self.observed.flops,
            bytes_per_step: (workload.mode != Mode::Decode).then_some(self.observed.bytes),
            span_flops: (workload.mode != Mode::Decode).then_some(self.observed.span),
            peak_flops,
            share_of_peak: self.observed.flops / seconds.estimate / peak_flops,
            peak_bytes: self.peak_bytes,
            state_bytes: self.prepared.state_bytes,
            operations: self.operations,
            recorded: self.recorded,
            disturbance: Disturbance::of(others, self.usage, workload.threads),
            threads: workload.threads,
            cpu: cpu.to_string(),
        }
    }
}

/// Watches one step.
///
/// Runs in threads of its own, whose working memory is new, so that what an earlier workload left
/// in the working memory of the timed threads does not hide what this one needs. The first of the
/// two steps makes what is made once: moments, packed weights.
fn observe_step(prepared: &mut Prepared, threads: usize) -> Observed {
    with_new_threads(threads, || {
        prepared.step_here();
        memory::reset_peak();
        let (_, costs) = cost::counting(|| prepared.step_here());
        let sum = |part: fn(&cost::Cost) -> f64| costs.iter().map(part).sum();
        Observed {
            peak: memory::peak(),
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
}

impl Peaks {
    fn new(workloads: &[Workload]) -> Self {
        let mut threads: Vec<usize> = workloads.iter().map(|w| w.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        Peaks {
            probes: vec![Vec::new(); threads.len()],
            threads,
        }
    }

    /// Spreads the probes but the last over the rounds: `done` (0…1) of the time is over.
    fn probe_until(&mut self, done: f64) {
        let before_last = PEAK_PROBES - 1;
        let probes = self.probes.first().map_or(before_last, Vec::len);
        if probes < before_last && probes as f64 <= done * before_last as f64 {
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
