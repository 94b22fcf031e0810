//! The catalogue of claims and the pure functions from records to verdicts.

use crate::stats::Interval;
use crate::suite::Record;
use serde::{Deserialize, Serialize};

/// What the measurements say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Holds over the whole sweep.
    Supported,
    /// Its opposite holds.
    Refuted,
    /// Holds in part of the sweep.
    Conditional,
    /// The interval covers the margin.
    Inconclusive,
}

/// One comparison a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is compared and where: `transformer / lstm, T = 512`.
    pub label: String,
    /// The effect with its interval, already corrected for the number of comparisons in the report.
    pub effect: Interval,
    /// Unit of the effect: `×`, `accuracy`, `bits per character`.
    pub unit: String,
    /// The value that the claim says the effect exceeds, fixed before the run.
    pub margin: f64,
    /// This comparison's own answer.
    pub answer: Answer,
}

/// The judgement of one claim, computed from records alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Claim id.
    pub claim: String,
    /// The answer.
    pub answer: Answer,
    /// One sentence a reader can quote, with the decisive number.
    pub sentence: String,
    /// Where a conditional answer flips.
    pub flips: Option<String>,
    /// For an inconclusive answer: seeds or repeats that would decide it.
    pub more_seeds: Option<usize>,
    /// Every comparison, in order of the sweep.
    pub evidence: Vec<Evidence>,
}

/// A claim of the standard account, and the rule that judges it. Add a claim: one file and one row.
pub struct Claim {
    /// Id, also the name on the command line.
    pub id: &'static str,
    /// The claim in one sentence.
    pub claim: &'static str,
    /// Id of the experiment that tests it.
    pub experiment: &'static str,
    /// Metric compared.
    pub metric: &'static str,
    /// Factor swept: a column of the records.
    pub swept: &'static str,
    /// What an honest run is expected to find.
    pub expected: &'static str,
    /// Why that is expected.
    pub why: &'static str,
    /// Authors, title and year of the sources.
    pub references: &'static [&'static str],
}

/// The claims, in the order of the report.
pub const CLAIMS: &[Claim] = &[];

/// The catalogue row of that id.
pub fn find(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

/// Judges every claim named in `margins` (claim id, margin fixed before the run), in catalogue
/// order, with one Holm correction over all their comparisons: the chance that any decision of the
/// report is wrong is at most `alpha` (0.05). Unknown ids are left out.
pub fn judge_all(records: &[Record], margins: &[(&str, f64)], alpha: f64) -> Vec<Verdict> {
    todo!()
}

/// Judges one claim on its own.
pub fn judge(claim: &Claim, records: &[Record], margin: f64, alpha: f64) -> Verdict {
    todo!()
}
