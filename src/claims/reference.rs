//! What the reference run answered, as the program carries it: a run anywhere else is set beside it.

use super::{Answer, Evidence, Verdict};
use crate::stats::Interval;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer of the reference to a claim, with the effects it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Claim id.
    pub claim: String,
    /// The answer.
    pub answer: Answer,
    /// What was measured there.
    pub scope: String,
    /// Low, estimate and high of each deciding effect, by its label, to four digits.
    pub effects: BTreeMap<String, [f64; 3]>,
}

impl Reference {
    /// What of a verdict is carried.
    pub fn of(verdict: &Verdict) -> Self {
        let deciding = verdict.evidence.iter().filter(|e| e.deciding);
        let effect = |i: &Interval| [i.low, i.estimate, i.high].map(four_digits);
        Self {
            claim: verdict.claim.clone(),
            answer: verdict.answer,
            scope: verdict.scope.clone(),
            effects: deciding
                .map(|e| (e.label.clone(), effect(&e.effect)))
                .collect(),
        }
    }

    /// Whether a verdict agrees, and if not where it differs most plainly: the first effect that both have
    /// and whose intervals do not meet, else the first that both have, with both intervals.
    pub fn beside(&self, verdict: &Verdict, answer: impl Fn(Answer) -> &'static str) -> String {
        if verdict.answer == self.answer {
            return "as the reference".to_owned();
        }
        let both = verdict.evidence.iter().filter(|e| e.deciding);
        let both = both.filter_map(|e| Some((e, self.effects.get(&e.label)?)));
        let apart = |(e, [low, _, high]): &(&Evidence, &[f64; 3])| {
            e.effect.high < *low || e.effect.low > *high
        };
        let shown = both.clone().find(apart).or(both.clone().next());
        let effects = shown.map_or(String::new(), |(e, [low, estimate, high])| {
            let i = e.effect;
            format!(
                " ({}: {:.3} [{:.3}, {:.3}] here, {estimate:.3} [{low:.3}, {high:.3}] there)",
                e.label, i.estimate, i.low, i.high
            )
        });
        format!("the reference: {}{effects}", answer(self.answer))
    }
}

/// To four digits; values so large that they say "any" as they are.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(answer: Answer, estimate: f64) -> Verdict {
        Verdict {
            claim: "scan".into(),
            answer,
            sentence: String::new(),
            flips: None,
            open: None,
            scope: "3 seeds".into(),
            survives: true,
            cells: Vec::new(),
            evidence: vec![Evidence {
                label: "a / b".into(),
                effect: Interval {
                    low: estimate - 0.1,
                    estimate,
                    high: estimate + 0.1,
                    level: 0.95,
                    n: 5,
                },
                unit: "×".into(),
                margin: 1.1,
                opposite: 1.0 / 1.1,
                answer,
                deciding: true,
                void: String::new(),
                looks: 1,
            }],
        }
    }

    #[test]
    fn a_verdict_stands_beside_the_reference_with_both_intervals() {
        let reference = Reference::of(&verdict(Answer::Supported, 1.5));
        let name = |answer| {
            if answer == Answer::Supported {
                "supported"
            } else {
                "other"
            }
        };
        let same = verdict(Answer::Supported, 1.7);
        assert_eq!(reference.beside(&same, name), "as the reference");
        let other = verdict(Answer::Reversed, 0.7);
        assert_eq!(
            reference.beside(&other, name),
            "the reference: supported (a / b: 0.700 [0.600, 0.800] here, 1.500 [1.400, 1.600] there)"
        );
        let text = serde_json::to_string(&reference).unwrap();
        assert_eq!(serde_json::from_str::<Reference>(&text).unwrap(), reference);
    }
}
