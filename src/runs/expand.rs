//! From a resolved experiment to its runs: every sweep point, model and seed.

mod search;
mod sized;
#[cfg(test)]
pub(super) mod tests;
mod throughput;
mod train;
mod transfer;
mod widths;

use super::context::{Context, ExpandError};
use super::grow::Growing;
use super::work::Run;
use crate::experiment::schema::{Experiment, Kind};

/// The runs of an experiment, as far as they are known before any has ended.
#[derive(Debug)]
pub struct Expansion {
    /// In the order of the results: a run comes after those it needs.
    pub runs: Vec<Run>,
    /// Its parts that add further runs.
    pub growing: Vec<Growing>,
}

/// All runs of a resolved experiment; nothing is trained or measured yet.
pub fn expand(experiment: &Experiment, context: &Context) -> Result<Expansion, ExpandError> {
    match experiment.kind {
        Kind::Throughput => Ok(Expansion {
            runs: throughput::runs(experiment, context)?,
            growing: Vec::new(),
        }),
        Kind::Train => train::expansion(experiment, context),
    }
}
