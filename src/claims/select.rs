//! Picking values out of records.

use super::comparison::Missing;
use super::place::{MODES, Place};
use super::sample::{Sample, of_one};
use crate::record::{Record, cell};
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

/// A point of an experiment of timings, at which all models were timed in turn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// Kind of step: its rank among [`MODES`].
    mode: usize,
    /// Width of the reference model.
    pub width: Option<usize>,
    /// Tokens in a sequence T, or of context.
    pub seq_len: usize,
    /// Sequences in a batch B.
    pub batch: usize,
    /// Name of its runs, without the launch.
    pub cell: String,
}

impl Point {
    /// The task of its records.
    pub fn task(&self) -> &'static str {
        MODES[self.mode].0
    }

    /// `training, width 64, T = 128, B = 4`.
    pub fn label(&self) -> String {
        let width = self.width.map(|width| format!("width {width}, "));
        let (mode, width) = (MODES[self.mode].1, width.unwrap_or_default());
        format!("{mode}, {width}T = {}, B = {}", self.seq_len, self.batch)
    }

    /// Where a comparison with that model stands.
    pub fn place(&self, model: &str) -> Place {
        Place {
            width: self.width,
            ..Place::of(model)
                .task(self.task())
                .seq_len(self.seq_len)
                .batch(self.batch)
        }
    }

    /// Whether a record is of it.
    pub fn has(&self, record: &Record) -> bool {
        cell(&record.run) == self.cell
    }
}

/// The points at which the reference model was timed, by kind of step, width, T and B.
pub(super) fn points(records: &[&Record], reference: &str) -> Vec<Point> {
    column(records, "tokens_per_second", |r| {
        let mode = |(task, _): &(&str, &str)| r.task.as_deref() == Some(*task);
        Some(Point {
            mode: MODES
                .iter()
                .position(mode)
                .filter(|_| r.model == reference)?,
            width: r.width,
            seq_len: r.seq_len?,
            batch: r.batch?,
            cell: cell(&r.run).to_owned(),
        })
    })
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

/// The same over the last step of the sweep, as an effect: what does not grow at first (a constant that
/// is larger) says nothing of how it goes on.
pub(super) fn growth_of_counts(
    lengths: &[usize],
    count: impl Fn(usize) -> Option<f64>,
) -> Result<Vec<Effect>, Missing> {
    let [.., first, last] = lengths[..] else {
        return Err(Missing::because("counted at one length only"));
    };
    let k = power((first, last), count).ok_or_else(nothing)?;
    Ok(vec![Effect::exact(k, (k, k), 2)?])
}

/// Where a ratio that was measured at rising lengths becomes 1 and stays above, by launch: the length in
/// between, along a straight line of logarithms. The ends of the sweep stand for what lies beyond them.
pub(super) fn crossing(lengths: &[usize], ratio: impl Fn(usize) -> Sample) -> Sample {
    let samples: Vec<Sample> = lengths.iter().map(|&length| ratio(length)).collect();
    let x: Vec<f64> = lengths.iter().map(|&l| libm::log(l as f64)).collect();
    Sample::across(&samples, |ratios| {
        let y: Vec<f64> = ratios.iter().map(|r| libm::log(*r)).collect();
        let Some(last_below) = y.iter().rposition(|y| *y < 0.0) else {
            return x.first().copied();
        };
        if last_below + 1 == y.len() {
            return x.last().copied();
        }
        let [from, to] = [last_below, last_below + 1].map(|i| (x[i], y[i]));
        Some(zero_between(from, to))
    })
}

/// Where a straight line between two points on either side of zero meets it.
pub(super) fn zero_between((x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    x0 + (x1 - x0) * y0 / (y0 - y1)
}

/// [`crossing`] as an effect, in tokens.
///
/// Errors: where it lies beyond the lengths measured in any launch, in words.
pub(super) fn crossing_effect(
    looks: &Looks,
    lengths: &[usize],
    crossings: &Sample,
) -> Result<Vec<Effect>, Missing> {
    let ends = [lengths.first(), lengths.last()].map(|l| libm::log(*l.unwrap_or(&1) as f64));
    let values = crossings.values();
    let at = |end: f64| values.iter().filter(|x| **x == end).count();
    match (values.len(), at(ends[0]), at(ends[1])) {
        (n, first, _) if n > 0 && first == n => Err(Missing::because(ALWAYS)),
        (_, 0, 0) => of_one(looks, crossings, Effect::mean_of_logarithms),
        _ => Err(Missing::because(
            "in some launches it lies beyond the lengths measured",
        )),
    }
}

/// Why there is no crossing where the ratio is above 1 at every length of every launch.
pub(super) const ALWAYS: &str = "it costs more at every length measured";

/// Each length with the next one of the sweep.
pub(super) fn octaves(lengths: &[usize]) -> impl Iterator<Item = [usize; 2]> {
    lengths.windows(2).map(|pair| [pair[0], pair[1]])
}
