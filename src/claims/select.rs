//! Picking values out of records.

use super::comparison::Missing;
use super::place::Place;
use super::sample::{Sample, of_one};
use crate::record::Record;
use crate::stats::{Effect, Looks, StatsError, log_log_slope};
use std::collections::{BTreeMap, BTreeSet};

/// The thread count that judges, where the sweep has several: all cores.
pub(super) fn most_threads(records: &[&Record]) -> Option<usize> {
    distinct(records, |r| r.threads).last().copied()
}

/// Tokens per second at a place by launch, with [`most_threads`].
pub(super) fn speeds(records: &[&Record], place: &Place) -> Sample {
    let most = most_threads(records);
    let here = |r: &Record| place.has(r) && r.threads == most;
    Sample::of(records, "tokens_per_second", here)
}

/// Seconds of a step at a place by launch.
pub(super) fn seconds(records: &[&Record], place: &Place) -> Sample {
    Sample::of(records, "step_seconds", |r| place.has(r))
}

/// Lengths at which a mode's tokens per second were measured.
pub(super) fn lengths(records: &[&Record], mode: &str) -> Vec<usize> {
    column(records, "tokens_per_second", |r| {
        r.seq_len.filter(|_| r.task.as_deref() == Some(mode))
    })
}

/// The value if there is one and it is finite.
pub(super) fn usable(record: &Record) -> Option<f64> {
    record.value.filter(|v| v.is_finite())
}

/// What was counted once at a place.
pub(super) fn counted(records: &[&Record], metric: &str, place: &Place) -> Option<f64> {
    let here = |r: &&&Record| r.metric == metric && place.has(r);
    records.iter().find(here).and_then(|r| usable(r))
}

/// Ratio a / b of timings taken in turn, launch by launch.
pub(super) fn paired_ratio(looks: &Looks, a: &Sample, b: &Sample) -> Result<Vec<Effect>, Missing> {
    let ratios = a.with(b, |a, b| libm::log(a / b));
    of_one(looks, &ratios, Effect::mean_of_logarithms)
}

/// The reason why a comparison of no observations has no effect.
pub(super) fn nothing() -> Missing {
    StatsError::TooFew { have: 0, need: 2 }.into()
}

/// The distinct values of a column, ascending.
pub(super) fn distinct<T: Ord>(
    records: &[&Record],
    column: impl Fn(&Record) -> Option<T>,
) -> Vec<T> {
    let values: BTreeSet<T> = records.iter().filter_map(|r| column(r)).collect();
    values.into_iter().collect()
}

/// The same among the records of a metric.
pub(super) fn column<T: Ord>(
    records: &[&Record],
    metric: &str,
    column: impl Fn(&Record) -> Option<T>,
) -> Vec<T> {
    distinct(records, |r| (r.metric == metric).then(|| column(r))?)
}

/// The distinct abscissas of a metric, ascending: tokens of context, of a window or of distance.
pub(super) fn abscissas(records: &[&Record], metric: &str) -> Vec<usize> {
    column(records, metric, |r| r.x.map(|x| x as usize))
}

/// Final value of a metric by seed: the last abscissa where there is one. Several runs of a seed
/// are told apart by their name.
pub(super) fn by_run(
    records: &[&Record],
    metric: &str,
    pass: impl Fn(&Record) -> bool,
) -> Vec<f64> {
    let these = records.iter().filter(|r| r.metric == metric && pass(r));
    let last = last_by(these.copied(), |r| (&r.run, r.seed));
    last.into_values().collect()
}

/// The last usable value by key: that of the greatest abscissa, where there is one.
pub(super) fn last_by<'a, K: Ord>(
    records: impl Iterator<Item = &'a Record>,
    key: impl Fn(&'a Record) -> K,
) -> BTreeMap<K, f64> {
    let mut last: BTreeMap<K, (f64, f64)> = BTreeMap::new();
    for record in records {
        let Some(value) = usable(record) else {
            continue;
        };
        let x = record.x.unwrap_or(0.0);
        let entry = last.entry(key(record)).or_insert((x, value));
        if x >= entry.0 {
            *entry = (x, value);
        }
    }
    let values = last.into_iter().map(|(key, (_, value))| (key, value));
    values.collect()
}

/// Exponent k of the growth ∝ lengthᵏ of what was timed: one slope a launch, over lengths that weigh
/// alike.
pub(super) fn growth(lengths: &[usize], sample: impl Fn(usize) -> Sample) -> Sample {
    let samples: Vec<Sample> = lengths.iter().map(|&length| sample(length)).collect();
    let x: Vec<f64> = lengths.iter().map(|&length| length as f64).collect();
    Sample::across(&samples, |y| log_log_slope(&x, y).ok())
}

/// Exponent k of the growth ∝ lengthᵏ of what was counted, between two lengths.
pub(super) fn power(
    (first, last): (usize, usize),
    count: impl Fn(usize) -> Option<f64>,
) -> Option<f64> {
    let (few, many) = (count(first)?, count(last)?);
    Some(libm::log(many / few) / libm::log(last as f64 / first as f64))
}

/// The same between the shortest and the longest length, as an effect.
pub(super) fn growth_of_counts(
    lengths: &[usize],
    count: impl Fn(usize) -> Option<f64>,
) -> Result<Vec<Effect>, Missing> {
    let [first, .., last] = lengths[..] else {
        return Err(nothing());
    };
    let k = power((first, last), count).ok_or_else(nothing)?;
    Ok(vec![Effect::exact(k, (k, k), lengths.len())?])
}
