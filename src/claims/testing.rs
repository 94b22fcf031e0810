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
                            run: format!("{experiment}-{task}-{length}"),
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

/// One cell of a training experiment.
#[derive(Clone, Default)]
pub(super) struct Cell {
    pub experiment: &'static str,
    pub model: &'static str,
    pub positions: Option<&'static str>,
    pub gates: Option<&'static str>,
    pub task: &'static str,
    pub width: usize,
    pub parameters: Option<usize>,
    /// Parameter of the task that is swept, with its value.
    pub at: (&'static str, usize),
}

impl Cell {
    /// The factors of a run of this cell.
    fn record(&self, seed: u64) -> Record {
        let Cell {
            experiment,
            model,
            positions,
            gates,
            task,
            width,
            at,
            ..
        } = self;
        let positions_name = positions.unwrap_or("");
        let gates_name = gates.unwrap_or("");
        Record {
            run: format!(
                "{experiment}-{task}-{}{}-{width}-{model}{positions_name}{gates_name}-seed{seed}",
                at.0, at.1
            ),
            experiment: (*experiment).to_owned(),
            model: (*model).to_owned(),
            options: [("positions", *positions), ("gates", *gates)].into(),
            task: Some((*task).to_owned()),
            width: Some(*width),
            parameters: self.parameters,
            task_parameters: [(at.0.to_owned(), at.1)].into(),
            seed: Some(seed),
            ..Record::default()
        }
    }

    /// Records of a metric, a value a seed.
    pub fn values(&self, metric: &str, values: &[f64]) -> Vec<Record> {
        let one = |(seed, value): (usize, &f64)| Record {
            metric: metric.to_owned(),
            value: Some(*value),
            ..self.record(seed as u64)
        };
        values.iter().enumerate().map(one).collect()
    }

    /// The same along an abscissa or over blocks: `value(seed, x)`.
    pub fn curve(
        &self,
        metric: &str,
        seeds: u64,
        xs: &[usize],
        blocks: usize,
        value: impl Fn(u64, usize, usize) -> f64,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        for seed in 0..seeds {
            for &x in xs {
                for block in 0..blocks {
                    records.push(Record {
                        metric: metric.to_owned(),
                        x: (xs.len() > 1).then_some(x as f64),
                        block: (blocks > 1).then_some(block),
                        value: Some(value(seed, x, block)),
                        ..self.record(seed)
                    });
                }
            }
        }
        records
    }

    /// Whether its runs have learnt their task, and why they ended.
    pub fn learnt(&self, seeds: usize, learnt: bool, ending: &str) -> Vec<Record> {
        let mut records = self.values("learnt", &vec![f64::from(u8::from(learnt)); seeds]);
        for mut record in self.values("steps_done", &vec![1000.0; seeds]) {
            record.ending = ending.to_owned();
            records.push(record);
        }
        records
    }
}

/// Values around a center, a seed each, always the same.
pub(super) fn around(center: f64, spread: f64, seeds: usize) -> Vec<f64> {
    let mut random = SplitMix64::new((center * 1000.0) as i64 as u64 ^ 17);
    (0..seeds)
        .map(|_| center + spread * random.normal())
        .collect()
}
