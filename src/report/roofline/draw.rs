//! Lays a roofline plot out: roofs, marks under them, names where there is room.

use super::super::axis::{Axis, significant};
use super::super::chart::{Frame, LABEL, MARGIN, Page, TICK, WIDE};
use super::super::figure::{Figure, Panel, Series};
use super::super::font::text_width;
use super::super::marks::marker;
use super::super::scene::{Anchor, Ink, Point, Shape};
use super::{NAMED, Roofs};
use crate::experiment::schema::Scale;

/// Radius of the mark of a whole step, and of an operation.
const LARGE: f64 = 8.0;
const SMALL: f64 = 3.6;
/// Opacity of the marks of whole steps.
const TRANSLUCENT: f64 = 0.6;
const CACHE_DASH: &[f64] = &[7.0, 4.0];
/// The axis reaches this much above the compute roof, for its name.
const ABOVE: f64 = 1.6;

/// Draws every panel under a common legend, one below the other.
pub(in super::super) fn draw(page: &mut Page, figure: &Figure) {
    legend(page, figure);
    let wide = page.width >= WIDE;
    let height = if wide { 430.0 } else { 300.0 };
    let y = y_axis(figure, height);
    let labels = y.ticks.iter().map(|t| text_width(&t.1, TICK, false));
    let gutter = labels.fold(0.0, f64::max) + 10.0;
    let left = MARGIN + gutter;
    let width = page.width - left - MARGIN;
    let x = x_axis(figure, width);
    page.y += 8.0;
    let at = (MARGIN, page.y);
    page.text(at, &figure.y_label, LABEL, Ink::Muted, Anchor::Start);
    page.y += 16.0;
    for panel in &figure.panels {
        if let Some(title) = &panel.title {
            page.y += 8.0;
            page.text((left, page.y), title, LABEL, Ink::Text, Anchor::Start);
            page.y += 12.0;
        }
        let frame = Frame {
            left,
            top: page.y,
            width,
            height,
        };
        page.axes(&frame, &x, &y);
        draw_panel(page, panel, &frame, &x, &y);
        page.y += height + 26.0;
    }
    page.label_below(left + width / 2.0, &figure.x_label);
}

/// The mark of every series with its name.
fn legend(page: &mut Page, figure: &Figure) {
    let mut seen: Vec<&str> = Vec::new();
    let mut left = MARGIN;
    page.y += 6.0;
    for series in figure.panels.iter().flat_map(|panel| &panel.series) {
        if seen.contains(&series.label.as_str()) {
            continue;
        }
        seen.push(&series.label);
        let width = 22.0 + text_width(&series.label, LABEL, false);
        if left > MARGIN && left + width > page.width - MARGIN {
            left = MARGIN;
            page.y += 20.0;
        }
        let at = (left + LARGE, page.y);
        marker(&mut page.shapes, at, &series.style, 6.0, 1.0);
        let at = (left + 22.0, page.y);
        page.text(at, &series.label, LABEL, Ink::Text, Anchor::Start);
        left += width + 22.0;
    }
    page.y += 18.0;
}

/// Intensity and speed of every mark.
fn places(figure: &Figure) -> impl Iterator<Item = Point> {
    let series = figure.panels.iter().flat_map(|panel| &panel.series);
    series.flat_map(|s| {
        let operations = s.operations.iter().filter_map(|o| o.place.as_ref());
        s.points.iter().chain(operations).map(|p| (p.x, p.value))
    })
}

fn x_axis(figure: &Figure, width: f64) -> Axis {
    // The ridge of the main memory's roof, where its kink tells the two limits apart.
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
    Axis::fit(
        Scale::Log10,
        values,
        figure.y_range,
        &[],
        (height / 40.0) as usize,
    )
}

fn draw_panel(page: &mut Page, panel: &Panel, frame: &Frame, x: &Axis, y: &Axis) {
    let place = |(a, b): Point| {
        let (a, b) = (x.position(a), y.position(b));
        frame.at(a.clamp(0.0, 1.0), b.clamp(0.0, 1.0))
    };
    let roofs = panel.roofs.map(|roofs| Lines::new(&roofs, x, y));
    let mut taken = Taken::new(frame);
    if let Some(lines) = &roofs {
        for (points, dash, ink) in [
            (lines.cache, CACHE_DASH, Ink::Muted),
            (lines.memory, &[][..], Ink::Text),
            (lines.compute, &[][..], Ink::Text),
        ] {
            let points = points.map(place).to_vec();
            taken.line(&points);
            page.line(points, ink, 1.8, dash);
        }
    }
    for series in &panel.series {
        let operations = series.operations.iter().filter_map(|o| o.place.as_ref());
        let small = operations.map(|p| (p, SMALL));
        for (estimate, radius) in small.chain(series.points.iter().map(|p| (p, LARGE))) {
            let at = place((estimate.x, estimate.value));
            taken.mark(at, radius);
            if let Some(i) = estimate.interval {
                let ends = [i.low.max(y.low()), i.high].map(|v| place((estimate.x, v)));
                page.shapes.push(Shape::Path {
                    points: ends.to_vec(),
                    ink: Ink::Series(series.style.color),
                    alpha: 0.6,
                    width: 1.4,
                    dash: &[],
                });
            }
        }
    }
    // Large below small, and translucent: steps lie close to their operations and to each other.
    for series in &panel.series {
        for step in &series.points {
            let at = place((step.x, step.value));
            marker(&mut page.shapes, at, &series.style, LARGE, TRANSLUCENT);
        }
    }
    for series in &panel.series {
        for at in series.operations.iter().filter_map(|o| o.place.as_ref()) {
            let at = place((at.x, at.value));
            marker(&mut page.shapes, at, &series.style, SMALL, 1.0);
        }
    }
    if let (Some(lines), Some(roofs)) = (&roofs, panel.roofs) {
        name_roofs(page, &mut taken, lines, roofs, &place);
    }
    name_operations(page, &mut taken, &panel.series, &place);
}

/// The ends of the roofs inside the axes.
struct Lines {
    compute: [Point; 2],
    memory: [Point; 2],
    cache: [Point; 2],
}

impl Lines {
    fn new(roofs: &Roofs, x: &Axis, y: &Axis) -> Self {
        let slope = |rate: f64| {
            let start = x.low().max(y.low() / rate);
            let end = (roofs.compute / rate).clamp(start, x.high().max(start));
            [(start, rate * start), (end, rate * end)]
        };
        let ridge = roofs.compute / roofs.cache.max(roofs.memory);
        let ridge = ridge.clamp(x.low(), x.high());
        Self {
            compute: [(ridge, roofs.compute), (x.high(), roofs.compute)],
            memory: slope(roofs.memory),
            cache: slope(roofs.cache),
        }
    }
}

/// Names each roof beside its line: the flat one above its right end, the others where there is room.
fn name_roofs(
    page: &mut Page,
    taken: &mut Taken,
    lines: &Lines,
    roofs: Roofs,
    place: &dyn Fn(Point) -> Point,
) {
    let name = format!("multiply-adds {} GFLOP/s", significant(roofs.compute));
    let (right, level) = place(lines.compute[1]);
    let above = [((right - 4.0, level - 11.0), Anchor::End)];
    taken.put(page, &name, Ink::Text, &above, true);
    let rate = |what: &str, rate: f64| format!("{what} {} GB/s", significant(rate));
    let slopes = [
        (rate("cache", roofs.cache), lines.cache, Ink::Muted),
        (rate("main memory", roofs.memory), lines.memory, Ink::Text),
    ];
    for (name, line, ink) in slopes {
        let [(x0, y0), (x1, y1)] = line.map(place);
        let along = (1..20).map(|i| f64::from(i) / 20.0);
        let at = |t: f64| (x0 + t * (x1 - x0), y0 + t * (y1 - y0));
        let left = |(x, y): Point| ((x - 9.0, y - 6.0), Anchor::End);
        let right = |(x, y): Point| ((x + 9.0, y + 6.0), Anchor::Start);
        let sides: Vec<_> = along
            .clone()
            .map(|t| left(at(t)))
            .chain(along.map(|t| right(at(t))))
            .collect();
        taken.put(page, &name, ink, &sides, true);
    }
}

/// Names the operations that take most time, the longest first, as far as there is room.
fn name_operations(
    page: &mut Page,
    taken: &mut Taken,
    series: &[Series],
    place: &dyn Fn(Point) -> Point,
) {
    let all = series.iter().flat_map(|s| &s.operations);
    let mut named: Vec<_> = all
        .filter(|o| o.share_of_time >= NAMED)
        .filter_map(|o| Some((o, o.place.as_ref()?)))
        .collect();
    named.sort_by(|a, b| b.0.share_of_time.total_cmp(&a.0.share_of_time));
    for (operation, at) in named {
        let (x, y) = place((at.x, at.value));
        let sides = [
            ((x + 8.0, y), Anchor::Start),
            ((x - 8.0, y), Anchor::End),
            ((x, y + 13.0), Anchor::Middle),
            ((x, y - 13.0), Anchor::Middle),
            ((x + 6.0, y + 11.0), Anchor::Start),
            ((x + 6.0, y - 11.0), Anchor::Start),
            ((x - 6.0, y + 11.0), Anchor::End),
            ((x - 6.0, y - 11.0), Anchor::End),
        ];
        taken.put(page, &operation.name, Ink::Muted, &sides, false);
    }
}

/// Left, top, right, bottom.
type Rectangle = (f64, f64, f64, f64);

fn overlap(a: &Rectangle, b: &Rectangle) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// What already stands in a frame.
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
    fn line(&mut self, points: &[Point]) {
        for ends in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
            let pieces = ((x1 - x0).hypot(y1 - y0) / 4.0).ceil().max(1.0);
            for i in 0..=pieces as usize {
                let t = i as f64 / pieces;
                self.mark((x0 + t * (x1 - x0), y0 + t * (y1 - y0)), 2.0);
            }
        }
    }

    /// Writes a text at the first of the places that is free. A text that `must` stand somewhere
    /// may lie over marks and lines, never over another text.
    fn put(&mut self, page: &mut Page, text: &str, ink: Ink, at: &[(Point, Anchor)], must: bool) {
        let width = text_width(text, TICK, false);
        let rectangle = |((x, y), anchor): &(Point, Anchor)| {
            let left = match anchor {
                Anchor::Start => *x,
                Anchor::Middle => x - width / 2.0,
                Anchor::End => x - width,
            };
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
            page.text(place.0, text, TICK, ink, place.1);
        }
    }
}
