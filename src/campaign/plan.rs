//! What a suite is, which runs it has, and how long they will take.

use super::BadCorpus;
use crate::claims::Verdict;
use crate::claims::published::{Compared, Expected};
use crate::data::DataError;
use crate::experiment::schema::Experiment;
use crate::files::ConfigError;
use crate::results::output::{RUNS, STATUS, Skipped, State, Status, read_json};
use crate::runs::context::{Context, ExpandError};
use crate::runs::estimate;
use crate::runs::expand::expand;
use crate::runs::texts::Texts;
use crate::runs::work::{Run, Stage};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

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
    /// The command that makes it again.
    pub command: String,
    /// No progress.
    pub quiet: bool,
}

/// The runs of a suite, and the experiments without any.
pub struct Plan {
    /// All runs, in the order of the results.
    pub runs: Vec<Run>,
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
    };
    let (mut runs, mut skipped) = (Vec::new(), Vec::new());
    for experiment in &suite.experiments {
        match expand(experiment, &context) {
            Ok(more) => runs.extend(more),
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
    let mut ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!(
            "two runs are called {}; give the experiments different ids",
            pair[0]
        );
    }
    Ok(Plan { runs, skipped })
}

/// Whether the text is out of reach, rather than wrong.
fn cannot_be_had(error: &DataError) -> bool {
    matches!(error, DataError::Unavailable { .. } | DataError::NoCache)
}

/// Side-by-side runs of a stage, and threads of each.
pub(super) fn workers(suite: &Suite, stage: Stage) -> (usize, usize) {
    match stage {
        Stage::Measure | Stage::Timed => (1, suite.threads),
        Stage::Tune | Stage::Train => (suite.jobs, (suite.threads / suite.jobs).max(1)),
    }
}

/// Estimated seconds a run adds to the suite.
pub(super) fn wall(suite: &Suite, run: &Run) -> f64 {
    let (jobs, threads) = workers(suite, run.stage);
    estimate::seconds(run, threads) / jobs as f64
}

/// Estimated seconds of everything not finished.
pub fn wall_seconds(suite: &Suite, plan: &Plan) -> f64 {
    let open = plan.runs.iter().filter(|run| !is_finished(&suite.out, run));
    open.map(|run| wall(suite, run)).sum()
}

pub(super) fn is_finished(out: &Path, run: &Run) -> bool {
    let status = out.join(RUNS).join(&run.id).join(STATUS);
    read_json::<Status>(&status).is_ok_and(|s| s.state == State::Done)
}

/// A run as `--dry-run` lists it.
#[derive(Debug, serde::Serialize)]
pub struct Listed<'a> {
    /// Its name.
    pub run: &'a str,
    /// What it does.
    pub what: &'static str,
    /// Whether it has ended well before.
    pub done: bool,
    /// Estimated seconds.
    pub estimated_seconds: f64,
}

/// All runs of the plan with what they do and how long that will take.
pub fn listing<'a>(suite: &Suite, plan: &'a Plan) -> Vec<Listed<'a>> {
    let list = |run: &'a Run| {
        let (what, threads) = match run.stage {
            Stage::Measure => (run.work.kind().what(), suite.threads),
            Stage::Tune => ("tune", 1),
            Stage::Train => (run.work.kind().what(), 1),
            Stage::Timed => ("train against the clock", suite.threads),
        };
        Listed {
            run: &run.id,
            what,
            done: is_finished(&suite.out, run),
            estimated_seconds: estimate::seconds(run, threads),
        }
    };
    plan.runs.iter().map(list).collect()
}
