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
    claim: "Attention is limited by the context it was trained on; recurrence is not.",
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
                Place {
                    model: rival.label(),
                    ..place(attention)
                },
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
    let at = format!("At {times} times the length trained on");
    // A scheme stands in a list if it has the answer against every rival.
    let schemes = |answer: Answer| {
        let mut names: Vec<String> = Vec::new();
        for d in counting.iter() {
            let scheme = d.place().positions.as_deref();
            let same = counting.filter(|other| other.place().positions.as_deref() == scheme);
            let name = scheme_name(scheme).to_owned();
            if same.iter().all(|d| d.answer() == answer) && !names.contains(&name) {
                names.push(name);
            }
        }
        text::list(names)
    };
    let (limited, level) = (schemes(Supported), schemes(NoDifference));
    let sentence = match answer {
        Supported => format!(
            "{at}, every transformer that can read it loses more bits than recurrent models do."
        ),
        Reversed => format!(
            "{at}, every transformer that can read it loses fewer bits than recurrent models do."
        ),
        NoDifference => format!("{at}, transformers lose about as many bits as recurrent models."),
        Conditional if !limited.is_empty() && !level.is_empty() => {
            format!(
                "{at}, attention with {limited} positions loses more bits than recurrence; with {level} it does not."
            )
        }
        Conditional => format!(
            "{at}, it depends on positions or rival whether attention loses more bits than recurrence."
        ),
        Undecided => format!(
            "Whether transformers lose more bits than recurrent models at {times} times the length trained on is not decided."
        ),
    };
    let words = [
        (Supported, "limited: "),
        (Reversed, "less than recurrent models: "),
        (NoDifference, "not limited: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.list(|d| {
            let scheme = scheme_name(d.place().positions.as_deref());
            format!("{scheme} against {}", d.place().model)
        })
    });
    Words::new(sentence, flips.join("; "))
}

fn scheme_name(scheme: Option<&str>) -> &str {
    match scheme {
        Some("alibi") => "ALiBi",
        Some("none") | None => "no",
        Some(scheme) => scheme,
    }
}
