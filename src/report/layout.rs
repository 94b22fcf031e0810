//! Axes that all panels of a figure share, and labels pushed apart.

use super::axis::{Axis, extent};
use super::figure::Figure;
use crate::experiment::schema::{PlotKind, Scale};

/// The y axis of all panels: it shows every value and floor, and as much of the intervals as fits.
pub(super) fn y_axis(figure: &Figure, height: f64) -> Axis {
    let scale = figure.y_scale;
    let points = || figure.series().flat_map(|s| &s.points);
    let samples = points().flat_map(|p| p.sample.iter().copied());
    let drawn = figure.series().flat_map(|s| s.runs.iter().chain(&s.marks));
    let floors = figure.floors().map(|floor| &floor.points);
    let single = drawn.chain(floors).flatten().map(|p| p.1);
    let mut values: Vec<f64> = samples.chain(single).collect();
    // Intervals of few values may reach far. They widen the axis by 15 % at most, so that they do
    // not squeeze the measurements; the rest is cut at the frame.
    if let Some((low, high)) = extent(scale, values.iter().copied()) {
        let (least, most) = match scale {
            Scale::Linear => (low - 0.15 * (high - low), high + 0.15 * (high - low)),
            Scale::Log2 | Scale::Log10 => (
                low * (low / high).powf(0.15),
                high * (high / low).powf(0.15),
            ),
        };
        let floor = if low >= 0.0 { 0.0 } else { least };
        let intervals = points().filter_map(|p| p.interval);
        let bounds = intervals.flat_map(|i| [i.low, i.high]);
        values.extend(bounds.map(|v| v.clamp(least, most).max(floor)));
    }
    let most = (height / 40.0) as usize;
    Axis::fit(scale, values, figure.y_range, &[], most).measured_in(figure.y_unit().1, &[], most)
}

/// The x axis of all panels.
pub(super) fn x_axis(figure: &Figure, width: f64) -> Axis {
    let points = figure.series().flat_map(|s| {
        let drawn = s.runs.iter().chain(&s.marks).flatten().map(|p| p.0);
        s.points.iter().map(|p| p.x).chain(drawn)
    });
    let mut values: Vec<f64> = points.collect();
    values.sort_by(f64::total_cmp);
    let (scale, most) = (figure.x_scale, ((width / 55.0) as usize).max(3));
    if figure.kind == PlotKind::Lines {
        values.dedup();
        let unit = figure.x_unit().1;
        let axis = Axis::fit(scale, values.clone(), None, &values, most);
        return axis.measured_in(unit, &values, most);
    }
    let ends = values.first().zip(values.last());
    let range = ends
        .filter(|(a, b)| a < b && scale == Scale::Linear)
        .map(|(a, b)| [if *a < 0.1 * b { 0.0 } else { *a }, *b]);
    Axis::fit(scale, values, range, &[], most).measured_in(figure.x_unit().1, &[], most)
}

/// Moves places apart to at least `gap`, within bounds, keeping their order (top to bottom).
pub(super) fn spread(mut places: Vec<f64>, gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let Some(end) = places.len().checked_sub(1) else {
        return places;
    };
    for _ in 0..200 {
        let mut moved = false;
        for i in 1..=end {
            let overlap = gap - (places[i] - places[i - 1]);
            if overlap > 0.01 {
                places[i - 1] -= overlap / 2.0;
                places[i] += overlap / 2.0;
                moved = true;
            }
        }
        let (above, below) = (top - places[0], places[end] - bottom);
        let shift = if above > 0.0 {
            above
        } else if below > 0.0 {
            (-below).max(above)
        } else {
            0.0
        };
        places.iter_mut().for_each(|p| *p += shift);
        if !moved && shift.abs() < 0.01 {
            break;
        }
    }
    // Places that are still too close are moved down.
    for i in 1..=end {
        places[i] = places[i].max(places[i - 1] + gap);
    }
    places
}
