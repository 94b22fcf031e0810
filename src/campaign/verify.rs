//! Runs trainings of a results directory again, and compares what they record bit for bit with what
//! is recorded there. Only `suite.json` and `results.csv.gz` are needed; nothing is written to the
//! directory.

mod candidates;
mod compare;
mod draw;

use super::interrupt;
use super::manifest::{fingerprint, of_runs};
use crate::measure::machine::Machine;
use crate::report::inventory::facts;
use crate::results::directory::FORMAT;
use crate::results::output::{LOG, Manifest, read_manifest, read_results};
use crate::runs::progress::Progress;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::Texts;
use anyhow::{Context as _, Result};
use candidates::Candidate;
pub use candidates::{NotVerifiable, TooLong};
pub use compare::{Difference, Said};
use kernels::simd;
use serde::Serialize;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

/// What to verify, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Runs drawn; all if none.
    pub runs: Option<usize>,
    /// Seed of the draw.
    pub seed: u64,
    /// Seconds that a run may take; any if none.
    pub within: Option<f64>,
    /// Named corpus or file; that of the directory if none.
    pub corpus: Option<String>,
    /// Threads of this machine to use.
    pub threads: usize,
    /// No progress.
    pub quiet: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The drawn runs, in the order of the results.
    pub runs: Vec<Verified>,
    /// Finished trained runs in the directory.
    pub trained: usize,
    /// Those that were not drawn from, as they take too long.
    pub too_long: Vec<TooLong>,
    /// Those that cannot be run again.
    pub not_verifiable: Vec<NotVerifiable>,
    /// What of version, machine and settings differs between then and now.
    pub circumstances: Vec<String>,
    /// Whether the user stopped it before all drawn runs had ended.
    pub interrupted: bool,
}

/// A run that was done again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Its name.
    pub run: String,
    /// Claim of its experiment.
    pub claim: String,
    /// Model.
    pub model: String,
    /// Seed of its initial values and data.
    pub seed: Option<u64>,
    /// Recorded values that were compared.
    pub compared: usize,
    /// Seconds it took now.
    pub seconds: f64,
    /// Values that are not the same.
    pub differences: Vec<Difference>,
    /// Why it did not end as it did then.
    pub failed: Option<String>,
}

impl Verified {
    /// Whether it recorded the same to the last bit.
    pub fn equal(&self) -> bool {
        self.failed.is_none() && self.differences.is_empty()
    }
}

/// Draws runs of the directory and does them again.
///
/// # Errors
/// If the directory cannot be read, or a temporary directory cannot be written. Values that differ and
/// runs that fail are no errors here.
pub fn verify(directory: &Path, request: &Request) -> Result<Verification> {
    let manifest = read_manifest(directory)?;
    let records = read_results(directory)?;
    let recorded_corpus = manifest.corpus.as_ref().map(|corpus| corpus.name.as_str());
    let texts = Texts::new(request.corpus.as_deref().or(recorded_corpus).unwrap_or(""));
    let mut found = candidates::find(directory, &manifest, &records, &texts);
    let trained = found.candidates.len() + found.not_verifiable.len();
    let too_long = found.take_longer_than(request.within);
    let candidates = found.candidates;
    let drawn = match request.runs {
        Some(most) => draw::draw(&candidates, most, request.seed),
        None => (0..candidates.len()).collect(),
    };
    let drawn: Vec<&Candidate> = drawn.into_iter().map(|i| &candidates[i]).collect();
    let runs = run_again(&drawn, request, &texts)?;
    Ok(Verification {
        interrupted: runs.len() < drawn.len(),
        runs,
        trained,
        too_long,
        not_verifiable: found.not_verifiable,
        circumstances: circumstances(&manifest)?,
    })
}

/// Does the runs again, as many side by side as there are threads. Fewer come back where the user
/// interrupts.
fn run_again(drawn: &[&Candidate], request: &Request, texts: &Texts) -> Result<Vec<Verified>> {
    if drawn.is_empty() {
        return Ok(Vec::new());
    }
    interrupt::install();
    let jobs = request.threads.min(drawn.len());
    let threads = request.threads / jobs;
    let progress = Progress::new(request.quiet);
    let cost = |i: usize| drawn[i].seconds / jobs as f64;
    progress.plan((drawn.len(), (0..drawn.len()).map(cost).sum()), (0, 0.0));
    // The longest first: none is left to run alone at the end.
    let mut waiting: Vec<usize> = (0..drawn.len()).collect();
    waiting.sort_by(|&a, &b| drawn[a].seconds.total_cmp(&drawn[b].seconds));
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap_or_else(|e| e.into_inner()).pop();
    let work = || -> Result<Vec<(usize, Verified)>> {
        let mut verified = Vec::new();
        while !interrupt::requested()
            && let Some(i) = next()
        {
            let id = &drawn[i].run.id;
            progress.begin(id, cost(i));
            let ended = one(drawn[i], threads, texts, &progress);
            progress.end(id);
            verified.extend(ended?.map(|run| (i, run)));
        }
        Ok(verified)
    };
    let ended: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let join = |worker: std::thread::ScopedJoinHandle<_>| {
            worker.join().expect("runs catch their panics")
        };
        workers.into_iter().map(join).collect()
    });
    progress.clear();
    let mut verified = Vec::new();
    for of_worker in ended {
        verified.extend(of_worker?);
    }
    verified.sort_by_key(|(i, _)| *i);
    Ok(verified.into_iter().map(|(_, run)| run).collect())
}

/// Does one run again in a directory of its own; none if it was interrupted.
fn one(
    candidate: &Candidate,
    threads: usize,
    texts: &Texts,
    progress: &Progress,
) -> Result<Option<Verified>> {
    let cannot = "cannot write to a temporary directory; name another in TMPDIR";
    let directory = tempfile::tempdir().context(cannot)?;
    let run = &candidate.run;
    let mut session = Session {
        id: &run.id,
        directory: directory.path().into(),
        threads,
        program: None,
        texts,
        interrupt: interrupt::flag(),
        progress,
        log: std::fs::File::create(directory.path().join(LOG)).context(cannot)?,
    };
    let started = Instant::now();
    let ended = run.carry_out(&mut session);
    let seconds = started.elapsed().as_secs_f64();
    let (failed, (compared, differences)) = match ended {
        Ok(made) => (None, compare::compare(&candidate.recorded, &made)),
        Err(Failure::Failed(reason)) => (Some(reason), (0, Vec::new())),
        Err(Failure::Interrupted) => return Ok(None),
        Err(Failure::Fatal(error)) => return Err(error.context(cannot)),
    };
    let verified = Verified {
        run: run.id.clone(),
        claim: candidate.claim.clone(),
        model: run.record.model.clone(),
        seed: run.record.seed,
        compared,
        seconds,
        differences,
        failed,
    };
    progress.say(&match verified.equal() {
        true => format!("equal: {}", verified.run),
        false => format!("differs: {}", verified.run),
    });
    Ok(Some(verified))
}

/// What differs between the record of the directory and this program on this machine.
fn circumstances(manifest: &Manifest) -> Result<Vec<String>> {
    let (then, now) = (
        facts(&manifest.machine),
        facts(&serde_json::to_value(Machine::detect())?),
    );
    let mut found = Vec::new();
    let mut differ = |what: &str, then: &str, now: &str| {
        if then != now {
            found.push(format!("{what}: {then}, now {now}"));
        }
    };
    let unknown = "unknown".to_owned();
    for (key, name) in [
        ("version", "version"),
        ("simd", "vector instructions"),
        ("architecture", "architecture"),
        ("cpu", "cpu"),
        ("os", "system"),
        ("build", "build"),
    ] {
        let of = |facts| std::collections::BTreeMap::get(facts, key).unwrap_or(&unknown);
        differ(name, of(&then), of(&now));
    }
    differ("layout", &manifest.format.to_string(), &FORMAT.to_string());
    if !simd::level().is_exact() {
        found.push("this level cannot fuse multiply-adds, so its bits are its own".to_owned());
    }
    let mut other = Vec::new();
    for experiment in &manifest.experiments {
        let then = manifest.plan.get(&experiment.id);
        let now = fingerprint(&of_runs(experiment)?);
        if then.is_some_and(|planned| planned.settings != now) {
            other.push(experiment.id.as_str());
        }
    }
    if !other.is_empty() {
        let of = other.join(", ");
        found.push(format!("this version knows more or other settings of {of}"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
