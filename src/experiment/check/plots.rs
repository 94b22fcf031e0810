//! Plots: the columns and metrics they name.

use super::Fault;
use crate::experiment::schema::{Experiment, Kind, PlotKind};
use crate::record::Record;
use crate::record::metrics;

/// Plots must name columns of the records and documented metrics: a misspelt one draws nothing.
pub(super) fn check_plots(experiment: &Experiment) -> Result<(), Fault> {
    let columns = Record::columns();
    let column = |key: String, name: &str| match columns.contains(&name) {
        true => Ok(()),
        false => Err(Fault::new(
            key,
            format!("{name:?}"),
            format!("columns: {}", columns.join(", ")),
        )),
    };
    let metric = |key: String, name: &str| match metrics::find(name) {
        Some(_) => Ok(()),
        None => {
            let known: Vec<_> = metrics::METRICS.iter().map(|m| m.name).collect();
            Err(Fault::new(
                key,
                format!("{name:?}"),
                format!("metrics: {}", known.join(", ")),
            ))
        }
    };
    for (i, plot) in experiment.plots.iter().enumerate() {
        let key = |name: &str| format!("plot[{i}].{name}");
        metric(key("metric"), &plot.metric)?;
        if plot.kind == PlotKind::Roofline && experiment.kind != Kind::Throughput {
            return Err(Fault::new(
                key("kind"),
                "\"roofline\"",
                "only experiments of kind \"throughput\" time operations",
            ));
        }
        column(key("x"), &plot.x)?;
        for (j, name) in plot.series.iter().enumerate() {
            column(key(&format!("series[{j}]")), name)?;
        }
        for name in plot.filter.keys() {
            column(key(&format!("where.{name}")), name)?;
        }
        plot.facet
            .iter()
            .try_for_each(|name| column(key("facet"), name))?;
        plot.floor
            .iter()
            .try_for_each(|name| metric(key("floor"), name))?;
        plot.marks
            .iter()
            .try_for_each(|mark| metric(key("marks"), &mark.metric))?;
    }
    Ok(())
}
