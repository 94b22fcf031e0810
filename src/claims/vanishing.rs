//! `vanishing`: the gradients of recurrent models vanish with distance.
//!
//! **Compared:** the rate of decay. A run's rate is minus the least-squares slope of
//! ln ‖∂L_T/∂s_t‖ over the distance T − t from 1 on, in nats a token; a gradient that falls
//! exponentially has a rate above 0 however far one looks, one that falls by a power of the distance
//! a rate that goes to 0. The margin is the rate from which on a gradient counts as vanishing, or
//! exploding where it is below 0. Each recurrent model decides twice, untrained and trained. Variants
//! (chrono gates, a chosen radius), minimal cells and the transformer are shown beside and decide
//! nothing. A vanishing gradient does not say that a model cannot learn: how many runs have learnt the
//! task at the longest distance stands beside it.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ALL_MODELS, Place, RECURRENT, is_plain};
use super::sample::{Sample, of_one};
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::{Effect, line_slope};
use std::collections::BTreeMap;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "vanishing",
    claim: "The gradients of recurrent models vanish with distance.",
    metric: "initial_state_gradient",
    expected: "Conditional: the Elman RNN's gradient decays exponentially, gates slow the decay \
               and learn to stop it, and attention has a direct path.",
    why: "The gradient with respect to a state t steps back is a product of t Jacobians. If they \
          shrink what they multiply, it falls exponentially. A gate that stays open multiplies by \
          nearly 1. Attention reaches any position in one step.",
    references: &[
        "Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent Is Difficult",
        "Pascanu, Mikolov & Bengio 2013, On the Difficulty of Training Recurrent Neural Networks",
        "Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
    ],
    observations: "seeds",
    compare,
    words,
};

/// Metric, and the part of the rule.
const MOMENTS: [(&str, &str); 2] = [
    ("initial_state_gradient", UNTRAINED),
    ("trained_state_gradient", TRAINED),
];
const UNTRAINED: &str = "untrained";
const TRAINED: &str = "trained";
const UNIT: &str = "nats per token";

/// Rates of decay by seed.
fn rates(given: &Given, metric: &str, model: &str) -> Sample {
    let here = |r: &&&Record| r.metric == metric && r.model == model && is_plain(r);
    let mut runs: BTreeMap<&str, (&Record, Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for record in given.records.iter().filter(here) {
        if let (Some(x), Some(norm)) = (record.x.filter(|x| *x >= 1.0), record.value) {
            let run = runs
                .entry(&record.run)
                .or_insert((record, Vec::new(), Vec::new()));
            run.1.push(x);
            run.2.push(libm::log(norm));
        }
    }
    let rate = |(first, x, y): (&Record, Vec<f64>, Vec<f64>)| {
        let slope = line_slope(&x, &y).ok().filter(|slope| slope.is_finite());
        Record {
            x: None,
            value: slope.map(|slope| -slope),
            ..first.clone()
        }
    };
    let rates: Vec<Record> = runs.into_values().map(rate).collect();
    Sample::of(&rates.iter().collect::<Vec<_>>(), metric, |_| true)
}

fn compare(given: &Given) -> Vec<Comparison> {
    let mut result = Vec::new();
    for (metric, moment) in MOMENTS {
        for model in ALL_MODELS {
            let rates = rates(given, metric, model);
            if rates.is_empty() {
                continue;
            }
            let label = format!("{model}, {moment}: decay of the gradient");
            let effects = of_one(given.looks, &rates, Effect::mean);
            let margins = Margins::difference(given.margin);
            let place = Place::of(model);
            let comparison =
                Comparison::new(label, UNIT, margins, moment, place, &[&rates], effects);
            result.push(comparison.deciding_if(RECURRENT.contains(&model)));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let models = |answer, moment| counting.part(moment).with(answer).list(|d| d.model());
    let sentence = match answer {
        Supported => {
            "Gradients of every recurrent model tested vanish with distance, untrained and trained."
                .to_owned()
        }
        Reversed => "Gradients of every recurrent model tested grow with distance, untrained and trained."
            .to_owned(),
        NoDifference => {
            "Gradients of recurrent models neither vanish nor grow with distance, untrained and trained.".to_owned()
        }
        Conditional => {
            let untrained = models(Supported, UNTRAINED);
            let trained = text::or(models(Supported, TRAINED), "none");
            let untrained = text::or(untrained, "none");
            format!(
                "It depends: gradients vanish untrained in {untrained}, trained in {trained}."
            )
        }
        Undecided => {
            "Whether gradients of recurrent models vanish with distance is not decided.".to_owned()
        }
    };
    let words = [
        (Supported, "vanishing: "),
        (Reversed, "exploding: "),
        (NoDifference, "neither: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        let models = |(_, moment)| (format!("{moment} "), these.part(moment).list(|d| d.model()));
        text::phrases(MOMENTS.map(models)).join(", ")
    });
    Words::new(sentence, flips.join("; "))
}
