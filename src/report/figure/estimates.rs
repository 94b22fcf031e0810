//! Estimates with intervals at each abscissa, and the curves of single runs.

use super::{Estimate, LEVEL, MOST_POINTS};
use crate::experiment::schema::{PlotKind, PlotSpec};
use crate::report::source::Row;
use crate::stats::{median, median_interval, wilson};
use std::collections::BTreeMap;

/// One estimate a value of x (of all values, for bars).
pub(super) fn estimates(spec: &PlotSpec, rows: &[&(Row, f64)]) -> Vec<Estimate> {
    let mut at: Vec<(f64, Vec<f64>)> = Vec::new();
    for (row, value) in rows {
        let x = match spec.kind {
            PlotKind::Bars => 0.0,
            _ => match row.get(&spec.x).parse() {
                Ok(x) => x,
                Err(_) => continue,
            },
        };
        match at.iter_mut().find(|(other, _)| *other == x) {
            Some((_, sample)) => sample.push(*value),
            None => at.push((x, vec![*value])),
        }
    }
    at.sort_by(|a, b| a.0.total_cmp(&b.0));
    at.into_iter()
        .map(|(x, sample)| estimate(&spec.metric, x, sample))
        .collect()
}

/// Median with interval; for outcomes that are 0 or 1 their share with Wilson's interval.
pub fn estimate(metric: &str, x: f64, sample: Vec<f64>) -> Estimate {
    if metric == "solved" {
        let ones = sample.iter().filter(|v| **v > 0.5).count();
        let interval = wilson(ones, sample.len(), LEVEL);
        return Estimate {
            x,
            value: ones as f64 / sample.len() as f64,
            interval: Some(interval),
            sample,
        };
    }
    let mut interval = median_interval(&sample, LEVEL).ok();
    if let Some(interval) = interval.as_mut().filter(|_| metric.contains("accuracy")) {
        interval.low = interval.low.clamp(0.0, interval.estimate);
        interval.high = interval.high.clamp(interval.estimate, 1.0);
    }
    Estimate {
        x,
        value: median(&sample),
        interval,
        sample,
    }
}

fn run_of(row: &Row) -> (String, String) {
    (row.get("run").into(), row.get("seed").into())
}

/// Records in the longest run.
pub(super) fn longest_run(rows: &[(Row, f64)]) -> usize {
    let mut lengths: BTreeMap<_, usize> = BTreeMap::new();
    for (row, _) in rows {
        *lengths
            .entry((run_of(row), row.get("model").to_string()))
            .or_default() += 1;
    }
    lengths.into_values().max().unwrap_or(0)
}

/// Each run as a curve, neighbours averaged so that the longest has at most [`MOST_POINTS`].
pub(super) fn runs(rows: &[&(Row, f64)], longest: usize) -> Vec<Vec<(f64, f64)>> {
    let mut runs: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for (row, value) in rows {
        if let Ok(x) = row.get("x").parse() {
            runs.entry(run_of(row)).or_default().push((x, *value));
        }
    }
    let together = longest.div_ceil(MOST_POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        let sum = part.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        (sum.0 / n, sum.1 / n)
    };
    let thin = |mut run: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        run.sort_by(|a, b| a.0.total_cmp(&b.0));
        run.chunks(together).map(mean).collect()
    };
    runs.into_values().map(thin).collect()
}

/// The median over runs at each x that at least half of them reach.
pub(super) fn medians(runs: &[Vec<(f64, f64)>]) -> Vec<Estimate> {
    let mut at: Vec<(f64, f64)> = runs.iter().flatten().copied().collect();
    at.sort_by(|a, b| a.0.total_cmp(&b.0));
    at.chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() * 2 >= runs.len())
        .map(|group| {
            let sample: Vec<f64> = group.iter().map(|p| p.1).collect();
            Estimate {
                x: group[0].0,
                value: median(&sample),
                interval: None,
                sample,
            }
        })
        .collect()
}
