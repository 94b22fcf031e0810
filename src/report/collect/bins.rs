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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    /// Two runs of `places` positions whose values are the position, and one more in the second run.
    fn rows(places: u32) -> Vec<Row> {
        let row = |run: u32, x: u32| {
            let record = Record {
                run: format!("r{run}"),
                seed: Some(u64::from(run)),
                model: "gru".into(),
                metric: "test_bits_by_position".into(),
                x: Some(f64::from(x)),
                value: Some(f64::from(x + run)),
                ..Record::default()
            };
            Row::of(&record)
        };
        (0..2)
            .flat_map(|run| (1..=places).map(move |x| row(run, x)))
            .collect()
    }

    fn spec(kind: &str) -> PlotSpec {
        let text = format!(
            "file = 'p'\ntitle = ''\nkind = '{kind}'\nmetric = 'test_bits_by_position'\nx = 'x'\n\
             x_label = ''\ny_label = ''\nseries = ['model']"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn only_long_lines_are_binned() {
        assert!(Bins::needed(&spec("lines"), &rows(40)).is_none());
        assert!(Bins::needed(&spec("lines"), &rows(41)).is_some());
        assert!(Bins::needed(&spec("curves"), &rows(41)).is_none());
        let mut at_zero = rows(41);
        at_zero.extend(rows(1).into_iter().map(|_| {
            let record = Record {
                x: Some(0.0),
                value: Some(1.0),
                ..Record::default()
            };
            Row::of(&record)
        }));
        assert!(Bins::needed(&spec("lines"), &at_zero).is_none());
    }

    #[test]
    fn a_bin_holds_the_mean_over_its_places_and_the_interval_over_runs() {
        let (spec, rows) = (spec("lines"), rows(256));
        let bins = Bins::needed(&spec, &rows).unwrap();
        let estimates = bins.estimates(&spec, &rows.iter().collect::<Vec<_>>());
        assert!(estimates.len() <= MOST_MARKED, "{}", estimates.len());
        // The first places are alone in their bins, the last are many.
        assert_eq!(estimates[0].x, 1.0);
        assert_eq!(estimates[0].sample, [1.0, 2.0]);
        assert_eq!(estimates[0].value, 1.5);
        let last = estimates.last().unwrap();
        assert!((223.0..256.0).contains(&last.x), "{}", last.x);
        assert_eq!(last.sample[1] - last.sample[0], 1.0);
        let interval = last.interval.unwrap();
        // Student's t for two values 1 apart: 12.706 times half of it.
        assert!((interval.half_width() - 6.353).abs() < 1e-3, "{interval:?}");
        let all: f64 = estimates.iter().map(|e| e.x).fold(0.0, |last, x| {
            assert!(x > last);
            x
        });
        assert!(all < 256.0);
    }
}
