//! Tables of what the records of an experiment hold: its models, timings and search.

use crate::experiment::schema::{Experiment, Kind};
use crate::models::OptionRow;
use crate::record::Record;
use crate::report::collect::estimate;
use crate::report::figure::Estimate;
use crate::report::number::{exact, significant, thousands};
use crate::report::palette;
use crate::report::source::{Row, Source, compare_fields};
use crate::report::table::{Cell, Table, number, numeric, text, with_interval};
use crate::stats::median;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Records with equal fields in the columns that group them.
pub(super) struct Group<'a> {
    /// The first record, by column.
    row: Row,
    pub(super) records: Vec<&'a Record>,
}

impl Group<'_> {
    /// The field that all records share.
    pub(super) fn get(&self, column: &str) -> &str {
        self.row.get(column)
    }

    /// The labels of fields that all records share.
    pub(super) fn label(&self, columns: &[&str]) -> String {
        let labels = columns
            .iter()
            .filter_map(|column| palette::factor_label(column, self.get(column)));
        labels.collect::<Vec<_>>().join(", ")
    }

    /// The estimate of a metric as a cell, blank if there is none.
    fn cell(&self, metric: &str, cell: impl Fn(Estimate) -> Cell) -> Cell {
        let measured = self.records.iter().filter(|r| r.metric == metric);
        let sample: Vec<f64> = measured.filter_map(|r| r.value).collect();
        match sample.is_empty() {
            true => text(""),
            false => cell(estimate(metric, 0.0, sample)),
        }
    }
}

/// The records of an experiment for which `counts` holds, grouped by the values of some columns and
/// sorted by model, then by these columns.
pub(super) fn grouped<'a>(
    source: &'a Source,
    experiment: &Experiment,
    counts: impl Fn(&Record) -> bool,
    columns: &[&str],
) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for record in &source.records {
        if record.experiment == experiment.id && counts(record) {
            let row = Row::of(record);
            let group = groups.entry(row.key(columns.iter().copied()));
            let records = Vec::new();
            let group = group.or_insert_with(|| Group { row, records });
            group.records.push(record);
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| {
        let models = [a, b].map(|group| palette::rank(group.get("model")));
        let fields = columns.iter().map(|c| compare_fields(a.get(c), b.get(c)));
        fields.fold(models[0].cmp(&models[1]), Ordering::then)
    });
    groups
}

/// The models compared, with their sizes.
pub fn models(source: &Source, experiment: &Experiment) -> Table {
    let choices: Vec<&str> = OptionRow::choices().collect();
    let sizes = ["width", "layers", "heads", "parameters"];
    let columns = [&["model"], &choices[..], &sizes].concat();
    let counts = |r: &Record| r.parameters.is_some() && !r.metric.starts_with("tuning");
    let seeds = |group: &Group| {
        let seeds: BTreeSet<_> = group.records.iter().filter_map(|r| r.seed).collect();
        text(seeds.len().to_string())
    };
    let parameters = |group: &Group| {
        let field = group.get("parameters");
        numeric(field.parse().map_or(field.into(), thousands))
    };
    Table::of(
        &grouped(source, experiment, counts, &columns),
        &[
            ("model", &|g| text(palette::name(g.get("model")))),
            ("variant", &|g| text(g.label(&choices))),
            ("width", &|g| text(g.get("width"))),
            ("layers", &|g| text(g.get("layers"))),
            ("heads", &|g| text(g.get("heads"))),
            ("parameters", &parameters),
            ("seeds", &seeds),
        ],
    )
}

/// Tokens per second beside work, share of peak and memory.
pub fn throughput(source: &Source, experiment: &Experiment) -> Table {
    if experiment.kind != Kind::Throughput {
        return Table::default();
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
    let speed = "tokens_per_second";
    let percent = |e: Estimate| numeric(format!("{:.1} %", 100.0 * e.value));
    let megabytes = |e: Estimate| numeric(format!("{} MB", significant(e.value / 1e6)));
    Table::of(
        &grouped(source, experiment, |r| r.value.is_some(), &columns),
        &[
            ("model", &|g| text(g.label(&["model", "scan"]))),
            ("step", &|g| text(g.get("task"))),
            ("T", &|g| text(g.get("seq_len"))),
            ("B", &|g| text(g.get("batch"))),
            ("threads", &|g| text(g.get("threads"))),
            ("tokens/s [95 % interval]", &|g| {
                g.cell(speed, |e| with_interval(e.value, e.interval.as_ref()))
            }),
            ("n", &|g| {
                g.cell(speed, |e| text(e.sample.len().to_string()))
            }),
            ("FLOPs a step", &|g| {
                g.cell("flops_per_step", |e| number(e.value))
            }),
            ("share of peak", &|g| g.cell("share_of_peak", percent)),
            ("peak memory", &|g| g.cell("peak_bytes", megabytes)),
        ],
    )
}

/// A learning rate tried for a model.
struct Tried {
    label: String,
    rate: f64,
    /// The loss of every run; `None` if it diverged.
    losses: Vec<Option<f64>>,
    /// Whether the runs of the experiment used it.
    used: bool,
}

impl Tried {
    fn class(&self) -> &'static str {
        if self.used { "chosen" } else { "number" }
    }

    /// The median loss of the runs that did not diverge.
    fn loss(&self) -> f64 {
        let known: Vec<f64> = self.losses.iter().flatten().copied().collect();
        match known.is_empty() {
            true => f64::NAN,
            false => median(&known),
        }
    }

    fn remark(&self) -> &'static str {
        match self.losses.contains(&None) {
            true => "diverged",
            false if self.used => "used",
            false => "",
        }
    }
}

/// Learning rates tried, and which one the runs of the experiment used.
pub fn tuning(source: &Source, experiment: &Experiment) -> Table {
    let choices: Vec<&str> = OptionRow::choices().collect();
    let variant = [&["model"], &choices[..]].concat();
    let named = [&variant[..], &["delay", "pairs"]].concat();
    let tries = |r: &Record| r.metric.starts_with("tuning_validation_");
    let counts = |r: &Record| !r.metric.starts_with("tuning") && r.learning_rate.is_some();
    let tried_by = [&named[..], &["task", "learning_rate"]].concat();
    let used_by = [&variant[..], &["learning_rate"]].concat();
    let used = grouped(source, experiment, counts, &used_by);
    let tried: Vec<Tried> = grouped(source, experiment, tries, &tried_by)
        .into_iter()
        .map(|group| {
            let rate = group.row.number("learning_rate").unwrap_or(f64::NAN);
            let same = |other: &Group| {
                let other_rate = other.row.number("learning_rate");
                variant.iter().all(|c| other.get(c) == group.get(c))
                    && other_rate.is_some_and(|other| (other - rate).abs() <= 1e-9 * rate.abs())
            };
            Tried {
                label: group.label(&named),
                rate,
                losses: group.records.iter().map(|r| r.value).collect(),
                used: used.iter().any(same),
            }
        })
        .collect();
    let rate = |t: &Tried| Cell {
        text: exact(t.rate),
        class: t.class(),
    };
    let loss = |t: &Tried| Cell {
        class: t.class(),
        ..number(t.loss())
    };
    Table::of(
        &tried,
        &[
            ("model", &|t| text(&t.label)),
            ("learning rate", &rate),
            ("validation loss", &loss),
            ("", &|t| text(t.remark())),
        ],
    )
}
