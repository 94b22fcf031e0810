//! Parts of a plan that are not known before some of their runs have ended.

use super::work::Run;
use crate::record::Record;
use std::fmt::Debug;

/// How a part of a plan goes on: a pure function of records, so that a suite that is resumed, or
/// repeated, has the same runs again.
pub trait Grow: Debug + Send + Sync {
    /// The runs to add, from the records of all its runs so far; none when it has ended.
    fn next(&self, records: &[Record]) -> Vec<Run>;
}

/// A part of a plan that adds runs to itself, up to a bound, each time all it has have ended. Runs
/// that need the end of it name it in their needs as they would a run.
#[derive(Debug)]
pub struct Growing {
    /// Its name; no run has the same.
    pub id: String,
    /// Experiment it belongs to.
    pub experiment: String,
    /// Its runs so far, in the order of the results; at least one.
    pub runs: Vec<String>,
    /// The most runs it may still add.
    pub most: usize,
    /// What it adds.
    pub rule: Box<dyn Grow>,
}

impl Growing {
    /// Adds the next runs, never more than the bound, and returns them; none when it has ended.
    pub fn grow(&mut self, records: &[Record]) -> Vec<Run> {
        let mut more = self.rule.next(records);
        more.truncate(self.most);
        self.most -= more.len();
        self.runs.extend(more.iter().map(|run| run.id.clone()));
        more
    }
}
