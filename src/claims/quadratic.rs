//! `quadratic`: attention is quadratic in T.
//!
//! A step of a transformer costs a T + b T²: the exponent of its growth goes from 1 to 2 as sequences
//! grow. **Compared,** of the transformer between its two longest T, the last octave:
//! 1. *time*, in training and in the forward pass: the exponent k in time ∝ Tᵏ, one a launch, then
//!    Student's t over launches, against a margin between linear and quadratic;
//! 2. *memory* of a training step, counted: the same exponent of the most bytes requested at a time.
//!
//! Beside it, not deciding: the exponent between each length and the next, the LSTM's over the last of
//! these, and the length from which a step of the transformer takes longer than the LSTM's.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, FORWARD, Place, TRAINING};
use super::sample::of_one;
use super::select::{
    column, counted, crossing, crossing_effect, growth, growth_of_counts, octaves, seconds,
};
use super::{Answer, Claim, Words};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "quadratic",
    claim: "Time and memory of attention grow with the square of the sequence's length.",
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
const CROSSING: &str = "crossing";
const UNIT: &str = "power of T";
/// A recurrent model beside it.
const LINEAR: &str = "lstm";

fn lengths(records: &[&Record]) -> Vec<usize> {
    column(records, "step_seconds", |r| r.seq_len)
}

/// `T = 4096 to 8192`.
fn span([first, last]: [usize; 2]) -> String {
    format!("T = {first} to {last}")
}

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let lengths = lengths(records);
    let Some(last) = octaves(&lengths).last() else {
        return Vec::new();
    };
    let margins = Margins::difference(given.margin);
    let mut result = Vec::new();
    let modes = || {
        let measured = |mode: &&str| {
            let place = Place::of(ATTENTION).task(mode);
            records.iter().any(|r| place.has(r))
        };
        [TRAINING, FORWARD].into_iter().filter(measured)
    };
    let times = |model: &str, octave: [usize; 2]| {
        let of_mode = |mode| {
            let place = Place::of(model).task(mode);
            let slopes = growth(&octave, |length| {
                seconds(records, &place.clone().seq_len(length))
            });
            let effects = of_one(given.looks, &slopes, Effect::mean);
            let label = format!("{TIME} of {model}, {}, {}", place.mode(), span(octave));
            let place = place.seq_len(octave[1]);
            let time = Comparison::new(label, UNIT, margins, TIME, place, &[&slopes], effects);
            time.deciding_if(model == ATTENTION && octave == last)
        };
        modes().map(of_mode).collect::<Vec<_>>()
    };
    let memory = |model: &str| {
        let place = Place::of(model).task(TRAINING);
        let at = |length| counted(records, "peak_bytes", &place.clone().seq_len(length));
        let (label, effects) = (
            format!("{MEMORY} of {model}, {}, {}", place.mode(), span(last)),
            growth_of_counts(&lengths, at),
        );
        let place = place.seq_len(last[1]);
        let memory = Comparison::new(label, UNIT, margins, MEMORY, place, &[], effects);
        memory.deciding_if(model == ATTENTION)
    };
    result.extend(times(ATTENTION, last));
    result.push(memory(ATTENTION));
    for octave in octaves(&lengths).filter(|octave| *octave != last) {
        result.extend(times(ATTENTION, octave));
    }
    result.extend(times(LINEAR, last));
    result.push(memory(LINEAR));
    for mode in modes() {
        let time =
            |model: &str, length| seconds(records, &Place::of(model).task(mode).seq_len(length));
        let crossings = crossing(&lengths, |length| {
            time(ATTENTION, length).with(&time(LINEAR, length), |a, r| a / r)
        });
        let effects = crossing_effect(given.looks, &lengths, &crossings);
        let place = Place::of(LINEAR).task(mode).seq_len(last[1]);
        let label = format!(
            "T from which a step takes {ATTENTION} longer than {LINEAR}, {}",
            place.mode()
        );
        let ends = Margins {
            below: lengths[0] as f64,
            above: last[1] as f64,
        };
        let (unit, samples) = ("tokens", [&crossings]);
        let here = Comparison::new(label, unit, ends, CROSSING, place, &samples, effects);
        result.push(here.deciding_if(false));
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
    let last = octaves(&lengths(&given.records)).last();
    let long = last.map(span).unwrap_or_default();
    let parts = |answer| counting.with(answer).list(what);
    let sentence = match answer {
        Supported => {
            format!("From {long} the transformer's time and memory grow more like T² than like T.")
        }
        Reversed => format!("From {long} the transformer's time and memory fall with T."),
        NoDifference => {
            format!("From {long} the transformer's time and memory grow more like T than like T².")
        }
        Conditional => format!(
            "Growth from {long} is more like T² than like T in {}, not in {}.",
            parts(Supported),
            parts(NoDifference)
        ),
        Undecided => format!(
            "Whether the transformer's time and memory grow more like T² than like T from {long} is not decided."
        ),
    };
    let words = [
        (Supported, "quadratic: "),
        (Reversed, "falling: "),
        (NoDifference, "not: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| these.list(what));
    Words::new(sentence, flips.join("; "))
}
