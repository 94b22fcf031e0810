//! What `suite.json` says of a suite, and whether a directory's results were made with the same.

use super::OtherSettings;
use super::clock;
use super::plan::Suite;
use super::queue::Queue;
use crate::experiment::check;
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec};
use crate::files::{differences, sha256};
use crate::measure::machine::Machine;
use crate::results::directory::{Directory, FORMAT};
use crate::results::output::{Manifest, Planned, Skipped};
use crate::runs::texts::Texts;
use crate::runs::work_span;
use anyhow::{Result, bail};
use serde_json::Value;

/// The manifest to write: that of the directory with these experiments added, or a new one. Refuses
/// to go on with other settings of runs than before; what changes no run is taken as it is now.
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
            looks: Default::default(),
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
    let is_in_suite = |before: &Experiment| suite.experiments.iter().any(|e| e.id == before.id);
    let before = &manifest.experiments;
    if before.len() < suite.experiments.len() && before.iter().all(is_in_suite) {
        // What began as a part of it is made again by the command of the larger suite.
        manifest.command.clone_from(&suite.command);
    }
    for experiment in &suite.experiments {
        let settings = of_runs(experiment)?;
        let mut experiments = manifest.experiments.iter_mut();
        match experiments.find(|before| before.id == experiment.id) {
            Some(before) => {
                let other = differences(&of_runs(before)?, &settings);
                if let Some((key, old, new)) = other.first() {
                    let what = format!("other settings of experiment {}:", experiment.id);
                    refuse(&what, &format!("{key} = {old}"), &new.to_string())?;
                }
                *before = experiment.clone();
            }
            None => manifest.experiments.push(experiment.clone()),
        }
        let planned = Planned {
            settings: fingerprint(&settings),
            runs: queue.ids(&experiment.id),
        };
        manifest.plan.insert(experiment.id.clone(), planned);
        manifest
            .skipped
            .retain(|skipped| skipped.experiment != experiment.id);
    }
    manifest.looks.extend(suite.more.clone());
    manifest.skipped.extend(skipped);
    Ok(manifest)
}

/// SHA-256 of what [`of_runs`] gives, hex.
pub(super) fn fingerprint(settings: &Value) -> String {
    sha256(settings.to_string())
}

/// What of an experiment decides its runs. The rest says what is made of their records, and may be
/// corrected when they are finished: names, question, explanation, the claim with its margin, plots.
/// Of a plot remains what it has measured: some are of metrics that are not recorded unless drawn.
pub(super) fn of_runs(experiment: &Experiment) -> Result<Value> {
    let measures = |plot: &&PlotSpec| {
        plot.kind == PlotKind::Roofline || work_span::METRICS.contains(&plot.metric.as_str())
    };
    let of_plot = |plot: &PlotSpec| serde_json::json!([plot.kind, plot.metric, plot.filter]);
    let plots = experiment.plots.iter().filter(measures);
    let plots: Vec<Value> = plots.map(of_plot).collect();
    let mut value = serde_json::to_value(experiment)?;
    if let Value::Object(keys) = &mut value {
        for said in ["title", "question", "explanation", "claim", "margin"] {
            keys.remove(said);
        }
        keys.insert("plot".into(), plots.into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::embedded;

    #[test]
    fn what_is_said_of_records_decides_no_run_and_what_is_measured_does() {
        let mut measuring = 0;
        for loaded in embedded::all().unwrap() {
            let experiment = &loaded.resolve("smoke", &[]).unwrap();
            let runs = of_runs(experiment).unwrap();
            let with = |change: &dyn Fn(&mut Experiment)| {
                let mut other = experiment.clone();
                change(&mut other);
                of_runs(&other).unwrap() == runs
            };
            assert!(with(&|e| e.title.push('!')));
            assert!(with(&|e| e.question.push('!')));
            assert!(with(&|e| e.explanation = None));
            assert!(with(&|e| e.margin *= 2.0));
            assert!(with(&|e| e.plots.iter_mut().for_each(|p| p.file.push('x'))));
            assert!(!with(&|e| e.settings.seeds = Some(77)));
            assert!(!with(&|e| e.models.truncate(1)) || experiment.models.len() == 1);
            measuring += usize::from(!with(&|e| e.plots.clear()));
        }
        assert!(measuring > 0, "rooflines are measured only where drawn");
    }
}
