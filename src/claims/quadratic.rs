//! `quadratic`: attention is quadratic in T.
//!
//! A step of a transformer costs a T + b T²: the exponent of its growth goes from 1 to 2 as sequences
//! grow. **Compared,** of the transformer at its three longest T:
//! 1. *time*, in training and in the forward pass: the exponent k in time ∝ Tᵏ, by least squares over
//!    all repeats, against a margin between linear and quadratic;
//! 2. *memory* of a training step, counted: the same exponent of the most bytes requested at a time.
//!
//! **Answers:** *supported*, every exponent exceeds the margin; *refuted*, none; *conditional*, some;
//! *inconclusive* otherwise. Beside it, not deciding: the exponents at the three shortest T, and those
//! of the LSTM, which is linear.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{ATTENTION, FORWARD, Place, TRAINING};
use super::select::{column, counted, growth, growth_of_counts, seconds};
use super::{Answer, Claim};
use crate::record::Record;

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
    observations: "repeats",
    compare,
    conclude,
};

/// Parts of the comparisons.
const TIME: &str = "time";
const MEMORY: &str = "memory";
/// The model shown beside the transformer.
const LINEAR: &str = "lstm";
/// Lengths that an exponent is taken over.
const WINDOW: usize = 3;

/// The three shortest lengths and the three longest; of fewer than three, all.
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

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let (shortest, longest) = windows(records);
    if longest.is_empty() {
        return Vec::new();
    }
    let mut result = Vec::new();
    for (model, window, deciding) in [
        (ATTENTION, &longest, true),
        (ATTENTION, &shortest, false),
        (LINEAR, &longest, false),
    ] {
        let mut add = |part, place: Place, effect| {
            let what = format!("{part} of {model}, {}, {}", place.mode(), span(window));
            let comparison = Comparison::new(what, "power of T", margin, part, place, effect);
            result.push(comparison.deciding_if(deciding));
        };
        for mode in [TRAINING, FORWARD] {
            let place = Place::of(model).task(mode);
            if records.iter().any(|r| place.has(r)) {
                let at = |length| seconds(records, &place.clone().seq_len(length));
                let effect = growth(window, at);
                add(TIME, place, effect);
            }
        }
        let place = Place::of(model).task(TRAINING);
        let at = |length| counted(records, "peak_bytes", &place.clone().seq_len(length));
        let effect = growth_of_counts(window, at);
        add(MEMORY, place, effect);
    }
    result
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let deciding = all.deciding();
    let answer = deciding.answer();
    let long = span(&windows(records).1);
    let exponents = |some: &Group| {
        some.list(|d| {
            let place = format!("in the {} of {}", d.comparison.part, d.place().mode());
            match d.evidence {
                Some(_) => format!("{place} ({})", d.plain(2)),
                None => place,
            }
        })
    };
    let each = exponents(&deciding);
    let quadratic = exponents(&deciding.with(Answer::Supported));
    let head = match answer {
        Answer::Supported => {
            format!("At {long} the transformer grows by a power of T over {margin} {each}.")
        }
        Answer::Refuted => {
            format!("At {long} the transformer grows by no power of T over {margin}: {each}.")
        }
        Answer::Conditional => {
            let others = deciding.filter(|d| d.answer() != Answer::Supported);
            let rest = others
                .by_answer(["", "not ", "undecided "], exponents)
                .join(", ");
            format!(
                "At {long} the transformer grows by a power of T over {margin} {quadratic}; {rest}."
            )
        }
        Answer::Inconclusive => format!(
            "The timings do not settle whether the transformer grows by a power of T over {margin} \
             at {long}: {each}."
        ),
    };
    let not = exponents(&deciding.with(Answer::Refuted));
    let flips = format!("quadratic {quadratic}; not {not}");
    Conclusion::new(answer, head + &beside(all), flips)
}

/// The exponents of training time at short T, and of the model that is linear.
fn beside(all: &Group) -> String {
    let training = all.part(TIME).task(TRAINING).measured();
    let others = training.filter(|d| !d.comparison.deciding);
    let sentence = |d: &Decided| match d.place().model.as_str() {
        ATTENTION => {
            format!(
                " At the shortest lengths its training time grows by {}.",
                d.plain(2)
            )
        }
        _ => format!(
            " That of {} grows by {} at the longest.",
            d.model(),
            d.plain(2)
        ),
    };
    others.iter().map(sentence).collect()
}
