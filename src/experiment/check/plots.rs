//! Plots: the columns and metrics they name.

use super::Fault;
use crate::experiment::schema::{Experiment, Kind, PlotKind};
use crate::record::Record;
use crate::record::metrics;

/// Plots must name columns of the records and documented metrics: a misspelt one draws nothing.
pub(super) fn check_plots(experiment: &Experiment) -> Result<(), Fault> {
    let columns = Record::columns();
    let column = |key: String, name: &str| {
        let remedy = format!("columns: {}", columns.join(", "));
        Fault::unless(columns.contains(&name), key, format!("{name:?}"), remedy)
    };
    let metric = |key: String, name: &str| {
        let known: Vec<_> = metrics::METRICS.iter().map(|m| m.name).collect();
        let remedy = format!("metrics: {}", known.join(", "));
        Fault::unless(known.contains(&name), key, format!("{name:?}"), remedy)
    };
    for (i, plot) in experiment.plots.iter().enumerate() {
        let key = |name: &str| format!("plot[{i}].{name}");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let right = (1..=80).contains(&plot.file.len()) && plot.file.chars().all(allowed);
        let remedy = "it becomes the name of a file: use at most 80 letters, digits, - and _";
        Fault::unless(right, key("file"), format!("{:?}", plot.file), remedy)?;
        let again = experiment.plots[..i].iter().any(|p| p.file == plot.file);
        let remedy = "another plot has this file already; give each its own";
        Fault::unless(!again, key("file"), format!("{:?}", plot.file), remedy)?;
        metric(key("metric"), &plot.metric)?;
        let right = plot.kind != PlotKind::Roofline || experiment.kind == Kind::Throughput;
        let remedy = "only experiments of kind \"throughput\" time operations";
        Fault::unless(right, key("kind"), "\"roofline\"", remedy)?;
        column(key("x"), &plot.x)?;
        for (j, name) in plot.series.iter().enumerate() {
            column(key(&format!("series[{j}]")), name)?;
        }
        for name in plot.filter.keys() {
            column(key(&format!("where.{name}")), name)?;
        }
        for name in &plot.facet {
            column(key("facet"), name)?;
        }
        for name in plot.floor.iter() {
            metric(key("floor"), name)?;
        }
        for (name, points) in plot.published.iter().flat_map(|p| &p.points) {
            let right = points.iter().flatten().all(|value| value.is_finite());
            let remedy = "give finite numbers, each point as [abscissa, value]";
            let key = key(&format!("published.points.{name}"));
            Fault::unless(right, key, format!("{points:?}"), remedy)?;
        }
        for mark in &plot.marks {
            metric(key("marks"), &mark.metric)?;
        }
    }
    Ok(())
}
