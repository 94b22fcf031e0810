//! What plots are drawn on: a canvas that grows downwards, and the frame of each panel in it.

use super::axis::Axis;
use super::figure::Estimate;
use super::font::{text_width, wrap};
use super::number::Unit;
use super::scene::Hit;
use super::shape::{Anchor, Ink, Label, Point, Shape};

/// Width of a plot for slides, pages and screens, in CSS pixels.
pub const WIDE: f64 = 960.0;
/// Width of a plot for phones.
pub const NARROW: f64 = 360.0;

pub(super) const MARGIN: f64 = 18.0;
/// Font size of the names of series and axes.
pub(super) const LABEL: f64 = 13.0;
/// Font size of ticks and of names among the marks.
pub(super) const TICK: f64 = 12.0;

/// A rectangle of the drawing, in which the marks of one panel lie.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Frame {
    /// Where a pair of positions (0 to 1 along each axis) lies in the drawing.
    pub fn at(&self, x: f64, y: f64) -> Point {
        (
            self.left + x * self.width,
            self.top + (1.0 - y) * self.height,
        )
    }
}

/// A frame with its axes.
pub(super) struct Plane<'a> {
    pub(super) frame: Frame,
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
}

impl Plane<'_> {
    /// Where a pair of values lies in the drawing; values outside the axes are put on the edge.
    pub(super) fn place(&self, (x, y): Point) -> Point {
        self.frame.at(self.x.clamped(x), self.y.clamped(y))
    }
}

/// The drawing as it grows downwards.
pub(super) struct Canvas {
    pub(super) shapes: Vec<Shape>,
    pub(super) hits: Vec<Hit>,
    pub(super) width: f64,
    pub(super) y: f64,
}

impl Canvas {
    pub(super) fn wide(&self) -> bool {
        self.width >= WIDE
    }

    pub(super) fn text(&mut self, at: Point, text: &str, size: f64, ink: Ink, anchor: Anchor) {
        self.shapes.push(Shape::Text(Label {
            at,
            text: text.into(),
            size,
            ink,
            anchor,
            bold: false,
        }));
    }

    /// A name at the size of labels.
    pub(super) fn label(&mut self, at: Point, text: &str, anchor: Anchor) {
        self.text(at, text, LABEL, Ink::Text, anchor);
    }

    /// A number on an axis, or a name among the marks.
    pub(super) fn tick(&mut self, at: Point, text: &str, anchor: Anchor) {
        self.text(at, text, TICK, Ink::Muted, anchor);
    }

    /// A line with this opacity.
    pub(super) fn stroke(
        &mut self,
        points: impl Into<Vec<Point>>,
        ink: Ink,
        alpha: f64,
        width: f64,
        dash: &'static [f64],
    ) {
        self.shapes.push(Shape::Path {
            points: points.into(),
            ink,
            alpha,
            width,
            dash,
        });
    }

    /// A solid line.
    pub(super) fn line(&mut self, points: impl Into<Vec<Point>>, ink: Ink, width: f64) {
        self.stroke(points, ink, 1.0, width, &[]);
    }

    pub(super) fn area(&mut self, points: impl Into<Vec<Point>>, ink: Ink, alpha: f64) {
        self.shapes.push(Shape::Area {
            points: points.into(),
            ink,
            alpha,
        });
    }

    /// A place that says the numbers of an estimate.
    pub(super) fn hit(&mut self, at: Point, series: String, x: String, of: &Estimate, unit: Unit) {
        self.hits.push(Hit {
            at,
            series,
            x,
            value: unit.with_interval(of.value, of.interval.as_ref()),
            n: of.sample.len(),
        });
    }

    /// Lines of text across the page.
    pub(super) fn paragraph(&mut self, text: &str, size: f64, ink: Ink, bold: bool) {
        for text in wrap(text, size, bold, self.width - 2.0 * MARGIN) {
            self.y += size * 0.65;
            self.shapes.push(Shape::Text(Label {
                at: (MARGIN, self.y),
                text,
                size,
                ink,
                anchor: Anchor::Start,
                bold,
            }));
            self.y += size * 0.65;
        }
    }

    /// Draws things, each with its width, side by side with a gap between, in as many rows as needed.
    pub(super) fn in_rows<T>(
        &mut self,
        things: impl IntoIterator<Item = (T, f64)>,
        gap: f64,
        draw: impl Fn(&mut Self, T, Point),
    ) {
        let mut left = MARGIN;
        self.y += 6.0;
        for (thing, width) in things {
            if left > MARGIN && left + width > self.width - MARGIN {
                left = MARGIN;
                self.y += 20.0;
            }
            draw(self, thing, (left, self.y));
            left += width + gap;
        }
        self.y += 18.0;
    }

    /// Grid, base line and ticks of a panel.
    pub(super) fn axes(&mut self, plane: &Plane) {
        let Plane { frame, x, y } = plane;
        let (right, base) = (frame.left + frame.width, frame.top + frame.height);
        let levels = || y.ticks.iter().map(|t| frame.at(0.0, y.position(t.0)));
        let places = || x.ticks.iter().map(|t| frame.at(x.position(t.0), 0.0).0);
        for (left, level) in levels() {
            self.line([(left, level), (right, level)], Ink::Grid, 1.0);
        }
        self.line([(frame.left, base), (right, base)], Ink::Muted, 1.0);
        for place in places() {
            self.line([(place, base), (place, base + 4.0)], Ink::Muted, 1.0);
        }
        for ((left, level), (_, label)) in levels().zip(&y.ticks) {
            self.tick((left - 7.0, level), label, Anchor::End);
        }
        // From the right, where the label matters most; labels that would overlap are left out.
        let mut free = f64::INFINITY;
        for (place, (_, label)) in places().zip(&x.ticks).collect::<Vec<_>>().into_iter().rev() {
            let half = text_width(label, TICK, false) / 2.0;
            if place + half <= free {
                self.tick((place, base + 14.0), label, Anchor::Middle);
                free = place - half - 6.0;
            }
        }
    }

    /// Label below an axis, centred on it as far as it stays in the picture.
    pub(super) fn label_below(&mut self, center: f64, label: &str) {
        self.y += 4.0;
        for line in wrap(label, LABEL, false, self.width - 2.0 * MARGIN) {
            let half = text_width(&line, LABEL, false) / 2.0;
            let left = MARGIN + half;
            let center = center.clamp(left, (self.width - MARGIN - half).max(left));
            self.text((center, self.y), &line, LABEL, Ink::Muted, Anchor::Middle);
            self.y += MARGIN;
        }
    }
}
