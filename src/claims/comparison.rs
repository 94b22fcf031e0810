//! One comparison on its way from records to an answer.

use super::{Answer, Evidence};
use crate::stats::{Effect, Interval, StatsError};

/// Models that read one token at a time and keep a state.
pub(super) const RECURRENT: [&str; 3] = ["elman", "lstm", "gru"];
/// The model that attends.
pub(super) const ATTENTION: &str = "transformer";

/// Why a comparison has no effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Missing {
    /// A side has fewer than two observations.
    TooFew { have: usize },
    /// Anything else, in words.
    Unusable(String),
}

impl From<StatsError> for Missing {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::TooFew { have, .. } => Missing::TooFew { have },
            other => Missing::Unusable(other.to_string()),
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
    /// Which part of the rule it belongs to; rules choose the words.
    pub part: String,
    /// The model compared with.
    pub rival: String,
    /// Place in the sweep.
    pub at: usize,
    /// Whether the answer rests on it, or it only adds to the picture.
    pub deciding: bool,
    /// Why it cannot decide although it has a value, if so; it is then not tested.
    pub void: Option<&'static str>,
    /// The effect, or why there is none.
    pub effect: Result<Effect, Missing>,
}

impl Comparison {
    /// Two-sided p-value against the margin, for the correction; `None` where there is nothing to
    /// test, and where nothing rests on it: that is shown at the report's own level.
    pub fn p_value(&self) -> Option<f64> {
        match (&self.effect, self.void) {
            (Ok(effect), None) if self.deciding && !effect.is_exact() => {
                Some(effect.p_value(self.margin))
            }
            _ => None,
        }
    }

    /// The answer at the level that the correction left to it.
    pub fn decide(self, level: f64) -> Decided {
        let evidence = self.effect.as_ref().ok().map(|effect| {
            let interval = effect.interval(level);
            let answer = if self.void.is_some() || interval.covers(self.margin) {
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
}

/// What a rule concludes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub answer: Answer,
    pub sentence: String,
    pub flips: Option<String>,
}

/// The answer over a sweep; see the head of [`super`].
pub(super) fn overall(answers: impl IntoIterator<Item = Answer>) -> Answer {
    let (mut all, mut supported, mut refuted) = (0, 0, 0);
    for answer in answers {
        all += 1;
        supported += usize::from(answer == Answer::Supported);
        refuted += usize::from(answer == Answer::Refuted);
    }
    match (supported, refuted) {
        _ if all == 0 => Answer::Inconclusive,
        (s, _) if s == all => Answer::Supported,
        (_, r) if r == all => Answer::Refuted,
        (0, _) => Answer::Inconclusive,
        _ => Answer::Conditional,
    }
}

/// The comparison with the least effect, and the one with the greatest.
pub(super) fn extremes<'a>(
    decided: impl Iterator<Item = &'a Decided>,
) -> Option<(&'a Decided, &'a Decided)> {
    let mut known: Vec<&Decided> = decided.filter(|d| d.evidence.is_some()).collect();
    known.sort_by(|a, b| {
        let estimate = |d: &Decided| d.interval().map_or(0.0, |i| i.estimate);
        estimate(a).total_cmp(&estimate(b))
    });
    Some((known.first()?, known.last()?))
}

/// The undecided comparison that lies nearest to its margin, in units of its own interval.
pub(super) fn closest<'a>(decided: impl Iterator<Item = &'a Decided>) -> Option<&'a Decided> {
    let doubt = |d: &Decided| {
        let (i, margin) = (d.interval()?, d.comparison.margin);
        Some((i.estimate - margin).abs() / i.half_width().max(f64::MIN_POSITIVE))
    };
    decided
        .filter(|d| d.evidence.is_some() && d.answer() == Answer::Inconclusive)
        .min_by(|a, b| doubt(a).unwrap_or(0.0).total_cmp(&doubt(b).unwrap_or(0.0)))
}
