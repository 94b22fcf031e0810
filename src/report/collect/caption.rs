//! The caption of a plot: n, interval, and the settings that all its marks share.

use super::estimates::MOST_POINTS;
use crate::experiment::schema::{Kind, PlotKind, PlotSpec};
use crate::report::figure::{Estimate, NAMED, Panel, Series};
use crate::report::number::{short, thousands};
use crate::report::palette;
use crate::report::source::Row;
use std::collections::BTreeSet;

/// n, interval, and the settings that were the same for all marks.
pub(super) fn caption(
    spec: &PlotSpec,
    kind: Kind,
    rows: &[Row],
    panels: &[Panel],
    profile: &str,
    longest: usize,
) -> String {
    let unit = match kind {
        Kind::Train => "seeds",
        Kind::Throughput if rows.iter().any(|row| !row.get("operation").is_empty()) => "repeats",
        Kind::Throughput => "launches",
    };
    let mut parts = vec![marks(spec, unit, panels)];
    let together = longest.div_ceil(MOST_POINTS);
    if spec.kind == PlotKind::Curves && together > 1 {
        parts.push(format!("each point averages {together} neighbours"));
    }
    let mut settings = Vec::new();
    let sizes = rows
        .iter()
        .filter_map(|row| row.get("parameters").parse().ok());
    let sizes: BTreeSet<u64> = sizes.collect();
    if let (Some(a), Some(b)) = (sizes.first(), sizes.last()) {
        let (a, b) = (short_count(*a), short_count(*b));
        settings.push(format!("{} parameters", range(a, b)));
    }
    for column in [
        "layers", "seq_len", "batch", "delay", "pairs", "equal", "threads",
    ] {
        let values: BTreeSet<&str> = rows.iter().map(|row| row.get(column)).collect();
        if values.len() == 1 && !spec.facet.iter().any(|c| c == column) && spec.x != column {
            settings.extend(values.first().and_then(|value| {
                let label = palette::factor_label(column, value)?;
                Some(if *value == "1" {
                    label.replace("layers", "layer").replace("pairs", "pair")
                } else {
                    label
                })
            }));
        }
    }
    settings.push(format!("{profile} profile"));
    format!("{}. {}.", parts.join("; "), settings.join(", "))
}

/// What the marks are and how many measurements are behind each.
fn marks(spec: &PlotSpec, unit: &str, panels: &[Panel]) -> String {
    let series = || panels.iter().flat_map(|panel| &panel.series);
    let size = |estimate: &Estimate| estimate.sample.len();
    let samples: Vec<usize> = series().flat_map(|s| s.points.iter().map(size)).collect();
    let counts = match spec.kind {
        PlotKind::Curves => series().map(|s| s.runs.len()).collect(),
        _ => samples,
    };
    let most = counts.iter().max().copied().unwrap_or(0);
    let n = format!("n = {}", ends(&counts));
    match (spec.kind, most) {
        (_, 0) => "nothing recorded yet".to_string(),
        (PlotKind::Roofline, _) => {
            let operations: Vec<usize> = series().flat_map(Series::placed).map(size).collect();
            roofline(&n, &ends(&operations))
        }
        (PlotKind::Curves, 1) => format!("One run a curve ({n} {})", unit.trim_end_matches('s')),
        (PlotKind::Curves, _) => format!("Bold: median of {n} {unit}; faint: single {unit}"),
        (_, 1) => "One value a point (n = 1), so no interval".to_string(),
        _ if series().any(|s| s.binned) => {
            format!(
                "Mean over neighbouring positions and {n} {unit} with 95 % interval over {unit}"
            )
        }
        _ if spec.metric == "solved" => format!("Share of {n} {unit} with 95 % Wilson interval"),
        _ => format!("Median of {n} {unit} with 95 % interval; faint points: single {unit}"),
    }
}

/// What the marks of a roofline plot are and how often they were measured.
fn roofline(n: &str, operations: &str) -> String {
    format!(
        "Large marks: whole training steps, median of {n} launches with 95 % interval; small \
         marks: their operations, all calls of one together, n = {operations}, named from {:.0} % of \
         the operations\u{2019} time. Bytes count once a call, as if no data stayed in cache, so an \
         operation on cached data may lie above the memory roof; operations without counted FLOPs \
         are in the table only",
        100.0 * NAMED,
    )
}

/// The least and the most of some counts.
fn ends(counts: &[usize]) -> String {
    let (least, most) = (counts.iter().min(), counts.iter().max());
    let word = |count: Option<&usize>| count.unwrap_or(&0).to_string();
    range(word(least), word(most))
}

/// `a–b`, or `a` if both are the same.
fn range(a: String, b: String) -> String {
    match a == b {
        true => a,
        false => format!("{a}\u{2013}{b}"),
    }
}

/// `312k`, `9,800`.
fn short_count(count: u64) -> String {
    if count < 10_000 {
        thousands(count as i64)
    } else if count < 1_000_000 {
        format!("{}k", (count as f64 / 1e3).round())
    } else {
        short((count as f64 / 1e4).round() * 1e4)
    }
}
