//! One comparison on its way from records to an answer.

use super::place::Place;
use super::{Answer, Evidence, text};
use crate::stats::{Effect, Interval, StatsError};
use std::collections::BTreeMap;

/// Why a comparison has no effect, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Missing(pub String);

impl Missing {
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<StatsError> for Missing {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::TooFew { have: 0, .. } => Self::because("no result"),
            StatsError::TooFew { .. } => Self::because("a single result has no interval"),
            other => Self::because(other.to_string()),
        }
    }
}

/// An effect that the claim says exceeds `margin`.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    /// For the evidence table.
    pub label: String,
    /// Unit of the effect.
    pub unit: &'static str,
    /// Value to exceed.
    pub margin: f64,
    /// Which part of the rule it belongs to.
    pub part: &'static str,
    /// What tells it from the others of its part.
    pub place: Place,
    /// Whether the answer rests on it, or it only adds to the picture.
    pub deciding: bool,
    /// Whether no model learnt the task: it cannot decide although it has a value, and is not
    /// tested.
    pub unlearnt: bool,
    /// The effect, or why there is none.
    pub effect: Result<Effect, Missing>,
}

impl Comparison {
    /// One that the answer rests on.
    pub fn new(
        label: String,
        unit: &'static str,
        margin: f64,
        part: &'static str,
        place: Place,
        effect: Result<Effect, impl Into<Missing>>,
    ) -> Self {
        Self {
            label,
            unit,
            margin,
            part,
            place,
            deciding: true,
            unlearnt: false,
            effect: effect.map_err(Into::into),
        }
    }

    /// The same, adding to the picture only unless `deciding`.
    pub fn deciding_if(self, deciding: bool) -> Self {
        Self { deciding, ..self }
    }

    /// The same, unable to decide if `unlearnt`.
    pub fn unlearnt_if(self, unlearnt: bool) -> Self {
        Self { unlearnt, ..self }
    }

    /// Two-sided p-value against the margin, for the correction; `None` where there is nothing to
    /// test, and where nothing rests on it: that is shown at the report's own level.
    pub fn p_value(&self) -> Option<f64> {
        let effect = self.effect.as_ref().ok()?;
        let tested = self.deciding && !self.unlearnt && !effect.is_exact();
        tested.then(|| effect.p_value(self.margin))
    }

    /// The answer at the level that the correction left to it.
    pub fn decide(self, level: f64) -> Decided {
        let evidence = self.effect.as_ref().ok().map(|effect| {
            let interval = effect.interval(level);
            let answer = if self.unlearnt || interval.covers(self.margin) {
                Answer::Inconclusive
            } else if interval.low > self.margin {
                Answer::Supported
            } else {
                Answer::Refuted
            };
            Evidence {
                label: self.label.clone(),
                effect: interval,
                unit: self.unit.to_owned(),
                margin: self.margin,
                answer,
                deciding: self.deciding,
            }
        });
        Decided {
            comparison: self,
            evidence,
        }
    }
}

/// A comparison with its answer.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub comparison: Comparison,
    /// `None` where the effect is missing.
    pub evidence: Option<Evidence>,
}

impl Decided {
    /// Its answer; inconclusive where there is no effect.
    pub fn answer(&self) -> Answer {
        self.evidence
            .as_ref()
            .map_or(Answer::Inconclusive, |e| e.answer)
    }

    /// Its effect with interval.
    pub fn interval(&self) -> Option<Interval> {
        self.evidence.as_ref().map(|e| e.effect)
    }

    pub fn place(&self) -> &Place {
        &self.comparison.place
    }

    /// Its model with the article.
    pub fn model(&self) -> String {
        text::the(&self.place().model)
    }

    /// `0.83 [0.71, 0.90]`; nothing without an effect.
    pub fn plain(&self, places: usize) -> String {
        self.interval()
            .map_or(String::new(), |i| text::plain(i, places))
    }

    /// `2.31× [2.10, 2.54]`; nothing without an effect.
    pub fn times(&self) -> String {
        self.interval().map_or(String::new(), text::times)
    }
}

/// What a rule concludes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub answer: Answer,
    pub sentence: String,
    /// Where the answer flips; of no use unless it is conditional.
    pub flips: String,
}

impl Conclusion {
    pub fn new(answer: Answer, sentence: String, flips: String) -> Self {
        Self {
            answer,
            sentence,
            flips,
        }
    }

    /// That the records do not allow any answer.
    pub fn unknown(sentence: String) -> Self {
        Self::new(Answer::Inconclusive, sentence, String::new())
    }
}

/// What could not be compared, and why; empty where everything could.
pub(super) fn left_out(decided: &[Decided]) -> String {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for d in decided {
        let Err(Missing(reason)) = &d.comparison.effect else {
            continue;
        };
        by_reason
            .entry(reason)
            .or_default()
            .push(d.comparison.label.clone());
    }
    let sentence = |(reason, labels): (&str, Vec<String>)| match labels.as_slice() {
        [first, second, _, rest @ ..] => {
            format!(
                " Not compared ({reason}): {first}; {second}; and {} more.",
                rest.len() + 1
            )
        }
        few => format!(" Not compared ({reason}): {}.", few.join("; ")),
    };
    by_reason.into_iter().map(sentence).collect()
}
