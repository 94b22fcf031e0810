//! In what order the runs of a suite are made: the launches of all timings in rounds, and what is
//! trained between them, so that the launches of a point are spread over the whole suite and a machine
//! that changes meanwhile changes for all.

use super::plan::{Suite, wall};
use crate::runs::work::Run;

/// Runs that are made together, one part after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A round: this launch of every timing.
    Round(usize),
    /// What an experiment does besides launches.
    Experiment(String),
}

impl Part {
    /// Whether a run belongs to it.
    pub(super) fn has(&self, run: &Run) -> bool {
        match (self, run.launch()) {
            (Part::Round(round), Some(launch)) => *round == launch,
            (Part::Experiment(id), None) => *id == run.experiment,
            _ => false,
        }
    }
}

/// The parts of a plan, in order: rounds as evenly between the experiments as their estimated seconds
/// allow, the first round first and the last one last. With a limit that not all can meet, all rounds first,
/// then the experiments from the shortest to the longest.
pub(super) fn parts<'a>(suite: &Suite, runs: impl Iterator<Item = &'a Run>) -> Vec<Part> {
    let (mut rounds, mut timings, mut experiments) = (0, 0.0, Vec::<(&str, f64)>::new());
    for run in runs {
        if let Some(launch) = run.launch() {
            rounds = rounds.max(launch + 1);
            timings += wall(suite, run);
            continue;
        }
        let seconds = wall(suite, run);
        match experiments.iter_mut().find(|(id, _)| *id == run.experiment) {
            Some((_, sum)) => *sum += seconds,
            None => experiments.push((&run.experiment, seconds)),
        }
    }
    let trained: f64 = experiments.iter().map(|(_, seconds)| seconds).sum();
    if suite.within.is_some_and(|limit| timings + trained > limit) {
        // Not all will be done: first what decides most claims in the time there is.
        experiments.sort_by(|a, b| a.1.total_cmp(&b.1));
        let experiments = experiments
            .into_iter()
            .map(|(id, _)| Part::Experiment(id.to_owned()));
        return (0..rounds).map(Part::Round).chain(experiments).collect();
    }
    let (mut parts, mut made, mut spent) = (Vec::new(), 0, 0.0);
    for (id, seconds) in experiments {
        // Round k of n is due when k / (n - 1) of the time is over; the middle of an experiment counts.
        let middle = (spent + seconds / 2.0) / trained.max(f64::MIN_POSITIVE);
        while made < rounds && made as f64 <= middle * (rounds - 1) as f64 {
            parts.push(Part::Round(made));
            made += 1;
        }
        parts.push(Part::Experiment(id.to_owned()));
        spent += seconds;
    }
    parts.extend((made..rounds).map(Part::Round));
    parts
}

#[cfg(test)]
mod tests;
