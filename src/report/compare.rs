//! Two output directories side by side: what changed, by how much, and which settings differ.

use super::collect::{LEVEL, estimate};
use super::palette;
use super::source::Source;
use crate::claims::{Answer, Verdict};
use crate::experiment::schema::Experiment;
use crate::record::Record;
use crate::record::metrics::{METRICS, Metric, find};
use crate::results::output::Manifest;
use crate::stats::bootstrap::{Resampling, Statistic, difference, ratio};
use crate::stats::{Interval, median};
use anyhow::bail;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Columns that say what a measurement is of, besides the options of the model and the parameters of
/// the task; values of the same metric with the same factors are compared.
const FACTORS: [&str; 9] = [
    "model",
    "arm",
    "characters",
    "operation",
    "task",
    "seq_len",
    "batch",
    "equal",
    "threads",
];

/// Everything that differs between two directories.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Every measurement that both have.
    pub changes: Vec<Change>,
    /// Every claim that either judges.
    pub verdicts: Vec<VerdictChange>,
    /// Differences of machine and settings, which a reader must know before believing a change.
    pub differences: Vec<String>,
}

/// One measurement in both directories.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Experiment id.
    pub experiment: String,
    /// Model and factors.
    pub what: String,
    /// Metric.
    pub metric: String,
    /// Unit of the metric.
    pub unit: &'static str,
    /// Estimate in the first directory.
    pub before: f64,
    /// Estimate in the second directory.
    pub after: f64,
    /// `ratio` (after / before, of timings) or `difference` (after − before).
    pub kind: &'static str,
    /// The ratio or difference.
    pub change: f64,
    /// Its 95 % interval; `None` if there is one value on each side.
    pub interval: Option<Interval>,
    /// Whether the interval leaves out "no change"; `None` without an interval.
    pub differs: Option<bool>,
}

/// One claim in both directories.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictChange {
    /// Claim id.
    pub claim: String,
    /// Answer in the first directory, if judged.
    pub before: Option<Answer>,
    /// Answer in the second directory, if judged.
    pub after: Option<Answer>,
}

type Key = (String, String, Vec<String>);

/// Compares two directories in the named metrics; with none named, in those that their plots show.
///
/// # Errors
/// If a metric does not exist, or is a curve.
pub fn compare(before: &Source, after: &Source, metrics: &[String]) -> anyhow::Result<Comparison> {
    let metrics = chosen(before, after, metrics)?;
    let factors = factors(before, after);
    let [old, new] = [before, after].map(|source| samples(source, &metrics, &factors));
    let both = old
        .iter()
        .filter_map(|(key, a)| Some((key, a, new.get(key)?)));
    Ok(Comparison {
        changes: both
            .map(|(key, a, b)| change(&factors, key, a, b))
            .collect(),
        verdicts: verdicts(before, after),
        differences: differences(before, after)?,
    })
}

fn chosen<'a>(
    before: &'a Source,
    after: &'a Source,
    named: &'a [String],
) -> anyhow::Result<BTreeSet<&'a str>> {
    if named.is_empty() {
        let experiments = [before, after].map(|source| &source.manifest.experiments);
        let plots = experiments.into_iter().flatten().flat_map(|e| &e.plots);
        let drawn = plots.map(|plot| plot.metric.as_str());
        let values = drawn.filter(|name| find(name).is_some_and(|m| m.x.is_none()));
        return Ok(values.collect());
    }
    for name in named {
        match find(name) {
            Some(Metric { x: Some(x), .. }) => {
                bail!("metric `{name}` is a curve over {x}; compare values, not curves")
            }
            Some(_) => {}
            None => {
                let values = METRICS.iter().filter(|m| m.x.is_none());
                let known: Vec<_> = values.map(|m| m.name).collect();
                bail!(
                    "no metric is called `{name}`; metrics are {}",
                    known.join(", ")
                );
            }
        }
    }
    Ok(named.iter().map(String::as_str).collect())
}

/// [`FACTORS`], and those of options and parameters that both directories record: a directory of an
/// earlier version has fewer columns.
fn factors(before: &Source, after: &Source) -> Vec<&'static str> {
    let recorded = |source: &Source, column: &str| {
        let mut fields = source.records.iter().map(|record| record.get(column));
        fields.any(|field| !field.is_empty())
    };
    let both = |column: &&str| recorded(before, column) && recorded(after, column);
    let further = Record::factors().filter(both);
    FACTORS.into_iter().chain(further).collect()
}

fn samples(source: &Source, metrics: &BTreeSet<&str>, factors: &[&str]) -> BTreeMap<Key, Vec<f64>> {
    let mut samples: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
    for record in &source.records {
        if let Some(value) = record.value
            && metrics.contains(record.metric.as_str())
        {
            let values = factors.iter().map(|column| record.get(column)).collect();
            let key = (record.experiment.clone(), record.metric.clone(), values);
            samples.entry(key).or_default().push(value);
        }
    }
    samples
}

fn change(factors: &[&str], (experiment, metric, values): &Key, a: &[f64], b: &[f64]) -> Change {
    let row = find(metric);
    let [before, after] = [a, b].map(|sample| estimate(metric, 0.0, sample.to_vec()).value);
    let again = Resampling::default();
    // Outcomes that are 0 or 1 are compared by their share of ones, everything else by the median.
    let statistic = match metric.as_str() {
        "solved" => Statistic::Mean,
        _ => Statistic::Median,
    };
    let (kind, change, interval, none) = if row.is_some_and(|m| m.timing) {
        let interval = ratio(statistic, b, a, LEVEL, again);
        ("ratio", median(b) / median(a), interval.ok(), 1.0)
    } else {
        let interval = difference(statistic, b, a, LEVEL, again);
        ("difference", after - before, interval.ok(), 0.0)
    };
    let labels = factors.iter().zip(values);
    let labels = labels.filter_map(|(column, value)| palette::factor_label(column, value));
    Change {
        experiment: experiment.clone(),
        what: labels.collect::<Vec<_>>().join(", "),
        metric: metric.clone(),
        unit: row.map_or("", |m| m.unit),
        before,
        after,
        kind,
        change,
        interval,
        differs: interval.map(|i| none < i.low || none > i.high),
    }
}

fn verdicts(before: &Source, after: &Source) -> Vec<VerdictChange> {
    let answer = |source: &Source, claim: &str| {
        let verdict = source.verdicts.iter().find(|v| v.claim == claim);
        verdict.map(|v| v.answer)
    };
    let mut changes: Vec<VerdictChange> = Vec::new();
    for Verdict { claim, .. } in before.verdicts.iter().chain(&after.verdicts) {
        if !changes.iter().any(|change| change.claim == *claim) {
            changes.push(VerdictChange {
                claim: claim.clone(),
                before: answer(before, claim),
                after: answer(after, claim),
            });
        }
    }
    changes
}

/// Differences of machine, settings and experiments.
fn differences(before: &Source, after: &Source) -> anyhow::Result<Vec<String>> {
    let (a, b) = (&before.manifest, &after.manifest);
    let mut found = Vec::new();
    let mut differ = |name: &str, of: &dyn Fn(&Manifest) -> String| {
        let (a, b) = (of(a), of(b));
        if a != b {
            found.push(format!("{name}: {a} / {b}"));
        }
    };
    differ("profile", &|m| m.profile.clone());
    differ("seed", &|m| m.seed.to_string());
    differ("threads", &|m| m.threads.to_string());
    differ("version", &|m| m.version.clone());
    differ("corpus", &|m| match &m.corpus {
        Some(corpus) => {
            let start: String = corpus.sha256.chars().take(12).collect();
            format!("{} ({start}\u{2026})", corpus.name)
        }
        None => "none".into(),
    });
    let facts = |m: &Manifest| super::inventory::facts(&m.machine);
    let names: BTreeSet<String> = facts(a).into_keys().chain(facts(b).into_keys()).collect();
    for name in names {
        differ(&format!("machine, {name}"), &|m| {
            facts(m).remove(&name).unwrap_or_else(|| "unknown".into())
        });
    }
    let settings = |experiment: &Experiment| {
        let mut experiment = experiment.clone();
        experiment.plots.clear();
        toml::to_string(&experiment)
    };
    for experiment in &a.experiments {
        let id = &experiment.id;
        match b.experiments.iter().find(|e| e.id == *id) {
            None => found.push(format!("experiment {id} is only in the first")),
            Some(other) if settings(experiment)? != settings(other)? => {
                found.push(format!("experiment {id} has other settings"));
            }
            Some(_) => {}
        }
    }
    let new = b.experiments.iter();
    let new = new.filter(|e| a.experiments.iter().all(|other| other.id != e.id));
    found.extend(new.map(|e| format!("experiment {} is only in the second", e.id)));
    Ok(found)
}
