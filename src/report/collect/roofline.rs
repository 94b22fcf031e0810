//! The roofline plot (Williams, Waterman and Patterson 2009, CACM 52:65): speed against operational
//! intensity, under the most that the machine's arithmetic and its memory allow.

use super::estimates::estimate;
use crate::models::OptionRow;
use crate::report::figure::{Estimate, Operation, Roofs};
use crate::report::source::Row;
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

/// The limits in the records of a panel: the best rates measured, since only they are limits.
pub(in crate::report) fn roofs(rows: &[&Row]) -> Option<Roofs> {
    let of = |metric: &'static str| rows.iter().filter(move |row| row.get("metric") == metric);
    let best = |rates: &mut dyn Iterator<Item = f64>| rates.fold(0.0, f64::max) / 1e9;
    let copies = || of("copy_bytes_per_second");
    let sets = || copies().filter_map(|row| row.number("x"));
    let (small, large) = (sets().reduce(f64::min)?, sets().reduce(f64::max)?);
    let copy = |set: f64| {
        let same = copies().filter(|row| row.number("x") == Some(set));
        best(&mut same.map(|row| row.value))
    };
    let compute = best(&mut of("peak_flops").map(|row| row.value));
    (compute > 0.0).then(|| Roofs {
        compute,
        memory: copy(large),
        cache: copy(small),
    })
}

/// The place of each whole step, and its operations, from the records of one series.
pub(in crate::report) fn places(
    rows: &[&Row],
    roofs: Option<Roofs>,
) -> (Vec<Estimate>, Vec<Operation>) {
    let mut runs: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let of = ["run", "threads", "parameters"].into_iter();
        runs.entry(row.key(of.chain(OptionRow::choices())))
            .or_default()
            .push(row);
    }
    let (mut steps, mut operations) = (Vec::new(), Vec::new());
    for rows in runs.values() {
        let sample = |metric: &str, operation: &str| -> Vec<f64> {
            let same =
                |row: &&&Row| row.get("metric") == metric && row.get("operation") == operation;
            rows.iter().filter(same).map(|row| row.value).collect()
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
        for name in rows.iter().map(|row| row.get("operation")) {
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
