//! Draws bars: one per series, with interval, single values, floors and baselines.

use super::axis::Axis;
use super::canvas::{Canvas, Frame, LABEL, MARGIN, TICK};
use super::figure::{Figure, Series};
use super::font::{text_width, widest};
use super::number::Unit;
use super::palette::DOTTED;
use super::shape::{Anchor, Ink, Point};
use crate::experiment::schema::Scale;

/// Pixels from one bar to the next.
const PITCH: f64 = 34.0;
/// Pixels from the name of one floor to the next.
const LINE: f64 = 18.0;

/// Draws horizontal bars, so that the names have room.
pub(super) fn draw(canvas: &mut Canvas, figure: &Figure) {
    let gutter = widest(figure.series().map(|s| &s.label), LABEL) + 12.0;
    let (left, width) = (MARGIN + gutter, canvas.width - 2.0 * MARGIN - gutter - 58.0);
    let (axis, unit) = (axis(figure, width), figure.y_unit().1);
    for panel in &figure.panels {
        if let Some(title) = &panel.title {
            canvas.y += 10.0;
            canvas.label((MARGIN, canvas.y), title, Anchor::Start);
            canvas.y += 8.0;
        }
        // The name of each floor stands in a row of its own above the bars, beside the floor's line.
        let names = LINE * panel.floors.len() as f64;
        let frame = Frame {
            left,
            top: canvas.y + names + 4.0,
            width,
            height: PITCH * panel.series.len().max(1) as f64,
        };
        for (value, label) in &axis.ticks {
            let (place, base) = frame.at(axis.position(*value), 0.0);
            canvas.line([(place, frame.top), (place, base)], Ink::Grid, 1.0);
            canvas.tick((place, base + 12.0), label, Anchor::Middle);
        }
        // From the left down, so that no line runs through a name to the right of another line.
        let mut floors: Vec<_> = panel.floors.iter().collect();
        floors.sort_by(|a, b| a.points[0].1.total_cmp(&b.points[0].1));
        for (row, floor) in floors.into_iter().enumerate() {
            let (place, base) = frame.at(axis.clamped(floor.points[0].1), 0.0);
            let level = canvas.y + LINE * row as f64 + 8.0;
            canvas.stroke(
                [(place, level), (place, base)],
                Ink::Muted,
                1.0,
                1.6,
                DOTTED,
            );
            let end = place + 8.0 + text_width(&floor.label, TICK, false);
            let (at, anchor) = match end < canvas.width - MARGIN {
                true => (place + 6.0, Anchor::Start),
                false => (place - 6.0, Anchor::End),
            };
            if anchor == Anchor::End {
                let ground = rectangle(2.0 * place - end, at, level, 8.0);
                canvas.area(ground, Ink::Surface, 0.9);
            }
            canvas.tick((at, level), &floor.label, anchor);
        }
        for (row, series) in panel.series.iter().enumerate() {
            let middle = frame.top + PITCH * (row as f64 + 0.5);
            canvas.label((left - 10.0, middle), &series.label, Anchor::End);
            // The single values of a share are all 0 or 1: they would show nothing.
            let single = figure.metric != "solved";
            bar(canvas, series, single, &frame, &axis, middle, unit);
            if let Some(point) = series.points.first() {
                let (place, _) = frame.at(axis.clamped(point.value), 0.0);
                let (at, name) = ((place, middle), panel.name(&series.label));
                canvas.hit(at, name, String::new(), point, unit);
            }
        }
        canvas.y = frame.top + frame.height + 26.0;
    }
    canvas.label_below(left + width / 2.0, figure.y_unit().0);
}

/// The axis that all bars share.
fn axis(figure: &Figure, width: f64) -> Axis {
    let points = figure.series().flat_map(|s| &s.points);
    let measured = points.flat_map(|p| {
        let high = p.interval.iter().map(|i| i.high.min(1.5 * p.value));
        p.sample.iter().copied().chain(high)
    });
    let floors = figure.floors().flat_map(|f| f.points.iter().map(|p| p.1));
    let zero = figure.y_scale == Scale::Linear && figure.y_range.is_none();
    let values = measured.chain(floors).chain(zero.then_some(0.0));
    let most = (width / 80.0) as usize;
    let most = most.clamp(3, 8);
    Axis::fit(figure.y_scale, values, figure.y_range, &[], most).measured_in(
        figure.y_unit().1,
        &[],
        most,
    )
}

/// One bar, with the single values behind it if they are to be shown.
fn bar(
    canvas: &mut Canvas,
    series: &Series,
    single: bool,
    frame: &Frame,
    axis: &Axis,
    y: f64,
    unit: Unit,
) {
    let Some(point) = series.points.first() else {
        return;
    };
    let place = |v: f64| {
        let position = if axis.shows(v) { axis.clamped(v) } else { 0.0 };
        frame.at(position, 0.0).0
    };
    let (start, mut end) = (place(axis.low().max(0.0)), place(point.value));
    let alpha = if series.style.hollow { 0.45 } else { 0.85 };
    canvas.area(rectangle(start, end, y, 9.0), series.style.ink(), alpha);
    if let Some(interval) = &point.interval {
        let ends = [interval.low, interval.high].map(place);
        canvas.line(ends.map(|x| (x, y)), Ink::Text, 1.6);
        for x in ends {
            canvas.line([(x, y - 4.0), (x, y + 4.0)], Ink::Text, 1.6);
        }
        end = end.max(ends[1]);
    }
    for value in point
        .sample
        .iter()
        .filter(|_| single && point.sample.len() > 1)
    {
        let x = place(*value);
        canvas.disc((x, y + 6.0), 2.0, Ink::Text, 0.45);
        end = end.max(x);
    }
    let (left, text) = (end + 8.0, unit.with_interval(point.value, None));
    let right = left + text_width(&text, TICK, false);
    canvas.area(rectangle(left - 2.0, right, y, 7.0), Ink::Surface, 0.9);
    canvas.text((left, y), &text, TICK, Ink::Text, Anchor::Start);
}

/// Corners of a rectangle that reaches `half` above and below `y`.
fn rectangle(left: f64, right: f64, y: f64, half: f64) -> [Point; 4] {
    let (top, bottom) = (y - half, y + half);
    [(left, top), (right, top), (right, bottom), (left, bottom)]
}
