//! The catalogue of claims and the pure functions from records to verdicts.
//!
//! How a verdict is made, the same for every claim:
//! 1. The claim's rule turns its experiment's records into comparisons: each an effect (larger favours
//!    the claim) at every planned look, beside margins that the experiment file fixed before the run.
//! 2. A comparison stops at the first look whose interval settles it: all of it above the margin
//!    (*supported*), below the opposite one (*reversed*), between the two (*no difference*); else it is
//!    *undecided*. One that a side has entered without having learnt the easiest case, or with a
//!    learning rate at the edge of its search, cannot decide.
//! 3. Where all parts that count agree, that is the answer; where parts differ after a correction over
//!    the claim's parts, it is *conditional* ([`comparison`] has the rules). Nothing is corrected across
//!    claims: each is a family of its own at α, and answers alone as in company.
//! 4. The rule says it in words.
//!
//! A rule keys its comparisons by a `Place` and asks a `Group` of decided ones for words; `sample` and
//! `select` read the records.

mod blocks;
mod both_sides;
mod comparison;
pub mod consistency;
mod context_limit;
mod curves;
mod decode_cost;
mod distance_add;
mod distance_copy;
mod distance_recall;
mod distance_text;
mod fine_tune;
mod given;
mod group;
mod learning;
mod lora;
mod modern;
mod next_word;
mod parallel_clock;
mod parallel_graph;
mod place;
pub mod published;
mod quadratic;
pub mod reference;
mod retention;
mod sample;
mod scan;
mod scope;
mod second_text;
mod select;
mod speed_long;
mod state_tracking;
#[cfg(test)]
mod testing;
mod text;
mod translate;
mod vanishing;

use crate::record::Record;
use crate::stats::{Interval, Looks};
use comparison::{Comparison, Decided, settle};
use given::Given;
use group::Group;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The chance that the answer of a claim is wrong is at most this.
pub const ALPHA: f64 = 0.05;

/// What the measurements say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Holds everywhere.
    Supported,
    /// Its opposite holds everywhere.
    Reversed,
    /// The two sides differ by less than the margin everywhere.
    NoDifference,
    /// Parts of the sweep have different answers.
    Conditional,
    /// The records do not tell.
    Undecided,
}

/// One comparison of a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is compared and where: `transformer / lstm, T = 512`.
    pub label: String,
    /// The effect with the interval of the look at which it stopped.
    pub effect: Interval,
    /// Unit of the effect: `×`, `accuracy`, `bits per character`.
    pub unit: String,
    /// Above it the claim holds; fixed before the run.
    pub margin: f64,
    /// Below it the opposite holds.
    pub opposite: f64,
    /// This comparison's own answer.
    pub answer: Answer,
    /// Whether the verdict rests on it, or it only adds to the picture.
    pub deciding: bool,
    /// Why it cannot decide all the same; empty if it can.
    pub void: String,
    /// Looks taken until it stopped.
    pub looks: usize,
}

/// The judgement of one claim, computed from records alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Claim id.
    pub claim: String,
    /// The answer.
    pub answer: Answer,
    /// One short sentence a reader can quote.
    pub sentence: String,
    /// Where a conditional answer flips.
    pub flips: Option<String>,
    /// For an undecided claim: why, and what would decide it.
    pub open: Option<String>,
    /// What was measured: threads, sizes, steps, seeds.
    pub scope: String,
    /// Whether the answer is the same at α over the number of all claims.
    pub survives: bool,
    /// Cells of the experiment that the next look of an undecided claim would add to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
    /// Every comparison, in order of the sweep.
    pub evidence: Vec<Evidence>,
}

/// What was fixed of a claim before the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Claim id.
    pub claim: String,
    /// The effect it must exceed, in its own unit.
    pub margin: f64,
    /// After how many seeds or launches it is looked at.
    pub looks: Looks,
}

/// A claim of the standard account, and the rule that judges it. Add a claim: one file with its
/// row and rule, and one line in [`CLAIMS`].
pub struct Claim {
    /// Id, also the name on the command line and of the experiment that tests it.
    pub id: &'static str,
    /// The claim in one sentence.
    pub claim: &'static str,
    /// Metric compared.
    pub metric: &'static str,
    /// What an honest run is expected to find.
    pub expected: &'static str,
    /// Why that is expected.
    pub why: &'static str,
    /// Authors, year and title of the sources.
    pub references: &'static [&'static str],
    /// What an undecided comparison needs more of: `seeds` or `launches`.
    pub observations: &'static str,
    /// The rule, first half: the comparisons that the experiment's records allow.
    compare: fn(&Given) -> Vec<Comparison>,
    /// The rule, second half: the answer in words.
    words: fn(&Given, Answer, &Group) -> Words,
}

/// An answer in words.
#[derive(Debug, Clone, PartialEq, Default)]
struct Words {
    /// One sentence of at most 25 words.
    sentence: String,
    /// Where it flips; of no use unless it is conditional.
    flips: String,
}

impl Words {
    fn new(sentence: impl Into<String>, flips: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            flips: flips.into(),
        }
    }
}

/// The claims, in the order of the report.
pub const CLAIMS: &[Claim] = &[
    speed_long::CLAIM,
    parallel_clock::CLAIM,
    parallel_graph::CLAIM,
    scan::CLAIM,
    distance_copy::CLAIM,
    distance_add::CLAIM,
    distance_recall::CLAIM,
    distance_text::CLAIM,
    state_tracking::CLAIM,
    decode_cost::CLAIM,
    quadratic::CLAIM,
    vanishing::CLAIM,
    retention::CLAIM,
    context_limit::CLAIM,
    next_word::CLAIM,
    translate::CLAIM,
    both_sides::CLAIM,
    modern::CLAIM,
    fine_tune::CLAIM,
    lora::CLAIM,
];

/// The catalogue row of that id.
pub fn find(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

/// Judges every claim of which it is known what was fixed, in catalogue order, each as a family of its
/// own: the chance that its answer is wrong is at most `alpha` (0.05). Ids without a catalogue row are
/// left out.
pub fn judge_all(records: &[Record], fixed: &[Fixed], alpha: f64) -> Vec<Verdict> {
    let of = |claim: &Claim| fixed.iter().find(|fixed| fixed.claim == claim.id);
    let known = CLAIMS.iter().filter_map(|claim| Some((claim, of(claim)?)));
    known
        .map(|(claim, fixed)| judge(claim, records, fixed, alpha))
        .collect()
}

/// Judges one claim.
pub fn judge(claim: &Claim, records: &[Record], fixed: &Fixed, alpha: f64) -> Verdict {
    let given = Given {
        records: records
            .iter()
            .filter(|r| r.experiment == claim.id)
            .collect(),
        margin: fixed.margin,
        looks: &fixed.looks,
    };
    let comparisons = (claim.compare)(&given);
    let (decided, answer) = settle(&comparisons, given.looks, alpha);
    let strict = settle(&comparisons, given.looks, alpha / CLAIMS.len() as f64).1;
    let words = match (given.records.is_empty(), comparisons.is_empty()) {
        (true, _) => Words::new(
            format!("There are no measurements of `{}` yet.", claim.id),
            "",
        ),
        (_, true) => Words::new("The records hold nothing that can be compared.", ""),
        _ => (claim.words)(&given, answer, &decided.iter().collect()),
    };
    let undecided = answer == Answer::Undecided;
    let waiting = decided.iter().filter(|d| {
        let c = &d.comparison;
        undecided && c.counts() && d.answer() == Answer::Undecided
    });
    let cells: BTreeSet<String> = waiting.flat_map(|d| d.comparison.cells.clone()).collect();
    Verdict {
        claim: claim.id.to_owned(),
        answer,
        sentence: words.sentence,
        flips: (answer == Answer::Conditional).then_some(words.flips),
        open: undecided.then(|| open(claim, &given, &decided)),
        scope: scope::of(&given),
        survives: !undecided && strict == answer,
        cells: cells.into_iter().collect(),
        evidence: decided.into_iter().filter_map(|d| d.evidence).collect(),
    }
}

/// Why a claim is undecided, and what would decide it.
fn open(claim: &Claim, given: &Given, decided: &[Decided]) -> String {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let mut reasons: Vec<String> = Vec::new();
    let mut add = |reason: String| {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    };
    for d in deciding() {
        match (&d.comparison.effects, d.comparison.void.as_slice()) {
            (Err(missing), _) => add(missing.0.clone()),
            (_, [why, ..]) => add(why.clone()),
            _ => {}
        }
    }
    reasons.truncate(2);
    let after = given.looks.after();
    let taken = deciding().filter(|d| d.comparison.counts());
    let taken = taken
        .filter_map(|d| d.evidence.as_ref().map(|e| e.looks))
        .max();
    let next = taken.and_then(|taken| after.get(taken));
    let left = match (taken, next) {
        (Some(_), Some(n)) => Some(format!(
            "the next look, after {n} {}, may decide it",
            claim.observations
        )),
        (Some(_), None) => Some("all planned looks are taken".to_owned()),
        _ => None,
    };
    reasons.extend(left);
    match reasons.is_empty() {
        true => "nothing was measured that could decide it".to_owned(),
        false => reasons.join("; "),
    }
}

#[cfg(test)]
mod tests;
