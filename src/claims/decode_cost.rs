//! `decode-cost`: attention pays per token of context when generating.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *time*: how much faster the transformer's time a token grows with the tokens of context before
//!    it than the recurrent model's: the exponent k in (ratio of times) ∝ contextᵏ, timings taken in
//!    turn paired, by least squares over all contexts and repeats;
//! 2. *state*: the same exponent of the bytes of state kept, which are counted.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins, Missing};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place, RECURRENT};
use super::sample::{Sample, of_one};
use super::select::{column, counted, growth, growth_of_counts, seconds};
use super::{Answer, Claim, Words};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "decode-cost",
    claim: "Attention pays per token of context when generating.",
    metric: "step_seconds",
    expected: "Supported: keys and values grow with every token and are all read for the next one; \
               a recurrent state stays as it is.",
    why: "The next token attends to all before it. A recurrent state has one size, whatever it has \
          seen.",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Pope et al. 2023, Efficiently Scaling Transformer Inference",
    ],
    observations: "launches",
    compare,
    words,
};

const TIME: &str = "time";
const STATE: &str = "state";
const OWN: &str = "own";
const UNIT: &str = "power of the context";

fn contexts(records: &[&Record]) -> Vec<usize> {
    column(records, "step_seconds", |r| r.seq_len)
}

fn state(records: &[&Record], model: &str, context: usize) -> Option<f64> {
    counted(records, "state_bytes", &Place::of(model).seq_len(context))
}

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let contexts = contexts(records);
    let Some(&longest) = contexts.last() else {
        return Vec::new();
    };
    let margins = Margins::difference(given.margin);
    let place = |model| Place::of(model).seq_len(longest);
    let time = |model: &str, context| seconds(records, &Place::of(model).seq_len(context));
    let exponents = |sample: &dyn Fn(usize) -> Sample| growth(&contexts, sample);
    let mut result = Vec::new();
    for model in RECURRENT {
        let ratio = |context| time(ATTENTION, context).with(&time(model, context), |a, r| a / r);
        let slopes = exponents(&ratio);
        let effects = of_one(given.looks, &slopes, Effect::mean);
        let label = format!("time of {ATTENTION} / {model}");
        result.push(Comparison::new(
            label,
            UNIT,
            margins,
            TIME,
            place(model),
            &[&slopes],
            effects,
        ));
        let label = format!("state of {ATTENTION} / {model}");
        let effects = states(records, &contexts, model);
        result.push(Comparison::new(
            label,
            UNIT,
            margins,
            STATE,
            place(model),
            &[],
            effects,
        ));
    }
    for model in MODELS {
        let slopes = exponents(&|context| time(model, context));
        let effects = of_one(given.looks, &slopes, Effect::mean);
        let label = format!("time of {model}");
        let own = Comparison::new(label, UNIT, margins, OWN, place(model), &[&slopes], effects);
        result.push(own.deciding_if(false));
    }
    result
}

/// Exponent of the transformer's state over a recurrent model's, between the ends.
fn states(records: &[&Record], contexts: &[usize], model: &str) -> Result<Vec<Effect>, Missing> {
    if contexts.len() == 1 {
        return Err(Missing::because("counted at one context only"));
    }
    growth_of_counts(contexts, |context| {
        Some(state(records, ATTENTION, context)? / state(records, model, context)?)
    })
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let sentence = match answer {
        Supported => {
            "A token costs the transformer more time and state the longer its context; recurrent models not."
        }
        Reversed => {
            "A token costs recurrent models more time and state the longer the context; the transformer not."
        }
        NoDifference => {
            "A token's time and state grow with the context no more for the transformer than for recurrent models."
        }
        Conditional => {
            "Whether a token costs the transformer more with its context depends on time or state, and the rival."
        }
        Undecided => {
            "Whether a token costs the transformer more the longer its context is not decided."
        }
    };
    let words = [
        (Supported, "grows: "),
        (Reversed, "falls: "),
        (NoDifference, "does not: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.list(|d| format!("{} against {}", d.comparison.part, d.model()))
    });
    Words::new(sentence, flips.join("; "))
}
