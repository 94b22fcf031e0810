//! `report.html`: what the template is filled with.

mod sentences;

use super::chart::{NARROW, WIDE, draw};
use super::figure::Figure;
use super::inventory;
use super::published;
use super::source::Source;
use super::tables::{self, Table};
use super::terminal;
use crate::claims::published::CLAIM;
use crate::claims::{self, Verdict};
use crate::experiment::schema::{Experiment, Explanation};
use crate::record::metrics;
use askama::Template;
use sentences::{method, more, notes, rerun, run_summary, subtitle};

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
        for loaded in crate::experiment::embedded::all().expect("they are well formed") {
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
