//! What `suite.json` says of a suite, and whether a directory's results were made with the same.

use super::OtherSettings;
use super::clock;
use super::plan::Suite;
use super::queue::Queue;
use crate::experiment::check;
use crate::experiment::schema::Experiment;
use crate::files::{differences, sha256};
use crate::measure::machine::Machine;
use crate::results::directory::{Directory, FORMAT};
use crate::results::output::{Manifest, Planned, Skipped};
use crate::runs::texts::Texts;
use anyhow::{Result, bail};

/// The manifest to write: that of the directory with these experiments added, or a new one. Refuses
/// to go on with other settings than before.
pub(super) fn manifest(
    suite: &Suite,
    queue: &Queue,
    skipped: Vec<Skipped>,
    texts: &Texts,
    directory: &Directory,
) -> Result<Manifest> {
    let needs_text = queue
        .runs()
        .any(|run| run.record.task.as_deref() == Some(check::TEXT));
    let corpus = needs_text.then(|| texts.used()).transpose()?;
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
            started: clock::now(),
            wall_seconds: 0.0,
        },
    };
    let refuse = |what: &str, before: &str, now: &str| -> Result<()> {
        bail!(OtherSettings(format!(
            "{} holds results made with {what} {before}, not {now}; give the same settings to go \
             on, choose another place with --out DIR, or delete that directory",
            directory.path().display()
        )))
    };
    let (seed, threads) = (manifest.seed.to_string(), manifest.threads.to_string());
    for (what, before, now) in [
        ("layout", &manifest.format.to_string(), &FORMAT.to_string()),
        ("profile", &manifest.profile, &suite.profile),
        ("seed", &seed, &suite.seed.to_string()),
        ("threads", &threads, &suite.threads.to_string()),
    ] {
        if before != now {
            refuse(what, before, now)?;
        }
    }
    match (&manifest.corpus, corpus) {
        (Some(before), Some(now)) if before.sha256 != now.sha256 => {
            refuse("corpus", &before.name, &now.name)?;
        }
        (None, now) => manifest.corpus = now,
        _ => {}
    }
    for experiment in &suite.experiments {
        let settings = sha256(serde_json::to_string(experiment)?);
        let planned = Planned {
            settings,
            runs: queue.ids(&experiment.id),
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
    manifest.skipped.extend(skipped);
    Ok(manifest)
}

/// The first value in which two experiments differ, before and now, with its key.
fn difference(old: Option<&Experiment>, new: &Experiment) -> Result<(String, String)> {
    let (old, new) = (serde_json::to_value(old)?, serde_json::to_value(new)?);
    let first = differences(&old, &new).into_iter().next();
    let in_words = first.map(|(key, old, new)| (format!("{key} = {old}"), new.to_string()));
    Ok(in_words.unwrap_or(("before".into(), "now".into())))
}
