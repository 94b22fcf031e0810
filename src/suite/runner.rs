//! Carries out a suite: every run that is not finished yet, stage by stage, then the verdicts and
//! the report.

use super::directory::{Directory, FORMAT, digest};
use super::execute::{Failure, Session, execute};
use super::expand::{Context, ExpandError, expand};
use super::output::*;
use super::progress::Progress;
use super::schema::Experiment;
use super::texts::Texts;
use super::work::{Run, Stage, Work};
use super::{Record, estimate, interrupt, tune};
use crate::claims::published::{self, Circumstances, Compared, Expected};
use crate::claims::{self, Verdict};
use crate::data::DataError;
use crate::measure::machine::Machine;
use crate::report::published as table;
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
    let started = Instant::now();
    let directory = Directory::open(&suite.out)?;
    let mut manifest = manifest(suite, &plan, texts, &directory)?;
    directory.write_json(Path::new(MANIFEST), &manifest)?;
    interrupt::install();

    let mut runs = plan.runs;
    let failed = carry_out(suite, &mut runs, &directory, texts)?;

    let order = |id: &str| {
        manifest
            .plan
            .get(id)
            .into_iter()
            .flat_map(|planned| &planned.runs)
    };
    let ids = manifest.experiments.iter().flat_map(|e| order(&e.id));
    let records = directory.collect(ids.map(String::as_str))?;
    manifest.wall_seconds += started.elapsed().as_secs_f64();
    directory.write_json(Path::new(MANIFEST), &manifest)?;
    let interrupted = interrupt::flag().load(std::sync::atomic::Ordering::Relaxed);
    let (mut verdicts, mut published) = (Vec::new(), Vec::new());
    if !interrupted {
        verdicts = judge(&manifest.experiments, &records);
        directory.write_json(Path::new(VERDICTS), &verdicts)?;
        if let Some(expected) = &suite.expected {
            published = beside_published(expected, &manifest, &records);
            directory.write_json(Path::new(PUBLISHED), &published)?;
            directory.write_csv(
                Path::new(PUBLISHED_CSV),
                &table::HEADER,
                &table::rows(&published),
            )?;
        }
        crate::report::build(directory.path())
            .context("the results are complete, but the report is not")?;
    }
    Ok(Summary {
        verdicts,
        published,
        failed,
        skipped: manifest.skipped,
        interrupted,
    })
}

/// The table of published numbers, from what this directory holds.
fn beside_published(expected: &Expected, manifest: &Manifest, records: &[Record]) -> Vec<Compared> {
    let skipped = manifest.skipped.iter();
    let now = Circumstances {
        profile: &manifest.profile,
        skipped: skipped
            .map(|s| {
                (
                    s.experiment.as_str(),
                    (s.reason.as_str(), s.remedy.as_str()),
                )
            })
            .collect(),
        corpus: manifest.corpus.as_ref().map(|c| c.sha256.as_str()),
    };
    published::compare(expected, records, &now)
}

fn judge(experiments: &[Experiment], records: &[Record]) -> Vec<Verdict> {
    let mut margins: Vec<(&str, f64)> = Vec::new();
    for experiment in experiments {
        margins.push((&experiment.claim, experiment.margin));
    }
    claims::judge_all(records, &margins, 0.05)
}

/// The manifest to write: that of the directory with these experiments added, or a new one. Refuses
/// to go on with other settings than before.
fn manifest(suite: &Suite, plan: &Plan, texts: &Texts, directory: &Directory) -> Result<Manifest> {
    let needs_text = plan
        .runs
        .iter()
        .any(|run| run.record.task.as_deref() == Some(super::check::TEXT));
    let corpus = match needs_text {
        true => Some(texts.used()?),
        false => None,
    };
    let mut manifest = match directory.manifest()? {
        Some(manifest) => manifest,
        None => Manifest {
            format: FORMAT,
            suite: suite.name.clone(),
            profile: suite.profile.clone(),
            seed: suite.seed,
            threads: suite.threads,
            command: suite.command.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            machine: serde_json::to_value(Machine::detect())?,
            corpus: corpus.clone(),
            experiments: Vec::new(),
            plan: Default::default(),
            skipped: Vec::new(),
            started: crate::suite::clock::now(),
            wall_seconds: 0.0,
        },
    };
    let refuse = |what: &str,
                  before: &dyn std::fmt::Display,
                  now: &dyn std::fmt::Display|
     -> Result<()> {
        bail!(crate::suite::OtherSettings(format!(
            "{} holds results made with {what} {before}, not {now}; give the same settings to go \
             on, choose another place with --out DIR, or delete that directory",
            directory.path().display()
        )))
    };
    if manifest.format != FORMAT {
        refuse("layout", &manifest.format, &FORMAT)?;
    }
    if manifest.profile != suite.profile {
        refuse("profile", &manifest.profile, &suite.profile)?;
    }
    if manifest.seed != suite.seed {
        refuse("seed", &manifest.seed, &suite.seed)?;
    }
    if manifest.threads != suite.threads {
        refuse("threads", &manifest.threads, &suite.threads)?;
    }
    match (&manifest.corpus, corpus) {
        (Some(before), Some(now)) if before.sha256 != now.sha256 => {
            refuse("corpus", &before.name, &now.name)?;
        }
        (None, now) => manifest.corpus = now,
        _ => {}
    }
    for experiment in &suite.experiments {
        let settings = digest(&serde_json::to_string(experiment)?);
        let runs = plan
            .runs
            .iter()
            .filter(|run| run.experiment == experiment.id);
        let planned = Planned {
            settings,
            runs: runs.map(|run| run.id.clone()).collect(),
        };
        match manifest.plan.get(&experiment.id) {
            Some(before) if before.settings != planned.settings => {
                let what = format!("other settings of experiment {}:", experiment.id);
                let old = manifest.experiments.iter().find(|e| e.id == experiment.id);
                let (old, new) = difference(old, experiment)?;
                refuse(&what, &old, &new)?;
            }
            Some(_) => {}
            None => manifest.experiments.push(experiment.clone()),
        }
        manifest.plan.insert(experiment.id.clone(), planned);
        manifest
            .skipped
            .retain(|skipped| skipped.experiment != experiment.id);
    }
    manifest.skipped.extend(plan.skipped.iter().cloned());
    Ok(manifest)
}

/// The first value in which two experiments differ, before and now, with its key.
fn difference(old: Option<&Experiment>, new: &Experiment) -> Result<(String, String)> {
    fn find(key: &str, a: &serde_json::Value, b: &serde_json::Value) -> Option<(String, String)> {
        use serde_json::Value::{Null, Object};
        match (a, b) {
            (Object(a), Object(b)) => a.keys().chain(b.keys()).find_map(|name| {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                find(
                    &key,
                    a.get(name).unwrap_or(&Null),
                    b.get(name).unwrap_or(&Null),
                )
            }),
            (a, b) if a == b => None,
            (a, b) => Some((format!("{key} = {a}"), b.to_string())),
        }
    }
    let (old, new) = (serde_json::to_value(old)?, serde_json::to_value(new)?);
    Ok(find("", &old, &new).unwrap_or(("before".into(), "now".into())))
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

/// Runs every unfinished run, stage by stage; returns the failed ones.
fn carry_out(
    suite: &Suite,
    runs: &mut [Run],
    directory: &Directory,
    texts: &Texts,
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
    let failed = Mutex::new(Vec::new());
    for stage in [Stage::Measure, Stage::Tune, Stage::Train, Stage::Timed] {
        let without_rate = match stage {
            Stage::Train => tune::choose(runs, directory),
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
                    None => one(directory, run, &config, texts, threads, &progress),
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
        if let Some(error) = results.into_iter().find_map(Result::err) {
            progress.clear();
            return Err(error);
        }
    }
    progress.clear();
    let mut failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    failed.sort();
    Ok(failed)
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
