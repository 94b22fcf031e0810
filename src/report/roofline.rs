//! Draws a roofline plot: roofs, marks under them, names where there is room.

use super::axis::Axis;
use super::canvas::{Canvas, Frame, LABEL, MARGIN, Plane, TICK};
use super::figure::{Figure, NAMED, Panel, Roofs, Series};
use super::font::{text_width, widest};
use super::number::{Unit, significant};
use super::shape::{Anchor, Ink, Point};
use crate::experiment::schema::Scale;

/// Radius of the mark of a whole step, and of an operation.
const LARGE: f64 = 8.0;
const SMALL: f64 = 3.6;
/// Opacity of the marks of whole steps.
const TRANSLUCENT: f64 = 0.6;
const CACHE_DASH: &[f64] = &[7.0, 4.0];
/// The axis reaches this much above the compute roof, for its name.
const ABOVE: f64 = 1.6;
/// Width of a mark of the legend, with the space after it.
const SAMPLE: f64 = 22.0;

/// Draws every panel under a common legend, one below the other.
pub(super) fn draw(canvas: &mut Canvas, figure: &Figure) {
    legend(canvas, figure);
    let height = if canvas.wide() { 430.0 } else { 300.0 };
    let y = &y_axis(figure, height);
    let gutter = widest(y.ticks.iter().map(|t| &t.1), TICK) + 10.0;
    let left = MARGIN + gutter;
    let width = canvas.width - left - MARGIN;
    let x = &x_axis(figure, width);
    canvas.y += 8.0;
    let at = (MARGIN, canvas.y);
    canvas.text(at, &figure.y_label, LABEL, Ink::Muted, Anchor::Start);
    canvas.y += 16.0;
    for panel in &figure.panels {
        if let Some(title) = &panel.title {
            canvas.y += 8.0;
            canvas.label((left, canvas.y), title, Anchor::Start);
            canvas.y += 12.0;
        }
        let frame = Frame {
            left,
            top: canvas.y,
            width,
            height,
        };
        let plane = Plane { frame, x, y };
        canvas.axes(&plane);
        draw_panel(canvas, panel, &plane);
        canvas.y += height + 26.0;
    }
    canvas.label_below(left + width / 2.0, &figure.x_label);
}

/// The mark of every series with its name.
fn legend(canvas: &mut Canvas, figure: &Figure) {
    let mut seen: Vec<&Series> = Vec::new();
    for series in figure.series() {
        if !seen.iter().any(|other| other.label == series.label) {
            seen.push(series);
        }
    }
    let width = |series: &Series| SAMPLE + text_width(&series.label, LABEL, false);
    let sized = seen.into_iter().map(|series| (series, width(series)));
    canvas.in_rows(sized, SAMPLE, |canvas, series, (left, y)| {
        canvas.marker((left + LARGE, y), &series.style, 6.0, 1.0);
        canvas.label((left + SAMPLE, y), &series.label, Anchor::Start);
    });
}

/// Intensity and speed of every mark.
fn places(figure: &Figure) -> impl Iterator<Item = Point> {
    let marks = figure
        .series()
        .flat_map(|s| s.points.iter().chain(s.placed()));
    marks.map(|p| (p.x, p.value))
}

fn x_axis(figure: &Figure, width: f64) -> Axis {
    // The axis includes the ridge of the main memory's roof, where memory and arithmetic limit
    // alike, so that both limits can be seen.
    let roofs = figure.panels.iter().filter_map(|panel| panel.roofs);
    let ridges = roofs.map(|r| r.compute / r.memory);
    let values = places(figure).map(|p| p.0).chain(ridges);
    let most = (width / 55.0) as usize;
    Axis::fit(Scale::Log10, values, None, &[], most.clamp(3, 9))
}

fn y_axis(figure: &Figure, height: f64) -> Axis {
    let roofs = figure.panels.iter().filter_map(|panel| panel.roofs);
    let above = roofs.map(|r| ABOVE * r.compute);
    let values = places(figure).map(|p| p.1).chain(above);
    let most = (height / 40.0) as usize;
    Axis::fit(Scale::Log10, values, figure.y_range, &[], most)
}

fn draw_panel(canvas: &mut Canvas, panel: &Panel, plane: &Plane) {
    let roofs = panel.roofs.map(|roofs| Lines::new(roofs, plane));
    let mut taken = Taken::new(&plane.frame);
    if let Some(lines) = &roofs {
        for (points, dash, ink) in [
            (lines.cache, CACHE_DASH, Ink::Muted),
            (lines.memory, &[][..], Ink::Text),
            (lines.compute, &[][..], Ink::Text),
        ] {
            taken.line(points);
            canvas.stroke(points, ink, 1.0, 1.8, dash);
        }
    }
    for series in &panel.series {
        let small = series.placed().map(|p| (p, SMALL));
        for (estimate, radius) in small.chain(series.points.iter().map(|p| (p, LARGE))) {
            taken.mark(plane.place((estimate.x, estimate.value)), radius);
            if let Some(i) = estimate.interval {
                let ends = [i.low.max(plane.y.low()), i.high];
                let ends = ends.map(|v| plane.place((estimate.x, v)));
                canvas.stroke(ends, series.style.ink(), 0.6, 1.4, &[]);
            }
        }
    }
    // Large marks below small ones, and translucent: steps lie close to their operations.
    for series in &panel.series {
        for step in &series.points {
            let at = plane.place((step.x, step.value));
            canvas.marker(at, &series.style, LARGE, TRANSLUCENT);
        }
    }
    for series in &panel.series {
        let places = series.placed().map(|at| plane.place((at.x, at.value)));
        canvas.markers(&places.collect::<Vec<_>>(), &series.style, SMALL, 1.0);
    }
    for series in &panel.series {
        let steps = series.points.iter().map(|at| ("whole step", at));
        let operations = series.operations.iter();
        let operations = operations.filter_map(|o| Some((o.name.as_str(), o.place.as_ref()?)));
        for (what, estimate) in steps.chain(operations) {
            let at = plane.place((estimate.x, estimate.value));
            let name = panel.name(&format!("{}, {what}", series.label));
            canvas.hit(at, name, significant(estimate.x), estimate, Unit::Plain);
        }
    }
    if let Some(lines) = &roofs {
        name_roofs(canvas, &mut taken, lines);
    }
    name_operations(canvas, &mut taken, &panel.series, plane);
}

/// The roofs, and the ends of their lines in the drawing.
struct Lines {
    roofs: Roofs,
    compute: [Point; 2],
    memory: [Point; 2],
    cache: [Point; 2],
}

impl Lines {
    fn new(roofs: Roofs, plane: &Plane) -> Self {
        let Plane { x, y, .. } = plane;
        let slope = |rate: f64| {
            let start = x.low().max(y.low() / rate);
            let end = (roofs.compute / rate).clamp(start, x.high().max(start));
            [start, end].map(|at| plane.place((at, rate * at)))
        };
        let ridge = roofs.compute / roofs.cache.max(roofs.memory);
        let ridge = ridge.clamp(x.low(), x.high());
        Self {
            roofs,
            compute: [ridge, x.high()].map(|at| plane.place((at, roofs.compute))),
            memory: slope(roofs.memory),
            cache: slope(roofs.cache),
        }
    }
}

/// Names each roof beside its line: the flat one above its right end, the others where there is room.
fn name_roofs(canvas: &mut Canvas, taken: &mut Taken, lines: &Lines) {
    let roofs = &lines.roofs;
    let name = format!("multiply-adds {} GFLOP/s", significant(roofs.compute));
    let (right, level) = lines.compute[1];
    let above = [((right - 4.0, level - 11.0), Anchor::End)];
    taken.put(canvas, &name, Ink::Text, &above, true);
    let rate = |what: &str, rate: f64| format!("{what} {} GB/s", significant(rate));
    for (name, line, ink) in [
        (rate("cache", roofs.cache), lines.cache, Ink::Muted),
        (rate("main memory", roofs.memory), lines.memory, Ink::Text),
    ] {
        let along = || (1..20).map(|i| between(line, f64::from(i) / 20.0));
        let left = along().map(|(x, y)| ((x - 9.0, y - 6.0), Anchor::End));
        let right = along().map(|(x, y)| ((x + 9.0, y + 6.0), Anchor::Start));
        let sides: Vec<_> = left.chain(right).collect();
        taken.put(canvas, &name, ink, &sides, true);
    }
}

/// The point at a share of the way from one end to the other.
fn between([(x0, y0), (x1, y1)]: [Point; 2], share: f64) -> Point {
    (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
}

/// Names the operations that take most time, the longest first, as far as there is room.
fn name_operations(canvas: &mut Canvas, taken: &mut Taken, series: &[Series], plane: &Plane) {
    let all = series.iter().flat_map(|s| &s.operations);
    let mut named: Vec<_> = all
        .filter(|o| o.share_of_time >= NAMED)
        .filter_map(|o| Some((o, o.place.as_ref()?)))
        .collect();
    named.sort_by(|a, b| b.0.share_of_time.total_cmp(&a.0.share_of_time));
    for (operation, at) in named {
        let (x, y) = plane.place((at.x, at.value));
        let sides = [
            (8.0, 0.0, Anchor::Start),
            (-8.0, 0.0, Anchor::End),
            (0.0, 13.0, Anchor::Middle),
            (0.0, -13.0, Anchor::Middle),
            (6.0, 11.0, Anchor::Start),
            (6.0, -11.0, Anchor::Start),
            (-6.0, 11.0, Anchor::End),
            (-6.0, -11.0, Anchor::End),
        ];
        let sides = sides.map(|(dx, dy, anchor)| ((x + dx, y + dy), anchor));
        taken.put(canvas, &operation.name, Ink::Muted, &sides, false);
    }
}

/// Left, top, right, bottom.
type Rectangle = (f64, f64, f64, f64);

fn overlap(a: &Rectangle, b: &Rectangle) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// What is already drawn in a frame.
struct Taken {
    frame: Rectangle,
    drawn: Vec<Rectangle>,
    texts: Vec<Rectangle>,
}

impl Taken {
    fn new(frame: &Frame) -> Self {
        let (right, bottom) = (frame.left + frame.width, frame.top + frame.height);
        Self {
            frame: (frame.left, frame.top, right, bottom),
            drawn: Vec::new(),
            texts: Vec::new(),
        }
    }

    fn mark(&mut self, (x, y): Point, radius: f64) {
        let r = 1.2 * radius;
        self.drawn.push((x - r, y - r, x + r, y + r));
    }

    /// A straight line, as boxes along it.
    fn line(&mut self, ends: [Point; 2]) {
        let [(x0, y0), (x1, y1)] = ends;
        let pieces = ((x1 - x0).hypot(y1 - y0) / 4.0).ceil().max(1.0);
        for i in 0..=pieces as usize {
            self.mark(between(ends, i as f64 / pieces), 2.0);
        }
    }

    /// Writes a text at the first of the places that is free. A text that `must` stand somewhere
    /// may lie over marks and lines, never over another text.
    fn put(
        &mut self,
        canvas: &mut Canvas,
        text: &str,
        ink: Ink,
        at: &[(Point, Anchor)],
        must: bool,
    ) {
        let width = text_width(text, TICK, false);
        let rectangle = |((x, y), anchor): &(Point, Anchor)| {
            let left = x - anchor.share() * width;
            (left, y - TICK * 0.55, left + width, y + TICK * 0.55)
        };
        let readable = |place: &&(Point, Anchor)| {
            let r = rectangle(place);
            let f = &self.frame;
            let inside = r.0 >= f.0 && r.1 >= f.1 && r.2 <= f.2 && r.3 <= f.3;
            inside && !self.texts.iter().any(|t| overlap(&r, t))
        };
        let free = |place: &&(Point, Anchor)| {
            let r = rectangle(place);
            readable(place) && !self.drawn.iter().any(|d| overlap(&r, d))
        };
        let found = at.iter().find(free);
        let found = found.or_else(|| at.iter().filter(|_| must).find(readable));
        if let Some(place) = found.copied() {
            self.texts.push(rectangle(&place));
            canvas.text(place.0, text, TICK, ink, place.1);
        }
    }
}
