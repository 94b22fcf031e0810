//! `report.html`: what the template is filled with.

use super::axis::{exact, significant, thousands};
use super::chart::{NARROW, WIDE, draw};
use super::figure::Figure;
use super::inventory;
use super::published;
use super::source::Source;
use super::tables::{self, Table};
use super::terminal;
use crate::claims::published::CLAIM;
use crate::claims::{self, Claim, Verdict};
use crate::suite::metrics;
use crate::suite::output::State;
use crate::suite::schema::{Experiment, Explanation, Kind};
use askama::Template;

/// The whole page.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    subtitle: String,
    style: &'static str,
    script: &'static str,
    notes: Vec<String>,
    command: String,
    published: Table,
    published_summary: String,
    /// Whether no experiment judges a claim.
    only_published: bool,
    claims: Vec<Section>,
    machine: Table,
    run_summary: String,
    runs: Table,
}

/// One claim.
struct Section {
    id: String,
    /// Whether it judges a claim; else it reproduces published numbers.
    judged: bool,
    claim: String,
    title: String,
    question: String,
    answer: &'static str,
    lead: String,
    rest: String,
    flips: Option<String>,
    more: Option<String>,
    plots: Vec<Plot>,
    explanation: Option<Explanation>,
    evidence: Table,
    method: Vec<String>,
    models: Table,
    throughput: Table,
    tuning: Table,
    expected: Option<&'static str>,
    why: &'static str,
    references: &'static [&'static str],
    command: String,
    configuration: String,
}

/// One plot: the same drawing for wide and narrow screens; empty without records.
struct Plot {
    file: String,
    title: String,
    metric: String,
    meaning: Option<&'static str>,
    wide: String,
    narrow: String,
    numbers: Table,
}

/// Writes the page. `figures` holds, per experiment of the manifest, its plots.
pub fn page(source: &Source, figures: &[Vec<Figure>]) -> anyhow::Result<String> {
    let manifest = &source.manifest;
    let claims = manifest
        .experiments
        .iter()
        .zip(figures)
        .map(|(experiment, figures)| section(source, experiment, figures))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let page = Page {
        title: format!("seqduel: {} ({})", manifest.suite, manifest.profile),
        subtitle: subtitle(source),
        style: include_str!("../../templates/report.css"),
        script: include_str!("../../templates/report.js"),
        notes: notes(source),
        command: manifest.command.clone(),
        published: published::table(&source.published),
        published_summary: published::summary(&source.published),
        only_published: !claims.is_empty() && claims.iter().all(|claim| !claim.judged),
        claims,
        machine: inventory::machine(manifest),
        run_summary: run_summary(source),
        runs: inventory::runs(source)?,
    };
    Ok(page.render()?)
}

/// An explanation with the measured effects in place of the labels in braces.
fn explained(explanation: &Explanation, verdict: Option<&Verdict>) -> Explanation {
    let mut filled = explanation.clone();
    let evidence = verdict.map_or(&[][..], |v| &v.evidence);
    for paragraph in &mut filled.paragraphs {
        for e in evidence {
            let label = format!("{{{}}}", e.label);
            let effect = tables::with_interval(e.effect.estimate, Some(&e.effect));
            *paragraph = paragraph.replace(&label, &effect.text);
        }
        while let (Some(start), Some(end)) = (paragraph.find('{'), paragraph.find('}')) {
            if end < start {
                break;
            }
            paragraph.replace_range(start..=end, "(not measured yet)");
        }
    }
    filled
}

fn section(
    source: &Source,
    experiment: &Experiment,
    figures: &[Figure],
) -> anyhow::Result<Section> {
    let claim = claims::find(&experiment.claim);
    let verdict = source.verdicts.iter().find(|v| v.claim == experiment.claim);
    let skipped = source
        .manifest
        .skipped
        .iter()
        .find(|s| s.experiment == experiment.id);
    let sentence = match (verdict, skipped) {
        (Some(verdict), _) => verdict.sentence.clone(),
        (None, Some(skipped)) => format!("Not run: {}.", skipped.reason),
        (None, None) => "Not judged yet.".into(),
    };
    let judged = experiment.claim != CLAIM;
    let mine = published::of(&source.published, experiment);
    let sentence = if judged || mine.is_empty() {
        sentence
    } else {
        published::summary(&mine)
    };
    let (lead, rest) = terminal::lead(&sentence);
    let plots = experiment.plots.iter().zip(figures).map(|(spec, figure)| {
        let empty = !figure.shows_something();
        let svg = |width, class| {
            if empty {
                Ok(String::new())
            } else {
                draw(figure, width).inline_svg(class)
            }
        };
        Ok(Plot {
            file: figure.file.clone(),
            title: figure.title.clone(),
            metric: spec.metric.clone(),
            meaning: metrics::find(&spec.metric).map(|m| m.meaning),
            wide: svg(WIDE, "wide")?,
            narrow: svg(NARROW, "narrow")?,
            numbers: tables::numbers(figure),
        })
    });
    Ok(Section {
        id: match judged {
            true => experiment.claim.clone(),
            false => experiment.id.clone(),
        },
        judged,
        claim: claim.map_or_else(|| experiment.title.clone(), |c| c.claim.to_string()),
        title: experiment.title.clone(),
        question: experiment.question.clone(),
        answer: match (verdict, skipped) {
            (Some(verdict), _) => terminal::answer(verdict.answer),
            _ if !judged => published::answer(&mine),
            (None, Some(_)) => "not run",
            (None, None) => "pending",
        },
        lead: lead.into(),
        rest: rest.into(),
        flips: verdict.and_then(|v| v.flips.clone()),
        more: verdict.and_then(|v| more(v, claim)),
        plots: plots.collect::<anyhow::Result<_>>()?,
        explanation: experiment
            .explanation
            .as_ref()
            .map(|e| explained(e, verdict)),
        evidence: match judged {
            true => tables::evidence(verdict),
            false => published::details(&mine),
        },
        method: method(source, experiment),
        models: tables::models(source, experiment)?,
        throughput: tables::throughput(source, experiment)?,
        tuning: tables::tuning(source, experiment)?,
        expected: claim.map(|c| c.expected),
        why: claim.map_or("", |c| c.why),
        references: claim.map_or(&[], |c| c.references),
        command: rerun(source, experiment),
        configuration: toml::to_string(experiment)?,
    })
}

fn more(verdict: &Verdict, claim: Option<&Claim>) -> Option<String> {
    let observations = claim.map_or("seeds or repeats", |c| c.observations);
    verdict
        .more_seeds
        .map(|n| format!("About {n} more {observations} would decide it."))
}

/// How it was measured, in sentences.
fn method(source: &Source, experiment: &Experiment) -> Vec<String> {
    let settings = &experiment.settings;
    let mut sentences = Vec::new();
    match experiment.kind {
        Kind::Throughput => sentences.push(format!(
            "Whole steps were timed after a warm-up, all models of a sweep point in turn (A B A B), so that drift of the \
             machine cancels. Every repeat is recorded; shown is the median with its 95 % interval. Beside it stand the \
             floating-point operations of a step, counted by the operations themselves, and their share of the peak rate \
             that this machine reached in the same run. Threads: {}.",
            source.manifest.threads
        )),
        Kind::Train => {
            let budget = match (settings.steps, settings.seconds) {
                (Some(steps), Some(seconds)) => format!("{steps} steps, or {} seconds where seconds are equal", exact(seconds)),
                (Some(steps), None) => format!("{} steps", thousands(steps as i64)),
                (None, Some(seconds)) => format!("{} seconds", exact(seconds)),
                (None, None) => "the budget in the configuration".into(),
            };
            sentences.push(format!(
                "Every model was trained from {} seeds for {budget} with the same optimiser ({}, linear warm-up, then \
                 cosine), the same data pipeline and {}; training and test data come from disjoint seeds.",
                settings.seeds.unwrap_or(1),
                settings.optimizer.unwrap_or_default().name(),
                match &experiment.tune {
                    Some(_) => "the same number of learning rates tried",
                    None => "one learning rate for all",
                }
            ));
        }
    }
    if experiment.claim == CLAIM {
        sentences.push("Models have equal parameter counts as far as whole widths allow.".into());
        return sentences;
    }
    let size = match experiment.settings.equal.as_deref() {
        Some("width") => "Models have equal width, and what parameters that takes.",
        _ => "Models have equal parameter counts as far as whole widths allow.",
    };
    sentences.push(format!(
        "{size} The margin that the effect must exceed was fixed before the run: {}.",
        exact(experiment.margin)
    ));
    sentences
}

/// The command that makes one claim again.
fn rerun(source: &Source, experiment: &Experiment) -> String {
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
    if let Some(corpus) = manifest
        .corpus
        .as_ref()
        .filter(|_| manifest.command.contains("--corpus"))
    {
        command += &format!(" --corpus {}", corpus.name);
    }
    command
}

fn subtitle(source: &Source) -> String {
    let manifest = &source.manifest;
    let cpu = manifest
        .machine
        .get("cpu")
        .and_then(|v| v.as_str())
        .unwrap_or("unknown CPU");
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

/// What is not as it should be.
fn notes(source: &Source) -> Vec<String> {
    let mut notes = source.missing.clone();
    for skipped in &source.manifest.skipped {
        notes.push(format!(
            "{} was not run: {}. {}",
            skipped.experiment, skipped.reason, skipped.remedy
        ));
    }
    for experiment in &source.manifest.experiments {
        let skipped = source
            .manifest
            .skipped
            .iter()
            .any(|s| s.experiment == experiment.id);
        if !skipped && !source.records.iter().any(|r| r.experiment == experiment.id) {
            notes.push(format!("{} has no measurements yet", experiment.id));
        }
    }
    let unfinished = source
        .runs
        .iter()
        .filter(|run| run.status.is_none())
        .count();
    if unfinished > 0 {
        notes.push(format!(
            "{} started and not finished",
            count(unfinished, "run was", "runs were")
        ));
    }
    let failed = source
        .runs
        .iter()
        .filter(|run| {
            run.status
                .as_ref()
                .is_some_and(|s| s.state == State::Failed)
        })
        .count();
    if failed > 0 {
        notes.push(format!(
            "{} failed; the reasons stand in the table of runs",
            count(failed, "run", "runs")
        ));
    }
    notes
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn run_summary(source: &Source) -> String {
    let state = |state| {
        source
            .runs
            .iter()
            .filter(|r| r.status.as_ref().map(|s| s.state) == state)
            .count()
    };
    format!(
        "{}: {} done, {} failed, {} not finished. Each has its configuration, records and log in runs/.",
        count(source.runs.len(), "run", "runs"),
        state(Some(State::Done)),
        state(Some(State::Failed)),
        state(None)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Answer, Evidence};
    use crate::stats::Interval;

    #[test]
    fn an_explanation_says_what_was_measured() {
        let verdict = Verdict {
            claim: "vanishing".into(),
            answer: Answer::Supported,
            sentence: String::new(),
            flips: None,
            more_seeds: None,
            evidence: vec![Evidence {
                label: "elman: decay".into(),
                effect: Interval {
                    low: 0.5,
                    estimate: 0.75,
                    high: 1.0,
                    level: 0.95,
                    n: 3,
                },
                unit: String::new(),
                margin: 0.0,
                answer: Answer::Supported,
                deciding: true,
            }],
        };
        let explanation = Explanation {
            title: "Why?".into(),
            paragraphs: vec!["It loses {elman: decay}, not {lstm: decay}; } stays.".into()],
        };
        let filled = explained(&explanation, Some(&verdict));
        assert_eq!(
            filled.paragraphs,
            ["It loses 0.750 [0.500, 1.00], not (not measured yet); } stays."]
        );
        let nothing = explained(&explanation, None);
        assert!(nothing.paragraphs[0].starts_with("It loses (not measured yet), not"));
    }

    #[test]
    fn explanations_name_comparisons_that_exist() {
        for loaded in crate::suite::embedded::all().expect("they are well formed") {
            let Some(explanation) = loaded.experiment.explanation else {
                continue;
            };
            for label in explanation
                .paragraphs
                .iter()
                .flat_map(|p| p.split('{').skip(1))
            {
                let (label, _) = label.split_once('}').expect("braces are closed");
                let known = |model: &str| label.starts_with(&format!("{model}, "));
                assert!(
                    ["elman", "lstm", "gru", "transformer"]
                        .into_iter()
                        .any(known)
                        && label.ends_with(": decay of the gradient"),
                    "{label}"
                );
            }
        }
    }
}
