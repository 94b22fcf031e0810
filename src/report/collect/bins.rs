//! Neighbouring places put together, where a line has more of them than can be told apart.

use super::estimates::LEVEL;
use crate::experiment::schema::{PlotKind, PlotSpec};
use crate::report::figure::{Estimate, MOST_MARKED};
use crate::report::source::Row;
use crate::stats::{Effect, mean};
use std::collections::{BTreeMap, BTreeSet};

/// Bins that are equally wide on a logarithmic axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bins {
    low: f64,
    /// Logarithm of the ratio of two neighbouring bounds.
    width: f64,
}

impl Bins {
    /// Bins for the rows of a plot, if one of its lines has more places than can be marked, all of
    /// them above zero.
    pub(super) fn needed(spec: &PlotSpec, rows: &[Row]) -> Option<Self> {
        let columns = || spec.facet.iter().chain(&spec.series).map(String::as_str);
        let mut lines: BTreeMap<Vec<String>, BTreeSet<&str>> = BTreeMap::new();
        for row in rows {
            lines
                .entry(row.key(columns()))
                .or_default()
                .insert(row.get(&spec.x));
        }
        let crowded = lines.values().any(|places| places.len() > MOST_MARKED);
        let places: Option<Vec<f64>> = rows.iter().map(|row| row.number(&spec.x)).collect();
        let places = places.filter(|_| crowded && spec.kind == PlotKind::Lines)?;
        let low = places.iter().copied().fold(f64::INFINITY, f64::min);
        let high = places.iter().copied().fold(0.0, f64::max);
        let width = (high / low).ln() / MOST_MARKED as f64;
        (low > 0.0 && width.is_finite()).then_some(Bins { low, width })
    }

    fn of(&self, place: f64) -> usize {
        let bin = ((place / self.low).ln() / self.width) as usize;
        bin.min(MOST_MARKED - 1)
    }

    /// One estimate a bin: the mean over runs, of the mean of each run over the bin. The interval is
    /// over runs.
    pub(super) fn estimates(&self, spec: &PlotSpec, rows: &[&Row]) -> Vec<Estimate> {
        let mut bins: BTreeMap<usize, (BTreeSet<u64>, BTreeMap<[&str; 2], Vec<f64>>)> =
            BTreeMap::new();
        for row in rows {
            let Some(place) = row.number(&spec.x) else {
                continue;
            };
            let (places, runs) = bins.entry(self.of(place)).or_default();
            // Positive numbers are in the order of their bits.
            places.insert(place.to_bits());
            let run = ["run", "seed"].map(|column| row.get(column));
            runs.entry(run).or_default().push(row.value);
        }
        let estimate = |(places, runs): (BTreeSet<u64>, BTreeMap<_, Vec<f64>>)| {
            let logarithms: Vec<f64> = places
                .into_iter()
                .map(|bits| f64::from_bits(bits).ln())
                .collect();
            let sample: Vec<f64> = runs.into_values().map(|values| mean(&values)).collect();
            let (least, most) = if spec.metric.contains("accuracy") {
                (0.0, 1.0)
            } else {
                (f64::MIN, f64::MAX)
            };
            let effect = Effect::mean(&sample).map(|effect| effect.within(least, most));
            Estimate {
                x: mean(&logarithms).exp(),
                value: mean(&sample),
                interval: effect.ok().map(|effect| effect.interval(LEVEL)),
                sample,
            }
        };
        bins.into_values().map(estimate).collect()
    }
}
