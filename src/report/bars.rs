//! Lays bars out: one a series, with interval, single values, floors and baselines.

use super::axis::{Axis, significant};
use super::chart::{Frame, LABEL, MARGIN, Page, TICK};
use super::figure::{Figure, Floor, Panel, Series};
use super::font::text_width;
use super::marks;
use super::palette::DOTTED;
use super::scene::{Anchor, Ink, Shape};
use crate::experiment::schema::Scale;

/// Horizontal bars, one a series, so that names have room.
pub(super) fn draw(page: &mut Page, figure: &Figure) {
    let labels = figure
        .panels
        .iter()
        .flat_map(|p| &p.series)
        .map(|s| s.label.as_str());
    let gutter = labels
        .map(|l| text_width(l, LABEL, false))
        .fold(0.0, f64::max)
        + 12.0;
    let values: Vec<f64> = figure.panels.iter().flat_map(bar_values).collect();
    let low_end = figure.y_scale == Scale::Linear && figure.y_range.is_none();
    let all = values.iter().copied().chain(low_end.then_some(0.0));
    let frame_width = page.width - 2.0 * MARGIN - gutter - 58.0;
    let most = (frame_width / 80.0) as usize;
    let axis = Axis::fit(figure.y_scale, all, figure.y_range, &[], most.clamp(3, 8));
    let floors: Vec<&Floor> = figure.panels.iter().flat_map(|p| &p.floors).collect();
    for panel in &figure.panels {
        if let Some(title) = &panel.title {
            page.y += 10.0;
            page.text((MARGIN, page.y), title, LABEL, Ink::Text, Anchor::Start);
            page.y += 8.0;
        }
        // Names of floors in rows of their own above the bars, each from its line on.
        let height = 34.0 * panel.series.len().max(1) as f64;
        let names = 18.0 * panel.floors.len() as f64;
        let (left, top) = (MARGIN + gutter, page.y + names + 4.0);
        let frame = Frame {
            left,
            top,
            width: frame_width,
            height,
        };
        for (value, label) in &axis.ticks {
            let (place, base) = frame.at(axis.position(*value), 0.0);
            page.line(vec![(place, top), (place, base)], Ink::Grid, 1.0, &[]);
            page.text(
                (place, base + 12.0),
                label,
                TICK,
                Ink::Muted,
                Anchor::Middle,
            );
        }
        for (row, floor) in panel.floors.iter().enumerate() {
            let (place, base) = frame.at(axis.position(floor.points[0].1).clamp(0.0, 1.0), 0.0);
            let level = page.y + 18.0 * row as f64 + 8.0;
            page.line(vec![(place, level), (place, base)], Ink::Muted, 1.6, DOTTED);
            let fits = place + 8.0 + text_width(&floor.label, TICK, false) < page.width - MARGIN;
            let (shift, anchor) = if fits {
                (6.0, Anchor::Start)
            } else {
                (-6.0, Anchor::End)
            };
            page.text(
                (place + shift, level),
                &floor.label,
                TICK,
                Ink::Muted,
                anchor,
            );
        }
        for (row, series) in panel.series.iter().enumerate() {
            let middle = top + 34.0 * (row as f64 + 0.5);
            page.text(
                (left - 10.0, middle),
                &series.label,
                LABEL,
                Ink::Text,
                Anchor::End,
            );
            bar(page, figure, series, &frame, &axis, middle);
        }
        page.y = top + height + 26.0;
    }
    if floors.is_empty() && figure.panels.is_empty() {
        page.y += 40.0;
    }
    page.label_below(MARGIN + gutter + frame_width / 2.0, &figure.y_label);
}

fn bar(page: &mut Page, figure: &Figure, series: &Series, frame: &Frame, axis: &Axis, middle: f64) {
    let Some(point) = series.points.first() else {
        return;
    };
    let place = |v: f64| {
        let position = if axis.shows(v) { axis.position(v) } else { 0.0 };
        frame.at(position.clamp(0.0, 1.0), 0.0).0
    };
    let (start, end) = (place(axis.low().max(0.0)), place(point.value));
    let corners = [(start, -9.0), (end, -9.0), (end, 9.0), (start, 9.0)];
    let points = corners.map(|(x, dy)| (x, middle + dy)).to_vec();
    let ink = Ink::Series(series.style.color);
    page.shapes.push(Shape::Area {
        points,
        ink,
        alpha: if series.style.hollow { 0.45 } else { 0.85 },
    });
    let mut reach = end;
    if let Some(interval) = &point.interval {
        let (low, high) = (place(interval.low), place(interval.high));
        page.line(vec![(low, middle), (high, middle)], Ink::Text, 1.6, &[]);
        for x in [low, high] {
            page.line(
                vec![(x, middle - 4.0), (x, middle + 4.0)],
                Ink::Text,
                1.6,
                &[],
            );
        }
        reach = high.max(end);
    }
    // A share of ones has nothing to show between its samples.
    let single = figure.metric != "solved" && point.sample.len() > 1;
    for value in point.sample.iter().filter(|_| single) {
        marks::disc(
            &mut page.shapes,
            (place(*value), middle + 6.0),
            2.0,
            Ink::Text,
            0.45,
        );
        reach = reach.max(place(*value));
    }
    let (left, text) = (reach + 8.0, significant(point.value));
    let right = left + text_width(&text, TICK, false);
    let corners = [
        (left - 2.0, -7.0),
        (right, -7.0),
        (right, 7.0),
        (left - 2.0, 7.0),
    ];
    page.shapes.push(Shape::Area {
        points: corners.map(|(x, dy)| (x, middle + dy)).to_vec(),
        ink: Ink::Surface,
        alpha: 0.9,
    });
    page.text((left, middle), &text, TICK, Ink::Text, Anchor::Start);
}

fn bar_values(panel: &Panel) -> impl Iterator<Item = f64> {
    let points = panel.series.iter().flat_map(|s| &s.points);
    let measured = points.flat_map(|p| {
        p.sample
            .iter()
            .copied()
            .chain(p.interval.iter().map(|i| i.high.min(1.5 * p.value)))
    });
    measured.chain(
        panel
            .floors
            .iter()
            .flat_map(|f| f.points.iter().map(|p| p.1)),
    )
}
