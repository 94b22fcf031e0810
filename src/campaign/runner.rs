//! Carries out a suite: every run that is not finished yet, each when what it needs has ended, then
//! the verdicts and the report.

use super::interrupt;
use super::manifest::manifest;
use super::order::{Part, parts};
use super::outcome::Outcome;
use super::plan::{Plan, Suite, Summary, wall, workers};
use super::queue::{Queue, Ready};
use crate::results::directory::Directory;
use crate::results::output::{LOG, MANIFEST};
use crate::runs::progress::Progress;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::Texts;
use crate::runs::work::Kept;
use crate::train::checkpoint;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

/// Carries out what of the plan is not finished.
pub fn run(suite: &Suite, plan: Plan, texts: &Texts) -> Result<Summary> {
    let directory = Directory::open(&suite.out)?;
    let skipped = plan.skipped.clone();
    let queue = Queue::new(suite, plan, &directory);
    let manifest = manifest(suite, &queue, skipped, texts, &directory)?;
    directory.write_json(Path::new(MANIFEST), &manifest)?;
    interrupt::install();

    let mut outcome = Outcome::new(&directory, manifest, suite.expected.as_ref());
    let crew = Crew {
        suite,
        directory: &directory,
        texts,
        progress: Progress::new(suite.quiet),
        queue: Mutex::new(queue),
        changed: Condvar::new(),
        failed: Mutex::new(Vec::new()),
        limited: AtomicBool::new(false),
        started: Instant::now(),
    };
    let ended = crew.carry_out(&mut outcome);
    crew.progress.clear();
    ended?;
    let mut failed = crew.failed.into_inner().unwrap_or_else(|e| e.into_inner());
    failed.sort();

    let interrupted = interrupt::requested();
    let limited = crew.limited.into_inner();
    let (verdicts, published) = match interrupted {
        true => outcome.collect().map(|_| Default::default())?,
        false => outcome.report(limited)?,
    };
    Ok(Summary {
        verdicts,
        published,
        failed,
        skipped: outcome.manifest().skipped.clone(),
        limited,
        interrupted,
    })
}

/// What the threads that carry out runs share.
struct Crew<'a> {
    suite: &'a Suite,
    directory: &'a Directory,
    texts: &'a Texts,
    progress: Progress,
    queue: Mutex<Queue<'a>>,
    /// Told when a run has ended: others may be able to begin.
    changed: Condvar,
    /// Failed runs and why.
    failed: Mutex<Vec<(String, String)>>,
    /// Whether the limit has kept a run from beginning.
    limited: AtomicBool,
    started: Instant,
}

impl Crew<'_> {
    /// Runs every unfinished run, one part of the plan after the other.
    fn carry_out(&self, outcome: &mut Outcome) -> Result<()> {
        self.tell(&mut lock(&self.queue))?;
        let parts = parts(self.suite, lock(&self.queue).runs());
        let mut open = open_experiments(&lock(&self.queue));
        for part in &parts {
            let is_open = lock(&self.queue).is_open(Some(part));
            std::thread::scope(|scope| -> Result<()> {
                let jobs = 0..if is_open { self.suite.jobs } else { 0 };
                let workers: Vec<_> = jobs.map(|_| scope.spawn(|| self.work(part))).collect();
                let join = |worker: std::thread::ScopedJoinHandle<_>| {
                    worker.join().expect("runs catch their panics")
                };
                let ended: Vec<Result<()>> = workers.into_iter().map(join).collect();
                ended.into_iter().collect()
            })?;
            let queue = lock(&self.queue);
            outcome.replan(&queue);
            let still_open = open_experiments(&queue);
            drop(queue);
            // The last verdict comes with all the others.
            if !still_open.is_empty() && !interrupt::requested() {
                let ended = open.iter().filter(|id| !still_open.contains(id));
                for experiment in ended {
                    outcome.experiment_ended(experiment, &self.progress)?;
                }
            }
            open = still_open;
        }
        Ok(())
    }

    /// Seconds since this invocation began.
    fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Carries out runs of the part until none is left, or none would end within the limit.
    fn work(&self, part: &Part) -> Result<()> {
        let mut queue = lock(&self.queue);
        while queue.is_open(Some(part)) && !interrupt::requested() {
            if self
                .suite
                .within
                .is_some_and(|limit| queue.next_takes(part) > limit - self.elapsed())
            {
                // What runs may end; nothing else begins.
                self.limited.store(true, Ordering::Relaxed);
                break;
            }
            let Some(ready) = queue.next(part) else {
                // Something runs: when it ends there is more to do, or nothing.
                queue = self.changed.wait(queue).unwrap_or_else(|e| e.into_inner());
                continue;
            };
            drop(queue);
            self.progress
                .begin(&ready.run.id, wall(self.suite, &ready.run));
            let ended = self.one(&ready);
            queue = lock(&self.queue);
            let id = ready.run.id.clone();
            self.progress.end(&id);
            let told = match ended {
                Ok(End::Interrupted) => {
                    queue.give_back(ready);
                    Ok(())
                }
                Ok(End::Done) => {
                    queue.end(&ready, true);
                    self.tell(&mut queue)
                }
                Ok(End::Failed(reason)) => {
                    self.say_failed(&id, reason);
                    queue.end(&ready, false);
                    self.tell(&mut queue)
                }
                Err(error) => Err(error),
            };
            if told.is_err() {
                // Nothing can be written any more: let the other workers end their runs no sooner
                // than they notice it themselves, but start nothing new.
                queue.stop();
            }
            self.changed.notify_all();
            told?;
        }
        Ok(())
    }

    /// Records the runs that cannot begin because of others, and shows what is left.
    fn tell(&self, queue: &mut Queue) -> Result<()> {
        for (ready, reason) in queue.hopeless() {
            self.directory.start(&ready.run.id, &ready.config)?;
            self.fail(&ready, &reason, 0.0)?;
            self.say_failed(&ready.run.id, reason);
        }
        let left = queue.left();
        let more = (left.more, left.more_seconds);
        self.progress.plan((left.runs, left.seconds), more);
        Ok(())
    }

    fn say_failed(&self, id: &str, reason: String) {
        self.progress.say(&format!("failed: {id}: {reason}"));
        lock(&self.failed).push((id.into(), reason));
    }

    fn fail(&self, ready: &Ready, reason: &str, seconds: f64) -> Result<()> {
        let Ready { run, config } = ready;
        self.directory.fail(&run.id, config, reason, seconds)
    }

    /// Carries out one run and records how it ended.
    fn one(&self, ready: &Ready) -> Result<End> {
        let Ready { run, config } = ready;
        let started = Instant::now();
        self.directory.start(&run.id, config)?;
        let directory = self.directory.of(&run.id);
        let log = directory.join(LOG);
        let mut session = Session {
            id: &run.id,
            threads: workers(self.suite, run).1,
            program: self.suite.program.as_deref(),
            texts: self.texts,
            interrupt: interrupt::flag(),
            progress: &self.progress,
            log: std::fs::File::create(&log)
                .with_context(|| format!("cannot write {}", log.display()))?,
            directory,
        };
        let outcome = run.carry_out(&mut session);
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(records) => {
                self.directory.finish(&run.id, config, &records, seconds)?;
                if run.kept() == Kept::Nothing {
                    // What cannot be removed only takes room.
                    let _ = std::fs::remove_file(checkpoint::locate(&session.directory));
                }
                Ok(End::Done)
            }
            Err(Failure::Interrupted) => Ok(End::Interrupted),
            Err(Failure::Fatal(error)) => Err(error),
            Err(Failure::Failed(reason)) => {
                if let Err(Failure::Fatal(error)) = session.log(&format!("failed: {reason}")) {
                    return Err(error);
                }
                self.fail(ready, &reason, seconds)?;
                Ok(End::Failed(reason))
            }
        }
    }
}

/// The experiments that have runs to make, in the order of the results.
fn open_experiments(queue: &Queue) -> Vec<String> {
    let mut ids: Vec<String> = queue.open().map(|run| run.experiment.clone()).collect();
    ids.dedup();
    ids
}

/// How a run ended.
enum End {
    Done,
    Failed(String),
    Interrupted,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
