//! `translate`: the encoder-decoder transformer turns one sequence into another better than recurrence.
//!
//! **Compared:** the share of test phrases whose greedy translation is the reference word by word,
//! transformer minus each recurrent encoder-decoder, among phrases of more than twelve words. The test has
//! other values and other templates than the training.
//!
//! **The anchor** is the shortest phrases: who does not translate those has not learnt to translate.
//!
//! Beside it, not deciding: the same by the length of the source.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::Place;
use super::sample::of_two;
use super::select::{by_run, column, distinct};
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::Effect;
use std::collections::{BTreeMap, BTreeSet};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "translate",
    claim: "The encoder-decoder transformer translates better than recurrence does.",
    metric: LONG,
    expected: "Conditional: with attention to the source recurrence translates as well; without it, long \
               phrases do not pass through the encoder's last state.",
    why: "What an encoder with attention hands on grows with the source. The last state of a recurrent \
          encoder has one size for all of them, and a decoder without attention has nothing else.",
    references: &[
        "Sutskever, Vinyals & Le 2014, Sequence to Sequence Learning with Neural Networks",
        "Bahdanau, Cho & Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
        "Vaswani et al. 2017, Attention Is All You Need",
    ],
    observations: "seeds",
    compare,
    words,
};

const LONG: &str = "test_exact_long";
const BY_LENGTH: &str = "test_exact_by_length";
const UNIT: &str = "share of phrases";
const PART: &str = "translation";
/// The transformer that is compared.
const TRANSFORMER: &str = "encoder-decoder";
/// Share of the shortest phrases that a model has to translate to be judged on longer ones.
const LEARNT: f64 = 0.75;

/// A model, with attention to the source or without, if it has the choice.
type Arm = (String, Option<String>);

fn arm(record: &Record) -> Arm {
    let attention = record.option("source_attention");
    (record.model.clone(), attention.map(str::to_owned))
}

/// `the GRU`, ` with attention`.
fn words_of((model, attention): &Arm) -> (String, &'static str) {
    let cell = model.strip_suffix("-encoder-decoder");
    let name = cell.map_or("the transformer".to_owned(), text::the);
    match attention.as_deref() {
        Some("none") => (name, " without attention"),
        Some(_) => (name, " with attention"),
        None => (name, ""),
    }
}

/// `the GRU with attention`.
fn name(arm: &Arm) -> String {
    let (model, attention) = words_of(arm);
    model + attention
}

/// Words in the source, at most.
fn length(record: &Record) -> Option<usize> {
    record.x.map(|x| x as usize)
}

fn compare(given: &Given) -> Vec<Comparison> {
    let lengths = column(&given.records, BY_LENGTH, length);
    let Some(&anchor) = lengths.first() else {
        return Vec::new();
    };
    let of_metric = given.records.iter().filter(|r| r.metric == LONG);
    let arms = distinct(&of_metric.copied().collect::<Vec<_>>(), |r| Some(arm(r)));
    let transformer: Arm = (TRANSFORMER.into(), None);
    let mut result = Vec::new();
    for rival in arms.iter().filter(|other| **other != transformer) {
        let both = [&transformer, rival];
        let mut void = Vec::new();
        for of in both {
            let is_shortest = |r: &Record| arm(r) == *of && length(r) == Some(anchor);
            let shortest = by_run(&given.records, BY_LENGTH, is_shortest);
            if shortest.is_empty() || shortest.iter().any(|share| *share < LEARNT) {
                void.push(format!("{} has not learnt the shortest phrases", name(of)));
            }
            void.extend(given.at_edge(&name(of), |r| arm(r) == *of));
        }
        let mut add = |metric: &str, at: Option<usize>| {
            let [t, r] = both.map(|of| {
                given.sample(metric, |r| {
                    arm(r) == *of && at.is_none_or(|at| length(r) == Some(at))
                })
            });
            let effects = of_two(given.looks, (&t, &r), |t, r| {
                Ok(Effect::difference(t, r)?.within(-1.0, 1.0))
            });
            let which = at.map_or("long phrases".to_owned(), |at| format!("up to {at} words"));
            let label = format!("the transformer − {}, {which}", name(rival));
            let place = Place::of(&rival.0)
                .variant(rival.1.as_deref())
                .x(at.unwrap_or(0));
            let margins = Margins::difference(given.margin);
            let comparison = Comparison::new(label, UNIT, margins, PART, place, &[&t, &r], effects);
            let comparison = comparison.of_family(name(rival)).deciding_if(at.is_none());
            result.push(comparison.void_because(void.clone()));
        };
        add(LONG, None);
        lengths.iter().for_each(|&at| add(BY_LENGTH, Some(at)));
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    // `the GRU and the LSTM without attention`.
    let rivals = |of: &Group| -> String {
        let arms = of.iter().map(|d| d.place());
        let arms = arms.map(|place| words_of(&(place.model.clone(), place.variant.clone())));
        let mut by_attention: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (model, attention) in arms {
            by_attention.entry(attention).or_default().insert(model);
        }
        let groups = by_attention.into_iter();
        text::list(groups.map(|(attention, models)| text::list(models) + attention))
    };
    let sentence = match answer {
        Supported => "The transformer translates more long phrases word by word than any recurrent encoder-decoder.".to_owned(),
        Reversed => "Every recurrent encoder-decoder translates more long phrases word by word than the transformer.".to_owned(),
        NoDifference => "Recurrent encoder-decoders translate about as many long phrases word by word as the transformer.".to_owned(),
        Conditional => match (counting.with(Supported), counting.filter(|d| d.answer() != Supported)) {
            (behind, level) if !behind.is_empty() && !level.is_empty() => format!(
                "Long phrases: the transformer is ahead of {}, not of {}.",
                rivals(&behind),
                rivals(&level)
            ),
            _ => "The transformer translates more long phrases than some recurrent encoder-decoders, not than all.".to_owned(),
        },
        Undecided => "Whether the transformer translates long phrases better than recurrence is not decided.".to_owned(),
    };
    let words = [
        (Supported, "the transformer is ahead of "),
        (Reversed, "the transformer is behind "),
        (NoDifference, "the transformer is level with "),
        (Undecided, "undecided against "),
    ];
    let flips = counting.by_answer(words, |these| rivals(these));
    Words::new(sentence, flips.join("; "))
}
