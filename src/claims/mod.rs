//! The catalogue of claims and the pure functions from records to verdicts.
//!
//! How a verdict is made, the same for every claim:
//! 1. The claim's rule turns its experiment's records into comparisons, each an effect (attention
//!    over or minus recurrence, so that larger favours the claim) against the margin that the
//!    experiment file fixed before the run.
//! 2. One Holm correction over all comparisons of the report that an answer rests on sets the
//!    level of each one's interval; what only adds to the picture keeps the report's own. Above the
//!    margin: supported; below: refuted; covering it: inconclusive.
//! 3. The rule concludes from these answers, in words.
//!
//! A rule keys its comparisons by a `Place` and asks a `Group` of decided ones for their answer, their
//! extremes and their words; `select` reads the records.
//!
//! Over a sweep: all supported → supported; all refuted → refuted; some of each → conditional; some
//! supported and the rest undecided → conditional too, since it holds in a part at least; anything
//! else → inconclusive. Each rule's file says where it departs from this and why. Missing records
//! make a comparison undecided, with the reason in the sentence.

mod accuracy;
mod comparison;
mod context_limit;
mod decode_cost;
mod distance_add;
mod distance_copy;
mod distance_recall;
mod distance_text;
mod group;
mod next_word;
mod parallel_clock;
mod parallel_graph;
mod place;
pub mod published;
mod quadratic;
mod retention;
mod scan;
mod select;
mod speed_long;
mod state_tracking;
#[cfg(test)]
mod testing;
mod text;
mod vanishing;

use crate::record::Record;
use crate::stats::{Interval, holm, power};
use comparison::{Comparison, Conclusion, Decided};
use group::Group;
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

/// One comparison of a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is compared and where: `transformer / lstm, T = 512`.
    pub label: String,
    /// The effect with its interval: of deciding comparisons already corrected for their number in
    /// the report.
    pub effect: Interval,
    /// Unit of the effect: `×`, `accuracy`, `bits per character`.
    pub unit: String,
    /// The value that the claim says the effect exceeds, fixed before the run.
    pub margin: f64,
    /// This comparison's own answer.
    pub answer: Answer,
    /// Whether the verdict rests on it, or it only adds to the picture.
    pub deciding: bool,
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
    /// What an undecided comparison needs more of: `seeds` or `repeats`.
    pub observations: &'static str,
    /// The rule, first half: the comparisons that the experiment's records allow.
    compare: fn(&[&Record], f64) -> Vec<Comparison>,
    /// The rule, second half: what the decided comparisons say.
    conclude: fn(&[&Record], f64, &Group) -> Conclusion,
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
];

/// The catalogue row of that id.
pub fn find(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

/// Judges every claim named in `margins` (claim id, margin fixed before the run), in catalogue
/// order, with one Holm correction over all their comparisons: the chance that any decision of the
/// report is wrong is at most `alpha` (0.05). Ids without a catalogue row are left out.
pub fn judge_all(records: &[Record], margins: &[(&str, f64)], alpha: f64) -> Vec<Verdict> {
    let claims: Vec<(&Claim, f64)> = CLAIMS
        .iter()
        .filter_map(|claim| {
            let (_, margin) = margins.iter().find(|(id, _)| *id == claim.id)?;
            Some((claim, *margin))
        })
        .collect();
    judge_together(records, &claims, alpha)
}

/// Judges one claim on its own: the correction is over its own comparisons only.
pub fn judge(claim: &Claim, records: &[Record], margin: f64, alpha: f64) -> Verdict {
    judge_together(records, &[(claim, margin)], alpha).remove(0)
}

fn judge_together(records: &[Record], claims: &[(&Claim, f64)], alpha: f64) -> Vec<Verdict> {
    let of_claim = |claim: &Claim| -> Vec<&Record> {
        let mine = records.iter().filter(|r| r.experiment == claim.id);
        mine.collect()
    };
    let compared: Vec<Vec<Comparison>> = claims
        .iter()
        .map(|(claim, margin)| (claim.compare)(&of_claim(claim), *margin))
        .collect();
    let tested = compared.iter().flatten().filter_map(Comparison::p_value);
    let mut levels = holm::levels(&tested.collect::<Vec<f64>>(), alpha).into_iter();
    let mut decide = |comparison: Comparison| {
        let tested = comparison.p_value().is_some();
        // What is not tested is shown at the report's own level.
        let level = if tested { levels.next() } else { None };
        comparison.decide(level.unwrap_or(1.0 - alpha))
    };
    claims
        .iter()
        .zip(compared)
        .map(|((claim, margin), comparisons)| {
            let decided = comparisons.into_iter().map(&mut decide).collect();
            verdict(claim, &of_claim(claim), *margin, decided)
        })
        .collect()
}

fn verdict(claim: &Claim, records: &[&Record], margin: f64, decided: Vec<Decided>) -> Verdict {
    let experiment = claim.id;
    let conclusion = match (records, decided.as_slice()) {
        ([], _) => Conclusion::unknown(format!("There are no measurements of `{experiment}` yet.")),
        (_, []) => Conclusion::unknown(format!(
            "The records of `{experiment}` hold nothing that can be compared: the models it names \
             are needed under the same conditions."
        )),
        (_, all) => (claim.conclude)(records, margin, &all.iter().collect()),
    };
    let answer = conclusion.answer;
    let mut sentence = conclusion.sentence + &comparison::left_out(&decided);
    let more_seeds = match answer {
        Answer::Inconclusive => more_observations(&decided),
        _ => None,
    };
    if let Some(more) = more_seeds {
        let noun = match more {
            1 => claim.observations.trim_end_matches('s'),
            _ => claim.observations,
        };
        sentence.push_str(&format!(" About {more} more {noun} would decide it."));
    }
    Verdict {
        claim: claim.id.to_owned(),
        answer,
        sentence,
        flips: (answer == Answer::Conditional).then_some(conclusion.flips),
        more_seeds,
        evidence: decided.into_iter().filter_map(|d| d.evidence).collect(),
    }
}

/// Observations a group lacks until the hardest of the undecided comparisons that matter is
/// decided, where the present estimates are the truth. What has no interval yet cannot be planned:
/// the sentence then says what is missing. What is counted stays as it is, however often.
fn more_observations(decided: &[Decided]) -> Option<usize> {
    let open = decided.iter().filter(|d| {
        let undecided = d.answer() == Answer::Inconclusive;
        undecided && d.comparison.p_value().is_some()
    });
    let lacking = open.filter_map(|d| {
        let (effect, level) = (d.comparison.effect.as_ref().ok()?, d.interval()?.level);
        let needed = power::observations_needed(effect, d.comparison.margin, level)?;
        Some(needed.saturating_sub(effect.observations()).max(1))
    });
    lacking.max()
}

#[cfg(test)]
mod tests;
