//! Trivial floors and baselines: what a plot's models are to be measured against.

use super::axis::exact;
use super::figure::Floor;
use super::palette;
use super::source::{Row, Source};
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec};
use crate::stats::median;

/// The dotted lines of one panel: the floor metric, then each baseline. `inside` says whether a
/// record belongs to the panel.
pub(super) fn floors(
    spec: &PlotSpec,
    experiment: &Experiment,
    source: &Source,
    inside: &dyn Fn(&Row) -> bool,
) -> anyhow::Result<Vec<Floor>> {
    let mut floors = Vec::new();
    if let Some(metric) = &spec.floor {
        let mut at: Vec<(f64, f64)> = Vec::new();
        for record in source.measured(&experiment.id, metric) {
            let row = Row::of(record);
            if row.matches(&spec.filter, true) && inside(&row) {
                let x = if spec.kind == PlotKind::Lines {
                    row.get(&spec.x).parse().unwrap_or(0.0)
                } else {
                    0.0
                };
                at.push((x, record.value.unwrap_or(f64::NAN)));
            }
        }
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = |group: &[(f64, f64)]| {
            (
                group[0].0,
                median(&group.iter().map(|p| p.1).collect::<Vec<_>>()),
            )
        };
        let mut points: Vec<_> = at.chunk_by(|a, b| a.0 == b.0).map(middle).collect();
        let level = points.first().map(|p| p.1);
        let same = level.filter(|level| points.iter().all(|p| p.1 == *level));
        if same.is_some() {
            points.truncate(1);
        }
        if !points.is_empty() {
            let value = same.map_or(String::new(), |v| {
                format!(" {}", exact((v * 1e4).round() / 1e4))
            });
            floors.push(Floor {
                label: format!("trivial floor{value}"),
                points,
            });
        }
    }
    for model in &spec.baselines {
        // A baseline is tested once, after no training: beside a validation curve or a loss by
        // position stands its figure on the test set.
        for metric in [spec.metric.as_str(), "test_bits_per_character"] {
            let mut sample = Vec::new();
            for record in source
                .measured(&experiment.id, metric)
                .filter(|r| r.model == *model)
            {
                let row = Row::of(record);
                if row.matches(&spec.filter, true) && inside(&row) {
                    sample.extend(record.value);
                }
            }
            if !sample.is_empty() {
                let level = median(&sample);
                let note = if metric == spec.metric {
                    ""
                } else {
                    " (whole test set)"
                };
                let label = format!(
                    "{}{note} {}",
                    palette::name(model),
                    exact((level * 100.0).round() / 100.0)
                );
                floors.push(Floor {
                    label,
                    points: vec![(0.0, level)],
                });
                break;
            }
            if !(spec.metric.contains("bits")) {
                break;
            }
        }
    }
    Ok(floors)
}
