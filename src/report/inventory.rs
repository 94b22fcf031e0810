//! Tables of what there was: machine, settings, runs.

use super::axis::{significant, thousands};
use super::palette;
use super::source::Source;
use super::tables::{Cell, Table, number, text};
use crate::suite::output::{Manifest, RunEntry, State};
use std::collections::{BTreeMap, BTreeSet};

/// The leaves of a JSON value by their paths.
pub fn facts(value: &serde_json::Value) -> BTreeMap<String, String> {
    let mut facts = Vec::new();
    flatten("", value, &mut facts);
    facts.into_iter().collect()
}

/// Facts about machine, versions and settings.
pub fn machine(manifest: &Manifest) -> Table {
    let mut facts = Vec::new();
    flatten("", &manifest.machine, &mut facts);
    let mut add = |name: &str, value: String| facts.push((name.to_string(), value));
    add("seqduel", manifest.version.clone());
    add(
        "suite",
        format!("{}, profile {}", manifest.suite, manifest.profile),
    );
    add("command", manifest.command.clone());
    add("seed", manifest.seed.to_string());
    add("threads of timings", manifest.threads.to_string());
    add("started", manifest.started.clone());
    add("seconds of work", significant(manifest.wall_seconds));
    if let Some(corpus) = &manifest.corpus {
        let characters = thousands(corpus.characters as i64);
        add(
            "corpus",
            format!(
                "{}, {characters} characters, SHA-256 {}",
                corpus.name, corpus.sha256
            ),
        );
    }
    let rows = facts
        .into_iter()
        .map(|(name, value)| vec![text(name), text(value)])
        .collect();
    Table {
        header: Vec::new(),
        rows,
        sortable: false,
    }
}

/// The leaves of a JSON value with their paths.
fn flatten(path: &str, value: &serde_json::Value, facts: &mut Vec<(String, String)>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_string()
        } else {
            format!("{path} {key}")
        }
        .replace('_', " ")
    };
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| flatten(&below(key), value, facts)),
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => facts.push((path.into(), text.clone())),
        serde_json::Value::Number(n) => {
            facts.push((path.into(), n.as_f64().map_or(n.to_string(), plain_number)))
        }
        other => facts.push((path.into(), other.to_string())),
    }
}

fn plain_number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        thousands(value as i64)
    } else {
        significant(value)
    }
}

/// Every run with how it ended.
pub fn runs(source: &Source) -> anyhow::Result<Table> {
    let mut known: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<u64>, &str)> = BTreeMap::new();
    for record in &source.records {
        let entry = known
            .entry(&record.run)
            .or_insert_with(|| (BTreeSet::new(), BTreeSet::new(), &record.experiment));
        entry.0.insert(&record.model);
        entry.1.extend(record.seed);
    }
    let row = |run: &RunEntry| {
        let (models, seeds, experiment) = known.get(run.id.as_str()).cloned().unwrap_or_default();
        let names: Vec<_> = models.into_iter().map(palette::name).collect();
        let seeds: Vec<_> = seeds.into_iter().map(|s| s.to_string()).collect();
        let (state, class) = match run.status.as_ref().map(|s| s.state) {
            Some(State::Done) => ("done", ""),
            Some(State::Failed) => ("failed", "failed"),
            None => ("not finished", "failed"),
        };
        vec![
            text(&run.id),
            text(if experiment.is_empty() {
                from_config(run, "experiment")
            } else {
                experiment.into()
            }),
            text(if names.is_empty() {
                palette::name(&from_config(run, "model")).to_string()
            } else {
                names.join(", ")
            }),
            text(if seeds.is_empty() {
                from_config(run, "seed")
            } else {
                seeds.join(", ")
            }),
            Cell {
                text: state.into(),
                class,
                key: None,
            },
            run.status.as_ref().map_or(text(""), |s| number(s.seconds)),
            text(
                run.status
                    .as_ref()
                    .and_then(|s| s.reason.clone())
                    .unwrap_or_default(),
            ),
        ]
    };
    Ok(Table {
        header: vec![
            "run",
            "experiment",
            "models",
            "seed",
            "state",
            "seconds",
            "reason",
        ],
        rows: source.runs.iter().map(row).collect(),
        sortable: true,
    })
}

/// A run that left no records is known by its configuration alone.
fn from_config(run: &RunEntry, key: &str) -> String {
    let Ok(table) = toml::from_str::<toml::Table>(&run.config) else {
        return String::new();
    };
    match table.get(key) {
        Some(toml::Value::String(text)) => text.clone(),
        Some(value @ toml::Value::Integer(_)) => value.to_string(),
        _ => String::new(),
    }
}
