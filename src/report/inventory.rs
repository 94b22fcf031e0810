//! Tables of the machine, the settings and the runs.

use super::number::{significant, thousands};
use super::palette;
use super::source::Source;
use super::table::{Cell, Table, number, numeric, text};
use crate::record::cell;
use crate::results::output::{Manifest, RunEntry, State};
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

/// What the records of a run tell about it: models, seeds, experiment.
type Known<'a> = (BTreeSet<&'a str>, BTreeSet<u64>, &'a str);

/// All runs with how they ended, a row for those that ended well and differ by seed or launch alone. Trials
/// of searches that ended well are left out: they are many, and the tables of rates have them.
pub fn runs(source: &Source) -> Table {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for record in &source.records {
        let entry = known
            .entry(&record.run)
            .or_insert_with(|| (BTreeSet::new(), BTreeSet::new(), &record.experiment));
        entry.0.insert(&record.model);
        entry.1.extend(record.seed);
    }
    let tried = source.records.iter();
    let tried = tried.filter(|record| record.metric.starts_with("tuning_"));
    let tried: BTreeSet<&str> = tried.map(|record| record.run.as_str()).collect();
    let done = |run: &RunEntry| run.status.as_ref().is_some_and(|s| s.state == State::Done);
    let shown = |run: &&RunEntry| !done(run) || !tried.contains(run.id.as_str());
    let shown: Vec<&RunEntry> = source.runs.iter().filter(shown).collect();
    let alike = |a: &&RunEntry, b: &&RunEntry| done(a) && done(b) && cell(&a.id) == cell(&b.id);
    let rows = shown.chunk_by(alike).map(|runs| {
        let mut all = Known::default();
        for run in runs {
            let (models, seeds, experiment) = known.remove(run.id.as_str()).unwrap_or_default();
            all.0.extend(models);
            all.1.extend(seeds);
            all.2 = experiment;
        }
        row(runs, all)
    });
    Table {
        header: vec![
            "run",
            "experiment",
            "models",
            "seeds",
            "runs",
            "state",
            "seconds",
            "reason",
        ],
        rows: rows.collect(),
        sortable: true,
    }
}

/// Runs that differ by seed or launch alone as a row, with their seconds in all. One without records is
/// described from its configuration.
fn row(runs: &[&RunEntry], (models, seeds, experiment): Known) -> Vec<Cell> {
    let run = runs[0];
    let or_configured = |known: Vec<String>, key: &str| match known.is_empty() {
        true => from_config(run, key),
        false => known,
    };
    let experiment = Some(experiment.to_owned()).filter(|e| !e.is_empty());
    let models = or_configured(models.into_iter().map(String::from).collect(), "model");
    let names: Vec<_> = models.iter().map(|model| palette::name(model)).collect();
    let seeds = match (seeds.first(), seeds.last()) {
        (Some(first), Some(last)) if (last - first) as usize + 1 == seeds.len() && first < last => {
            vec![format!("{first} to {last}")]
        }
        _ => seeds.iter().map(u64::to_string).collect(),
    };
    let (state, class) = match run.status.as_ref().map(|s| s.state) {
        Some(State::Done) => ("done", ""),
        Some(State::Failed) => ("failed", "failed"),
        None => ("not finished", "failed"),
    };
    let reason = run.status.as_ref().and_then(|s| s.reason.clone());
    vec![
        text(if runs.len() > 1 {
            cell(&run.id)
        } else {
            &run.id
        }),
        text(or_configured(experiment.into_iter().collect(), "experiment").join(", ")),
        text(names.join(", ")),
        text(or_configured(seeds, "seed").join(", ")),
        numeric(runs.len().to_string()),
        Cell {
            text: state.into(),
            class,
        },
        match run.status {
            Some(_) => number(runs.iter().flat_map(|r| &r.status).map(|s| s.seconds).sum()),
            None => text(""),
        },
        text(reason.unwrap_or_default()),
    ]
}

/// Every value of a key in the configuration of a run, at any depth: a run that times several models
/// names each of them.
fn from_config(run: &RunEntry, key: &str) -> Vec<String> {
    fn collect(value: &toml::Value, key: &str, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(name, value)| match value {
                toml::Value::String(text) if name == key => found.push(text.clone()),
                toml::Value::Integer(number) if name == key => found.push(number.to_string()),
                value => collect(value, key, found),
            }),
            toml::Value::Array(values) => values.iter().for_each(|v| collect(v, key, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(config) = toml::from_str(&run.config) {
        collect(&config, key, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::embedded;
    use crate::runs::context::Context;
    use crate::runs::expand::expand;
    use crate::runs::texts::Texts;

    #[test]
    fn a_run_without_records_is_listed_with_what_its_configuration_says() {
        let listed = |experiment: &str, run: &str| -> Vec<String> {
            let loaded = embedded::find(experiment).expect("embedded").unwrap();
            let context = Context {
                profile: "smoke",
                seed: 7,
                threads: 2,
                texts: &Texts::new("no text"),
                more: &Default::default(),
            };
            let all = expand(&loaded.resolve("smoke", &[]).unwrap(), &context).unwrap();
            let run = all
                .runs
                .iter()
                .find(|r| r.id.contains(run))
                .expect("planned");
            let entry = RunEntry {
                id: run.id.clone(),
                status: None,
                config: run.config("smoke", &BTreeMap::new()),
            };
            let cells = row(&[&entry], Known::default());
            cells
                .into_iter()
                .skip(1)
                .map(|cell| cell.text)
                .take(3)
                .collect()
        };
        let trained = listed("distance-recall", "gru-seed7");
        assert_eq!(trained, ["distance-recall", "GRU", "7"]);
        let timed = listed("speed-long", "train-step");
        assert_eq!(
            timed,
            ["speed-long", "Elman RNN, LSTM, GRU, transformer", ""]
        );
    }
}
