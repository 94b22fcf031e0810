//! `context-limit`: attention is limited by the context it was built for; recurrence is not.
//!
//! A model trained on windows of T tokens is tested on windows of up to 8 T, always on the last T
//! tokens: the same targets, with ever more before them. Its *loss of length* is its bits per
//! character with the longest window less those with T tokens, which is also what it needs when the
//! window is truncated to the length trained on: above 0, truncating would have been better.
//! **Compared,** of the transformer with each scheme of positions: by how much its loss of length
//! exceeds that of each recurrent model, with seeds and blocks of windows crossed. A scheme that cannot
//! read the longest window at all has no loss to compare, and is named beside. Also beside: every
//! model's own loss of length.
//!
//! **The anchor:** who needs more bits at T than the last character alone would, has not learnt the text.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::blocks::{Blocks, crossed};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, Series};
use super::sample::of_one;
use super::select::abscissas;
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "context-limit",
    claim: "Attention is limited by the context it was built for; recurrence is not.",
    metric: BITS,
    expected: "Conditional: a learned table has no further positions, sinusoidal and rotary ones \
               were never seen, ALiBi only lowers what is far; a recurrent state goes on.",
    why: "A position beyond those trained on is an input the model has never had. A recurrent model \
          has no positions.",
    references: &[
        "Press, Smith & Lewis 2022, Train Short, Test Long",
        "Su et al. 2021, RoFormer",
        "Kazemnejad et al. 2023, The Impact of Positional Encoding on Length Generalization",
    ],
    observations: "seeds",
    compare,
    words,
};

const BITS: &str = "test_bits_by_length_and_block";
const UNIT: &str = "bits per character";
const LIMIT: &str = "limit";
const OWN: &str = "own";

fn compare(given: &Given) -> Vec<Comparison> {
    let [short, .., long] = abscissas(&given.records, BITS)[..] else {
        return Vec::new();
    };
    let loss = |series: &Series| {
        let at = |x: usize| Blocks::of(given, BITS, |r| series.has(r) && r.x == Some(x as f64));
        at(long).minus(&at(short))
    };
    let rivals = given.series(BITS, Series::is_recurrent);
    let mut transformers = given.series(BITS, |s| s.model == ATTENTION);
    transformers.retain(|series| !loss(series).is_empty());
    let margins = Margins::difference(given.margin);
    let place = |series: &Series| {
        let place = Place::of(&series.model);
        match &series.positions {
            Some(scheme) => place.positions(scheme),
            None => place,
        }
    };
    let everywhere = |_: &Record| true;
    let mut result = Vec::new();
    for attention in &transformers {
        for rival in &rivals {
            let sides = [loss(attention), loss(rival)];
            let label = format!(
                "{} − {}, lost from {short} to {long} tokens",
                attention.label(),
                rival.label()
            );
            let effects = crossed(given.looks, &sides[0], &sides[1]);
            let samples = sides.map(|s| s.means());
            let comparison = Comparison::new(
                label,
                UNIT,
                margins,
                LIMIT,
                place(attention),
                &[&samples[0], &samples[1]],
                effects,
            );
            let comparison = comparison.of_family(attention.label());
            result.push(comparison.void_because(given.void(
                [attention, rival],
                everywhere,
                everywhere,
            )));
        }
    }
    for series in rivals.iter().chain(&transformers) {
        let own = loss(series).means();
        let label = format!("{}, lost from {short} to {long} tokens", series.label());
        let effects = of_one(given.looks, &own, Effect::mean);
        let comparison =
            Comparison::new(label, UNIT, margins, OWN, place(series), &[&own], effects);
        result.push(comparison.deciding_if(false));
    }
    result
}

fn words(given: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let times = match abscissas(&given.records, BITS)[..] {
        [short, .., long] => long / short.max(1),
        _ => 1,
    };
    let schemes = |these: &Group| {
        let mut names: Vec<String> = Vec::new();
        for d in these.iter() {
            let name = match d.place().positions.as_deref() {
                Some("none") | None => "no".to_owned(),
                Some("alibi") => "ALiBi".to_owned(),
                Some(scheme) => scheme.to_owned(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        text::list(names)
    };
    let sentence = match answer {
        Supported => format!(
            "At {times} times the length trained on, transformers lose bits that recurrent models do not lose."
        ),
        Reversed => format!(
            "At {times} times the length trained on, recurrent models lose bits that transformers do not lose."
        ),
        NoDifference => format!(
            "At {times} times the length trained on, transformers lose no more bits than recurrent models."
        ),
        Conditional => {
            let limited = text::or(schemes(&counting.with(Supported)), "none");
            let level = text::or(schemes(&counting.with(NoDifference)), "none");
            format!(
                "At {times} times the length trained on, attention with {limited} positions loses bits; with {level} it does not."
            )
        }
        Undecided => format!(
            "Whether transformers lose more at {times} times the length trained on is not decided."
        ),
    };
    let words = [
        (Supported, "limited: "),
        (Reversed, "less than recurrent models: "),
        (NoDifference, "not limited: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, schemes);
    Words::new(sentence, flips.join("; "))
}
