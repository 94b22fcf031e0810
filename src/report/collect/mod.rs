//! Collects what a plot shows from its specification and the records.

mod bins;
mod caption;
mod estimates;
mod floors;
pub(super) mod roofline;
mod series;

pub use estimates::{LEVEL, estimate};

use super::FOREST;
use super::figure::{Figure, Panel};
use super::palette;
use super::source::{Row, Source, compare_fields};
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec, Scale};
use crate::record::Record;
use crate::record::metrics::{METRICS, find};
use anyhow::bail;
use bins::Bins;
use std::cmp::Ordering;
use std::collections::BTreeSet;

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
    let metrics = match spec.kind {
        PlotKind::Roofline => &roofline::METRICS[..],
        _ => &[spec.metric.as_str()],
    };
    let mut rows: Vec<Row> = metrics
        .iter()
        .flat_map(|metric| source.measured(&experiment.id, metric))
        .collect();
    rows.retain(|row| {
        let baseline = spec.baselines.iter().any(|b| b == row.get("model"));
        !baseline && row.matches(&spec.filter, false)
    });
    let longest = estimates::longest_run(&rows);
    let bins = Bins::needed(spec, &rows);
    let marks = spec.marks.iter();
    let marked: Vec<Vec<Row>> = marks
        .map(|mark| source.measured(&experiment.id, &mark.metric).collect())
        .collect();
    let panel = |facet: Vec<String>| {
        let values = || spec.facet.iter().zip(&facet);
        let inside = |row: &Row| values().all(|(column, value)| row.get(column) == value);
        let lenient =
            |row: &Row| values().all(|(column, value)| [value, ""].contains(&row.get(column)));
        let label = |(column, value): (&String, &String)| {
            palette::factor_label(column, value).unwrap_or_else(|| format!("{value} {column}"))
        };
        let rows: Vec<_> = rows.iter().filter(|row| inside(row)).collect();
        let roofs = roofline::roofs(&rows).filter(|_| spec.kind == PlotKind::Roofline);
        Panel {
            title: (!facet.is_empty()).then(|| values().map(label).collect::<Vec<_>>().join(", ")),
            series: series::series(spec, &rows, longest, bins, &marked, &inside),
            floors: floors::floors(spec, experiment, source, &lenient),
            roofs,
        }
    };
    let facets = facet_values(&spec.facet, experiment, &rows);
    let mut panels: Vec<Panel> = facets.into_iter().map(panel).collect();
    // A panel without marks would be a hole among the others.
    panels.retain(|panel| panel.series.iter().any(|s| s.shows_something(spec.y_scale)));
    let profile = &source.manifest.profile;
    let mut caption = caption::caption(spec, experiment.kind, &rows, &panels, profile, longest);
    if let Some(published) = spec.published.as_ref().filter(|_| !panels.is_empty()) {
        caption += &format!(" Published: {}.", published.source);
        panels.push(series::published(published));
    }
    Ok(Figure {
        file: spec.file.clone(),
        title: spec.title.clone(),
        caption,
        metric: spec.metric.clone(),
        kind: spec.kind,
        x_label: spec.x_label.clone(),
        y_label: spec.y_label.clone(),
        x_scale: match bins {
            Some(_) => Scale::Log2,
            None => spec.x_scale,
        },
        y_scale: spec.y_scale,
        y_range: spec.y_range,
        mark_labels: spec.marks.iter().map(|m| m.label.clone()).collect(),
        panels,
    })
}

fn check(spec: &PlotSpec, experiment: &Experiment) -> anyhow::Result<()> {
    let place = format!("plot `{}` of experiment `{}`", spec.file, experiment.id);
    let marks = spec.marks.iter().map(|mark| &mark.metric);
    let mut metrics = [&spec.metric].into_iter().chain(&spec.floor).chain(marks);
    if let Some(metric) = metrics.find(|metric| find(metric).is_none()) {
        let known: Vec<_> = METRICS.iter().map(|m| m.name).collect();
        bail!(
            "{place}: no metric is called `{metric}`; metrics are {}",
            known.join(", ")
        );
    }
    let known = Record::columns();
    let x = (spec.kind == PlotKind::Lines).then_some(&spec.x);
    let named = spec.series.iter().chain(&spec.facet);
    let mut columns = named.chain(spec.filter.keys()).chain(x);
    if let Some(column) = columns.find(|column| !known.contains(&column.as_str())) {
        bail!(
            "{place}: records have no column `{column}`; columns are {}",
            known.join(", ")
        );
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if spec.file == FOREST {
        bail!("{place}: the picture of all claims has the name `{FOREST}`; choose another `file`");
    }
    if spec.file.is_empty() || !spec.file.chars().all(allowed) {
        bail!("{place}: `file` must be letters, digits, - and _ only");
    }
    Ok(())
}

/// The values of the facet's columns that occur together, one entry per panel: names in the order of
/// the sweep, numbers rising. Without a facet there is one empty entry.
fn facet_values(columns: &[String], experiment: &Experiment, rows: &[Row]) -> Vec<Vec<String>> {
    if columns.is_empty() {
        return vec![Vec::new()];
    }
    let rank = |column: &str, value: &str| {
        let order = match column {
            "task" => experiment.sweep.task.as_deref(),
            "equal" => experiment.sweep.equal.as_deref(),
            _ => None,
        };
        order.and_then(|order| order.iter().position(|v| v == value))
    };
    let of = |row: &Row| row.key(columns.iter().map(String::as_str));
    let unique: BTreeSet<Vec<String>> = rows.iter().map(of).collect();
    let mut values: Vec<Vec<String>> = unique.into_iter().collect();
    values.sort_by(|a, b| {
        let fields = columns.iter().zip(a.iter().zip(b));
        fields.fold(Ordering::Equal, |order, (column, (a, b))| {
            let ranks = || rank(column, a).cmp(&rank(column, b));
            order.then_with(ranks).then_with(|| compare_fields(a, b))
        })
    });
    values
}
