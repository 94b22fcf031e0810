//! `decode-cost`: attention pays per token of context when generating.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *time*: how much faster the transformer's time a token grows with the tokens of context before
//!    it than the recurrent model's: the exponent k in (ratio of times) ∝ contextᵏ. One slope a launch,
//!    by least squares over contexts that weigh alike, then Student's t over launches;
//! 2. *state*: the same exponent of the bytes of state kept, which are counted, over the last step of the
//!    sweep.
//!
//! Beside it, not deciding: the exponent between each context and the next, each model's own over the last
//! of these, and the context from which the transformer's token costs more.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place, RECURRENT};
use super::sample::{Sample, of_one};
use super::select::{
    ALWAYS, column, counted, crossing, crossing_effect, growth, growth_of_counts, octaves, seconds,
};
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
const LOCAL: &str = "local";
const OWN: &str = "own";
const CROSSING: &str = "crossing";
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
    let [shortest, .., longest] = contexts[..] else {
        return Vec::new();
    };
    let margins = Margins::difference(given.margin);
    let time = |model: &str, context| seconds(records, &Place::of(model).seq_len(context));
    let ratio =
        |model: &str, context| time(ATTENTION, context).with(&time(model, context), |a, r| a / r);
    let span = |[first, last]: [usize; 2]| format!("context {first} to {last}");
    let whole = span([shortest, longest]);
    let slope = |part, model: &str, label: String, at: usize, slopes: Sample| {
        let effects = of_one(given.looks, &slopes, Effect::mean);
        let place = Place::of(model).seq_len(at);
        Comparison::new(label, UNIT, margins, part, place, &[&slopes], effects)
            .deciding_if(part == TIME)
    };
    let mut result = Vec::new();
    for model in RECURRENT {
        let (name, slopes) = (
            format!("time of {ATTENTION} / {model}"),
            growth(&contexts, |context| ratio(model, context)),
        );
        let label = format!("{name}, {whole}");
        result.push(slope(TIME, model, label, longest, slopes));
        let place = Place::of(model).seq_len(longest);
        let effects = growth_of_counts(&contexts, |context| {
            Some(state(records, ATTENTION, context)? / state(records, model, context)?)
        });
        let last = octaves(&contexts).last().map(span).unwrap_or_default();
        let label = format!("state of {ATTENTION} / {model}, {last}");
        result.push(Comparison::new(
            label,
            UNIT,
            margins,
            STATE,
            place,
            &[],
            effects,
        ));
    }
    for model in RECURRENT {
        let name = format!("time of {ATTENTION} / {model}");
        for octave in octaves(&contexts) {
            let slopes = growth(&octave, |context| ratio(model, context));
            let label = format!("{name}, {}", span(octave));
            result.push(slope(LOCAL, model, label, octave[1], slopes));
        }
        let crossings = crossing(&contexts, |context| ratio(model, context));
        let effects = crossing_effect(given.looks, &contexts, &crossings);
        let ends = Margins {
            below: shortest as f64,
            above: longest as f64,
        };
        let (label, place) = (
            format!("context from which a token costs {ATTENTION} more than {model}"),
            Place::of(model).seq_len(longest),
        );
        let here = Comparison::new(
            label,
            "tokens",
            ends,
            CROSSING,
            place,
            &[&crossings],
            effects,
        );
        result.push(here.deciding_if(false));
    }
    if let Some(last) = octaves(&contexts).last() {
        for model in MODELS {
            let slopes = growth(&last, |context| time(model, context));
            let label = format!("time of {model}, {}", span(last));
            result.push(slope(OWN, model, label, longest, slopes));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let sentence = match answer {
        Supported => format!(
            "A token's time and state grow with the context for the transformer, relative to recurrent models{}.",
            from_where(&all.part(CROSSING))
        ),
        Reversed => {
            "A token costs recurrent models more time and state the longer the context; the transformer not.".into()
        }
        NoDifference => {
            "A token's time and state grow with the context no more for the transformer than for recurrent models.".into()
        }
        Conditional => {
            "A token's time or state grows faster for the transformer in some comparisons, not in all.".into()
        }
        Undecided => {
            "Whether a token costs the transformer more the longer its context is not decided.".to_owned()
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

/// `; from about 300 tokens it costs more`: more than each recurrent model; nothing where not all cross.
fn from_where(crossings: &Group) -> String {
    let at = |d: &Decided| d.evidence.as_ref().map(|e| e.effect.estimate);
    let all: Option<Vec<f64>> = crossings.iter().map(at).collect();
    let last = all.into_iter().flatten().reduce(f64::max);
    let always = |d: &Decided| matches!(&d.comparison.effects, Err(why) if why.0 == ALWAYS);
    match last {
        _ if !crossings.is_empty() && crossings.iter().all(always) => {
            "; it costs more at every context measured".to_owned()
        }
        Some(tokens) => format!("; from about {} tokens it costs more", two_digits(tokens)),
        None => String::new(),
    }
}

/// To two digits.
fn two_digits(value: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(value.max(1.0))) - 1.0).max(1.0);
    (value / unit).round() * unit
}
