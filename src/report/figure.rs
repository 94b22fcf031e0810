//! From a plot's specification and the records to what the plot shows, before any drawing.

mod estimates;
mod series;

pub use estimates::estimate;

use super::palette::{self, Style};
use super::roofline::{self, Operation, Roofs};
use super::source::{Row, Source, compare_fields};
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec, Scale};
use crate::record::Record;
use crate::record::metrics::{METRICS, find};
use crate::stats::Interval;
use anyhow::bail;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Confidence level of all intervals drawn.
pub const LEVEL: f64 = 0.95;
/// More points in a curve than this cannot be told apart; neighbours are averaged.
pub(super) const MOST_POINTS: usize = 200;

/// What one plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension.
    pub file: String,
    /// The question.
    pub title: String,
    /// n, interval, settings.
    pub caption: String,
    /// Metric on the ordinate.
    pub metric: String,
    /// How the records become marks.
    pub kind: PlotKind,
    /// Label of the abscissa.
    pub x_label: String,
    /// Label of the ordinate.
    pub y_label: String,
    /// Scale of the abscissa.
    pub x_scale: Scale,
    /// Scale of the ordinate.
    pub y_scale: Scale,
    /// Fixed ends of the ordinate.
    pub y_range: Option<[f64; 2]>,
    /// What the single marks are, in order.
    pub mark_labels: Vec<String>,
    /// Small multiples.
    pub panels: Vec<Panel>,
}

impl Figure {
    /// Whether there is anything to draw yet.
    pub fn shows_something(&self) -> bool {
        self.panels.iter().any(|panel| !panel.series.is_empty())
    }
}

/// One of the small multiples.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Value of the facet.
    pub title: Option<String>,
    /// What is compared.
    pub series: Vec<Series>,
    /// Trivial floors and baselines.
    pub floors: Vec<Floor>,
    /// The machine's limits, of a roofline plot.
    pub roofs: Option<Roofs>,
}

/// One model or variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Colour, marker, dash.
    pub style: Style,
    /// Estimates in order of x.
    pub points: Vec<Estimate>,
    /// Single runs of a curve.
    pub runs: Vec<Vec<(f64, f64)>>,
    /// Operations of a step, of a roofline plot.
    pub operations: Vec<Operation>,
    /// Places of the specification's marks, one list a mark.
    pub marks: Vec<Vec<(f64, f64)>>,
}

/// An estimate at one x.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Abscissa; 0 for bars.
    pub x: f64,
    /// Median, or share of ones.
    pub value: f64,
    /// Its interval; none from a single value.
    pub interval: Option<Interval>,
    /// The values behind it.
    pub sample: Vec<f64>,
}

/// A dotted line.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// What it is.
    pub label: String,
    /// Its height at each x; one height for all x if there is one.
    pub points: Vec<(f64, f64)>,
}

/// Collects what a plot of an experiment shows. A figure without series has nothing to show yet.
///
/// # Errors
/// If the specification names a metric or column that does not exist.
pub fn collect(
    spec: &PlotSpec,
    experiment: &Experiment,
    source: &Source,
) -> anyhow::Result<Figure> {
    check(spec, experiment)?;
    let baseline = |model: &str| spec.baselines.iter().any(|b| b == model);
    let mut rows = Vec::new();
    let metrics = match spec.kind {
        PlotKind::Roofline => &roofline::METRICS[..],
        _ => &[spec.metric.as_str()],
    };
    for metric in metrics {
        for record in source.measured(&experiment.id, metric) {
            let row = Row::of(record);
            if !baseline(&record.model) && row.matches(&spec.filter, false) {
                rows.push((row, record.value.unwrap_or(f64::NAN)));
            }
        }
    }
    let facets = facet_values(&spec.facet, experiment, &rows);
    let longest = estimates::longest_run(&rows);
    let marked = spec.marks.iter().map(|mark| {
        let records = source.measured(&experiment.id, &mark.metric);
        let rows = records.map(|record| Ok((Row::of(record), record.value.unwrap_or(f64::NAN))));
        rows.collect::<anyhow::Result<Vec<_>>>()
    });
    let marked: Vec<Vec<(Row, f64)>> = marked.collect::<anyhow::Result<_>>()?;
    let mut panels = Vec::new();
    for facet in &facets {
        let values = || spec.facet.iter().zip(facet);
        let inside = |row: &Row| values().all(|(column, value)| row.get(column) == value);
        let lenient =
            |row: &Row| values().all(|(column, value)| [value, ""].contains(&row.get(column)));
        let rows: Vec<_> = rows.iter().filter(|(row, _)| inside(row)).collect();
        panels.push(Panel {
            title: (!facet.is_empty()).then(|| {
                let label = |(column, value): (&String, &String)| {
                    palette::factor_label(column, value)
                        .unwrap_or_else(|| format!("{value} {column}"))
                };
                values().map(label).collect::<Vec<_>>().join(", ")
            }),
            series: series::series(spec, &rows, longest, &marked, &inside),
            floors: super::floors::floors(spec, experiment, source, &lenient)?,
            roofs: Roofs::of(&rows).filter(|_| spec.kind == PlotKind::Roofline),
        });
    }
    Ok(Figure {
        file: spec.file.clone(),
        title: spec.title.clone(),
        caption: super::caption::caption(
            spec,
            experiment.kind,
            &rows,
            &panels,
            &source.manifest.profile,
            longest,
        ),
        metric: spec.metric.clone(),
        kind: spec.kind,
        x_label: spec.x_label.clone(),
        y_label: spec.y_label.clone(),
        x_scale: spec.x_scale,
        y_scale: spec.y_scale,
        y_range: spec.y_range,
        mark_labels: spec.marks.iter().map(|m| m.label.clone()).collect(),
        panels,
    })
}

fn check(spec: &PlotSpec, experiment: &Experiment) -> anyhow::Result<()> {
    let place = format!("plot `{}` of experiment `{}`", spec.file, experiment.id);
    let marks = spec.marks.iter().map(|mark| &mark.metric);
    for metric in std::iter::once(&spec.metric)
        .chain(&spec.floor)
        .chain(marks)
    {
        if find(metric).is_none() {
            let known: Vec<_> = METRICS.iter().map(|m| m.name).collect();
            bail!(
                "{place}: no metric is called `{metric}`; metrics are {}",
                known.join(", ")
            );
        }
    }
    let columns = Record::columns();
    let x = (spec.kind == PlotKind::Lines).then_some(&spec.x);
    for column in spec
        .series
        .iter()
        .chain(&spec.facet)
        .chain(spec.filter.keys())
        .chain(x)
    {
        if !columns.contains(&column.as_str()) {
            bail!(
                "{place}: records have no column `{column}`; columns are {}",
                columns.join(", ")
            );
        }
    }
    if spec.file.is_empty()
        || !spec
            .file
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        bail!("{place}: `file` must be letters, digits, - and _ only");
    }
    Ok(())
}

/// The values of the facet's columns that occur together, one entry a panel: names in the order of
/// the sweep, numbers rising. A single empty entry without a facet.
fn facet_values(
    columns: &[String],
    experiment: &Experiment,
    rows: &[(Row, f64)],
) -> Vec<Vec<String>> {
    if columns.is_empty() {
        return vec![Vec::new()];
    }
    let sweep = &experiment.sweep;
    let rank = |column: &str, value: &str| {
        let order = match column {
            "task" => sweep.task.as_deref(),
            "equal" => sweep.equal.as_deref(),
            _ => None,
        };
        order.and_then(|order| order.iter().position(|v| v == value))
    };
    let of = |row: &Row| -> Vec<String> { columns.iter().map(|c| row.get(c).into()).collect() };
    let unique: BTreeSet<Vec<String>> = rows.iter().map(|(row, _)| of(row)).collect();
    let mut values: Vec<Vec<String>> = unique.into_iter().collect();
    values.sort_by(|a, b| {
        let mut orders = columns.iter().zip(a.iter().zip(b)).map(|(column, (a, b))| {
            let ranks = rank(column, a).cmp(&rank(column, b));
            ranks.then_with(|| compare_fields(a, b))
        });
        orders
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    values
}
