//! Lays a figure out: title, caption, legend, panels with axes and marks.

use super::axis::Axis;
use super::bars;
use super::figure::Figure;
use super::font::{text_width, wrap};
use super::layout::{spread, x_axis, y_axis};
use super::marks;
use super::palette::{DOTTED, Style};
use super::roofline;
use super::scene::{Anchor, Ink, Point, Scene, Shape};
use crate::experiment::schema::PlotKind;

/// Width of a plot for slides, pages and screens, in CSS pixels.
pub const WIDE: f64 = 960.0;
/// Width of a plot for phones.
pub const NARROW: f64 = 400.0;

pub(super) const MARGIN: f64 = 18.0;
const TITLE: f64 = 20.0;
const CAPTION: f64 = 12.5;
pub(super) const LABEL: f64 = 13.0;
pub(super) const TICK: f64 = 12.0;
const SAMPLE: f64 = 42.0;

/// A rectangle of the drawing: the place of the marks of one panel.
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
    /// Place of a pair of axis positions.
    pub fn at(&self, x: f64, y: f64) -> Point {
        (
            self.left + x * self.width,
            self.top + (1.0 - y) * self.height,
        )
    }
}

/// One line of the legend.
struct Entry {
    label: String,
    style: Option<Style>,
    /// Of a single mark, which.
    mark: Option<usize>,
    /// Height at the right end, by which direct labels are ordered.
    end: f64,
}

/// Draws a figure at a width of [`WIDE`] or [`NARROW`].
pub fn draw(figure: &Figure, width: f64) -> Scene {
    let mut page = Page {
        shapes: Vec::new(),
        width,
        y: MARGIN,
    };
    page.paragraph(
        &figure.title,
        if width < WIDE { 17.0 } else { TITLE },
        Ink::Text,
        true,
    );
    page.y += 4.0;
    page.paragraph(&figure.caption, CAPTION, Ink::Muted, false);
    page.y += 12.0;
    match figure.kind {
        PlotKind::Bars => bars::draw(&mut page, figure),
        PlotKind::Roofline => roofline::draw(&mut page, figure),
        _ => page.plots(figure),
    }
    Scene {
        width,
        height: page.y.ceil(),
        description: format!("{} {}", figure.title, figure.caption),
        shapes: page.shapes,
    }
}

/// The drawing as it grows downwards.
pub(super) struct Page {
    pub(super) shapes: Vec<Shape>,
    pub(super) width: f64,
    pub(super) y: f64,
}

impl Page {
    pub(super) fn text(&mut self, at: Point, text: &str, size: f64, ink: Ink, anchor: Anchor) {
        self.shapes.push(Shape::Text {
            at,
            text: text.into(),
            size,
            ink,
            anchor,
            bold: false,
        });
    }

    pub(super) fn line(&mut self, points: Vec<Point>, ink: Ink, width: f64, dash: &'static [f64]) {
        self.shapes.push(Shape::Path {
            points,
            ink,
            alpha: 1.0,
            width,
            dash,
        });
    }

    fn paragraph(&mut self, text: &str, size: f64, ink: Ink, bold: bool) {
        for line in wrap(text, size, bold, self.width - 2.0 * MARGIN) {
            self.y += size * 0.65;
            let at = (MARGIN, self.y);
            self.shapes.push(Shape::Text {
                at,
                text: line,
                size,
                ink,
                anchor: Anchor::Start,
                bold,
            });
            self.y += size * 0.65;
        }
    }

    fn plots(&mut self, figure: &Figure) {
        let direct = figure.panels.len() == 1 && self.width >= WIDE;
        let entries = entries(figure);
        let right = match direct {
            true => {
                entries
                    .iter()
                    .map(|e| text_width(&e.label, LABEL, false))
                    .fold(0.0, f64::max)
                    + SAMPLE
                    + 22.0
            }
            false => 8.0,
        };
        if !direct {
            self.legend(&entries);
        }
        let columns = match figure.panels.len() {
            _ if self.width < WIDE => 1,
            4 => 2,
            n => n.clamp(1, 3),
        };
        let height = match (columns, self.width < WIDE) {
            (_, true) => 200.0,
            (1, _) => 340.0,
            _ => 220.0,
        };
        let y = y_axis(figure, height);
        let gutter = y
            .ticks
            .iter()
            .map(|t| text_width(&t.1, TICK, false))
            .fold(0.0, f64::max)
            + 10.0;
        let room =
            (self.width - 2.0 * MARGIN - right - 26.0 * (columns - 1) as f64) / columns as f64;
        let x = x_axis(figure, room - gutter);
        for (index, row) in figure.panels.chunks(columns).enumerate() {
            let titled = row.iter().any(|panel| panel.title.is_some());
            if index == 0 {
                self.y += 8.0;
                self.text(
                    (MARGIN, self.y),
                    &figure.y_label,
                    LABEL,
                    Ink::Muted,
                    Anchor::Start,
                );
                self.y += 14.0;
            }
            self.y += if titled { 20.0 } else { 2.0 };
            for (column, panel) in row.iter().enumerate() {
                let left = MARGIN + gutter + column as f64 * (room + 26.0);
                let frame = Frame {
                    left,
                    top: self.y,
                    width: room - gutter,
                    height,
                };
                if let Some(title) = &panel.title {
                    self.text(
                        (left, self.y - 12.0),
                        title,
                        LABEL,
                        Ink::Text,
                        Anchor::Start,
                    );
                }
                self.axes(&frame, &x, &y);
                marks::panel(&mut self.shapes, figure, panel, &frame, &x, &y);
                if direct {
                    self.labels(&entries, &frame);
                }
            }
            self.y += height + 26.0;
        }
        let center = MARGIN + gutter + (self.width - 2.0 * MARGIN - right - gutter) / 2.0;
        self.label_below(center, &figure.x_label);
    }

    pub(super) fn axes(&mut self, frame: &Frame, x: &Axis, y: &Axis) {
        let base = frame.top + frame.height;
        for (value, label) in &y.ticks {
            let (left, level) = frame.at(0.0, y.position(*value));
            self.line(
                vec![(left, level), (left + frame.width, level)],
                Ink::Grid,
                1.0,
                &[],
            );
            self.text((left - 7.0, level), label, TICK, Ink::Muted, Anchor::End);
        }
        self.line(
            vec![(frame.left, base), (frame.left + frame.width, base)],
            Ink::Muted,
            1.0,
            &[],
        );
        // From the far end, whose label matters most; labels without room are left out.
        let mut free = f64::INFINITY;
        for (value, label) in x.ticks.iter().rev() {
            let (place, _) = frame.at(x.position(*value), 0.0);
            self.line(
                vec![(place, base), (place, base + 4.0)],
                Ink::Muted,
                1.0,
                &[],
            );
            let half = text_width(label, TICK, false) / 2.0;
            if place + half <= free {
                self.text(
                    (place, base + 14.0),
                    label,
                    TICK,
                    Ink::Muted,
                    Anchor::Middle,
                );
                free = place - half - 6.0;
            }
        }
    }

    /// Labels beside the ends of the lines, pushed apart.
    fn labels(&mut self, entries: &[Entry], frame: &Frame) {
        let mut order: Vec<&Entry> = entries.iter().collect();
        order.sort_by(|a, b| b.end.total_cmp(&a.end));
        let wanted: Vec<f64> = order
            .iter()
            .map(|e| frame.at(1.0, e.end.clamp(0.0, 1.0)).1)
            .collect();
        let places = spread(
            &wanted,
            19.0,
            frame.top + 4.0,
            frame.top + frame.height - 2.0,
        );
        let left = frame.left + frame.width + 14.0;
        for (entry, place) in order.into_iter().zip(places) {
            self.sample(entry, (left, place));
        }
    }

    fn sample(&mut self, entry: &Entry, (left, y): Point) {
        let line = vec![(left, y), (left + SAMPLE - 6.0, y)];
        if let Some(which) = entry.mark {
            let place = (left + (SAMPLE - 6.0) / 2.0, y);
            marks::single(&mut self.shapes, which, place, Ink::Muted);
            let at = (left + SAMPLE, y);
            return self.text(at, &entry.label, LABEL, Ink::Text, Anchor::Start);
        }
        match &entry.style {
            Some(style) => {
                self.line(line, Ink::Series(style.color), 2.4, style.dash);
                marks::marker(
                    &mut self.shapes,
                    (left + (SAMPLE - 6.0) / 2.0, y),
                    style,
                    4.5,
                    1.0,
                );
            }
            None => self.line(line, Ink::Muted, 1.6, DOTTED),
        }
        let ink = if entry.style.is_some() {
            Ink::Text
        } else {
            Ink::Muted
        };
        self.text((left + SAMPLE, y), &entry.label, LABEL, ink, Anchor::Start);
    }

    /// The legend as rows under the caption.
    fn legend(&mut self, entries: &[Entry]) {
        let mut left = MARGIN;
        self.y += 6.0;
        for entry in entries {
            let width = SAMPLE + text_width(&entry.label, LABEL, false);
            if left > MARGIN && left + width > self.width - MARGIN {
                left = MARGIN;
                self.y += 20.0;
            }
            self.sample(entry, (left, self.y));
            left += width + 20.0;
        }
        self.y += 18.0;
    }

    /// Label of the axis below, centred on it as far as it stays in the picture.
    pub(super) fn label_below(&mut self, center: f64, label: &str) {
        self.y += 4.0;
        for line in wrap(label, LABEL, false, self.width - 2.0 * MARGIN) {
            let half = text_width(&line, LABEL, false) / 2.0;
            let center = center.clamp(
                MARGIN + half,
                (self.width - MARGIN - half).max(MARGIN + half),
            );
            self.text((center, self.y), &line, LABEL, Ink::Muted, Anchor::Middle);
            self.y += MARGIN;
        }
    }
}

/// Every series and floor once, in order of the first panel that has it.
fn entries(figure: &Figure) -> Vec<Entry> {
    let y = y_axis(figure, 340.0);
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |label: &str, style: Option<Style>, end: f64| {
        if !entries.iter().any(|e| e.label == label) {
            entries.push(Entry {
                label: label.into(),
                style,
                mark: None,
                end: y.position(end),
            });
        }
    };
    for series in figure.panels.iter().flat_map(|p| &p.series) {
        let end = series.points.iter().rev().find(|p| y.shows(p.value));
        add(
            &series.label,
            Some(series.style),
            end.map_or(y.low(), |p| p.value),
        );
    }
    for floor in figure.panels.iter().flat_map(|p| &p.floors) {
        add(
            &floor.label,
            None,
            floor.points.last().map_or(f64::NAN, |p| p.1),
        );
    }
    let labels = figure.mark_labels.iter().enumerate();
    entries.extend(labels.map(|(which, label)| Entry {
        label: label.clone(),
        style: None,
        mark: Some(which),
        end: 0.0,
    }));
    entries
}
