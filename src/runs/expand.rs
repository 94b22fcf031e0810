//! From a resolved experiment to its runs: every sweep point, model and seed.

#[cfg(test)]
pub(super) mod tests;
mod throughput;
mod train;
mod widths;

use super::context::{Context, ExpandError};
use super::work::Run;
use crate::experiment::schema::{Experiment, Kind};

/// All runs of a resolved experiment, in the order of the results. Tuning runs come before those
/// that use their choice; nothing is trained or measured yet.
pub fn expand(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
    match experiment.kind {
        Kind::Throughput => throughput::runs(experiment, context),
        Kind::Train => train::runs(experiment, context),
    }
}
