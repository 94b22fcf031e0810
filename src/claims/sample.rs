//! Values of one cell of an experiment, by seed or launch, and the looks at them.

use super::comparison::Missing;
use super::select::{last_by, usable};
use crate::record::{Record, cell};
use crate::stats::{Effect, Looks, StatsError};
use std::collections::{BTreeMap, BTreeSet};

/// Values by seed, or by launch of a timing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    values: BTreeMap<u64, f64>,
    /// Names of the runs without seed or launch.
    cells: BTreeSet<String>,
}

impl Sample {
    /// These values of these cells.
    pub fn new(values: BTreeMap<u64, f64>, cells: BTreeSet<String>) -> Self {
        Self { values, cells }
    }

    /// The final values of a metric among the records that pass: of a curve the last point.
    pub fn of(records: &[&Record], metric: &str, pass: impl Fn(&Record) -> bool) -> Self {
        let these = records.iter().copied();
        let these = these.filter(|r| r.metric == metric && usable(r).is_some() && pass(r));
        let these: Vec<&Record> = these.collect();
        Self {
            cells: these.iter().map(|r| cell(&r.run).to_owned()).collect(),
            values: last_by(these.into_iter(), key),
        }
    }

    /// The names of the runs it is made of, without seed or launch.
    pub fn cells(&self) -> impl Iterator<Item = &String> {
        self.cells.iter()
    }

    pub fn values(&self) -> Vec<f64> {
        self.values.values().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of the first seeds.
    pub fn first(&self, n: usize) -> Vec<f64> {
        self.values.values().copied().take(n).collect()
    }

    /// What is made of the values of all these samples at the same seed or launch, where all have one.
    pub fn across(samples: &[Self], combine: impl Fn(&[f64]) -> Option<f64>) -> Self {
        let Some(first) = samples.first() else {
            return Self::default();
        };
        let at = |key: &u64| -> Option<f64> {
            let values: Option<Vec<f64>> =
                samples.iter().map(|s| s.values.get(key).copied()).collect();
            combine(&values?)
        };
        Self {
            values: first
                .values
                .keys()
                .filter_map(|key| Some((*key, at(key)?)))
                .collect(),
            cells: samples.iter().flat_map(|s| s.cells.clone()).collect(),
        }
    }

    /// What is made of two values of the same seed or launch, where there are both.
    pub fn with(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let both = self.values.iter();
        let both = both.filter_map(|(key, a)| Some((*key, combine(*a, *other.values.get(key)?))));
        Self {
            values: both.collect(),
            cells: self.cells.union(&other.cells).cloned().collect(),
        }
    }
}

/// Seed of a training, launch of a timing.
pub(super) fn key(record: &Record) -> u64 {
    record.seed.or(record.repeat.map(|r| r as u64)).unwrap_or(0)
}

/// The effect at every planned look that there are enough observations for; `effect` is given their
/// number.
///
/// Errors: too few for the first look.
pub(super) fn at_looks(
    looks: &Looks,
    observations: usize,
    effect: impl Fn(usize) -> Result<Effect, StatsError>,
) -> Result<Vec<Effect>, Missing> {
    let after = looks.after();
    let reached: Vec<usize> = after
        .iter()
        .copied()
        .filter(|n| *n <= observations)
        .collect();
    match (reached.is_empty(), observations, after.first()) {
        (true, 0, _) => Err(Missing::because("no result")),
        (true, _, Some(first)) => Err(Missing::because(format!(
            "{observations} of the {first} results of the first look"
        ))),
        _ => Ok(reached.into_iter().map(effect).collect::<Result<_, _>>()?),
    }
}

/// The same of two independent samples.
pub(super) fn of_two(
    looks: &Looks,
    (a, b): (&Sample, &Sample),
    effect: impl Fn(&[f64], &[f64]) -> Result<Effect, StatsError>,
) -> Result<Vec<Effect>, Missing> {
    at_looks(looks, a.len().min(b.len()), |n| {
        effect(&a.first(n), &b.first(n))
    })
}

/// The same of one sample.
pub(super) fn of_one(
    looks: &Looks,
    a: &Sample,
    effect: impl Fn(&[f64]) -> Result<Effect, StatsError>,
) -> Result<Vec<Effect>, Missing> {
    at_looks(looks, a.len(), |n| effect(&a.first(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run: &str, seed: u64, x: Option<f64>, value: Option<f64>) -> Record {
        Record {
            run: run.to_owned(),
            seed: Some(seed),
            metric: "m".to_owned(),
            x,
            value,
            ..Record::default()
        }
    }

    #[test]
    fn a_sample_has_the_last_value_of_each_seed() {
        let records = [
            record("e-gru-seed1", 1, Some(20.0), Some(0.5)),
            record("e-gru-seed1", 1, Some(10.0), Some(0.1)),
            record("e-gru-seed0", 0, None, Some(0.4)),
            record("e-gru-seed2", 2, None, None),
        ];
        let records: Vec<&Record> = records.iter().collect();
        let sample = Sample::of(&records, "m", |_| true);
        assert_eq!(sample.values(), [0.4, 0.5]);
        assert_eq!(sample.first(1), [0.4]);
        assert_eq!(sample.cells().collect::<Vec<_>>(), ["e-gru"]);
        let other = Sample::of(&records, "m", |r| r.seed == Some(1));
        assert_eq!(sample.with(&other, |a, b| a + b).values(), [1.0]);
        assert_eq!(cell("speed-T64-launch3"), "speed-T64");
        assert_eq!(cell("next-word-baselines"), "next-word-baselines");
    }

    #[test]
    fn looks_take_the_first_observations_and_no_others() {
        let looks = Looks::new(&[2, 4]);
        let values = [1.0, 3.0, 90.0, 94.0];
        let records: Vec<Record> = (0..4)
            .map(|i| record("e", i, None, Some(values[i as usize])))
            .collect();
        let records: Vec<&Record> = records.iter().collect();
        let sample = Sample::of(&records, "m", |_| true);
        let estimates = |sample: &Sample| -> Vec<f64> {
            let effects = of_one(&looks, sample, Effect::mean).unwrap();
            effects.iter().map(|e| e.interval(0.9).estimate).collect()
        };
        assert_eq!(estimates(&sample), [2.0, 47.0]);
        let three = Sample::of(&records[..3], "m", |_| true);
        assert_eq!(estimates(&three), [2.0], "the second look is not reached");
        let one = Sample::of(&records[..1], "m", |_| true);
        let missing = of_one(&looks, &one, Effect::mean).unwrap_err();
        assert_eq!(missing.0, "1 of the 2 results of the first look");
    }
}
