//! From records and expected values to the table.

use super::expected::{ACCURACY, Expected, ExpectedRow, Statistic, Tolerance};
use super::{Compared, Outcome, select};
use crate::data::corpus;
use crate::record::Record;
use crate::stats::proportion::exact;
use crate::stats::{Interval, mean, mean_interval, median, median_interval};
use std::collections::BTreeMap;

/// What the table depends on besides the records.
#[derive(Debug, Clone, Default)]
pub struct Circumstances<'a> {
    /// Profile that ran.
    pub profile: &'a str,
    /// Experiments that could not run: why, and what to type.
    pub skipped: BTreeMap<&'a str, (&'a str, &'a str)>,
    /// SHA-256 of the text used, hex.
    pub corpus: Option<&'a str>,
    /// Test sequences of a run, by experiment.
    pub tested: BTreeMap<&'a str, usize>,
}

/// The table, a line for every row of the file, in its order.
pub fn compare(expected: &Expected, records: &[Record], now: &Circumstances) -> Vec<Compared> {
    let row = |row| compare_row(row, records, now);
    expected.rows.iter().map(row).collect()
}

fn compare_row(row: &ExpectedRow, records: &[Record], now: &Circumstances) -> Compared {
    let mine: Vec<&Record> = records
        .iter()
        .filter(|r| r.experiment == row.experiment && r.profile == now.profile)
        .collect();
    let why_not = not_run(row, now);
    let values = match why_not {
        Some(_) => Vec::new(),
        None => select::values(row, &mine),
    };
    let ours = (!values.is_empty()).then(|| point(row.statistic, &values));
    let tested = now.tested.get(row.experiment.as_str()).copied();
    let interval = interval(row, &values, tested);
    let outcome = match (ours, interval) {
        (None, _) => Outcome::NotRun,
        (Some(_), None) => Outcome::Undecided,
        (Some(_), Some(interval)) => judge(row.tolerance, row.value, &interval),
    };
    let (least, greatest) = row.tolerance.accepted(row.value);
    let mut reason = String::new();
    match outcome {
        Outcome::Agrees | Outcome::Differs => {}
        Outcome::Undecided if interval.is_none() => {
            reason = "one run, or equal values, give no interval: more seeds would decide".into();
        }
        Outcome::Undecided => reason = "the interval crosses the tolerance's edge".into(),
        Outcome::NotRun => {
            reason = why_not.unwrap_or(format!(
                "no finished run of {} has what it compares; the table of runs says how they ended",
                row.experiment
            ));
        }
    }
    let finding = match outcome {
        Outcome::Differs | Outcome::Undecided => row.finding.clone(),
        Outcome::Agrees | Outcome::NotRun => String::new(),
    };
    Compared {
        id: row.id.clone(),
        source: row.source.clone(),
        task: row.task.clone(),
        settings: row.settings.clone(),
        published: row.published.clone(),
        tolerance: row.tolerance.in_words(),
        why: row.why.clone(),
        scaled: row.scaled.clone(),
        experiment: row.experiment.clone(),
        statistic: row.statistic,
        ours,
        interval,
        mean: (row.statistic == Statistic::Highest && ours.is_some()).then(|| mean(&values)),
        n: values.len(),
        outcome,
        null: row
            .trivial
            .is_some_and(|trivial| (least..=greatest).contains(&trivial)),
        // In one line: a message of the network may have several.
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
        finding,
    }
}

/// Why the row has no value, if that is known without its records.
fn not_run(row: &ExpectedRow, now: &Circumstances) -> Option<String> {
    let profile = now.profile;
    if !row.profiles.iter().any(|p| p == profile) {
        let other = row.profiles.join(" or ");
        return Some(format!(
            "not part of {profile}; type `seqduel reproduce --published --profile {other}`"
        ));
    }
    if let Some((reason, remedy)) = now.skipped.get(row.experiment.as_str()) {
        return Some(format!("{reason}; {remedy}"));
    }
    let name = row.corpus.as_deref()?;
    let wanted = corpus::named(name).map(|corpus| corpus.sha256);
    if now.corpus.is_some() && now.corpus == wanted {
        return None;
    }
    Some(format!(
        "the number is of corpus `{name}` and the text given is another; leave out --corpus, or \
         give a file of that text, with another --out"
    ))
}

/// By the interval: within the values that pass, outside all of them, or neither.
fn judge(tolerance: Tolerance, published: Option<f64>, ours: &Interval) -> Outcome {
    let (least, greatest) = tolerance.accepted(published);
    match () {
        () if ours.low >= least && ours.high <= greatest => Outcome::Agrees,
        () if ours.high < least || ours.low > greatest => Outcome::Differs,
        () => Outcome::Undecided,
    }
}

fn point(statistic: Statistic, values: &[f64]) -> f64 {
    match statistic {
        Statistic::Mean => mean(values),
        Statistic::Median => median(values),
        Statistic::Highest => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// How sure the intervals are.
const LEVEL: f64 = 0.95;

/// Of the mean, the median or the best at 95 %.
///
/// The best of k runs is an accuracy; its interval is the exact one of a share of its `tested`
/// sequences, at a level that allows for having chosen among k. Accuracies that are all equal have no
/// spread to learn from: their interval is the exact one over all sequences tested. Other equal values
/// have none.
fn interval(row: &ExpectedRow, values: &[f64], tested: Option<usize>) -> Option<Interval> {
    let is_share = row.select.metric() == Some(ACCURACY);
    let of_share = |share: f64, sequences: usize, level: f64| {
        let right = (share * sequences as f64).round() as usize;
        let (low, high) = exact(right.min(sequences), sequences, level);
        Interval {
            low,
            estimate: share,
            high,
            level: LEVEL,
            n: values.len(),
        }
    };
    let equal = values.windows(2).all(|pair| pair[0] == pair[1]);
    match row.statistic {
        Statistic::Median => median_interval(values, LEVEL).ok(),
        Statistic::Highest if !values.is_empty() => {
            let level = 1.0 - (1.0 - LEVEL) / values.len() as f64;
            Some(of_share(point(row.statistic, values), tested?, level))
        }
        Statistic::Mean if is_share && equal && values.len() > 1 => {
            Some(of_share(values[0], tested? * values.len(), LEVEL))
        }
        _ if equal => None,
        _ => mean_interval(values, LEVEL).ok(),
    }
}
