//! `report.html`: what the template is filled with.

mod plot;
mod sentences;

use super::figure::Figure;
use super::source::Source;
use super::table::{Table, with_interval};
use super::{forest, inventory, published, svg, tables, verdicts};
use crate::claims::published::CLAIM;
use crate::claims::{self, Claim, Verdict};
use crate::experiment::schema::{Experiment, Explanation};
use askama::Template;
use plot::Plot;
use sentences::{errors, method, notes, registered, rerun, run_summary, subtitle};

/// The whole page.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    subtitle: String,
    style: String,
    script: &'static str,
    notes: Vec<String>,
    command: &'a str,
    published: Table,
    published_summary: String,
    /// Whether all experiments only reproduce published numbers.
    only_published: bool,
    /// The picture of all claims, and what its points say; empty without verdicts.
    forest: String,
    forest_points: String,
    sections: Vec<Section<'a>>,
    /// How many false answers to expect, and which answers would survive a stricter reading.
    errors: String,
    /// Digest of what was fixed before the run.
    registered: String,
    machine: Table,
    run_summary: String,
    runs: Table,
}

/// One experiment.
struct Section<'a> {
    experiment: &'a Experiment,
    claim: Option<&'static Claim>,
    /// Whether it judges a claim; else it reproduces published numbers.
    judged: bool,
    id: &'a str,
    answer: &'static str,
    lead: String,
    scope: &'a str,
    /// Whether the reference run answers alike.
    beside: Option<String>,
    flips: Option<&'a str>,
    open: Option<&'a str>,
    plots: Vec<Plot<'a>>,
    explanation: Option<Explanation>,
    evidence: Table,
    learning: Table,
    method: Vec<String>,
    models: Table,
    throughput: Table,
    tuning: Table,
    command: String,
    configuration: String,
}

impl Section<'_> {
    /// The class of its answer in the page.
    fn class(&self) -> String {
        self.answer.replace(' ', "-")
    }

    /// The mark of its answer, as in the plot of all claims.
    fn sign(&self) -> &'static str {
        verdicts::sign(self.answer)
    }

    /// The claim in a sentence.
    fn claimed(&self) -> &str {
        self.claim.map_or(&self.experiment.title, |c| c.claim)
    }
}

/// Writes the page. `figures` holds the plots of each experiment of the manifest.
pub fn page(source: &Source, figures: &[Vec<Figure>]) -> anyhow::Result<String> {
    let manifest = &source.manifest;
    let experiments = manifest.experiments.iter().zip(figures);
    let sections = experiments
        .map(|(experiment, figures)| section(source, experiment, figures))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let forest = forest::draw(&source.verdicts);
    let page = Page {
        forest: forest
            .as_ref()
            .map_or(String::new(), |scene| scene.inline_svg("forest")),
        forest_points: forest.map_or(String::new(), |scene| {
            plot::points("", "effect", &scene.hits)
        }),
        title: format!("seqduel: {} ({})", manifest.suite, manifest.profile),
        subtitle: subtitle(source),
        style: include_str!("../../templates/report.css").to_owned() + &svg::page_rules(),
        script: include_str!("../../templates/report.js"),
        notes: notes(source),
        command: &manifest.command,
        published: published::table(&source.published),
        published_summary: published::summary(&source.published),
        only_published: !sections.is_empty() && sections.iter().all(|section| !section.judged),
        sections,
        errors: errors(source),
        registered: registered(source),
        machine: inventory::machine(manifest),
        run_summary: run_summary(source),
        runs: inventory::runs(source),
    };
    Ok(page.render()?)
}

/// An explanation with the measured effects in place of the labels in braces.
fn explained(explanation: &Explanation, verdict: Option<&Verdict>) -> Explanation {
    let mut filled = explanation.clone();
    let evidence = verdict.map_or(&[][..], |v| &v.evidence);
    for paragraph in &mut filled.paragraphs {
        let mut rest = paragraph.as_str();
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{')
            && let Some((label, after)) = after.split_once('}')
        {
            text += before;
            text += &match evidence.iter().find(|e| e.label == label) {
                Some(e) => with_interval(e.effect.estimate, Some(&e.effect)).text,
                None => "(not measured yet)".into(),
            };
            rest = after;
        }
        text += rest;
        *paragraph = text;
    }
    filled
}

fn section<'a>(
    source: &'a Source,
    experiment: &'a Experiment,
    figures: &'a [Figure],
) -> anyhow::Result<Section<'a>> {
    let claim = claims::find(&experiment.claim);
    let verdict = source.verdicts.iter().find(|v| v.claim == experiment.claim);
    let skipped = source.skipped(experiment);
    let judged = experiment.claim != CLAIM;
    let mine = published::of(&source.published, experiment);
    let (answer, sentence) = match (verdict, skipped) {
        (Some(verdict), _) => (verdicts::answer(verdict.answer), verdict.sentence.clone()),
        (None, Some(skipped)) => ("not run", format!("Not run: {}.", skipped.reason)),
        (None, None) => ("pending", "Not judged yet.".into()),
    };
    let (answer, sentence) = match (judged, mine.is_empty()) {
        (true, _) => (answer, sentence),
        (false, true) => (published::answer(&mine), sentence),
        (false, false) => (published::answer(&mine), published::summary(&mine)),
    };
    let explanation = experiment.explanation.as_ref();
    Ok(Section {
        experiment,
        claim,
        judged,
        id: if judged {
            &experiment.claim
        } else {
            &experiment.id
        },
        answer,
        lead: sentence,
        scope: verdict.map_or("", |v| &v.scope),
        beside: verdict.and_then(verdicts::beside),
        flips: verdict.and_then(|v| v.flips.as_deref()),
        open: verdict.and_then(|v| v.open.as_deref()),
        plots: figures.iter().map(Plot::of).collect(),
        explanation: explanation.map(|e| explained(e, verdict)),
        evidence: match judged {
            true => tables::evidence(verdict),
            false => published::details(&mine),
        },
        learning: tables::learning(source, experiment),
        method: method(source, experiment),
        models: tables::models(source, experiment),
        throughput: tables::throughput(source, experiment),
        tuning: tables::tuning(source, experiment),
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
            open: None,
            scope: String::new(),
            survives: true,
            cells: Vec::new(),
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
                opposite: 0.0,
                answer: Answer::Supported,
                deciding: true,
                void: String::new(),
                looks: 1,
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
                let models = ["elman", "lstm", "gru", "transformer"];
                let decay =
                    label.ends_with(": decay of the gradient") && models.into_iter().any(known);
                let tasks = [", parity", ", cyclic"];
                let tracked = label.contains(" − transformer (")
                    && tasks.iter().any(|task| label.ends_with(task));
                let arms = [
                    "from scratch − fine-tuned",
                    "LoRA of rank 4 − fine-tuned",
                    "LoRA of rank 1 − LoRA of rank 4",
                ];
                let tuned = label
                    .split_once(" characters: ")
                    .is_some_and(|(who, what)| {
                        let who = who.split_once(", ").map(|(model, _)| model);
                        let models = ["the transformer", "the GRU", "the LSTM"];
                        who.is_some_and(|who| models.contains(&who)) && arms.contains(&what)
                    });
                assert!(decay || tracked || tuned, "{label}");
            }
        }
    }
}
