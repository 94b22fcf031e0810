//! Carries out a suite: every run that is not finished yet, stage by stage, then the verdicts and
//! the report.

use super::directory::Directory;
use super::execute::{Failure, Session, execute};
use super::expand::{Context, ExpandError, expand};
use super::manifest::manifest;
use super::outcome::Outcome;
use super::output::*;
use super::progress::Progress;
use super::schema::Experiment;
use super::texts::Texts;
use super::work::{Run, Stage, Work};
use super::{estimate, interrupt, tune};
use crate::claims::Verdict;
use crate::claims::published::{Compared, Expected};
use crate::data::DataError;
use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

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
                return Err(super::parse::ConfigError {
                    place: place(experiment, &fault.key),
                    problem: fault.problem,
                    remedy: fault.remedy,
                }
                .into());
            }
            Err(ExpandError::Data(error)) if !cannot_be_had(&error) => {
                return Err(anyhow::Error::new(error).context(super::BadCorpus));
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

/// Carries out what of the plan is not finished.
pub fn run(suite: &Suite, plan: Plan, texts: &Texts) -> Result<Summary> {
    let directory = Directory::open(&suite.out)?;
    let manifest = manifest(suite, &plan, texts, &directory)?;
    directory.write_json(Path::new(MANIFEST), &manifest)?;
    interrupt::install();

    let mut outcome = Outcome::new(&directory, manifest, suite.expected.as_ref());
    let failed = carry_out(suite, plan.runs, &directory, texts, &mut outcome)?;

    let interrupted = interrupt::requested();
    let (verdicts, published) = match interrupted {
        true => outcome.collect().map(|_| Default::default())?,
        false => outcome.report()?,
    };
    Ok(Summary {
        verdicts,
        published,
        failed,
        skipped: outcome.manifest().skipped.clone(),
        interrupted,
    })
}

/// Side-by-side runs of a stage, and threads of each.
fn workers(suite: &Suite, stage: Stage) -> (usize, usize) {
    match stage {
        Stage::Measure | Stage::Timed => (1, suite.threads),
        Stage::Tune | Stage::Train => (suite.jobs, (suite.threads / suite.jobs).max(1)),
    }
}

/// Estimated seconds a run adds to the suite.
fn wall(suite: &Suite, run: &Run) -> f64 {
    let (jobs, threads) = workers(suite, run.stage);
    estimate::seconds(run, threads) / jobs as f64
}

/// Estimated seconds of everything not finished.
pub fn wall_seconds(suite: &Suite, plan: &Plan) -> f64 {
    let open = plan.runs.iter().filter(|run| !is_finished(&suite.out, run));
    open.map(|run| wall(suite, run)).sum()
}

fn is_finished(out: &Path, run: &Run) -> bool {
    let status = out.join(RUNS).join(&run.id).join(STATUS);
    read_json::<Status>(&status).is_ok_and(|s| s.state == State::Done)
}

/// Runs every unfinished run, one experiment after the other; returns the failed ones.
fn carry_out(
    suite: &Suite,
    runs: Vec<Run>,
    directory: &Directory,
    texts: &Texts,
    outcome: &mut Outcome,
) -> Result<Vec<(String, String)>> {
    // A run that waits for its rate cannot be recognised as finished yet: count it by its status.
    let open: Vec<&Run> = runs
        .iter()
        .filter(|run| !is_finished(&suite.out, run))
        .collect();
    let progress = Progress::new(
        open.len(),
        open.iter().map(|run| wall(suite, run)).sum(),
        suite.quiet,
    );
    let unfinished = |runs: &[Run]| runs.iter().any(|run| !is_finished(&suite.out, run));
    let mut failed = Vec::new();
    let mut from = 0;
    let ended = runs
        .chunk_by(|a, b| a.experiment == b.experiment)
        .try_for_each(|chunk| {
            let id = &chunk[0].experiment;
            let was_open = unfinished(chunk);
            failed.extend(experiment(
                suite,
                chunk.to_vec(),
                directory,
                texts,
                &progress,
            )?);
            from += chunk.len();
            // The last verdict comes with all the others.
            match was_open && unfinished(&runs[from..]) && !interrupt::requested() {
                true => outcome.experiment_ended(id, &progress),
                false => Ok(()),
            }
        });
    progress.clear();
    ended?;
    failed.sort();
    Ok(failed)
}

/// Runs what is unfinished of one experiment, stage by stage; returns the failed runs.
fn experiment(
    suite: &Suite,
    mut runs: Vec<Run>,
    directory: &Directory,
    texts: &Texts,
    progress: &Progress,
) -> Result<Vec<(String, String)>> {
    let failed = Mutex::new(Vec::new());
    for stage in [Stage::Measure, Stage::Tune, Stage::Train, Stage::Timed] {
        let without_rate = match stage {
            Stage::Train => tune::choose(&mut runs, directory),
            _ => HashMap::new(),
        };
        let mut queue = Vec::new();
        for run in runs.iter().filter(|run| run.stage == stage) {
            let config = run.config(&suite.profile);
            if directory.is_done(run, &config) {
                continue;
            }
            queue.push((run, config));
        }
        // The longest first, so that the last to end are short ones. Taken from the back.
        queue.sort_by(|a, b| wall(suite, a.0).total_cmp(&wall(suite, b.0)));
        let (jobs, threads) = workers(suite, stage);
        let queue = Mutex::new(queue);
        let worker = || -> Result<()> {
            loop {
                if interrupt::requested() {
                    return Ok(());
                }
                let next = lock(&queue).pop();
                let Some((run, config)) = next else {
                    return Ok(());
                };
                progress.begin(&run.id, wall(suite, run));
                let outcome = match without_rate.get(&run.id) {
                    Some(reason) => fail(directory, run, &config, reason, 0.0),
                    None => one(directory, run, &config, texts, threads, progress),
                };
                match outcome {
                    Ok(None) => {}
                    Ok(Some(reason)) => {
                        progress.say(&format!("failed: {}: {reason}", run.id));
                        lock(&failed).push((run.id.clone(), reason));
                    }
                    Err(error) => {
                        // Nothing can be written any more: let the other workers end their runs
                        // no sooner than they notice it themselves, but start nothing new.
                        lock(&queue).clear();
                        return Err(error);
                    }
                }
                progress.end(&run.id);
            }
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
            let join =
                |w: std::thread::ScopedJoinHandle<_>| w.join().expect("runs catch their panics");
            workers.into_iter().map(join).collect()
        });
        results.into_iter().collect::<Result<()>>()?;
    }
    Ok(failed.into_inner().unwrap_or_else(|e| e.into_inner()))
}

/// Carries out one run and records how it ended; returns why it failed, if it did.
fn one(
    directory: &Directory,
    run: &Run,
    config: &str,
    texts: &Texts,
    threads: usize,
    progress: &Progress,
) -> Result<Option<String>> {
    let started = Instant::now();
    directory.start(run, config)?;
    let log = directory.of(&run.id).join(LOG);
    let mut session = Session {
        id: &run.id,
        directory: directory.of(&run.id),
        threads,
        texts,
        interrupt: interrupt::flag(),
        progress,
        log: std::fs::File::create(&log)
            .with_context(|| format!("cannot write {}", log.display()))?,
    };
    let outcome = execute(run, &mut session);
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(records) => {
            directory.finish(run, config, &records, seconds)?;
            Ok(None)
        }
        Err(Failure::Interrupted) => Ok(None),
        Err(Failure::Fatal(error)) => Err(error),
        Err(Failure::Failed(reason)) => {
            session.log(&format!("failed: {reason}"))?;
            fail(directory, run, config, &reason, seconds)
        }
    }
}

fn fail(
    directory: &Directory,
    run: &Run,
    config: &str,
    reason: &str,
    seconds: f64,
) -> Result<Option<String>> {
    if !directory.of(&run.id).exists() {
        directory.start(run, config)?;
    }
    directory.fail(run, config, reason, seconds)?;
    Ok(Some(reason.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Rows for `--dry-run`: run, what it does, state, estimated seconds.
pub fn listing(suite: &Suite, plan: &Plan) -> Vec<(String, &'static str, bool, f64)> {
    plan.runs
        .iter()
        .map(|run| {
            let (what, threads) = match (&run.work, run.stage) {
                (Work::Throughput(_) | Work::Layer(_), _) => ("time", suite.threads),
                (Work::Decay(_), _) => ("differentiate", 1),
                (Work::Baselines(_), _) => ("count", 1),
                (_, Stage::Tune) => ("tune", 1),
                (_, Stage::Timed) => ("train against the clock", suite.threads),
                _ => ("train", 1),
            };
            let done = is_finished(&suite.out, run);
            (run.id.clone(), what, done, estimate::seconds(run, threads))
        })
        .collect()
}
