//! Carries out a suite: every run that is not finished yet, stage by stage, then the verdicts and
//! the report.

use super::interrupt;
use super::manifest::manifest;
use super::outcome::Outcome;
use super::plan::{Plan, Suite, Summary, is_finished, wall, workers};
use crate::results::directory::Directory;
use crate::results::output::{LOG, MANIFEST};
use crate::runs::progress::Progress;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::Texts;
use crate::runs::tune;
use crate::runs::work::{Run, Stage};
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

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
            if directory.is_done(&run.id, &config) {
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
    directory.start(&run.id, config)?;
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
    let outcome = run.carry_out(&mut session);
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(records) => {
            directory.finish(&run.id, config, &records, seconds)?;
            Ok(None)
        }
        Err(Failure::Interrupted) => Ok(None),
        Err(Failure::Fatal(error)) => Err(error),
        Err(Failure::Failed(reason)) => {
            if let Err(Failure::Fatal(error)) = session.log(&format!("failed: {reason}")) {
                return Err(error);
            }
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
        directory.start(&run.id, config)?;
    }
    directory.fail(&run.id, config, reason, seconds)?;
    Ok(Some(reason.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
