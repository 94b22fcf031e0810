//! Draws lines and curves: panels side by side with common axes, under a legend or with the name of
//! each series at its end.

use super::canvas::{Canvas, Frame, LABEL, MARGIN, Plane, TICK};
use super::figure::{Figure, Panel, Series};
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
    canvas.text(at, &figure.y_label, LABEL, Ink::Muted, Anchor::Start);
    canvas.y += 14.0;
    for row in figure.panels.chunks(columns) {
        let titled = row.iter().any(|panel| panel.title.is_some());
        canvas.y += if titled { 20.0 } else { 2.0 };
        for (column, panel) in row.iter().enumerate() {
            let left = MARGIN + gutter + column as f64 * (room + GAP);
            if let Some(title) = &panel.title {
                canvas.label((left, canvas.y - 12.0), title, Anchor::Start);
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
            if direct {
                legend::beside(canvas, &entries, &frame);
            }
        }
        canvas.y += height + 26.0;
    }
    canvas.label_below(MARGIN + gutter + (all - gutter) / 2.0, &figure.x_label);
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
    if kind == PlotKind::Lines {
        for at in points {
            canvas.marker(at, style, 4.5, 1.0);
        }
        return;
    }
    // A few markers tell curves apart without colour; the last one marks the end.
    let mut free = f64::INFINITY;
    for at in points.into_iter().rev() {
        if at.0 <= free {
            canvas.marker(at, style, 3.8, 1.0);
            free = at.0 - MARKER_GAP;
        }
    }
}
