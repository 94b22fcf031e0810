//! Numbers that others published, beside ours: an expected-values file, and the pure function from it
//! and the records to agreement.
//!
//! A row says which value it expects of which records and how near ours must come. The tolerance and
//! its reason stand in the file before anything runs; nothing here looks at the records to set it.

mod compare;
mod expected;
mod select;
#[cfg(test)]
mod tests;

pub use compare::{Circumstances, compare};
pub use expected::{Expected, ExpectedRow, Statistic, Tolerance, parse};

use crate::stats::Interval;
use serde::{Deserialize, Serialize};

/// What an experiment names as its claim when it reproduces published numbers: no verdict of the
/// catalogue rests on it.
pub const CLAIM: &str = "published";

/// How ours compares with the published number, by its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All of the interval lies within the tolerance.
    Agrees,
    /// None of it does.
    Differs,
    /// Some of it does, or one run has no interval.
    Undecided,
    /// There is no value of ours; the reason says why and what to do.
    NotRun,
}

impl Outcome {
    /// As tables print it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Agrees => "agrees",
            Outcome::Differs => "differs",
            Outcome::Undecided => "undecided",
            Outcome::NotRun => "not run",
        }
    }
}

/// One line of the table: what was published and what came out here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Name of the row.
    pub id: String,
    /// Who published it, where.
    pub source: String,
    /// Task and size.
    pub task: String,
    /// Settings in words.
    pub settings: String,
    /// The published value, as printed there.
    pub published: String,
    /// How near ours must come, in words.
    pub tolerance: String,
    /// Why so near, fixed before the run.
    pub why: String,
    /// How this profile's run differs from the original.
    pub scaled: String,
    /// Experiment whose records are compared.
    pub experiment: String,
    /// How the values of the runs became one.
    pub statistic: Statistic,
    /// Our value: the statistic over runs (seeds or repeats); none if not run.
    pub ours: Option<f64>,
    /// Its 95 % interval, which decides; none of a single run.
    pub interval: Option<Interval>,
    /// Their mean, where the best is compared.
    pub mean: Option<f64>,
    /// Runs or repeats behind it.
    pub n: usize,
    /// Whether they agree.
    pub outcome: Outcome,
    /// Whether a constant or memoryless answer would agree too: such a row does not count.
    pub null: bool,
    /// Why it did not run and what to type; empty otherwise.
    pub reason: String,
    /// What experiments found about a difference; empty if there is none.
    pub finding: String,
}

impl Compared {
    /// Our value with its interval, as tables print it.
    pub fn ours_in_words(&self) -> String {
        let Some(ours) = self.ours else {
            return String::new();
        };
        let digits = |v: f64| {
            let size = v.abs();
            match size {
                _ if size != 0.0 && !(1e-3..1e5).contains(&size) => format!("{v:.2e}"),
                _ if size >= 100.0 => format!("{v:.0}"),
                _ if size >= 1.0 => format!("{v:.2}"),
                _ if size >= 0.1 || size == 0.0 => format!("{v:.3}"),
                _ => format!("{v:.4}"),
            }
        };
        let best = match self.statistic {
            Statistic::Highest => "best ",
            Statistic::Mean | Statistic::Median => "",
        };
        let interval = self
            .interval
            .map(|i| format!(" [{}, {}]", digits(i.low), digits(i.high)));
        let mean = self.mean.map(|mean| format!(", mean {}", digits(mean)));
        let [interval, mean] = [interval, mean].map(Option::unwrap_or_default);
        format!("{best}{}{interval}{mean}", digits(ours))
    }

    /// The outcome as tables print it: of a null row in brackets.
    pub fn result(&self) -> String {
        match (self.outcome, self.null) {
            (Outcome::NotRun, _) | (_, false) => self.outcome.name().to_owned(),
            (outcome, true) => format!("({}, null row)", outcome.name()),
        }
    }
}
