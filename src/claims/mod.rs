//! The catalogue of claims and the pure functions from records to verdicts.

use crate::stats::Interval;
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
