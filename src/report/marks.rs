//! The marks of one panel: bands, bars, lines, points.

use super::axis::Axis;
use super::chart::Frame;
use super::figure::{Figure, Panel, Series};
use super::palette::{DOTTED, Marker, Style};
use super::scene::{Ink, Point, Shape};
use crate::experiment::schema::PlotKind;
use std::f64::consts::TAU;

/// Pixels between the markers of a curve.
const MARKER_GAP: f64 = 90.0;

/// Draws floors, then intervals and single values, then the estimates on top.
pub fn panel(
    shapes: &mut Vec<Shape>,
    figure: &Figure,
    panel: &Panel,
    frame: &Frame,
    x: &Axis,
    y: &Axis,
) {
    let place =
        |(a, b): Point| frame.at(x.position(a).clamp(0.0, 1.0), y.position(b).clamp(0.0, 1.0));
    for floor in &panel.floors {
        let points = match floor.points.as_slice() {
            [(_, level)] => vec![
                frame.at(0.0, y.position(*level)),
                frame.at(1.0, y.position(*level)),
            ],
            points => points.iter().map(|p| place(*p)).collect(),
        };
        if floor
            .points
            .iter()
            .all(|p| y.shows(p.1) && (0.0..=1.0).contains(&y.position(p.1)))
        {
            shapes.push(Shape::Path {
                points,
                ink: Ink::Muted,
                alpha: 1.0,
                width: 1.6,
                dash: DOTTED,
            });
        }
    }
    for series in &panel.series {
        match figure.kind {
            PlotKind::Curves => runs(shapes, series, y, &place),
            _ => intervals(shapes, series, y, &place),
        }
    }
    for series in &panel.series {
        estimates(shapes, figure.kind, series, y, &place);
    }
    for series in &panel.series {
        for (which, marks) in series.marks.iter().enumerate() {
            for at in marks.iter().filter(|m| y.shows(m.1)) {
                single(shapes, which, place(*at), Ink::Series(series.style.color));
            }
        }
    }
}

/// A single mark: the first of a specification a disc with a dark rim, the second a cross, so that
/// neither is taken for a point of the line.
pub fn single(shapes: &mut Vec<Shape>, which: usize, at: Point, ink: Ink) {
    if which.is_multiple_of(2) {
        for (radius, ink) in [(5.6, Ink::Text), (4.0, ink)] {
            disc(shapes, at, radius, ink, 1.0);
        }
        return;
    }
    for (dx, dy) in [(4.5, 4.5), (4.5, -4.5)] {
        for (width, ink) in [(4.4, Ink::Surface), (2.2, ink)] {
            shapes.push(Shape::Path {
                points: vec![(at.0 - dx, at.1 - dy), (at.0 + dx, at.1 + dy)],
                ink,
                alpha: 1.0,
                width,
                dash: &[],
            });
        }
    }
}

/// Single runs, faint; only if there are several, or the median would lie on its own run.
fn runs(shapes: &mut Vec<Shape>, series: &Series, y: &Axis, place: &dyn Fn(Point) -> Point) {
    for run in series.runs.iter().filter(|_| series.runs.len() > 1) {
        let points: Vec<Point> = run
            .iter()
            .filter(|p| y.shows(p.1))
            .map(|p| place(*p))
            .collect();
        let ink = Ink::Series(series.style.color);
        shapes.push(Shape::Path {
            points,
            ink,
            alpha: 0.28,
            width: 1.0,
            dash: &[],
        });
    }
}

/// A band through the intervals, and the single values, faint.
fn intervals(shapes: &mut Vec<Shape>, series: &Series, y: &Axis, place: &dyn Fn(Point) -> Point) {
    let ink = Ink::Series(series.style.color);
    // On a logarithmic scale a bound at or below zero lies under the frame.
    let bound = |v: f64| if y.shows(v) { v } else { y.low() };
    let known: Vec<_> = series
        .points
        .iter()
        .filter_map(|p| p.interval.map(|i| (p.x, i)))
        .collect();
    if known.len() > 1 {
        let upper = known.iter().map(|(x, i)| place((*x, bound(i.high))));
        let lower = known.iter().rev().map(|(x, i)| place((*x, bound(i.low))));
        shapes.push(Shape::Area {
            points: upper.chain(lower).collect(),
            ink,
            alpha: 0.13,
        });
    }
    for (x, interval) in &known {
        let points = vec![
            place((*x, bound(interval.low))),
            place((*x, bound(interval.high))),
        ];
        shapes.push(Shape::Path {
            points,
            ink,
            alpha: 0.55,
            width: 1.2,
            dash: &[],
        });
    }
    for point in series.points.iter().filter(|p| p.sample.len() > 1) {
        for value in point.sample.iter().filter(|v| y.shows(**v)) {
            disc(shapes, place((point.x, *value)), 1.8, ink, 0.35);
        }
    }
}

fn estimates(
    shapes: &mut Vec<Shape>,
    kind: PlotKind,
    series: &Series,
    y: &Axis,
    place: &dyn Fn(Point) -> Point,
) {
    let shown = series.points.iter().filter(|p| y.shows(p.value));
    let points: Vec<Point> = shown.map(|p| place((p.x, p.value))).collect();
    let ink = Ink::Series(series.style.color);
    let dash = series.style.dash;
    shapes.push(Shape::Path {
        points: points.clone(),
        ink,
        alpha: 1.0,
        width: 2.4,
        dash,
    });
    if kind == PlotKind::Lines {
        points
            .iter()
            .for_each(|at| marker(shapes, *at, &series.style, 4.5, 1.0));
        return;
    }
    // On a curve a few markers tell the series apart without colour; the last stands at its end.
    let mut free = f64::INFINITY;
    for at in points.iter().rev() {
        if at.0 <= free {
            marker(shapes, *at, &series.style, 3.8, 1.0);
            free = at.0 - MARKER_GAP;
        }
    }
}

/// A marker with a rim of the surface's colour, so that crossing lines stay apart.
pub fn marker(shapes: &mut Vec<Shape>, at: Point, style: &Style, radius: f64, alpha: f64) {
    let mut fill = |radius: f64, ink: Ink| {
        shapes.push(Shape::Area {
            points: outline(style.marker, at, radius),
            ink,
            alpha,
        });
    };
    fill(radius + 1.4, Ink::Surface);
    fill(radius, Ink::Series(style.color));
    if style.hollow {
        fill(radius - 1.9, Ink::Surface);
    }
}

/// A filled circle.
pub fn disc(shapes: &mut Vec<Shape>, at: Point, radius: f64, ink: Ink, alpha: f64) {
    shapes.push(Shape::Area {
        points: outline(Marker::Circle, at, radius),
        ink,
        alpha,
    });
}

/// Corners of a marker of equal visual weight.
fn outline(marker: Marker, (x, y): Point, r: f64) -> Vec<Point> {
    let polygon = |corners: usize, turn: f64, r: f64| {
        let angle = move |i: usize| TAU * (i as f64 / corners as f64 + turn);
        (0..corners)
            .map(|i| (x + r * angle(i).cos(), y + r * angle(i).sin()))
            .collect()
    };
    match marker {
        Marker::Circle => polygon(16, 0.0, r),
        Marker::Square => polygon(4, 0.125, r * 1.2),
        Marker::Diamond => polygon(4, 0.0, r * 1.3),
        Marker::Triangle => polygon(3, -0.25, r * 1.35),
        Marker::Down => polygon(3, 0.25, r * 1.35),
        Marker::Plus => {
            let (a, b) = (r * 0.42, r * 1.15);
            let corners = [
                (-a, -b),
                (a, -b),
                (a, -a),
                (b, -a),
                (b, a),
                (a, a),
                (a, b),
                (-a, b),
                (-a, a),
                (-b, a),
                (-b, -a),
                (-a, -a),
            ];
            corners.map(|(dx, dy)| (x + dx, y + dy)).to_vec()
        }
    }
}
