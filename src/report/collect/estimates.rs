//! Estimates with intervals at each x, and the curves of single runs.

use crate::experiment::schema::{PlotKind, PlotSpec};
use crate::report::figure::Estimate;
use crate::report::source::Row;
use crate::stats::{median, median_interval, wilson};
use std::collections::BTreeMap;

/// Confidence level of all intervals drawn.
pub const LEVEL: f64 = 0.95;
/// More points in a curve than this cannot be told apart; neighbours are averaged.
pub(super) const MOST_POINTS: usize = 200;

/// The values at each x, x rising.
fn by_x(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, Vec<f64>)> {
    let mut points: Vec<_> = points.into_iter().collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = points.chunk_by(|a, b| a.0 == b.0);
    groups
        .map(|group| (group[0].0, group.iter().map(|p| p.1).collect()))
        .collect()
}

/// The median at each x.
pub(super) fn medians_by_x(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let groups = by_x(points).into_iter();
    groups.map(|(x, sample)| (x, median(&sample))).collect()
}

/// One estimate per value of x; for bars one of all values.
pub(super) fn estimates(spec: &PlotSpec, rows: &[&Row]) -> Vec<Estimate> {
    let x = |row: &Row| match spec.kind {
        PlotKind::Bars => Some(0.0),
        _ => row.number(&spec.x),
    };
    let points = rows.iter().filter_map(|row| Some((x(row)?, row.value)));
    let groups = by_x(points).into_iter();
    groups
        .map(|(x, sample)| estimate(&spec.metric, x, sample))
        .collect()
}

/// The median with its interval; of outcomes that are 0 or 1 the share of ones with Wilson's interval.
pub fn estimate(metric: &str, x: f64, sample: Vec<f64>) -> Estimate {
    let (value, interval) = if metric == "solved" {
        let ones = sample.iter().filter(|v| **v > 0.5).count();
        let share = ones as f64 / sample.len() as f64;
        (share, Some(wilson(ones, sample.len(), LEVEL)))
    } else {
        let mut interval = median_interval(&sample, LEVEL).ok();
        if let Some(interval) = interval.as_mut().filter(|_| metric.contains("accuracy")) {
            interval.low = interval.low.clamp(0.0, interval.estimate);
            interval.high = interval.high.clamp(interval.estimate, 1.0);
        }
        (median(&sample), interval)
    };
    Estimate {
        x,
        value,
        interval,
        sample,
    }
}

/// Records in the longest run.
pub(super) fn longest_run(rows: &[Row]) -> usize {
    let mut lengths: BTreeMap<_, usize> = BTreeMap::new();
    for row in rows {
        let run = ["run", "seed", "model"].map(|column| row.get(column));
        *lengths.entry(run).or_default() += 1;
    }
    lengths.into_values().max().unwrap_or(0)
}

/// Each run as a curve, neighbours averaged so that the longest has at most [`MOST_POINTS`].
pub(super) fn runs(rows: &[&Row], longest: usize) -> Vec<Vec<(f64, f64)>> {
    let mut runs: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        if let Some(x) = row.number("x") {
            let run = ["run", "seed"].map(|column| row.get(column));
            runs.entry(run).or_default().push((x, row.value));
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

/// The median over runs at each x that at least half of them reach. Where every run has its own x, as
/// seconds are, the first points of all runs are taken together, the second points, and so on.
pub(super) fn medians(runs: &[Vec<(f64, f64)>]) -> Vec<Estimate> {
    let longest = runs.iter().map(Vec::len).max().unwrap_or(0);
    let mut groups = by_x(runs.iter().flatten().copied());
    if 2 * groups.len() > 3 * longest {
        let nth = |i: usize| {
            runs.iter()
                .filter_map(move |run| run.get(i).copied())
                .unzip()
        };
        let nths = (0..longest).map(nth);
        groups = nths
            .map(|(places, sample): (Vec<f64>, Vec<f64>)| (median(&places), sample))
            .collect();
    }
    groups
        .into_iter()
        .filter(|(_, sample)| sample.len() * 2 >= runs.len())
        .map(|(x, sample)| Estimate {
            x,
            value: median(&sample),
            interval: None,
            sample,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(runs: &[Vec<(f64, f64)>]) -> Vec<(f64, f64, usize)> {
        let all = medians(runs).into_iter();
        all.map(|e| (e.x, e.value, e.sample.len())).collect()
    }

    #[test]
    fn a_median_is_over_the_runs_that_reach_its_x() {
        let run = |values: &[f64]| -> Vec<(f64, f64)> {
            let steps = values.iter().enumerate();
            steps.map(|(i, v)| (100.0 * i as f64, *v)).collect()
        };
        let runs = [run(&[3.0, 2.0, 1.0]), run(&[5.0, 4.0]), run(&[4.0, 6.0])];
        assert_eq!(points(&runs), [(0.0, 4.0, 3), (100.0, 4.0, 3)]);
    }

    #[test]
    fn runs_with_an_x_of_their_own_are_taken_point_by_point() {
        let runs = [
            vec![(1.0, 3.0), (2.0, 2.0)],
            vec![(1.1, 5.0), (2.1, 1.0)],
            vec![(1.3, 4.0), (2.6, 3.0)],
        ];
        assert_eq!(points(&runs), [(1.1, 4.0, 3), (2.1, 2.0, 3)]);
    }
}
