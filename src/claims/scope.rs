//! What a verdict is about: threads, sizes, steps and seeds, in a few words for a column of its own.

use super::given::Given;
use super::place::MODELS;
use super::select::{distinct, usable};
use crate::record::Record;

/// The scope of the records of one claim.
pub(super) fn of(given: &Given) -> String {
    let records = &given.records;
    let range = |name: &str, column: &dyn Fn(&Record) -> Option<usize>| {
        let of_models = |r: &Record| MODELS.contains(&r.model.as_str()).then(|| column(r))?;
        match distinct(records, of_models)[..] {
            [] => None,
            [one] => Some(format!("{name} {one}")),
            [first, .., last] => Some(format!("{name} {first} to {last}")),
        }
    };
    let timed = records.iter().any(|r| r.repeat.is_some());
    let steps = records.iter().filter(|r| r.metric == "steps_done");
    let steps = steps.filter_map(|r| usable(r)).fold(0.0, f64::max);
    // Seeds of the search for a rate are none that the answer rests on.
    let counts = |r: &Record| r.metric == "steps_done" || r.metric.starts_with("test_");
    let observations = |r: &Record| r.seed.filter(|_| counts(r)).map(|seed| seed as usize);
    let seeds = distinct(records, observations).len();
    let launches = distinct(records, |r| r.repeat.filter(|_| r.operation.is_none())).len();
    let parts = [
        timed.then(|| "this class of machine".to_owned()),
        timed.then(|| range("threads", &|r| r.threads)).flatten(),
        range("width", &|r| r.width),
        range("T", &|r| r.seq_len),
        range("B", &|r| r.batch),
        (steps > 0.0).then(|| format!("at most {steps} steps")),
        (seeds > 0).then(|| format!("{seeds} seeds")),
        timed.then(|| format!("{launches} launches")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
