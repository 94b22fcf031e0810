//! Synthetic records of five experiments, shaped as real runs leave them, for tests of the report.

use crate::claims;
use crate::suite::Record;
use crate::suite::output::{self, CorpusUsed, Manifest, State, Status};
use crate::suite::schema::Experiment;
use serde_json::json;
use std::path::Path;

const EXPERIMENTS: [&str; 5] = [
    r#"
id = "speed-long"
claim = "speed-long"
title = "Speed on long sequences"
question = "Do recurrent models process fewer tokens a second than attention as sequences grow?"
kind = "throughput"
margin = 1.1
models = [{ model = "elman" }, { model = "lstm" }, { model = "gru" }, { model = "transformer" }]
[sweep]
task = ["train-step", "forward", "decode"]
[[plot]]
file = "speed-long"
title = "How many tokens a second does each model process as sequences grow?"
kind = "lines"
metric = "tokens_per_second"
x = "seq_len"
x_label = "tokens in a sequence T"
y_label = "tokens per second"
x_scale = "log2"
y_scale = "log10"
series = ["model"]
facet = ["task"]
[[plot]]
file = "share-of-peak"
title = "Which share of the machine's peak do the training steps reach?"
kind = "lines"
metric = "share_of_peak"
x = "seq_len"
x_label = "tokens in a sequence T"
y_label = "share of measured peak"
x_scale = "log2"
series = ["model"]
where = { task = "train-step" }
[[plot]]
file = "roofline"
title = "How near the machine's roofs do training steps and their operations come?"
kind = "roofline"
metric = "operation_seconds"
x = "x"
x_label = "operational intensity (FLOP per byte)"
y_label = "speed (GFLOP/s)"
series = ["model"]
where = { task = "train-step", seq_len = 128 }
"#,
    r#"
id = "parallel-clock"
claim = "parallel-clock"
title = "Speed-up from more cores"
question = "Does recurrent training gain less from a second core than attention?"
kind = "throughput"
margin = 1.1
models = [{ model = "elman" }, { model = "lstm" }, { model = "gru" }, { model = "transformer" }]
[[plot]]
file = "parallel-clock"
title = "How much does each model gain from a second core?"
kind = "lines"
metric = "tokens_per_second"
x = "threads"
x_label = "threads"
y_label = "tokens per second"
y_scale = "log10"
series = ["model"]
facet = ["batch"]
"#,
    r#"
id = "distance-copy"
claim = "distance-copy"
title = "Remembering ten symbols"
question = "Which models still recall ten symbols after T blank tokens?"
kind = "train"
margin = 0.05
models = [{ model = "lstm" }, { model = "lstm", gates = "chrono" }, { model = "gru" }, { model = "transformer" }, { model = "transformer", positions = "rotary" }]
[settings]
steps = 3000
seeds = 4
[tune]
learning_rates = [0.001, 0.003, 0.01]
[[plot]]
file = "distance-copy"
title = "Which models recall ten symbols after a delay?"
kind = "lines"
metric = "test_accuracy"
x = "delay"
x_label = "delay T in tokens"
y_label = "accuracy on the ten symbols"
x_scale = "log2"
y_range = [0.0, 1.0]
series = ["model", "positions", "gates"]
floor = "floor_accuracy"
[[plot]]
file = "distance-copy-curves"
title = "When does each model learn to copy?"
kind = "curves"
metric = "validation_accuracy"
x = "x"
x_label = "training step"
y_label = "validation accuracy"
y_range = [0.0, 1.0]
series = ["model", "positions", "gates"]
facet = ["delay"]
floor = "floor_accuracy"
[[plot]]
file = "distance-copy-solved"
title = "In how many runs is copying solved?"
kind = "bars"
metric = "solved"
x = "model"
x_label = "model"
y_label = "share of runs with accuracy over 0.99"
y_range = [0.0, 1.0]
series = ["model", "positions", "gates"]
where = { delay = 200 }
"#,
    r#"
id = "distance-recall"
claim = "distance-recall"
title = "Recalling key and value pairs"
question = "How many pairs can each model look up?"
kind = "train"
margin = 0.05
models = [{ model = "lstm" }, { model = "gru" }, { model = "transformer" }]
[settings]
steps = 2000
seeds = 3
[[plot]]
file = "distance-recall"
title = "How many key and value pairs can each model hold?"
kind = "lines"
metric = "test_accuracy"
x = "pairs"
x_label = "pairs"
y_label = "accuracy"
x_scale = "log2"
y_range = [0.0, 1.0]
series = ["model"]
floor = "floor_accuracy"
[[plot]]
file = "distance-recall-by-distance"
title = "Does accuracy fall with the distance to the pair?"
kind = "curves"
metric = "test_accuracy_by_distance"
x = "x"
x_label = "distance to the key in tokens"
y_label = "accuracy"
y_range = [0.0, 1.0]
series = ["model"]
facet = ["pairs"]
floor = "floor_accuracy"
"#,
    r#"
id = "next-word"
claim = "next-word"
title = "Predicting English"
question = "Which model predicts held-out English best at equal size?"
kind = "train"
margin = 0.02
models = [{ model = "elman" }, { model = "lstm" }, { model = "gru" }, { model = "transformer" }]
[settings]
steps = 4000
seeds = 3
[sweep]
equal = ["tokens", "seconds"]
[tune]
learning_rates = [0.001, 0.003, 0.01]
[[plot]]
file = "next-word"
title = "How well does each model predict held-out English?"
kind = "bars"
metric = "test_bits_per_character"
x = "model"
x_label = "model"
y_label = "bits per character (less is better)"
series = ["model"]
facet = ["equal"]
baselines = ["kneser-ney", "kneser-ney-unlimited", "unigram"]
[[plot]]
file = "next-word-curves"
title = "How does the loss fall during training?"
kind = "curves"
metric = "validation_bits_per_character"
x = "x"
x_label = "training step"
y_label = "bits per character"
series = ["model"]
where = { equal = "tokens" }
baselines = ["kneser-ney"]
[[plot]]
file = "next-word-positions"
title = "Does more context help to the end of the window?"
kind = "curves"
metric = "test_bits_by_position"
x = "x"
x_label = "position in the window"
y_label = "bits per character"
x_scale = "log2"
series = ["model"]
where = { equal = "tokens" }
baselines = ["kneser-ney"]
"#,
];

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
        let unit = crate::suite::metrics::find(metric)
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

    fn throughput(&mut self) {
        let models = [
            ("elman", 260e3),
            ("lstm", 82e3),
            ("gru", 104e3),
            ("transformer", 190e3),
        ];
        for task in ["train-step", "forward", "decode"] {
            for t in [32usize, 64, 128, 256, 512, 1024, 2048, 4096] {
                let run = format!("speed-long-{task}-{t}");
                for (model, speed) in models {
                    let row = Record {
                        task: Some(task.into()),
                        seq_len: Some(t),
                        batch: Some(4096 / t),
                        threads: Some(2),
                        ..base("speed-long", &run, model)
                    };
                    self.timings(&row, task, t as f64, speed);
                    if task == "train-step" && t == 128 {
                        self.operations(&row, speed);
                    }
                }
                self.done(&run);
            }
        }
        for batch in [1usize, 8, 32] {
            for threads in [1usize, 2] {
                let run = format!("parallel-clock-{batch}-{threads}");
                for (model, speed) in models {
                    let gain =
                        1.0 - 0.9 / (batch as f64 + if model == "transformer" { 6.0 } else { 0.6 });
                    let row = Record {
                        task: Some("train-step".into()),
                        seq_len: Some(256),
                        batch: Some(batch),
                        threads: Some(threads),
                        ..base("parallel-clock", &run, model)
                    };
                    let speed = speed * (1.0 + gain * (threads as f64 - 1.0)) / 2.0;
                    self.timings(&row, "train-step", 256.0, speed);
                }
                self.done(&run);
            }
        }
    }

    fn timings(&mut self, row: &Record, task: &str, t: f64, speed: f64) {
        let recurrent = row.model != "transformer";
        let slowed = if recurrent {
            1.0 / (1.0 + t / 6000.0)
        } else {
            1.0 / (1.0 + t / 700.0)
        };
        let task_factor = match task {
            "train-step" => 1.0,
            "forward" => 3.1,
            _ => 0.12,
        };
        for repeat in 0..12 {
            let jitter = 1.0
                + 0.03 * noise(&[repeat, t as u64, row.model.len() as u64, speed as u64]).powi(3);
            let speed = speed * slowed * task_factor * jitter;
            let row = Record {
                repeat: Some(repeat as usize),
                ..row.clone()
            };
            self.add(&row, "tokens_per_second", None, Some(speed));
            self.add(&row, "step_seconds", None, Some(4096.0 / speed));
        }
        self.add(row, "flops_per_step", None, Some(1.7e9));
        self.add(row, "peak_flops", None, Some(1.6e11));
        self.add(
            row,
            "share_of_peak",
            None,
            Some(1.7e9 * speed * slowed / 4096.0 / 1.6e11),
        );
        self.add(row, "peak_bytes", None, Some(6.0e7 + t * 4e4));
    }

    /// Operations that add up to the step of [`Self::timings`].
    fn operations(&mut self, row: &Record, speed: f64) {
        self.add(row, "bytes_per_step", None, Some(1.4e8));
        for (bytes, rate) in [(262_144.0, 9.1e10), (134_217_728.0, 2.1e10)] {
            self.add(row, "copy_bytes_per_second", Some(bytes), Some(rate));
        }
        for (name, flops, bytes, time) in [
            ("embedding", 0.0, 0.04, 0.01),
            ("core", 0.3, 0.2, 0.28),
            ("linear", 0.05, 0.06, 0.04),
            ("cross_entropy", 0.002, 0.02, 0.02),
            ("linear.backward", 0.048, 0.08, 0.1),
            ("core.backward", 0.6, 0.5, 0.5),
            ("adamw", 0.0, 0.1, 0.05),
        ] {
            let row = Record {
                operation: Some(name.into()),
                ..row.clone()
            };
            self.add(&row, "operation_flops", None, Some(1.7e9 * flops));
            self.add(&row, "operation_bytes", None, Some(1.4e8 * bytes));
            for repeat in 0..5 {
                let jitter = 1.0 + 0.02 * noise(&[repeat, row.model.len() as u64]);
                let row = Record {
                    repeat: Some(repeat as usize),
                    ..row.clone()
                };
                let seconds = 4096.0 / speed * time * jitter;
                self.add(&row, "operation_seconds", None, Some(seconds));
            }
        }
    }

    fn copy(&mut self) {
        let variants = [
            ("lstm", None, Some("default"), 70.0),
            ("lstm", None, Some("chrono"), 210.0),
            ("gru", None, Some("default"), 110.0),
            ("transformer", Some("learned"), None, 900.0),
            ("transformer", Some("rotary"), None, 2000.0),
        ];
        for (model, positions, gates, reach) in variants {
            for delay in [20usize, 50, 100, 200] {
                for seed in 0..4u64 {
                    let run = format!(
                        "distance-copy-{model}-{}-{delay}-{seed}",
                        positions.or(gates).unwrap_or("")
                    );
                    let row = Record {
                        task: Some("copy".into()),
                        positions: positions.map(String::from),
                        gates: gates.map(String::from),
                        delay: Some(delay),
                        seed: Some(seed),
                        learning_rate: Some(0.003),
                        ..base("distance-copy", &run, model)
                    };
                    let luck = noise(&[seed, delay as u64, reach as u64]);
                    let goal = (1.0 / (1.0 + (delay as f64 / reach).powi(3)) + 0.06 * luck)
                        .clamp(0.1, 1.0);
                    for step in (0..=3000).step_by(100) {
                        let rise = 1.0
                            / (1.0
                                + (-(f64::from(step) - 900.0 - 4.0 * delay as f64 - 250.0 * luck)
                                    / 130.0)
                                    .exp());
                        self.add(
                            &row,
                            "validation_accuracy",
                            Some(f64::from(step)),
                            Some(0.125 + (goal - 0.125) * rise),
                        );
                    }
                    self.add(&row, "test_accuracy", None, Some(goal));
                    self.add(&row, "solved", None, Some(f64::from(u8::from(goal > 0.99))));
                    self.add(&row, "floor_accuracy", None, Some(0.125));
                    self.done(&run);
                }
            }
            for (rate, loss) in [(0.001, Some(1.4)), (0.003, Some(0.9)), (0.01, None)] {
                let row = Record {
                    positions: positions.map(String::from),
                    gates: gates.map(String::from),
                    learning_rate: Some(rate),
                    seed: Some(900),
                    ..base("distance-copy", &format!("tune-copy-{model}-{rate}"), model)
                };
                self.add(&row, "tuning_validation_loss", None, loss);
            }
        }
    }

    fn recall(&mut self) {
        for (model, capacity) in [("lstm", 5.0), ("gru", 7.0), ("transformer", 60.0)] {
            for pairs in [2usize, 4, 8, 16] {
                for seed in 0..3u64 {
                    let run = format!("distance-recall-{model}-{pairs}-{seed}");
                    let row = Record {
                        task: Some("recall".into()),
                        pairs: Some(pairs),
                        seed: Some(seed),
                        ..base("distance-recall", &run, model)
                    };
                    let level: f64 = 1.0 / (1.0 + (pairs as f64 / capacity).powi(2))
                        + 0.05 * noise(&[seed, pairs as u64, capacity as u64]);
                    let level = level.clamp(0.06, 1.0);
                    self.add(&row, "test_accuracy", None, Some(level));
                    self.add(&row, "floor_accuracy", None, Some(1.0 / 16.0));
                    for distance in (2..64).step_by(4) {
                        let fall = (1.0 - f64::from(distance) / 90.0 * (1.0 - level)) * level;
                        let wobble = 0.02 * noise(&[seed, distance as u64, pairs as u64]);
                        self.add(
                            &row,
                            "test_accuracy_by_distance",
                            Some(f64::from(distance)),
                            Some((fall + wobble).clamp(0.0, 1.0)),
                        );
                    }
                    self.done(&run);
                }
            }
        }
    }

    fn text(&mut self) {
        for (model, bits) in [
            ("elman", 2.31f64),
            ("lstm", 2.02),
            ("gru", 1.98),
            ("transformer", 2.07),
        ] {
            for equal in ["tokens", "seconds"] {
                for seed in 0..3u64 {
                    let run = format!("next-word-{model}-{equal}-{seed}");
                    let row = Record {
                        task: Some("text".into()),
                        equal: Some(equal.into()),
                        seed: Some(seed),
                        batch: Some(32),
                        seq_len: Some(128),
                        learning_rate: Some(0.003),
                        ..base("next-word", &run, model)
                    };
                    let wobble = 0.015 * noise(&[seed, bits.to_bits(), equal.len() as u64]);
                    let bits = bits
                        + wobble
                        + if equal == "seconds" && model == "lstm" {
                            0.12
                        } else {
                            0.0
                        };
                    for step in (100..=4000u64).step_by(100) {
                        let fall = 2.4 * (-(step as f64) / 700.0).exp();
                        let wave = 0.02 * noise(&[seed, step]);
                        self.add(
                            &row,
                            "validation_bits_per_character",
                            Some(step as f64),
                            Some(bits + fall + wave),
                        );
                    }
                    for position in 1..=128u64 {
                        let early = 2.2 / position as f64;
                        let wave = 0.05 * noise(&[seed, position, bits.to_bits()]);
                        self.add(
                            &row,
                            "test_bits_by_position",
                            Some(position as f64),
                            Some(bits + early + wave),
                        );
                    }
                    self.add(&row, "test_bits_per_character", None, Some(bits));
                    self.done(&run);
                }
            }
        }
        for (model, bits) in [
            ("unigram", 4.17),
            ("kneser-ney", 2.19),
            ("kneser-ney-unlimited", 1.8),
        ] {
            let row = Record {
                parameters: None,
                width: None,
                layers: None,
                ..base("next-word", "next-word-baselines", model)
            };
            self.add(&row, "test_bits_per_character", None, Some(bits));
        }
        self.done("next-word-baselines");
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
    let margins: Vec<_> = experiments
        .iter()
        .map(|e| (e.claim.as_str(), e.margin))
        .collect();
    write_json(
        dir,
        output::VERDICTS,
        &claims::judge_all(&fixture.records, &margins, 0.05),
    );
    for (run, status) in &fixture.runs {
        let place = dir.join(output::RUNS).join(run);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(
            place.join(output::CONFIG),
            "experiment = \"distance-copy\"\nmodel = \"lstm\"\nseed = 4\n",
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
        skipped: Vec::new(),
        started: "2026-01-02T03:04:05Z".into(),
        wall_seconds: 812.0,
    }
}

/// Writes a JSON file.
pub fn write_json(dir: &Path, file: &str, value: &impl serde::Serialize) {
    std::fs::write(dir.join(file), serde_json::to_string_pretty(value).unwrap()).unwrap();
}

/// Writes `results.csv`.
pub fn write_records(dir: &Path, records: &[Record]) {
    let mut writer = csv::Writer::from_path(dir.join(output::RESULTS)).unwrap();
    records
        .iter()
        .for_each(|record| writer.serialize(record).unwrap());
    writer.flush().unwrap();
}
