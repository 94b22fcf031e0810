//! Synthetic records for the tests of the rules.

use crate::record::Record;
use crate::stats::random::SplitMix64;

/// Timings: `speed(model, task, T, B, threads)` in tokens/s, with `noise` (relative standard
/// deviation), seven repeats in turn.
pub(super) fn timed(
    experiment: &str,
    tasks: &[&str],
    lengths: &[usize],
    threads: &[usize],
    noise: f64,
    speed: impl Fn(&str, &str, usize, usize) -> f64,
) -> Vec<Record> {
    let models = ["elman", "lstm", "gru", "transformer"].map(|model| (model, None));
    timed_series(experiment, &models, tasks, lengths, threads, noise, speed)
}

/// The same of models with their scans; `speed` is asked for `mingru parallel`.
pub(super) fn timed_series(
    experiment: &str,
    series: &[(&str, Option<&str>)],
    tasks: &[&str],
    lengths: &[usize],
    threads: &[usize],
    noise: f64,
    speed: impl Fn(&str, &str, usize, usize) -> f64,
) -> Vec<Record> {
    let mut random = SplitMix64::new(11);
    let mut records = Vec::new();
    for task in tasks {
        for &length in lengths {
            for &workers in threads {
                for repeat in 0..7 {
                    let drift = 1.0 + 0.1 * random.uniform();
                    for &(model, scan) in series {
                        let name = scan.map_or(model.to_owned(), |scan| format!("{model} {scan}"));
                        let value = speed(&name, task, length, workers) * drift;
                        let base = Record {
                            run: format!("{experiment}-{task}-{length}-{workers}"),
                            experiment: experiment.to_owned(),
                            model: model.to_owned(),
                            options: [("scan", scan)].into(),
                            task: Some((*task).to_owned()),
                            seq_len: Some(length),
                            batch: Some(4096 / length),
                            threads: Some(workers),
                            ..Record::default()
                        };
                        let tokens = value * (1.0 + noise * random.normal());
                        let mut push = |metric: &str, repeat: Option<usize>, value: f64| {
                            let (metric, value) = (metric.to_owned(), Some(value));
                            records.push(Record {
                                metric,
                                repeat,
                                value,
                                ..base.clone()
                            });
                        };
                        push("tokens_per_second", Some(repeat), tokens);
                        push("step_seconds", Some(repeat), 4096.0 / tokens);
                        if repeat == 0 {
                            push("flops_per_step", None, 1e9);
                            push("peak_flops", None, 1e11);
                        }
                    }
                }
            }
        }
    }
    records
}

/// One trained run of a task.
#[derive(Clone)]
pub(super) struct Trained<'a> {
    pub model: &'a str,
    pub positions: Option<&'a str>,
    pub gates: Option<&'a str>,
    pub width: usize,
    pub at: usize,
    pub seed: u64,
}

/// Outcomes of trained runs of copy (`delay`) or recall (`pairs`): `accuracy(run)` plus `noise`.
pub(super) fn trained(
    experiment: &str,
    sweep: &[usize],
    widths: &[usize],
    seeds: u64,
    noise: f64,
    accuracy: impl Fn(&Trained) -> f64,
) -> Vec<Record> {
    let mut random = SplitMix64::new(12);
    let series = [
        ("elman", None, None),
        ("lstm", None, Some("default")),
        ("lstm", None, Some("chrono")),
        ("gru", None, Some("default")),
        ("gru", None, Some("chrono")),
        ("transformer", Some("rotary"), None),
        ("transformer", Some("learned"), None),
    ];
    let mut records = Vec::new();
    for &at in sweep {
        for &width in widths {
            for (model, positions, gates) in series {
                for seed in 0..seeds {
                    let run = Trained {
                        model,
                        positions,
                        gates,
                        width,
                        at,
                        seed,
                    };
                    let value = (accuracy(&run) + noise * random.normal()).clamp(0.0, 1.0);
                    let copy = experiment == "distance-copy";
                    let base = Record {
                        run: format!(
                            "{experiment}-{at}-{width}-{model}-{positions:?}-{gates:?}-{seed}"
                        ),
                        experiment: experiment.to_owned(),
                        model: model.to_owned(),
                        parameters: Some(width * width * 12 + model.len()),
                        width: Some(if model == "transformer" {
                            width
                        } else {
                            width + 7
                        }),
                        options: [("positions", positions), ("gates", gates)].into(),
                        task_parameters: [(if copy { "delay" } else { "pairs" }.into(), at)].into(),
                        seed: Some(seed),
                        ..Record::default()
                    };
                    for (metric, x, value) in [
                        ("validation_accuracy", Some(100.0), 0.1),
                        ("validation_accuracy", Some(200.0), value),
                        ("test_accuracy", None, value),
                        ("solved", None, f64::from(value > 0.99)),
                        ("floor_accuracy", None, 0.125),
                    ] {
                        let (metric, value) = (metric.to_owned(), Some(value));
                        records.push(Record {
                            metric,
                            x,
                            value,
                            ..base.clone()
                        });
                    }
                }
            }
        }
    }
    records
}

/// Text outcomes: bits per character by model and equality, with two baselines.
pub(super) fn text(seeds: u64, noise: f64, bits: impl Fn(&str, &str) -> f64) -> Vec<Record> {
    let mut random = SplitMix64::new(13);
    let mut records = Vec::new();
    for equal in ["tokens", "seconds"] {
        for model in ["elman", "lstm", "gru", "transformer"] {
            for seed in 0..seeds {
                let value = bits(model, equal) + noise * random.normal();
                for metric in ["validation_bits_per_character", "test_bits_per_character"] {
                    records.push(Record {
                        run: format!("next-word-{equal}-{model}-{seed}"),
                        experiment: "next-word".to_owned(),
                        model: model.to_owned(),
                        equal: Some(equal.to_owned()),
                        seed: Some(seed),
                        metric: metric.to_owned(),
                        value: Some(value),
                        ..Record::default()
                    });
                }
            }
        }
    }
    for (model, value) in [
        ("unigram", 4.4),
        ("kneser-ney", 2.5),
        ("kneser-ney-unlimited", 2.0),
    ] {
        records.push(Record {
            run: "next-word-baselines".to_owned(),
            experiment: "next-word".to_owned(),
            model: model.to_owned(),
            metric: "test_bits_per_character".to_owned(),
            value: Some(value),
            ..Record::default()
        });
    }
    records
}
