//! The roofline plot (Williams, Waterman and Patterson 2009, CACM 52:65): speed against operational
//! intensity, under the most that the machine's arithmetic and its memory allow.

mod draw;
#[cfg(test)]
mod tests;

pub(super) use draw::draw;

use super::figure::{Estimate, Figure, Panel, Series, estimate};
use super::source::Row;
use super::tables::{Table, number, text, with_interval};
use crate::models::OptionRow;
use crate::stats::median;
use std::collections::BTreeMap;

/// Metrics that a roofline plot reads.
pub(super) const METRICS: [&str; 8] = [
    "flops_per_step",
    "bytes_per_step",
    "step_seconds",
    "operation_flops",
    "operation_bytes",
    "operation_seconds",
    "peak_flops",
    "copy_bytes_per_second",
];

/// An operation that takes this share of the time of its step's operations is named in the plot.
pub(super) const NAMED: f64 = 0.08;

/// One operation of a training step, all its calls together.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// FLOP/byte and GFLOP/s; none of what counts no FLOPs.
    pub place: Option<Estimate>,
    /// Its share of the time of all operations of the step.
    pub share_of_time: f64,
    /// GB/s: bytes read and written once each, over its time.
    pub gigabytes_per_second: f64,
    /// What its bytes and FLOPs take at the least from main memory, over its time; above 1 where
    /// data stay in cache. None without roofs.
    pub share_of_roof: Option<f64>,
}

/// The machine's limits at the threads of one panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofs {
    /// GFLOP/s of fused multiply-adds.
    pub compute: f64,
    /// GB/s read and written in main memory.
    pub memory: f64,
    /// GB/s read and written within the cores' own caches.
    pub cache: f64,
}

impl Roofs {
    /// From the records of a panel: the best rates, as no other is a limit.
    pub(super) fn of(rows: &[&(Row, f64)]) -> Option<Self> {
        let values = |metric: &'static str| {
            rows.iter()
                .filter(move |(row, _)| row.get("metric") == metric)
        };
        let best = |rates: &mut dyn Iterator<Item = f64>| rates.fold(0.0, f64::max) / 1e9;
        let bytes = |row: &Row| row.get("x").parse::<f64>().ok();
        let sets = || values("copy_bytes_per_second").filter_map(|(row, _)| bytes(row));
        let (small, large) = (sets().reduce(f64::min)?, sets().reduce(f64::max)?);
        let copy = |set: f64| {
            let same = values("copy_bytes_per_second").filter(|(row, _)| bytes(row) == Some(set));
            best(&mut same.map(|row| row.1))
        };
        let compute = best(&mut values("peak_flops").map(|row| row.1));
        (compute > 0.0).then(|| Self {
            compute,
            memory: copy(large),
            cache: copy(small),
        })
    }
}

/// Where each whole step lies, and its operations, from the records of one series.
pub(super) fn places(
    rows: &[&(Row, f64)],
    roofs: Option<Roofs>,
) -> (Vec<Estimate>, Vec<Operation>) {
    let mut runs: BTreeMap<Vec<&str>, Vec<&(Row, f64)>> = BTreeMap::new();
    for row in rows {
        let of = ["run", "threads", "parameters"]
            .into_iter()
            .chain(OptionRow::choices());
        let key = of.map(|column| row.0.get(column)).collect();
        runs.entry(key).or_default().push(row);
    }
    let (mut steps, mut operations) = (Vec::new(), Vec::new());
    for rows in runs.values() {
        let sample = |metric: &str, operation: &str| -> Vec<f64> {
            let same = |(row, _): &&&(Row, f64)| {
                row.get("metric") == metric && row.get("operation") == operation
            };
            rows.iter().filter(same).map(|row| row.1).collect()
        };
        let once = |metric: &str, operation: &str| sample(metric, operation).first().copied();
        let place = |flops: f64, bytes: f64, seconds: &[f64]| {
            let speeds = seconds.iter().map(|s| flops / s / 1e9).collect();
            (flops > 0.0 && bytes > 0.0 && !seconds.is_empty())
                .then(|| estimate("step_seconds", flops / bytes, speeds))
        };
        let step = once("flops_per_step", "").zip(once("bytes_per_step", ""));
        steps.extend(step.and_then(|(f, b)| place(f, b, &sample("step_seconds", ""))));

        let mut names: Vec<&str> = Vec::new();
        for (row, _) in rows {
            let name = row.get("operation");
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        let medians = names.iter().map(|n| sample("operation_seconds", n));
        let total: f64 = medians.filter(|s| !s.is_empty()).map(|s| median(&s)).sum();
        for name in names {
            let seconds = sample("operation_seconds", name);
            let work = once("operation_flops", name).zip(once("operation_bytes", name));
            let Some((flops, bytes)) = work.filter(|_| !seconds.is_empty()) else {
                continue;
            };
            let time = median(&seconds);
            let least = |r: Roofs| (flops / r.compute).max(bytes / r.memory) / 1e9;
            operations.push(Operation {
                name: name.into(),
                place: place(flops, bytes, &seconds),
                share_of_time: time / total,
                gigabytes_per_second: bytes / time / 1e9,
                share_of_roof: roofs.map(|r| least(r) / time),
            });
        }
    }
    operations.sort_by(|a, b| b.share_of_time.total_cmp(&a.share_of_time));
    (steps, operations)
}

/// What the marks are and how often they were measured.
pub(super) fn caption(panels: &[Panel]) -> String {
    let series = || panels.iter().flat_map(|panel| &panel.series);
    let steps = series().flat_map(|s| s.points.iter().map(|p| p.sample.len()));
    let places = series().flat_map(|s| s.operations.iter().filter_map(|o| o.place.as_ref()));
    let range = |counts: Vec<usize>| match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least}\u{2013}{most}"),
        (Some(least), _) => least.to_string(),
        _ => "0".into(),
    };
    format!(
        "Large marks: whole training steps, median of n = {} repeats with 95 % interval; small \
         marks: their operations, all calls of one together, n = {}, named from {:.0} % of the \
         operations\u{2019} time. Bytes count once a call, as if no data stayed in cache, so an \
         operation on cached data may lie above the memory roof; operations without counted FLOPs \
         are in the table only",
        range(steps.collect()),
        range(places.map(|p| p.sample.len()).collect()),
        100.0 * NAMED,
    )
}

/// Every step and operation with its shares, and the roofs.
pub(super) fn numbers(figure: &Figure) -> Table {
    let mut rows = Vec::new();
    for panel in &figure.panels {
        let name = |label: &str| match &panel.title {
            Some(title) => text(format!("{label} ({title})")),
            None => text(label),
        };
        let place = |place: &Estimate| {
            let speed = with_interval(place.value, place.interval.as_ref());
            [number(place.x), speed]
        };
        let percent = |share: Option<f64>| share.map_or(text(""), |share| number(100.0 * share));
        for Series {
            label,
            points,
            operations,
            ..
        } in &panel.series
        {
            for step in points {
                let bytes = step.value / step.x;
                let mut row = vec![name(label), text("whole step")];
                row.extend(place(step));
                let roof = panel.roofs.map(|r| r.compute.min(step.x * r.memory));
                row.extend([number(bytes), percent(None)]);
                row.push(percent(roof.map(|roof| step.value / roof)));
                row.push(text(step.sample.len().to_string()));
                rows.push(row);
            }
            for operation in operations {
                let mut row = vec![name(label), text(&operation.name)];
                let n = operation.place.as_ref().map(|p| p.sample.len().to_string());
                match &operation.place {
                    Some(at) => row.extend(place(at)),
                    None => row.extend([text(""), text("")]),
                }
                row.push(number(operation.gigabytes_per_second));
                row.push(percent(Some(operation.share_of_time)));
                row.push(percent(operation.share_of_roof));
                row.push(text(n.unwrap_or_default()));
                rows.push(row);
            }
        }
        if let Some(roofs) = panel.roofs {
            let blank = || text("");
            for (what, compute, copy) in [
                ("multiply-adds", Some(roofs.compute), None),
                ("copying in main memory", None, Some(roofs.memory)),
                ("copying in cache", None, Some(roofs.cache)),
            ] {
                let mut row = vec![name("roof"), text(what), blank()];
                row.push(compute.map_or(blank(), number));
                row.push(copy.map_or(blank(), number));
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
