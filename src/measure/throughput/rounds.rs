//! Rounds: prepared workloads, warmed up and timed in turn.

use super::{Prepared, Repeats};
use crate::measure::busy::{Disturbance, Usage, Watch};
use crate::measure::clock::timed;

/// A round runs a workload at least this long: a shorter step is repeated within the round, so that
/// neither the clock nor what the other workloads left in the caches decides.
pub const ROUND_SECONDS: f64 = 0.005;

/// A prepared workload with its timings so far.
pub(super) struct Timed {
    pub(super) prepared: Prepared,
    steps_a_round: usize,
    /// Seconds a step of every round.
    pub(super) step_seconds: Vec<f64>,
    /// Processor time of the rounds.
    usage: Usage,
}

impl Timed {
    /// Warms up.
    pub(super) fn new(mut prepared: Prepared) -> Self {
        // The threads that will be timed start with empty working memory: a first step fills it.
        prepared.step();
        // What is not timed counts too: decoding copies its state, and takes many tokens at once.
        let mut whole = || timed(|| prepared.step()).1;
        let mut step = whole();
        if step < ROUND_SECONDS {
            step = step.min(whole());
        }
        Timed {
            prepared,
            steps_a_round: (ROUND_SECONDS / step.max(1e-9)).ceil().clamp(1.0, 10_000.0) as usize,
            step_seconds: Vec::new(),
            usage: Usage::default(),
        }
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

    /// What disturbed it, when others took this meanwhile.
    pub(super) fn disturbance(&self, others: Disturbance) -> Disturbance {
        Disturbance::of(others, self.usage, self.prepared.workload.threads)
    }
}

/// Times all in turn; before each round `between` is told which share (0…1) of the time is over.
/// Returns what others took meanwhile.
pub(super) fn in_turn(
    all: &mut [Timed],
    repeats: Repeats,
    between: &mut dyn FnMut(f64),
) -> Disturbance {
    let budget = repeats.seconds * all.len() as f64;
    let at_most = repeats.at_most.max(2);
    let at_least = repeats.at_least.clamp(2, at_most);
    let mut spent = 0.0;
    let watch = Watch::start();
    for round in 0..at_most {
        if round >= at_least && spent >= budget {
            break;
        }
        between((spent / budget.max(1e-9)).min(1.0));
        spent += all.iter_mut().map(Timed::run_round).sum::<f64>();
    }
    watch.others()
}
