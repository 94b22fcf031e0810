//! Picking values out of records.

use super::comparison::Missing;
use super::place::{Place, RECURRENT};
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

/// Tokens per second at a place, with [`most_threads`].
pub(super) fn speeds(records: &[&Record], place: &Place) -> Timings {
    let most = most_threads(records);
    timings(records, "tokens_per_second", |r| {
        place.has(r) && r.threads == most
    })
}

/// Seconds of a step at a place.
pub(super) fn seconds(records: &[&Record], place: &Place) -> Vec<f64> {
    let all = timings(records, "step_seconds", |r| place.has(r));
    all.into_values().collect()
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

/// Values of `a` and `b` at the keys that both have.
pub(super) fn paired(a: &Timings, b: &Timings) -> (Vec<f64>, Vec<f64>) {
    a.iter()
        .filter_map(|(key, v)| Some((*v, *b.get(key)?)))
        .unzip()
}

/// Ratio a / b of timings taken in turn.
pub(super) fn paired_ratio(a: &Timings, b: &Timings) -> Result<Effect, StatsError> {
    let (a, b) = paired(a, b);
    Effect::paired_ratio(&a, &b)
}

/// Ratio of timings that were not taken in turn.
pub(super) fn ratio(a: &Timings, b: &Timings) -> Result<Effect, StatsError> {
    let values = |t: &Timings| t.values().copied().collect::<Vec<_>>();
    Effect::ratio(&values(a), &values(b))
}

/// The reason why a comparison of no observations has no effect.
pub(super) fn nothing() -> Missing {
    StatsError::TooFew { have: 0, need: 2 }.into()
}

/// The records that pass.
pub(super) fn only<'a>(records: &[&'a Record], pass: impl Fn(&Record) -> bool) -> Vec<&'a Record> {
    records.iter().copied().filter(|r| pass(r)).collect()
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

/// The curves of a metric, one a run, in order of the abscissa.
pub(super) fn curves(records: &[&Record], metric: &str, place: &Place) -> Vec<Vec<(f64, f64)>> {
    let mut runs: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let here = records
        .iter()
        .filter(|r| r.metric == metric && place.has(r));
    for record in here {
        if let (Some(x), Some(value)) = (record.x, usable(record)) {
            runs.entry(&record.run).or_default().push((x, value));
        }
    }
    let mut curves: Vec<_> = runs.into_values().collect();
    for curve in &mut curves {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    curves
}

/// The records of the runs that have a value of this metric. Learning-rate trials have no test
/// results, and must not decide which model is best.
pub(super) fn tested<'a>(records: &[&'a Record], metric: &str) -> Vec<&'a Record> {
    let having = only(records, |r| r.metric == metric && usable(r).is_some());
    let runs: BTreeSet<&str> = having.iter().map(|r| r.run.as_str()).collect();
    only(records, |r| runs.contains(r.run.as_str()))
}

/// Accuracy of guessing; none where it was not recorded.
pub(super) fn floor(records: &[&Record], pass: impl Fn(&Record) -> bool) -> Option<f64> {
    let floors = by_run(records, "floor_accuracy", pass);
    (!floors.is_empty()).then(|| mean(&floors))
}

/// Whether both of two models lie within the margin of guessing.
pub(super) fn neither_learnt(floor: Option<f64>, a: &[f64], b: &[f64], margin: f64) -> bool {
    floor.is_some_and(|floor| mean(a).max(mean(b)) < floor + margin)
}

/// How many runs solve their task, and how many there are.
pub(super) fn solved(records: &[&Record], pass: impl Fn(&Record) -> bool) -> (usize, usize) {
    let runs = by_run(records, "solved", pass);
    (runs.iter().filter(|v| **v > 0.5).count(), runs.len())
}

/// The recurrent model with the fewest validation bits among those with `least` values of this
/// metric; where no validation was recorded, with the least mean of the metric.
pub(super) fn best_recurrent_on_text(
    records: &[&Record],
    metric: &str,
    least: usize,
) -> Option<&'static str> {
    let tested = tested(records, metric);
    let test = |model: &str| by_run(&tested, metric, |r| r.model == model);
    let validation = |model: &str| {
        let bits = "validation_bits_per_character";
        let bits = mean(&by_run(&tested, bits, |r| r.model == model));
        Some(bits).filter(|bits| bits.is_finite())
    };
    let mut candidates = RECURRENT.to_vec();
    candidates.retain(|model| test(model).len() >= least);
    if candidates.iter().any(|model| validation(model).is_some()) {
        candidates.retain(|model| validation(model).is_some());
    }
    let merit = |model: &str| validation(model).unwrap_or_else(|| mean(&test(model)));
    let candidates = candidates.into_iter();
    candidates.min_by(|a, b| merit(a).total_cmp(&merit(b)))
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
) -> Result<Effect, Missing> {
    let [first, .., last] = lengths[..] else {
        return Err(nothing());
    };
    let k = power((first, last), count).ok_or_else(nothing)?;
    Ok(Effect::exact(k, (k, k), lengths.len())?)
}
