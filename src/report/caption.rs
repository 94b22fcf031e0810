//! The caption of a plot: n, interval, and the settings that all its marks share.

use super::axis::{short, thousands};
use super::figure::{MOST_POINTS, Panel};
use super::palette;
use super::roofline;
use super::source::Row;
use crate::experiment::schema::{Kind, PlotKind, PlotSpec};
use std::collections::BTreeSet;

/// n, interval and what was the same for all marks.
pub(super) fn caption(
    spec: &PlotSpec,
    kind: Kind,
    rows: &[(Row, f64)],
    panels: &[Panel],
    profile: &str,
    longest: usize,
) -> String {
    let unit = match kind {
        Kind::Throughput => "repeats",
        Kind::Train => "seeds",
    };
    let all = panels.iter().flat_map(|panel| &panel.series);
    let counts: Vec<usize> = match spec.kind {
        PlotKind::Curves => all.map(|s| s.runs.len()).collect(),
        _ => all
            .flat_map(|s| s.points.iter().map(|p| p.sample.len()))
            .collect(),
    };
    let (least, most) = (
        counts.iter().min().copied().unwrap_or(0),
        counts.iter().max().copied().unwrap_or(0),
    );
    let n = if least == most {
        format!("n = {most}")
    } else {
        format!("n = {least}\u{2013}{most}")
    };
    let one = |plural: &str| {
        if most == 1 {
            plural.trim_end_matches('s').to_string()
        } else {
            plural.to_string()
        }
    };
    let marks = match (spec.kind, most) {
        (_, 0) => "nothing recorded yet".to_string(),
        (PlotKind::Roofline, _) => roofline::caption(panels),
        (PlotKind::Curves, 1) => format!("One run a curve ({n} {})", one(unit)),
        (PlotKind::Curves, _) => format!("Bold: median of {n} {unit}; faint: single {unit}"),
        (_, 1) => "One value a point (n = 1), so no interval".to_string(),
        _ if spec.metric == "solved" => format!("Share of {n} {unit} with 95 % Wilson interval"),
        _ => format!("Median of {n} {unit} with 95 % interval; faint points: single {unit}"),
    };
    let mut parts = vec![marks];
    let together = longest.div_ceil(MOST_POINTS);
    if spec.kind == PlotKind::Curves && together > 1 {
        parts.push(format!("each point averages {together} neighbours"));
    }
    let mut settings = Vec::new();
    let sizes: BTreeSet<u64> = rows
        .iter()
        .filter_map(|(row, _)| row.get("parameters").parse().ok())
        .collect();
    if let (Some(a), Some(b)) = (sizes.first(), sizes.last()) {
        let range = match (short_count(*a), short_count(*b)) {
            (a, b) if a == b => a,
            (a, b) => format!("{a}\u{2013}{b}"),
        };
        settings.push(format!("{range} parameters"));
    }
    for column in [
        "layers", "seq_len", "batch", "delay", "pairs", "equal", "threads",
    ] {
        let values: BTreeSet<&str> = rows.iter().map(|(row, _)| row.get(column)).collect();
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
