//! What `--dry-run` says of a suite.

use super::plan::{Plan, Suite};
pub use super::queue::Left;
use super::queue::Queue;
use crate::results::finished::Finished;
use crate::runs::estimate;
use crate::runs::work::Run;

/// A run as `--dry-run` lists it.
#[derive(Debug, serde::Serialize)]
pub struct Listed {
    /// Its name.
    pub run: String,
    /// What it does.
    pub what: &'static str,
    /// Whether it has ended well before.
    pub done: bool,
    /// Estimated seconds.
    pub estimated_seconds: f64,
}

/// All runs of the plan with what they do and how long that will take, and what is left in all;
/// nothing is written.
pub fn listing(suite: &Suite, plan: Plan) -> (Vec<Listed>, Left) {
    let files = Finished::new(&suite.out);
    let queue = Queue::new(suite, plan, &files);
    let list = |(run, done): (&Run, bool)| {
        let threads = if run.alone() { suite.threads } else { 1 };
        Listed {
            run: run.id.clone(),
            what: run.work.kind().what(),
            done,
            estimated_seconds: estimate::seconds(run, threads),
        }
    };
    (queue.ended().map(list).collect(), queue.left())
}
