//! Trivial floors and baselines, which a plot's models are compared with.

use super::estimates::medians_by_x;
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec};
use crate::report::figure::Floor;
use crate::report::number::exact;
use crate::report::palette;
use crate::report::source::{Row, Source};
use crate::stats::median;

/// The dotted lines of one panel: the floor metric, then each baseline. `inside` says whether a
/// record belongs to the panel.
pub(super) fn floors(
    spec: &PlotSpec,
    experiment: &Experiment,
    source: &Source,
    inside: &dyn Fn(&Row) -> bool,
) -> Vec<Floor> {
    let rows = |metric: &str| -> Vec<Row> {
        let mut rows: Vec<Row> = source.measured(&experiment.id, metric).collect();
        rows.retain(|row| row.matches(&spec.filter, true) && inside(row));
        rows
    };
    let mut floors = Vec::new();
    if let Some(metric) = &spec.floor {
        let x = |row: &Row| match spec.kind {
            PlotKind::Lines => row.number(&spec.x).unwrap_or(0.0),
            _ => 0.0,
        };
        let rows = rows(metric);
        let mut points = medians_by_x(rows.iter().map(|row| (x(row), row.value)));
        let mut label = match metric.as_str() {
            "test_confidence" => "accuracy as high as confidence".to_owned(),
            _ => "trivial floor".to_owned(),
        };
        if let Some((_, level)) = points.first().copied()
            && points.iter().all(|p| p.1 == level)
        {
            points.truncate(1);
            label += &format!(" {}", exact((level * 1e4).round() / 1e4));
        }
        if !points.is_empty() {
            floors.push(Floor { label, points });
        }
    }
    for model in &spec.baselines {
        let level = |metric: &str| {
            let rows = rows(metric);
            let mine = rows.iter().filter(|row| row.get("model") == model);
            let sample: Vec<f64> = mine.map(|row| row.value).collect();
            (!sample.is_empty()).then(|| median(&sample))
        };
        // A baseline does not train step by step and is tested once: a plot of a validation curve or of
        // the loss by position shows its result on the test set.
        let whole = || level("test_bits_per_character").filter(|_| spec.metric.contains("bits"));
        let found = level(&spec.metric).map(|level| (level, ""));
        let found = found.or_else(|| Some((whole()?, " (test set)")));
        if let Some((level, note)) = found {
            let value = exact((level * 100.0).round() / 100.0);
            floors.push(Floor {
                label: format!("{}{note} {value}", palette::name(model)),
                points: vec![(0.0, level)],
            });
        }
    }
    floors
}
