//! Axes that all panels of a figure share, and labels pushed apart.

use super::axis::Axis;
use super::figure::Figure;
use crate::experiment::schema::{PlotKind, Scale};

/// The ordinate of all panels: it shows every value, floor, and as much of the intervals as fits.
pub(super) fn y_axis(figure: &Figure, height: f64) -> Axis {
    let panels = || figure.panels.iter();
    let samples = panels().flat_map(|p| &p.series).flat_map(|s| {
        let runs = s.runs.iter().flatten().map(|p| p.1);
        s.points
            .iter()
            .flat_map(|p| p.sample.iter().copied())
            .chain(runs)
    });
    let floors = panels()
        .flat_map(|p| &p.floors)
        .flat_map(|f| f.points.iter().map(|p| p.1));
    let marks = panels()
        .flat_map(|p| &p.series)
        .flat_map(|s| s.marks.iter().flatten().map(|m| m.1));
    let mut values: Vec<f64> = samples.chain(floors).chain(marks).collect();
    // Intervals count as far as they do not squeeze the measurements: from three values they may
    // reach far, and are then cut at the frame.
    let shown = values
        .iter()
        .copied()
        .filter(|v| v.is_finite() && (figure.y_scale == Scale::Linear || *v > 0.0));
    let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    let reach = match figure.y_scale {
        Scale::Linear => (low - 0.15 * (high - low), high + 0.15 * (high - low)),
        _ => (
            low * (low / high).powf(0.15),
            high * (high / low).powf(0.15),
        ),
    };
    let points = panels().flat_map(|p| &p.series).flat_map(|s| &s.points);
    let bounds: Vec<f64> = points
        .filter_map(|p| p.interval)
        .flat_map(|i| [i.low, i.high])
        .collect();
    if low <= high {
        values.extend(bounds.into_iter().map(|v| {
            v.clamp(reach.0, reach.1)
                .max(if low >= 0.0 { 0.0 } else { reach.0 })
        }));
    }
    Axis::fit(
        figure.y_scale,
        values,
        figure.y_range,
        &[],
        (height / 40.0) as usize,
    )
}

/// The abscissa of all panels.
pub(super) fn x_axis(figure: &Figure, width: f64) -> Axis {
    let series = figure.panels.iter().flat_map(|p| &p.series);
    let points = series.flat_map(|s| {
        s.points
            .iter()
            .map(|p| p.x)
            .chain(s.runs.iter().flatten().map(|p| p.0))
            .chain(s.marks.iter().flatten().map(|m| m.0))
    });
    let mut values: Vec<f64> = points.collect();
    values.sort_by(f64::total_cmp);
    let most = (width / 55.0) as usize;
    if figure.kind == PlotKind::Lines {
        values.dedup();
        return Axis::fit(figure.x_scale, values.clone(), None, &values, most.max(3));
    }
    let range = values
        .first()
        .zip(values.last())
        .filter(|(a, b)| a < b && figure.x_scale == Scale::Linear);
    let range = range.map(|(a, b)| [if *a < 0.1 * b { 0.0 } else { *a }, *b]);
    Axis::fit(figure.x_scale, values, range, &[], most.max(3))
}

/// Moves places apart to at least `gap`, within bounds, keeping their order (top to bottom).
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    for _ in 0..200 {
        let mut moved = false;
        for i in 1..places.len() {
            let overlap = gap - (places[i] - places[i - 1]);
            if overlap > 0.01 {
                places[i - 1] -= overlap / 2.0;
                places[i] += overlap / 2.0;
                moved = true;
            }
        }
        let (first, last) = (
            places.first().copied().unwrap_or(top),
            places.last().copied().unwrap_or(top),
        );
        let shift = if first < top {
            top - first
        } else if last > bottom {
            (bottom - last).max(top - first)
        } else {
            0.0
        };
        places.iter_mut().for_each(|p| *p += shift);
        if !moved && shift.abs() < 0.01 {
            break;
        }
    }
    // What relaxation left too close is stacked.
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + gap);
    }
    places
}
