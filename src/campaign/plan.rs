//! What a suite is, which runs it has, and how long they will take.

use super::BadCorpus;
use super::graph;
use crate::claims::Verdict;
use crate::claims::published::{Compared, Expected};
use crate::data::DataError;
use crate::experiment::schema::Experiment;
use crate::files::ConfigError;
use crate::results::output::Skipped;
use crate::runs::context::{Context, ExpandError, More};
use crate::runs::estimate;
use crate::runs::expand::expand;
use crate::runs::grow::Growing;
use crate::runs::texts::Texts;
use crate::runs::work::{Kept, Run};
use anyhow::Result;
use std::collections::HashMap;
use std::path::PathBuf;

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Name in the report.
    pub name: String,
    /// Profile.
    pub profile: String,
    /// Experiments, resolved for it.
    pub experiments: Vec<Experiment>,
    /// Seeds count from here.
    pub seed: u64,
    /// Threads of timings.
    pub threads: usize,
    /// Runs side by side, where they are not timed.
    pub jobs: usize,
    /// Named corpus or file.
    pub corpus: String,
    /// Published numbers to compare with.
    pub expected: Option<Expected>,
    /// Output directory.
    pub out: PathBuf,
    /// Seconds after which no run begins that would not end by then, and the suite is judged as it is.
    pub within: Option<f64>,
    /// The looks taken after the first, by experiment.
    pub more: More,
    /// Whether every training that counts keeps its weights.
    pub keep_weights: bool,
    /// The command that makes it again.
    pub command: String,
    /// No progress.
    pub quiet: bool,
    /// This program, which timings start again for each launch; in this process if none.
    pub program: Option<PathBuf>,
}

/// The runs of a suite, and the experiments without any.
pub struct Plan {
    /// All runs, in the order of the results.
    pub runs: Vec<Run>,
    /// What may still add runs.
    pub growing: Vec<Growing>,
    /// Experiments that cannot run.
    pub skipped: Vec<Skipped>,
}

/// How a suite ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Verdicts, unless interrupted.
    pub verdicts: Vec<Verdict>,
    /// Published numbers beside ours, if asked for and not interrupted.
    pub published: Vec<Compared>,
    /// Failed runs and why.
    pub failed: Vec<(String, String)>,
    /// Experiments that could not run.
    pub skipped: Vec<Skipped>,
    /// Whether it ended at its limit, before all runs were done.
    pub limited: bool,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// Expands every experiment. One whose text cannot be had is skipped; one whose values cannot be
/// run is an error, with `place` saying where each key got its value.
pub fn plan(
    suite: &Suite,
    texts: &Texts,
    place: impl Fn(&Experiment, &str) -> String,
) -> Result<Plan> {
    let context = Context {
        profile: &suite.profile,
        seed: suite.seed,
        threads: suite.threads,
        texts,
        more: &suite.more,
    };
    let (mut runs, mut growing, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for experiment in &suite.experiments {
        match expand(experiment, &context) {
            Ok(more) => {
                // What two experiments ask for alike is done once, such as trainings on a first text.
                let known = runs.iter().map(|run: &Run| (&*run.id, run));
                let known: HashMap<&str, &Run> = known.collect();
                let is_new =
                    |run: &Run| known.get(&*run.id).is_none_or(|known| !run.is_same(known));
                let new: Vec<Run> = more.runs.into_iter().filter(is_new).collect();
                runs.extend(new);
                growing.extend(more.growing);
            }
            Err(ExpandError::Fault(fault)) => {
                return Err(ConfigError {
                    place: place(experiment, &fault.key),
                    problem: fault.problem,
                    remedy: fault.remedy,
                }
                .into());
            }
            Err(ExpandError::Data(error)) if !cannot_be_had(&error) => {
                return Err(anyhow::Error::new(error).context(BadCorpus));
            }
            Err(ExpandError::Data(error)) => skipped.push(Skipped {
                experiment: experiment.id.clone(),
                reason: error.to_string(),
                remedy: "give a text with --corpus FILE, or fetch one with `seqduel corpus fetch \
                         NAME`, then run the same command again"
                    .into(),
            }),
        }
    }
    Plan::new(runs, growing, skipped, suite.keep_weights)
}

impl Plan {
    /// A plan of these runs, in which those that others start from keep their weights, and if asked
    /// for all that count.
    ///
    /// Errors: two runs of one name, a need that is not there or comes too late, runs that wait for
    /// each other.
    pub fn new(
        mut runs: Vec<Run>,
        growing: Vec<Growing>,
        skipped: Vec<Skipped>,
        keep_weights: bool,
    ) -> Result<Self> {
        graph::check(&runs, &growing)?;
        let mut kept: HashMap<String, Kept> = HashMap::new();
        for training in runs.iter_mut().filter_map(Run::training_mut) {
            if let Some((from, what)) = training.start_run() {
                let known = kept.entry(from.into()).or_default();
                *known = what.max(*known);
            }
        }
        for run in &mut runs {
            let needed = kept.get(&run.id).copied().unwrap_or_default();
            if let Some(training) = run.training_mut() {
                let asked = match keep_weights && !training.trial {
                    true => Kept::Weights,
                    false => Kept::Nothing,
                };
                training.kept = training.kept.max(needed).max(asked);
            }
        }
        Ok(Plan {
            runs,
            growing,
            skipped,
        })
    }
}

/// Whether the text is out of reach, rather than wrong.
fn cannot_be_had(error: &DataError) -> bool {
    matches!(error, DataError::Unavailable { .. } | DataError::NoCache)
}

/// How many runs go on side by side with this one, itself counted, and the threads of each.
pub(super) fn workers(suite: &Suite, run: &Run) -> (usize, usize) {
    match run.alone() {
        true => (1, suite.threads),
        false => (suite.jobs, (suite.threads / suite.jobs).max(1)),
    }
}

/// Estimated seconds a run adds to the suite.
pub(super) fn wall(suite: &Suite, run: &Run) -> f64 {
    let (jobs, threads) = workers(suite, run);
    estimate::seconds(run, threads) / jobs as f64
}
