//! `quadratic`: attention is quadratic in T.
//!
//! A step of a transformer costs a T + b T²: the exponent of its growth goes from 1 to 2 as sequences
//! grow. **Compared,** of the transformer at its three longest T:
//! 1. *time*, in training and in the forward pass: the exponent k in time ∝ Tᵏ, by least squares over
//!    all repeats, against a margin between linear and quadratic;
//! 2. *memory* of a training step, counted: the same exponent of the most bytes requested at a time.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, FORWARD, Place, TRAINING};
use super::sample::of_one;
use super::select::{column, counted, growth, growth_of_counts, seconds};
use super::{Answer, Claim, Words};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "quadratic",
    claim: "Attention is quadratic in the length of the sequence.",
    metric: "step_seconds",
    expected: "Conditional: in time only where sequences are long, since the layers around \
               attention are linear and outweigh it before; in memory not at all, where the scores \
               are not kept.",
    why: "Every token is compared with all before it: T² / 2 scores a head. Nothing but habit asks \
          to keep them.",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Rabe & Staats 2021, Self-attention Does Not Need O(n²) Memory",
        "Dao et al. 2022, FlashAttention",
    ],
    observations: "launches",
    compare,
    words,
};

const TIME: &str = "time";
const MEMORY: &str = "memory";
const UNIT: &str = "power of T";
/// A recurrent model beside it.
const LINEAR: &str = "lstm";
/// Lengths in each window.
const WINDOW: usize = 3;

/// The shortest and the longest few lengths.
fn windows(records: &[&Record]) -> (Vec<usize>, Vec<usize>) {
    let all = column(records, "step_seconds", |r| r.seq_len);
    let count = WINDOW.min(all.len());
    (all[..count].to_vec(), all[all.len() - count..].to_vec())
}

fn span(lengths: &[usize]) -> String {
    match lengths {
        [first, .., last] => format!("T = {first} to {last}"),
        _ => "too few lengths".to_owned(),
    }
}

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let (shortest, longest) = windows(records);
    if longest.is_empty() {
        return Vec::new();
    }
    let margins = Margins::difference(given.margin);
    let mut result = Vec::new();
    for (model, window, deciding) in [
        (ATTENTION, &longest, true),
        (ATTENTION, &shortest, false),
        (LINEAR, &longest, false),
    ] {
        let label =
            |part, place: &Place| format!("{part} of {model}, {}, {}", place.mode(), span(window));
        for mode in [TRAINING, FORWARD] {
            let place = Place::of(model).task(mode);
            if records.iter().any(|r| place.has(r)) {
                let slopes = growth(window, |length| {
                    seconds(records, &place.clone().seq_len(length))
                });
                let effects = of_one(given.looks, &slopes, Effect::mean);
                let label = label(TIME, &place);
                let time = Comparison::new(label, UNIT, margins, TIME, place, &[&slopes], effects);
                result.push(time.deciding_if(deciding));
            }
        }
        let place = Place::of(model).task(TRAINING);
        let at = |length| counted(records, "peak_bytes", &place.clone().seq_len(length));
        let (label, effects) = (label(MEMORY, &place), growth_of_counts(window, at));
        let memory = Comparison::new(label, UNIT, margins, MEMORY, place, &[], effects);
        result.push(memory.deciding_if(deciding));
    }
    result
}

/// `training time`, `forward time`, `training memory`.
fn what(d: &Decided) -> String {
    let mode = match d.place().task.as_deref() {
        Some(FORWARD) => "forward",
        _ => "training",
    };
    format!("{mode} {}", d.comparison.part)
}

fn words(given: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let long = span(&windows(&given.records).1);
    let parts = |answer| counting.with(answer).list(|d| what(d));
    let sentence = match answer {
        Supported => {
            format!("At {long} the transformer's time and memory grow nearly with the square of T.")
        }
        Reversed => format!("At {long} the transformer's time and memory fall with T."),
        NoDifference => format!(
            "At {long} neither time nor memory of the transformer grows nearly with the square of T."
        ),
        Conditional => format!(
            "At {long} {} grow nearly with the square of T; {} does not.",
            parts(Supported),
            parts(NoDifference)
        ),
        Undecided => format!(
            "Whether the transformer grows nearly with the square of T at {long} is not decided."
        ),
    };
    let words = [
        (Supported, "quadratic: "),
        (Reversed, "falling: "),
        (NoDifference, "not: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| these.list(|d| what(d)));
    Words::new(sentence, flips.join("; "))
}
