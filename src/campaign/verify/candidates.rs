//! From a results directory to its trained runs, each with all it needs to be done again.

use crate::experiment::check;
use crate::experiment::schema::Experiment;
use crate::record::Record;
use crate::results::output::{Manifest, RUNS, STATUS, Status, read_json};
use crate::runs::context::{Context, ExpandError};
use crate::runs::estimate;
use crate::runs::expand::{Expansion, expand};
use crate::runs::needs::{Kept, Rate};
use crate::runs::texts::Texts;
use crate::runs::work::{Run, Work};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A trained run that can be done again.
pub(super) struct Candidate {
    /// With the learning rate and the time of a step that it had then.
    pub(super) run: Run,
    /// Claim of its experiment.
    pub(super) claim: String,
    /// Its records.
    pub(super) recorded: Vec<Record>,
    /// Seconds it took then, or about takes.
    pub(super) seconds: f64,
}

/// A run that takes longer than it may.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TooLong {
    /// Its name.
    pub run: String,
    /// Seconds it took then, or about takes.
    pub seconds: f64,
}

/// A trained run that cannot be done again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NotVerifiable {
    /// Its name.
    pub run: String,
    /// Why.
    pub reason: String,
}

/// The trained runs of a directory.
pub(super) struct Found {
    /// In the order of the results.
    pub(super) candidates: Vec<Candidate>,
    pub(super) not_verifiable: Vec<NotVerifiable>,
}

impl Candidate {
    /// Whether it only tries a learning rate.
    pub(super) fn is_trial(&self) -> bool {
        matches!(&self.run.work, Work::Train(training) if training.trial)
    }
}

impl Found {
    /// Takes out the candidates that take longer than so many seconds.
    pub(super) fn take_longer_than(&mut self, within: Option<f64>) -> Vec<TooLong> {
        let Some(within) = within else {
            return Vec::new();
        };
        let longer = |candidate: &mut Candidate| candidate.seconds > within;
        let longer = self.candidates.extract_if(.., longer);
        let too_long = longer.map(|candidate| TooLong {
            run: candidate.run.id,
            seconds: candidate.seconds,
        });
        too_long.collect()
    }
}

/// The records of each run, by its name.
type Recorded<'a> = HashMap<&'a str, Vec<Record>>;

/// Finds the trained runs among the records.
pub(super) fn find(
    directory: &Path,
    manifest: &Manifest,
    records: &[Record],
    texts: &Texts,
) -> Found {
    let mut recorded = Recorded::new();
    let mut order = Vec::new();
    for record in records {
        let of_run = recorded.entry(&record.run).or_insert_with(|| {
            order.push(record.run.as_str());
            Vec::new()
        });
        of_run.push(record.clone());
    }
    order.retain(|run| is_trained(&recorded[run]));
    let mut planned: BTreeMap<&str, Planned> = BTreeMap::new();
    for experiment in &manifest.experiments {
        let runs = plan(experiment, manifest, texts, &recorded);
        planned.insert(&experiment.id, (experiment, runs));
    }
    let (mut candidates, mut not_verifiable) = (Vec::new(), Vec::new());
    for id in order {
        match again(id, &recorded, &planned) {
            Ok((run, claim)) => candidates.push(Candidate {
                seconds: seconds(directory, &run, &recorded[id]),
                recorded: recorded[id].clone(),
                run,
                claim,
            }),
            Err(reason) => not_verifiable.push(NotVerifiable {
                run: id.into(),
                reason,
            }),
        }
    }
    Found {
        candidates,
        not_verifiable,
    }
}

/// An experiment with its runs by their names, or why there are none.
type Planned<'a> = (&'a Experiment, Result<HashMap<String, Run>, String>);

/// Whether these are the records of a training, or of a trial of a learning rate.
fn is_trained(records: &[Record]) -> bool {
    // Nothing else has a learning rate.
    records.iter().any(|record| record.learning_rate.is_some())
}

/// All runs of an experiment, those that its searches have added among them.
fn plan(
    experiment: &Experiment,
    manifest: &Manifest,
    texts: &Texts,
    recorded: &Recorded,
) -> Result<HashMap<String, Run>, String> {
    let context = Context {
        profile: &manifest.profile,
        seed: manifest.seed,
        threads: manifest.threads,
        texts,
        more: &manifest.looks,
    };
    if manifest.seed > i64::MAX as u64 {
        return Err(format!("no suite has the seed {}", manifest.seed));
    }
    let swept = experiment.sweep.task.iter().flatten();
    let mut tasks = swept.chain(&experiment.settings.task);
    if tasks.any(|task| task == check::TEXT) {
        same_text(manifest, texts)?;
    }
    let fault = |fault: check::Fault| {
        format!(
            "this version cannot run its experiment: {} {}; {}",
            fault.key, fault.problem, fault.remedy
        )
    };
    check::check(experiment).map_err(fault)?;
    let Expansion { mut runs, growing } =
        expand(experiment, &context).map_err(|error| match error {
            ExpandError::Fault(at) => fault(at),
            ExpandError::Data(error) => error.to_string(),
        })?;
    for mut part in growing {
        loop {
            let of_part = part.runs.iter().map(|run| recorded.get(run.as_str()));
            let Some(of_part) = of_part.collect::<Option<Vec<_>>>() else {
                break;
            };
            let more = part.grow(&of_part.into_iter().flatten().cloned().collect::<Vec<_>>());
            if more.is_empty() {
                break;
            }
            runs.extend(more);
        }
    }
    Ok(runs.into_iter().map(|run| (run.id.clone(), run)).collect())
}

/// Whether the text is the one that was trained on.
fn same_text(manifest: &Manifest, texts: &Texts) -> Result<(), String> {
    let then = manifest.corpus.as_ref();
    let then = then.ok_or("suite.json does not say which text it was trained on")?;
    let give = format!(
        "give the text it was trained on, {}, with --corpus",
        then.name
    );
    let now = texts.used().map_err(|error| format!("{error}; {give}"))?;
    match now.sha256 == then.sha256 {
        true => Ok(()),
        false => Err(format!("the text {} is another now; {give}", now.name)),
    }
}

/// The run of this name as it was then, and the claim of its experiment; or why it cannot be done
/// again.
fn again(
    id: &str,
    recorded: &Recorded,
    planned: &BTreeMap<&str, Planned>,
) -> Result<(Run, String), String> {
    let own = &recorded[id];
    let name = own[0].experiment.as_str();
    let (experiment, runs) = planned
        .get(name)
        .ok_or_else(|| format!("suite.json does not hold its experiment {name:?}"))?;
    let run = runs.as_ref().map_err(String::clone)?.get(id);
    let mut run = run.cloned().ok_or(
        "this version makes no run of this name from the settings in suite.json, or the search it \
         belongs to is not whole",
    )?;
    let Some(training) = run.training_mut() else {
        return Err("this version trains nothing in a run of this name".into());
    };
    if let Some((parent, _)) = training.start_run() {
        return Err(format!(
            "it starts from the weights of {parent}, which results do not hold"
        ));
    }
    if let (Rate::BestOf(_), Some(rate)) = (&training.rate, own[0].learning_rate) {
        // The rate that was chosen then, whatever would be chosen now.
        training.rate = Rate::Fixed;
        training.train.learning_rate = rate;
        let edge = own.iter().find(|r| r.metric == "edge");
        training.edge = edge.map(|r| r.value == Some(1.0));
    }
    // What it leaves besides its records.
    training.kept = Kept::Nothing;
    training.train.checkpoint_every = None;
    let records = |need: &str| recorded.get(need).cloned().unwrap_or_default();
    let run = run.resolved(&records)?;
    same_factors(&own[0], &run.record)?;
    Ok((run, experiment.claim.clone()))
}

/// Whether this version makes of the settings what was made of them then: the same columns, where both
/// are filled in.
fn same_factors(then: &Record, now: &Record) -> Result<(), String> {
    for column in Record::columns() {
        let (then, now) = (then.get(column), now.get(column));
        if !then.is_empty() && !now.is_empty() && then != now {
            return Err(format!(
                "this version makes another run of its settings: {column} {now}, not {then}"
            ));
        }
    }
    Ok(())
}

/// Seconds it took then, else those expected on one thread.
fn seconds(directory: &Path, run: &Run, recorded: &[Record]) -> f64 {
    let training = recorded.iter().find(|r| r.metric == "train_seconds");
    let file = directory.join(RUNS).join(&run.id).join(STATUS);
    let whole = || read_json::<Status>(&file).ok().map(|s| s.seconds);
    let then = training.and_then(|r| r.value).or_else(whole);
    then.map_or_else(|| estimate::seconds(run, 1), |seconds| seconds.max(0.0))
}
