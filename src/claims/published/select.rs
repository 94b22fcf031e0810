//! Which records a row means, and the value of each run.

use super::ExpectedRow;
use crate::claims::select::last_by;
use crate::record::ColumnValue;
use crate::record::Record;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Values that columns of the records must have.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(transparent)]
pub struct Selection(BTreeMap<String, ColumnValue>);

impl Selection {
    /// Names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The metric, if it is among them.
    pub fn metric(&self) -> Option<&str> {
        match self.0.get("metric") {
            Some(ColumnValue::Text(name)) => Some(name),
            _ => None,
        }
    }

    /// The same with the columns of `over` replaced.
    fn with(&self, over: &Selection) -> Selection {
        let mut columns = self.0.clone();
        columns.extend(over.0.clone());
        Selection(columns)
    }

    /// Whether a record has all these values; `None` in `ignoring` names a column not looked at.
    pub fn matches(&self, record: &Record, ignoring: &[&str]) -> bool {
        let looked_at = self.0.iter();
        let mut looked_at = looked_at.filter(|(column, _)| !ignoring.contains(&column.as_str()));
        looked_at.all(|(column, wanted)| wanted.matches(&record.get(column)))
    }

    /// Value by seed and repeat, and run where `apart`: of a curve the last point, nothing that is
    /// not finite.
    fn values(&self, records: &[&Record], apart: bool) -> ByRun {
        let these = records.iter().filter(|r| self.matches(r, &[]));
        last_by(these.copied(), |r| {
            let run = apart.then(|| r.run.clone());
            (run, r.seed, r.repeat)
        })
    }
}

/// Seed and repeat, what two records to be compared have in common; and the run, where a row
/// compares none and several of a seed count (the best of several position schemes).
type Key = (Option<String>, Option<u64>, Option<usize>);
type ByRun = BTreeMap<Key, f64>;
/// What becomes of two values of a run.
type Combine = fn(f64, f64) -> f64;

/// The row's value of every run (seed or repeat) that has all it needs, in the published unit.
pub fn values(row: &ExpectedRow, records: &[&Record]) -> Vec<f64> {
    let others = [&row.average_with, &row.minus, &row.over, &row.growth_from];
    let apart = others.iter().all(|other| other.is_none());
    let at = |base: &Selection| -> ByRun {
        let mut all = base.values(records, apart);
        let terms: [(&Option<Selection>, Combine); 3] = [
            (&row.average_with, |a, b| (a + b) / 2.0),
            (&row.minus, |a, b| a - b),
            (&row.over, |a, b| a / b),
        ];
        for (term, combine) in terms {
            if let Some(term) = term {
                all = both(all, &base.with(term).values(records, apart), combine);
            }
        }
        all
    };
    let mut all = at(&row.select);
    if let Some(from) = &row.growth_from {
        // The terms change other columns than growth does, so the order does not matter.
        let before = at(&row.select.with(from));
        all = both(all, &before, |a, b| a / b);
    }
    let scale = row.scale.unwrap_or(1.0);
    let finished = |value: f64| {
        scale
            * if row.logarithm {
                libm::log(value)
            } else {
                value
            }
    };
    all.into_values()
        .map(finished)
        .filter(|value| value.is_finite())
        .collect()
}

/// Combines what both have.
fn both(a: ByRun, b: &ByRun, combine: Combine) -> ByRun {
    let pair = |(key, a): (Key, f64)| {
        let b = *b.get(&key)?;
        Some((key, combine(a, b)))
    };
    a.into_iter().filter_map(pair).collect()
}
