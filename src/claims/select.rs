//! Picking values out of records.

use super::comparison::{Missing, RECURRENT};
use crate::record::Record;
use crate::stats::{Effect, StatsError, log_log_slope, mean};
use std::collections::{BTreeMap, BTreeSet};

/// Timings of one model under one condition by (run, repeat): equal keys were taken in turn.
pub(super) type Timings = BTreeMap<(String, usize), f64>;

/// The usable timings of a metric among the records that pass.
pub(super) fn timings(
    records: &[&Record],
    metric: &str,
    pass: impl Fn(&Record) -> bool,
) -> Timings {
    let chosen = records.iter().filter(|r| r.metric == metric && pass(r));
    chosen
        .filter_map(|r| Some(((r.run.clone(), r.repeat?), usable(r)?)))
        .collect()
}

/// The thread count that judges, where the sweep has several: all cores.
pub(super) fn most_threads(records: &[&Record]) -> Option<usize> {
    distinct(records, |r| r.threads).last().copied()
}

/// Tokens per second, at [`most_threads`], of the records that pass.
pub(super) fn speeds(records: &[&Record], pass: impl Fn(&Record) -> bool) -> Timings {
    let most = most_threads(records);
    timings(records, "tokens_per_second", |r| {
        pass(r) && r.threads == most
    })
}

/// Lengths at which a mode's tokens per second were measured.
pub(super) fn lengths(records: &[&Record], mode: &str) -> Vec<usize> {
    let of_mode = |r: &Record| r.metric == "tokens_per_second" && r.task.as_deref() == Some(mode);
    distinct(records, |r| r.seq_len.filter(|_| of_mode(r)))
}

/// The value if there is one and it is finite.
pub(super) fn usable(record: &Record) -> Option<f64> {
    record.value.filter(|v| v.is_finite())
}

/// Values of `a` and `b` at the keys that both have.
pub(super) fn paired(a: &Timings, b: &Timings) -> (Vec<f64>, Vec<f64>) {
    a.iter()
        .filter_map(|(key, v)| Some((*v, *b.get(key)?)))
        .unzip()
}

/// Ratio a / b of timings taken in turn.
pub(super) fn paired_ratio(a: &Timings, b: &Timings) -> Result<Effect, Missing> {
    let (a, b) = paired(a, b);
    Ok(Effect::paired_ratio(&a, &b)?)
}

/// Ratio of timings that were not taken in turn.
pub(super) fn ratio(a: &Timings, b: &Timings) -> Result<Effect, Missing> {
    let values = |t: &Timings| t.values().copied().collect::<Vec<_>>();
    Ok(Effect::ratio(&values(a), &values(b))?)
}

/// Fails with what a comparison of no observations would.
pub(super) fn nothing() -> Missing {
    StatsError::TooFew { have: 0, need: 2 }.into()
}

/// The distinct values of a column, ascending.
pub(super) fn distinct<T: Ord>(
    records: &[&Record],
    column: impl Fn(&Record) -> Option<T>,
) -> Vec<T> {
    records
        .iter()
        .filter_map(|r| column(r))
        .collect::<BTreeSet<T>>()
        .into_iter()
        .collect()
}

/// Final value of a metric by seed: the last abscissa where there is one. Several runs of a seed
/// are told apart by their name.
pub(super) fn by_run(
    records: &[&Record],
    metric: &str,
    pass: impl Fn(&Record) -> bool,
) -> Vec<f64> {
    let mut last: BTreeMap<(&str, Option<u64>), (f64, f64)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.metric == metric && pass(r)) {
        let Some(value) = usable(record) else {
            continue;
        };
        let x = record.x.unwrap_or(0.0);
        let entry = last.entry((&record.run, record.seed)).or_insert((x, value));
        if x >= entry.0 {
            *entry = (x, value);
        }
    }
    last.into_values().map(|(_, value)| value).collect()
}

/// Runs that have a value of this metric.
pub(super) fn runs_with<'a>(records: &[&'a Record], metric: &str) -> BTreeSet<&'a str> {
    let having = records
        .iter()
        .filter(|r| r.metric == metric && usable(r).is_some());
    having.map(|r| r.run.as_str()).collect()
}

/// The recurrent model with the fewest validation bits among the runs that have a value of this
/// metric.
pub(super) fn best_recurrent_on_text(records: &[&Record], metric: &str) -> Option<&'static str> {
    let tested = runs_with(records, metric);
    let validation = |model: &str| {
        mean(&by_run(records, "validation_bits_per_character", |r| {
            r.model == model && tested.contains(r.run.as_str())
        }))
    };
    let measured = |model: &&str| {
        let of = |r: &&&Record| r.model == **model && tested.contains(r.run.as_str());
        records.iter().any(|r| of(&r))
    };
    let candidates = RECURRENT.into_iter().filter(measured);
    candidates.min_by(|a, b| validation(a).total_cmp(&validation(b)))
}

/// Exponent k of the growth ∝ lengthᵏ of what was sampled, each value a point of its own.
pub(super) fn growth(
    lengths: &[usize],
    sample: impl Fn(usize) -> Vec<f64>,
) -> Result<Effect, Missing> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for &length in lengths {
        let values = sample(length);
        x.extend(values.iter().map(|_| length as f64));
        y.extend(values);
    }
    Ok(log_log_slope(&x, &y)?)
}

/// The same of what is counted and not sampled, between the ends.
pub(super) fn growth_of_counts(
    lengths: &[usize],
    count: impl Fn(usize) -> Option<f64>,
) -> Result<Effect, Missing> {
    let [first, .., last] = lengths[..] else {
        return Err(nothing());
    };
    let (Some(few), Some(many)) = (count(first), count(last)) else {
        return Err(nothing());
    };
    let k = (many / few).ln() / (last as f64 / first as f64).ln();
    Ok(Effect::exact(k, (k, k), lengths.len())?)
}
