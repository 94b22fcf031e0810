//! Draws lines and curves: panels side by side with common axes, under a legend or with the name of
//! each series at its end.

use super::canvas::{Canvas, Frame, LABEL, MARGIN, Plane, TICK};
use super::figure::{Estimate, Figure, MOST_MARKED, Panel, Series};
use super::font::widest;
use super::layout::{x_axis, y_axis};
use super::legend::{self, SAMPLE};
use super::palette::DOTTED;
use super::shape::{Anchor, Ink, Point};
use crate::experiment::schema::PlotKind;

/// Pixels between panels side by side.
const GAP: f64 = 26.0;
/// Pixels between the markers of a curve.
const MARKER_GAP: f64 = 90.0;
/// Markers nearer than so many pixels hide what they mark.
const TOUCHING: f64 = 11.0;

/// Draws all panels.
pub(super) fn draw(canvas: &mut Canvas, figure: &Figure) {
    let direct = figure.panels.len() == 1 && canvas.wide();
    let entries = legend::entries(figure);
    let right = match direct {
        true => widest(entries.iter().map(|e| &e.label), LABEL) + SAMPLE + 22.0,
        false => 8.0,
    };
    if !direct {
        legend::above(canvas, &entries);
    }
    let (columns, height) = match figure.panels.len() {
        _ if !canvas.wide() => (1, 200.0),
        0 | 1 => (1, 340.0),
        2 | 4 => (2, 220.0),
        _ => (3, 220.0),
    };
    let y = y_axis(figure, height);
    let gutter = widest(y.ticks.iter().map(|t| &t.1), TICK) + 10.0;
    let all = canvas.width - 2.0 * MARGIN - right;
    let room = (all - GAP * (columns - 1) as f64) / columns as f64;
    let x = x_axis(figure, room - gutter);
    canvas.y += 8.0;
    let at = (MARGIN, canvas.y);
    canvas.text(at, figure.y_unit().0, LABEL, Ink::Muted, Anchor::Start);
    canvas.y += 14.0;
    for row in figure.panels.chunks(columns) {
        let titled = row.iter().any(|panel| panel.title.is_some());
        canvas.y += if titled { 26.0 } else { 2.0 };
        for (column, panel) in row.iter().enumerate() {
            let left = MARGIN + gutter + column as f64 * (room + GAP);
            if let Some(title) = &panel.title {
                canvas.label((left, canvas.y - 17.0), title, Anchor::Start);
            }
            let frame = Frame {
                left,
                top: canvas.y,
                width: room - gutter,
                height,
            };
            let (x, y) = (&x, &y);
            let plane = Plane { frame, x, y };
            canvas.axes(&plane);
            draw_panel(canvas, figure.kind, panel, &plane);
            say_numbers(canvas, figure, panel, &plane);
            if direct {
                legend::beside(canvas, &entries, &frame);
            }
        }
        canvas.y += height + 26.0;
    }
    canvas.label_below(MARGIN + gutter + (all - gutter) / 2.0, figure.x_unit().0);
}

/// Draws floors, then intervals and single values, then the estimates on top.
fn draw_panel(canvas: &mut Canvas, kind: PlotKind, panel: &Panel, plane: &Plane) {
    let y = plane.y;
    for floor in &panel.floors {
        let inside = |level: f64| y.shows(level) && (0.0..=1.0).contains(&y.position(level));
        if floor.points.iter().all(|p| inside(p.1)) {
            let points: Vec<Point> = match floor.points.as_slice() {
                [(_, level)] => [0.0, 1.0]
                    .map(|x| plane.frame.at(x, y.position(*level)))
                    .into(),
                points => points.iter().map(|p| plane.place(*p)).collect(),
            };
            canvas.stroke(points, Ink::Muted, 1.0, 1.6, DOTTED);
        }
    }
    for series in &panel.series {
        match kind {
            PlotKind::Curves => runs(canvas, series, plane),
            _ => intervals(canvas, series, plane),
        }
    }
    for series in &panel.series {
        estimates(canvas, kind, series, plane);
    }
    for series in &panel.series {
        for (which, marks) in series.marks.iter().enumerate() {
            for at in marks.iter().filter(|m| y.shows(m.1)) {
                canvas.single(which, plane.place(*at), series.style.ink());
            }
        }
    }
}

/// Where the points lie that the y axis can show.
fn shown(points: impl Iterator<Item = Point>, plane: &Plane) -> Vec<Point> {
    let shown = points.filter(|p| plane.y.shows(p.1));
    shown.map(|p| plane.place(p)).collect()
}

/// Single runs, faint. One run alone is its own median, which is drawn anyway.
fn runs(canvas: &mut Canvas, series: &Series, plane: &Plane) {
    for run in series.runs.iter().filter(|_| series.runs.len() > 1) {
        let points = shown(run.iter().copied(), plane);
        canvas.stroke(points, series.style.ink(), 0.28, 1.0, &[]);
    }
}

/// A band through the intervals, and the single values, faint.
fn intervals(canvas: &mut Canvas, series: &Series, plane: &Plane) {
    let (ink, y) = (series.style.ink(), plane.y);
    // A logarithmic scale cannot show a bound at or below zero: it is put at the low end.
    let bound = |v: f64| if y.shows(v) { v } else { y.low() };
    let known = series.points.iter().filter_map(|p| {
        let ends = p.interval.map(|i| [i.low, i.high])?;
        Some(ends.map(|end| plane.place((p.x, bound(end)))))
    });
    let known: Vec<[Point; 2]> = known.collect();
    if known.len() > 1 {
        let upper = known.iter().map(|ends| ends[1]);
        let lower = known.iter().rev().map(|ends| ends[0]);
        canvas.area(upper.chain(lower).collect::<Vec<_>>(), ink, 0.13);
    }
    if series.binned {
        return;
    }
    for ends in known {
        canvas.stroke(ends, ink, 0.55, 1.2, &[]);
    }
    for point in series.points.iter().filter(|p| p.sample.len() > 1) {
        for value in point.sample.iter().filter(|v| y.shows(**v)) {
            canvas.disc(plane.place((point.x, *value)), 1.8, ink, 0.35);
        }
    }
}

fn estimates(canvas: &mut Canvas, kind: PlotKind, series: &Series, plane: &Plane) {
    let style = &series.style;
    let points = shown(series.points.iter().map(|p| (p.x, p.value)), plane);
    canvas.stroke(points.clone(), style.ink(), 1.0, 2.4, style.dash);
    match kind {
        _ if series.binned => {}
        PlotKind::Lines if !crowded(&points) => canvas.markers(&points, style, 4.5, 1.0),
        // A few markers tell lines apart without colour; the last one marks the end.
        _ => canvas.markers(&sparse(points), style, 3.8, 1.0),
    }
}

/// Whether markers would lie on each other.
fn crowded(places: &[Point]) -> bool {
    let ends = places.first().zip(places.last());
    ends.is_some_and(|(a, b)| (b.0 - a.0) < TOUCHING * (places.len() - 1) as f64)
}

/// Places at least [`MARKER_GAP`] apart, counted from the last.
fn sparse(places: Vec<Point>) -> Vec<Point> {
    let mut free = f64::INFINITY;
    let far = |at: &Point| {
        let is_far = at.0 <= free;
        if is_far {
            free = at.0 - MARKER_GAP;
        }
        is_far
    };
    places.into_iter().rev().filter(far).collect()
}

/// What the estimates say when they are pointed at; of a long curve every so manieth, from its end.
fn say_numbers(canvas: &mut Canvas, figure: &Figure, panel: &Panel, plane: &Plane) {
    let (x_unit, unit) = (figure.x_unit().1, figure.y_unit().1);
    let mut say = |series: &Series, label: &str, point: &Estimate| {
        let x = match series.binned {
            true => format!("about {}", x_unit.with_interval(point.x, None)),
            false => x_unit.in_full(point.x),
        };
        let at = plane.place((point.x, point.value));
        canvas.hit(at, panel.name(label), x, point, unit);
    };
    let shown = |point: &&Estimate| plane.y.shows(point.value);
    for series in &panel.series {
        let step = series.points.len().div_ceil(MOST_MARKED).max(1);
        let points = series.points.iter().rev().step_by(step).filter(shown);
        points.for_each(|point| say(series, &series.label, point));
        for (marks, what) in series.marks.iter().zip(&figure.mark_labels) {
            let label = format!("{}, {what}", series.label);
            let marks = marks.iter().map(|(x, value)| Estimate::single(*x, *value));
            marks.for_each(|point| say(series, &label, &point));
        }
    }
}
