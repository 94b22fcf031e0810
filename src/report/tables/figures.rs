//! The numbers behind a plot.

use crate::experiment::schema::PlotKind;
use crate::report::figure::{Estimate, Figure};
use crate::report::table::{Cell, Table, number, number_in_full, text, with_interval};

/// The estimates a plot shows; of each curve only the last one.
pub fn numbers(figure: &Figure) -> Table {
    let x = match figure.kind {
        PlotKind::Roofline => return roofline(figure),
        PlotKind::Lines => "at",
        PlotKind::Curves => "at its end",
        PlotKind::Bars => "",
    };
    let mut rows = Vec::new();
    for panel in &figure.panels {
        for series in &panel.series {
            let skip = match figure.kind {
                PlotKind::Curves => series.points.len().saturating_sub(1),
                _ => 0,
            };
            for point in series.points.iter().skip(skip) {
                rows.push(vec![
                    text(panel.name(&series.label)),
                    match x.is_empty() {
                        true => text(""),
                        false if series.binned => number(point.x),
                        false => number_in_full(point.x),
                    },
                    with_interval(point.value, point.interval.as_ref()),
                    text(point.sample.len().to_string()),
                ]);
            }
        }
        for floor in &panel.floors {
            for (at, level) in &floor.points {
                let at = match floor.points.len() {
                    1 => text("everywhere"),
                    _ => number_in_full(*at),
                };
                let name = text(panel.name(&floor.label));
                rows.push(vec![name, at, number(*level), text("")]);
            }
        }
    }
    Table {
        header: vec!["series", x, "value [95 % interval]", "n"],
        rows,
        sortable: true,
    }
}

/// Every step and operation with its shares, and the roofs.
fn roofline(figure: &Figure) -> Table {
    let blank = || text("");
    let percent = |share: Option<f64>| share.map_or(blank(), |share| number(100.0 * share));
    let mut rows = Vec::new();
    for panel in &figure.panels {
        // `beside` holds GB/s, share of the operations' time and share of the roof.
        let mut add = |label: &str, what: &str, place: Option<&Estimate>, beside: [Cell; 3]| {
            let [x, speed, n] = match place {
                Some(at) => [
                    number(at.x),
                    with_interval(at.value, at.interval.as_ref()),
                    text(at.sample.len().to_string()),
                ],
                None => [blank(), blank(), blank()],
            };
            let [bytes, time, roof] = beside;
            let name = text(panel.name(label));
            rows.push(vec![name, text(what), x, speed, bytes, time, roof, n]);
        };
        for series in &panel.series {
            for step in &series.points {
                let roof = panel.roofs.map(|r| r.compute.min(step.x * r.memory));
                let share = percent(roof.map(|roof| step.value / roof));
                let beside = [number(step.value / step.x), blank(), share];
                add(&series.label, "whole step", Some(step), beside);
            }
            for operation in &series.operations {
                let beside = [
                    number(operation.gigabytes_per_second),
                    percent(Some(operation.share_of_time)),
                    percent(operation.share_of_roof),
                ];
                add(
                    &series.label,
                    &operation.name,
                    operation.place.as_ref(),
                    beside,
                );
            }
        }
        if let Some(roofs) = panel.roofs {
            for (what, compute, copy) in [
                ("multiply-adds", number(roofs.compute), blank()),
                ("copying in main memory", blank(), number(roofs.memory)),
                ("copying in cache", blank(), number(roofs.cache)),
            ] {
                let mut row = vec![text(panel.name("roof")), text(what), blank(), compute, copy];
                row.extend([blank(), blank(), blank()]);
                rows.push(row);
            }
        }
    }
    Table {
        header: vec![
            "model",
            "operation",
            "FLOP/byte",
            "GFLOP/s [95 % interval]",
            "GB/s",
            "% of the operations\u{2019} time",
            "% of its roof from main memory",
            "n",
        ],
        rows,
        sortable: true,
    }
}
