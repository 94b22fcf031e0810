//! The sentences of the page: the method, the run, and what is missing or failed.

use crate::claims::published::CLAIM;
use crate::claims::{ALPHA, Answer};
use crate::experiment::schema::{Experiment, Kind};
use crate::files;
use crate::measure::busy::Disturbance;
use crate::record::Record;
use crate::report::number::{exact, significant, thousands};
use crate::report::source::Source;
use crate::results::output::State;
use std::collections::BTreeMap;

/// How many false answers to expect among the verdicts, and which would also be given after a correction
/// over all claims.
pub(super) fn errors(source: &Source) -> String {
    let answered = source
        .verdicts
        .iter()
        .filter(|v| v.answer != Answer::Undecided);
    let expected = ALPHA * answered.clone().count() as f64;
    let survive: Vec<&str> = answered
        .filter(|v| v.survives)
        .map(|v| v.claim.as_str())
        .collect();
    let survivors = match survive.is_empty() {
        true => "None of the answers".to_owned(),
        false => format!("The answers to {}", survive.join(", ")),
    };
    format!(
        "At most {expected:.2} false answers are to be expected in all. {survivors} would be the same at \
         a level corrected for the number of claims."
    )
}

/// SHA-256 of what was fixed before the run: the program's version with its rules, the seed, and the
/// experiments with their margins, looks, settings and rates.
pub(super) fn registered(source: &Source) -> String {
    let manifest = &source.manifest;
    let fixed = (&manifest.version, manifest.seed, &manifest.experiments);
    files::sha256(serde_json::to_string(&fixed).unwrap_or_default())
}

/// How it was measured, in sentences.
pub(super) fn method(source: &Source, experiment: &Experiment) -> Vec<String> {
    let settings = &experiment.settings;
    let mut sentences = Vec::new();
    match experiment.kind {
        Kind::Throughput => {
            sentences.push(format!(
            "Whole steps were timed after a warm-up, all models of a sweep point in turn (A B A B), so that drift of the \
             machine cancels. Every repeat is recorded; shown is the median with its 95 % interval. Beside it stand the \
             floating-point operations of a step, counted by the operations themselves, and their share of the peak rate \
             that this machine reached in the same run. Threads: {}.",
            source.manifest.threads
        ));
            sentences.extend(disturbed(source, experiment));
        }
        Kind::Train => {
            let budget = match (settings.steps, settings.seconds) {
                (Some(steps), Some(seconds)) => format!(
                    "{steps} steps, or {} seconds where seconds are equal",
                    exact(seconds)
                ),
                (Some(steps), None) => format!("{} steps", thousands(steps as i64)),
                (None, Some(seconds)) => format!("{} seconds", exact(seconds)),
                (None, None) => "the budget in the configuration".into(),
            };
            sentences.push(format!(
                "Every model was trained from {} seeds for {budget} with the same optimiser ({}, linear warm-up, then \
                 cosine), the same data pipeline and {}; training and test data come from disjoint seeds.",
                experiment.looks().first().copied().unwrap_or(1),
                settings.optimizer.unwrap_or_default().name(),
                match &experiment.tune {
                    Some(_) => "the same number of learning rates tried",
                    None => "one learning rate for all",
                }
            ));
        }
    }
    let equal = "Models have equal parameter counts as far as whole widths allow.";
    let size = match experiment.settings.equal.as_deref() {
        Some("width") => "Models have equal width, and what parameters that takes.",
        _ => equal,
    };
    sentences.push(match experiment.claim == CLAIM {
        true => equal.into(),
        false => format!(
            "{size} The margin that the effect must exceed was fixed before the run: {}.",
            exact(experiment.margin)
        ),
    });
    sentences
}

/// Names the timings that were disturbed, if any were.
fn disturbed(source: &Source, experiment: &Experiment) -> Option<String> {
    let mine = |r: &&Record| r.experiment == experiment.id && r.value.is_some();
    let mut runs: BTreeMap<&str, Disturbance> = BTreeMap::new();
    for record in source.records.iter().filter(mine) {
        // All models and numbers of threads of a run were timed in turn, beside the same others.
        let found = runs.entry(&record.run).or_default();
        match record.metric.as_str() {
            "others_cores" => found.others_cores = record.value,
            "stolen_cores" => found.stolen_cores = record.value,
            _ => {}
        }
    }
    let all = runs.len();
    runs.retain(|_, found| found.is_serious());
    let taken = |found: &Disturbance| {
        found.others_cores.unwrap_or_default() + found.stolen_cores.unwrap_or_default()
    };
    let most = runs.values().map(taken).fold(0.0, f64::max);
    let names: Vec<&str> = runs.keys().copied().collect();
    (!names.is_empty()).then(|| {
        format!(
            "Disturbed: other programs, or the host of the machine, took up to {most:.1} cores while {} of {} \
             ran, so that their times may be too long ({}).",
            names.len(),
            count(all, "timing", "timings"),
            names.join(", ")
        )
    })
}

/// The command that runs the experiment of one claim again.
pub(super) fn rerun(source: &Source, experiment: &Experiment) -> String {
    let manifest = &source.manifest;
    if manifest.suite != "claims" {
        return manifest.command.clone();
    }
    let mut command = format!(
        "seqduel reproduce --profile {} --claims {}",
        manifest.profile, experiment.claim
    );
    if manifest.seed != 0 {
        command += &format!(" --seed {}", manifest.seed);
    }
    if let Some(corpus) = &manifest.corpus
        && manifest.command.contains("--corpus")
    {
        command += &format!(" --corpus {}", corpus.name);
    }
    command
}

pub(super) fn subtitle(source: &Source) -> String {
    let manifest = &source.manifest;
    let cpu = manifest.machine.get("cpu").and_then(|v| v.as_str());
    let cpu = cpu.unwrap_or("unknown CPU");
    format!(
        "{} profile, started {}, {} of work on {cpu} with {} threads, seqduel {}",
        manifest.profile,
        manifest.started,
        duration(manifest.wall_seconds),
        manifest.threads,
        manifest.version
    )
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{} s", significant(s)),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// What is missing or failed.
pub(super) fn notes(source: &Source) -> Vec<String> {
    let mut notes = source.missing.clone();
    for skipped in &source.manifest.skipped {
        notes.push(format!(
            "{} was not run: {}. {}",
            skipped.experiment, skipped.reason, skipped.remedy
        ));
    }
    for experiment in &source.manifest.experiments {
        let measured = source.records.iter().any(|r| r.experiment == experiment.id);
        if !measured && source.skipped(experiment).is_none() {
            notes.push(format!("{} has no measurements yet", experiment.id));
        }
    }
    let unfinished = runs_in(source, None);
    if unfinished > 0 {
        notes.push(format!(
            "{} started and not finished",
            count(unfinished, "run was", "runs were")
        ));
    }
    let failed = runs_in(source, Some(State::Failed));
    if failed > 0 {
        notes.push(format!(
            "{} failed; the reasons stand in the table of runs",
            count(failed, "run", "runs")
        ));
    }
    notes
}

/// How many runs are in this state; `None` stands for runs that did not finish.
fn runs_in(source: &Source, state: Option<State>) -> usize {
    let ends = source
        .runs
        .iter()
        .map(|r| r.status.as_ref().map(|s| s.state));
    ends.filter(|end| *end == state).count()
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

pub(super) fn run_summary(source: &Source) -> String {
    if source.runs.is_empty() {
        return "How each run ended stood in runs/, which is not in this directory.".into();
    }
    format!(
        "{}: {} done, {} failed, {} not finished. Each has its configuration, records and log in runs/. Trials of \
         learning rates that ended well are not listed.",
        count(source.runs.len(), "run", "runs"),
        runs_in(source, Some(State::Done)),
        runs_in(source, Some(State::Failed)),
        runs_in(source, None)
    )
}
