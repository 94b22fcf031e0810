//! From records and expected values to the table.

use super::expected::{Expected, ExpectedRow, Statistic};
use super::{Compared, Outcome, select};
use crate::data::corpus;
use crate::record::Record;
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
    let outcome = match ours.map(|ours| row.tolerance.accepts(ours, row.value)) {
        None => Outcome::NotRun,
        Some(true) => Outcome::Agrees,
        Some(false) => Outcome::Differs,
    };
    let (mut reason, mut finding) = (String::new(), String::new());
    match outcome {
        Outcome::Agrees => {}
        Outcome::Differs => finding.clone_from(&row.finding),
        Outcome::NotRun => {
            reason = why_not.unwrap_or(format!(
                "no finished run of {} has what it compares; the table of runs says how they ended",
                row.experiment
            ));
        }
    }
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
        interval: interval(row.statistic, &values),
        n: values.len(),
        outcome,
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

fn point(statistic: Statistic, values: &[f64]) -> f64 {
    match statistic {
        Statistic::Mean => mean(values),
        Statistic::Median => median(values),
        Statistic::Lowest => values.iter().copied().fold(f64::INFINITY, f64::min),
        Statistic::Highest => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// Of the mean (of timings the median) at 95 %; none of a single value.
fn interval(statistic: Statistic, values: &[f64]) -> Option<Interval> {
    match statistic {
        Statistic::Median => median_interval(values, 0.95).ok(),
        _ => mean_interval(values, 0.95).ok(),
    }
}
