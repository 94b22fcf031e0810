//! Synthetic records of five experiments, shaped as real runs leave them, for tests of the report.

mod experiments;
mod timings;
mod training;

use crate::claims;
use crate::experiment::schema::Experiment;
use crate::record::Record;
use crate::results::output::{self, CorpusUsed, Manifest, State, Status};
use experiments::EXPERIMENTS;
use serde_json::json;
use std::path::Path;

/// Deterministic noise, about −1 to 1.
fn noise(parts: &[u64]) -> f64 {
    let mut h = 0x9e37_79b9_7f4a_7c15u64;
    for part in parts {
        h = (h ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 29;
    }
    (h % 2001) as f64 / 1000.0 - 1.0
}

/// An output directory in the making.
pub struct Fixture {
    records: Vec<Record>,
    runs: Vec<(String, Option<Status>)>,
}

/// Factors of a run; the rest of its records differ in metric, x and value.
fn base(experiment: &str, run: &str, model: &str) -> Record {
    let parameters = [
        ("elman", 206_112),
        ("lstm", 208_400),
        ("gru", 205_904),
        ("transformer", 209_760),
    ];
    Record {
        run: run.into(),
        experiment: experiment.into(),
        profile: "quick".into(),
        model: model.into(),
        parameters: parameters.iter().find(|p| p.0 == model).map(|p| p.1),
        width: Some(128),
        layers: Some(1),
        ..Record::default()
    }
}

impl Fixture {
    fn add(&mut self, base: &Record, metric: &str, x: Option<f64>, value: Option<f64>) {
        let unit = crate::record::metrics::find(metric)
            .expect("a documented metric")
            .unit
            .to_string();
        self.records.push(Record {
            metric: metric.into(),
            x,
            value,
            unit,
            ..base.clone()
        });
    }

    fn done(&mut self, run: &str) {
        let status = Status {
            state: State::Done,
            reason: None,
            config: "0".repeat(64),
            records: None,
            seconds: 12.5,
        };
        self.runs.push((run.into(), Some(status)));
    }
}

/// Writes a whole output directory, with verdicts by the catalogue's own rules, one failed and one
/// unfinished run.
pub fn write(dir: &Path) {
    let mut fixture = Fixture {
        records: Vec::new(),
        runs: Vec::new(),
    };
    fixture.throughput();
    fixture.copy();
    fixture.recall();
    fixture.text();
    let reason = "the loss became infinite at step 41 <of 3000> & stopped".to_string();
    let failed = Status {
        state: State::Failed,
        reason: Some(reason),
        config: "0".repeat(64),
        records: None,
        seconds: 3.25,
    };
    fixture
        .runs
        .push(("distance-copy-lstm-default-200-4".into(), Some(failed)));
    fixture.runs.push(("next-word-gru-seconds-3".into(), None));
    write_json(dir, output::MANIFEST, &manifest());
    write_records(dir, &fixture.records);
    let experiments = experiments();
    let fixed: Vec<_> = experiments.iter().map(Experiment::fixed).collect();
    write_json(
        dir,
        output::VERDICTS,
        &claims::judge_all(&fixture.records, &fixed, claims::ALPHA),
    );
    for (run, status) in &fixture.runs {
        let place = dir.join(output::RUNS).join(run);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(
            place.join(output::CONFIG),
            "experiment = \"distance-copy\"\n[work.train.model]\nmodel = \"lstm\"\n[work.train.train]\nseed = 4\n",
        )
        .unwrap();
        if let Some(status) = status {
            write_json(&place, output::STATUS, status);
        }
    }
}

/// The five experiments.
pub fn experiments() -> Vec<Experiment> {
    EXPERIMENTS
        .iter()
        .map(|text| toml::from_str(text).unwrap())
        .collect()
}

/// The manifest of the fixture.
pub fn manifest() -> Manifest {
    Manifest {
        format: 1,
        suite: "claims".into(),
        profile: "quick".into(),
        seed: 7,
        threads: 2,
        command: "seqduel reproduce --seed 7".into(),
        version: "0.1.0".into(),
        machine: json!({"cpu": "Synthetic 9000 @ 3.0 GHz", "cores": 2, "memory_bytes": 8_000_000_000u64, "simd": "avx2", "build": {"profile": "release", "rustc": "1.95.0"}}),
        corpus: Some(CorpusUsed {
            name: "kjv".into(),
            sha256: "ab".repeat(32),
            characters: 4_332_554,
        }),
        experiments: experiments(),
        plan: Default::default(),
        looks: Default::default(),
        skipped: Vec::new(),
        started: "2026-01-02T03:04:05Z".into(),
        wall_seconds: 812.0,
    }
}

/// Writes a JSON file.
pub fn write_json(dir: &Path, file: &str, value: &impl serde::Serialize) {
    std::fs::write(dir.join(file), serde_json::to_string_pretty(value).unwrap()).unwrap();
}

/// Writes `results.csv.gz`.
pub fn write_records(dir: &Path, records: &[Record]) {
    std::fs::write(
        dir.join(output::RESULTS),
        output::packed_csv_of(records).unwrap(),
    )
    .unwrap();
}
