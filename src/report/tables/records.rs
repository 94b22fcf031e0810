//! Tables of what the records of an experiment hold: its models, timings and search.

use super::{Cell, Table, number, numeric, text, with_interval};
use crate::experiment::schema::{Experiment, Kind};
use crate::models::OptionRow;
use crate::record::Record;
use crate::report::axis::{exact, significant, thousands};
use crate::report::figure::{Estimate, estimate};
use crate::report::palette;
use crate::report::source::{Row, Source, compare_fields};
use std::collections::{BTreeMap, BTreeSet};

/// Records grouped by the values of some columns, in order of models, then of the columns.
fn grouped<'a>(
    records: impl Iterator<Item = &'a Record>,
    columns: &[&str],
) -> anyhow::Result<Vec<(Vec<String>, Vec<&'a Record>)>> {
    let mut groups: BTreeMap<Vec<String>, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let row = Row::of(record);
        let key = columns
            .iter()
            .map(|column| row.get(column).to_string())
            .collect();
        groups.entry(key).or_default().push(record);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, x), (b, y)| {
        let models = palette::rank(&x[0].model).cmp(&palette::rank(&y[0].model));
        let fields = a
            .iter()
            .zip(b)
            .map(|(a, b)| compare_fields(a, b))
            .find(|o| o.is_ne());
        models.then(fields.unwrap_or(std::cmp::Ordering::Equal))
    });
    Ok(groups)
}

/// The models compared, with their sizes.
pub fn models(source: &Source, experiment: &Experiment) -> anyhow::Result<Table> {
    let choices: Vec<&str> = OptionRow::choices().collect();
    let sizes = ["width", "layers", "heads", "parameters"];
    let columns = [&["model"], &choices[..], &sizes].concat();
    let records = source
        .records
        .iter()
        .filter(|r| r.experiment == experiment.id && r.parameters.is_some())
        .filter(|r| !r.metric.starts_with("tuning"));
    let rows = grouped(records, &columns)?
        .into_iter()
        .map(|(key, records)| {
            let seeds: BTreeSet<_> = records.iter().filter_map(|r| r.seed).collect();
            let (variant, sizes) = key[1..].split_at(choices.len());
            let variant: Vec<_> = choices
                .iter()
                .zip(variant)
                .filter_map(|(column, value)| palette::factor_label(column, value))
                .collect();
            let parameters = &sizes[3];
            let count = parameters.parse().map_or(parameters.clone(), thousands);
            let cells = [&sizes[0], &sizes[1], &sizes[2]].map(text);
            let mut row = vec![text(palette::name(&key[0])), text(variant.join(", "))];
            row.extend(cells);
            row.extend([
                Cell {
                    text: count,
                    class: "number",
                    key: Some(parameters.clone()),
                },
                text(seeds.len().to_string()),
            ]);
            row
        });
    Ok(Table {
        header: vec![
            "model",
            "variant",
            "width",
            "layers",
            "heads",
            "parameters",
            "seeds",
        ],
        rows: rows.collect(),
        sortable: true,
    })
}

/// Tokens per second beside work, share of peak and memory.
pub fn throughput(source: &Source, experiment: &Experiment) -> anyhow::Result<Table> {
    if experiment.kind != Kind::Throughput {
        return Ok(Table::default());
    }
    let columns = [
        "model",
        "positions",
        "task",
        "seq_len",
        "batch",
        "threads",
        "width",
        "scan",
    ];
    let records = source
        .records
        .iter()
        .filter(|r| r.experiment == experiment.id && r.value.is_some());
    let rows = grouped(records, &columns)?
        .into_iter()
        .map(|(key, records)| {
            let of = |metric: &str| -> Option<Estimate> {
                let sample: Vec<f64> = records
                    .iter()
                    .filter(|r| r.metric == metric)
                    .filter_map(|r| r.value)
                    .collect();
                (!sample.is_empty()).then(|| estimate(metric, 0.0, sample))
            };
            let median = |metric: &str| of(metric).map_or(text(""), |e| number(e.value));
            let speed = of("tokens_per_second");
            let scan = palette::factor_label("scan", &key[7]);
            let scan = scan.map_or(String::new(), |scan| format!(", {scan}"));
            let mut row = vec![
                text(format!("{}{scan}", palette::name(&key[0]))),
                text(&key[2]),
                text(&key[3]),
                text(&key[4]),
                text(&key[5]),
            ];
            row.push(
                speed
                    .as_ref()
                    .map_or(text(""), |e| with_interval(e.value, e.interval.as_ref())),
            );
            row.push(text(
                speed.map_or(String::new(), |e| e.sample.len().to_string()),
            ));
            row.push(median("flops_per_step"));
            row.push(of("share_of_peak").map_or(text(""), |e| {
                numeric(format!("{:.1} %", 100.0 * e.value), e.value)
            }));
            row.push(of("peak_bytes").map_or(text(""), |e| {
                numeric(format!("{} MB", significant(e.value / 1e6)), e.value)
            }));
            row
        });
    Ok(Table {
        header: vec![
            "model",
            "step",
            "T",
            "B",
            "threads",
            "tokens/s [95 % interval]",
            "n",
            "FLOPs a step",
            "share of peak",
            "peak memory",
        ],
        rows: rows.collect(),
        sortable: true,
    })
}

/// Learning rates tried, and which one the runs that count used.
pub fn tuning(source: &Source, experiment: &Experiment) -> anyhow::Result<Table> {
    let tried =
        |r: &&Record| r.experiment == experiment.id && r.metric.starts_with("tuning_validation_");
    let choices: Vec<&str> = OptionRow::choices().collect();
    let columns = [&["model"], &choices[..], &["delay", "pairs", "task"]].concat();
    let groups = grouped(source.records.iter().filter(tried), &columns)?;
    let mut rows = Vec::new();
    for (key, records) in groups {
        let used: Vec<f64> = source
            .records
            .iter()
            .filter(|r| r.experiment == experiment.id && !r.metric.starts_with("tuning"))
            .filter(|r| r.model == key[0])
            .filter(|r| {
                choices
                    .iter()
                    .zip(&key[1..])
                    .all(|(c, value)| r.get(c) == *value)
            })
            .filter_map(|r| r.learning_rate)
            .collect();
        let label: Vec<_> = columns
            .iter()
            .zip(&key)
            .filter(|(column, _)| **column != "task")
            .filter_map(|(c, v)| palette::factor_label(c, v))
            .collect();
        let mut by_rate: Vec<(f64, Vec<Option<f64>>)> = Vec::new();
        for record in records {
            let rate = record.learning_rate.unwrap_or(f64::NAN);
            match by_rate.iter_mut().find(|(other, _)| *other == rate) {
                Some((_, losses)) => losses.push(record.value),
                None => by_rate.push((rate, vec![record.value])),
            }
        }
        by_rate.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (rate, losses) in by_rate {
            let chosen = used.iter().any(|u| (u - rate).abs() <= 1e-9 * rate.abs());
            let class = if chosen { "chosen" } else { "number" };
            let values: Vec<f64> = losses.iter().flatten().copied().collect();
            let diverged = values.len() < losses.len();
            let loss = if values.is_empty() {
                f64::NAN
            } else {
                crate::stats::median(&values)
            };
            rows.push(vec![
                text(label.join(", ")),
                Cell {
                    text: exact(rate),
                    class,
                    key: Some(format!("{rate}")),
                },
                Cell {
                    class,
                    ..number(loss)
                },
                text(if diverged {
                    "diverged"
                } else if chosen {
                    "used"
                } else {
                    ""
                }),
            ]);
        }
    }
    Ok(Table {
        header: vec!["model", "learning rate", "validation loss", ""],
        rows,
        sortable: true,
    })
}
