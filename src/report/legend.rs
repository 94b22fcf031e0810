//! The names of the series, floors and marks of lines and curves: in rows above the panels, or
//! beside the ends of the lines.

use super::canvas::{Canvas, Frame, LABEL};
use super::figure::Figure;
use super::font::text_width;
use super::layout::{spread, y_axis};
use super::palette::{DOTTED, Style};
use super::shape::{Anchor, Ink, Point};

/// Width of a sample of a line, with the space after it.
pub(super) const SAMPLE: f64 = 42.0;

/// What stands beside a name.
enum Sample {
    /// The line of a series.
    Line(Style),
    /// The line of a series without markers.
    Plain(Style),
    /// The dotted line of a floor or baseline.
    Floor,
    /// The single mark with this index.
    Mark(usize),
}

/// A name with its sample.
pub(super) struct Entry {
    pub(super) label: String,
    sample: Sample,
    /// Height at the right end, by which names beside the lines are ordered.
    end: f64,
}

/// Every series and floor once, in the order in which the panels have them, then the single marks.
pub(super) fn entries(figure: &Figure) -> Vec<Entry> {
    let y = y_axis(figure, 340.0);
    let series = figure.series().map(|series| {
        let end = series.points.iter().rev().find(|p| y.shows(p.value));
        let end = end.map_or(y.low(), |p| p.value);
        let sample = match series.binned {
            true => Sample::Plain(series.style),
            false => Sample::Line(series.style),
        };
        (&series.label, sample, y.position(end))
    });
    let floors = figure.floors().map(|floor| {
        let end = floor.points.last().map_or(f64::NAN, |p| p.1);
        (&floor.label, Sample::Floor, y.position(end))
    });
    let mut entries: Vec<Entry> = Vec::new();
    for (label, sample, end) in series.chain(floors) {
        if !entries.iter().any(|e| e.label == *label) {
            let label = label.clone();
            entries.push(Entry { label, sample, end });
        }
    }
    let marks = figure.mark_labels.iter().enumerate();
    entries.extend(marks.map(|(which, label)| Entry {
        label: label.clone(),
        sample: Sample::Mark(which),
        end: 0.0,
    }));
    entries
}

/// Draws the legend as rows under the caption.
pub(super) fn above(canvas: &mut Canvas, entries: &[Entry]) {
    let width = |entry: &Entry| SAMPLE + text_width(&entry.label, LABEL, false);
    let sized = entries.iter().map(|entry| (entry, width(entry)));
    canvas.in_rows(sized, 20.0, draw);
}

/// Draws the names beside the ends of the lines, pushed apart.
pub(super) fn beside(canvas: &mut Canvas, entries: &[Entry], frame: &Frame) {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by(|a, b| b.end.total_cmp(&a.end));
    let wanted = order.iter().map(|e| frame.at(1.0, e.end.clamp(0.0, 1.0)).1);
    let (top, bottom) = (frame.top + 4.0, frame.top + frame.height - 2.0);
    let places = spread(wanted.collect(), 19.0, top, bottom);
    let left = frame.left + frame.width + 14.0;
    for (entry, place) in order.into_iter().zip(places) {
        draw(canvas, entry, (left, place));
    }
}

fn draw(canvas: &mut Canvas, entry: &Entry, (left, y): Point) {
    let line = [(left, y), (left + SAMPLE - 6.0, y)];
    let middle = (left + (SAMPLE - 6.0) / 2.0, y);
    let mut ink = Ink::Text;
    match &entry.sample {
        Sample::Line(style) => {
            canvas.stroke(line, style.ink(), 1.0, 2.4, style.dash);
            canvas.marker(middle, style, 4.5, 1.0);
        }
        Sample::Plain(style) => canvas.stroke(line, style.ink(), 1.0, 2.4, style.dash),
        Sample::Floor => {
            ink = Ink::Muted;
            canvas.stroke(line, ink, 1.0, 1.6, DOTTED);
        }
        Sample::Mark(which) => canvas.single(*which, middle, Ink::Muted),
    }
    canvas.text((left + SAMPLE, y), &entry.label, LABEL, ink, Anchor::Start);
}
