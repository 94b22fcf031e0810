//! Recorded values beside those of the same run done again.

use crate::record::{Record, metrics};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// A value that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Metric.
    pub metric: String,
    /// Abscissa, where the metric is a curve.
    pub x: Option<f64>,
    /// What the directory says.
    pub recorded: Said,
    /// What the run says now.
    pub now: Said,
}

/// A recorded value, shown to its last bit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// There is no such record.
    Missing,
    /// A record without a value.
    Empty,
    /// A value.
    Value {
        /// In the fewest digits that tell it from every other.
        decimal: f64,
        /// As IEEE 754 has it, hex.
        bits: String,
    },
}

impl From<Option<f64>> for Said {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Said::Empty, |decimal| Said::Value {
            decimal,
            bits: format!("{:016x}", decimal.to_bits()),
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Said::Missing => f.write_str("nothing"),
            Said::Empty => f.write_str("no value"),
            Said::Value { decimal, bits } => write!(f, "{decimal:?} (bits {bits})"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let at = self.x.map_or(String::new(), |x| format!(" at {x}"));
        let Difference { recorded, now, .. } = self;
        write!(f, "{}{at}: recorded {recorded}, now {now}", self.metric)
    }
}

/// Whether a record says the same whenever its run is done again.
pub(super) fn is_fact(record: &Record) -> bool {
    !metrics::find(&record.metric).is_some_and(|metric| metric.timing)
}

/// The number of recorded values compared, and those that differ: every record but timings. What the
/// factors of the records say (parameters, width, …) is compared too, where both say it.
pub(super) fn compare(recorded: &[Record], made: &[Record]) -> (usize, Vec<Difference>) {
    // A key has several values only where a file was tampered with; each is compared with one.
    let key = |record: &Record| (record.metric.clone(), record.x.map(f64::to_bits));
    let mut left: BTreeMap<_, VecDeque<&Record>> = BTreeMap::new();
    for record in made.iter().filter(|record| is_fact(record)) {
        left.entry(key(record)).or_default().push_back(record);
    }
    let (mut compared, mut differences) = (0, Vec::new());
    let mut differ = |record: &Record, recorded: Said, now: Said| {
        differences.push(Difference {
            metric: record.metric.clone(),
            x: record.x,
            recorded,
            now,
        });
    };
    for record in recorded.iter().filter(|record| is_fact(record)) {
        compared += 1;
        let now = left.get_mut(&key(record)).and_then(VecDeque::pop_front);
        let now = now.map_or(Said::Missing, |now| now.value.into());
        let before = Said::from(record.value);
        if before != now {
            differ(record, before, now);
        }
    }
    for record in left.into_values().flatten() {
        differ(record, Said::Missing, record.value.into());
    }
    (compared, differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(metric: &str, x: Option<f64>, value: Option<f64>) -> Record {
        Record {
            metric: metric.into(),
            x,
            value,
            ..Record::default()
        }
    }

    #[test]
    fn the_last_bit_counts_and_the_clock_does_not() {
        let recorded = [
            record("test_loss", None, Some(0.1)),
            record("train_loss", Some(4.0), Some(-0.0)),
            record("train_loss", Some(8.0), None),
            record("train_seconds", None, Some(1.0)),
        ];
        let mut made = recorded.clone();
        made[3].value = Some(2.0);
        assert_eq!(compare(&recorded, &made), (3, vec![]));
        made[0].value = Some(0.1f64.next_up());
        made[1].value = Some(0.0);
        made[2].value = Some(1.0);
        let (compared, differences) = compare(&recorded, &made);
        assert_eq!((compared, differences.len()), (3, 3));
        assert_eq!(
            differences[0].to_string(),
            "test_loss: recorded 0.1 (bits 3fb999999999999a), now 0.10000000000000002 (bits \
             3fb999999999999b)"
        );
        assert_eq!(
            differences[2].to_string(),
            "train_loss at 8: recorded no value, now 1.0 (bits 3ff0000000000000)"
        );
    }

    #[test]
    fn a_record_that_only_one_side_has_differs() {
        let (a, b) = (
            record("train_loss", Some(4.0), Some(0.5)),
            record("train_loss", Some(8.0), Some(0.5)),
        );
        let (compared, differences) = compare(&[a.clone(), a.clone()], &[a, b]);
        assert_eq!(compared, 2);
        let sides: Vec<_> = differences.iter().map(|d| (&d.x, &d.recorded)).collect();
        assert_eq!(sides[0], (&Some(4.0), &Said::from(Some(0.5))));
        assert_eq!(sides[1], (&Some(8.0), &Said::Missing));
    }
}
