//! `next-word`: a language model gives likely words high probability.
//!
//! **Compared:** bits per character on held-out text, Kneser-Ney n-gram minus each model at each size:
//! what the model saves over counting. The n-gram that judges has counted exactly the tokens that the
//! models were trained on, with as many counts as it likes; one that has counted all of the training text
//! is shown beside. The n-gram has no seed; a model's seeds and the blocks of test windows are both drawn
//! at random, and crossed. The largest size decides.
//!
//! **The anchor:** who needs more bits than the last character alone would, has not learnt the text.
//!
//! Beside it, not deciding: the smaller sizes, the n-gram of all text, recurrent models against the
//! transformer and each other on the same tokens, and from how many tokens, floating-point operations
//! and seconds of training on the transformer of the largest size needs fewer bits.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::blocks::{Blocks, crossed};
use super::comparison::{Comparison, Margins};
use super::curves::lies_below;
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place, Series};
use super::select::column;
use super::{Answer, Claim, Words};
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "next-word",
    claim: "A language model predicts unseen text better than an n-gram that counted the same tokens.",
    metric: BITS,
    expected: "Conditional or reversed: on the few tokens that fit a short budget, counting is hard to \
               beat, and only the better models do.",
    why: "A neural model shares what it learns between similar contexts, an n-gram counts each \
          context on its own; but counting needs one pass, and learning needs many steps.",
    references: &[
        "Kneser & Ney 1995, Improved Backing-Off for M-Gram Language Modeling",
        "Bengio et al. 2003, A Neural Probabilistic Language Model",
        "Mikolov et al. 2010, Recurrent Neural Network Based Language Model",
    ],
    observations: "seeds",
    compare,
    words,
};

const BITS: &str = "test_bits_by_block";
const SEEN: &str = "kneser-ney-seen";
const ALL: &str = "kneser-ney-unlimited";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const COUNTING: &str = "counting";
const DUEL: &str = "duel";
const CROSSING: &str = "crossing";
/// What training costs, and its unit.
const COSTS: [(&str, &str); 3] = [
    ("validation_bits_by_tokens", "tokens"),
    ("validation_bits_by_flops", "floating-point operations"),
    ("validation_bits_by_seconds", "seconds"),
];

fn compare(given: &Given) -> Vec<Comparison> {
    // The parameters of the transformer name a size; the other models have nearly as many.
    let of_attention = |r: &Record| (r.model == ATTENTION).then_some(r.parameters?);
    let sizes = column(&given.records, BITS, of_attention);
    let Some(&largest) = sizes.last() else {
        return Vec::new();
    };
    let is_of_size = |r: &Record, size: usize| {
        let away =
            |other: usize| libm::fabs(libm::log(r.parameters.unwrap_or(1) as f64 / other as f64));
        sizes.iter().all(|other| away(size) <= away(*other))
    };
    let models = given.series(BITS, |s| MODELS.contains(&s.model.as_str()));
    let bits =
        |series: &Series, size| Blocks::of(given, BITS, |r| series.has(r) && is_of_size(r, size));
    let baseline = |name: &str| Blocks::of(given, BITS, |r| r.model == name);
    let (seen, all) = (baseline(SEEN), baseline(ALL));
    let margins = Margins::difference(given.margin);
    let mut result = Vec::new();
    let mut add = |label, part, place, sides: [&Blocks; 2], void, deciding| {
        let effects = crossed(given.looks, sides[0], sides[1]);
        let samples = sides.map(Blocks::means);
        let samples: Vec<_> = samples.iter().filter(|s| s.len() > 1).collect();
        let comparison = Comparison::new(label, UNIT, margins, part, place, &samples, effects);
        result.push(comparison.deciding_if(deciding).void_because(void));
    };
    for &size in &sizes {
        let at = |r: &Record| is_of_size(r, size);
        for series in &models {
            let own = bits(series, size);
            let place = Place::of(&series.model).point(size, size);
            let void = given.void([series, series], at, at);
            let label = format!("{SEEN} − {}, {size} parameters", series.label());
            add(
                label,
                COUNTING,
                place.clone(),
                [&seen, &own],
                void,
                size == largest,
            );
            if size == largest {
                let label = format!("{ALL} − {}, {size} parameters", series.label());
                add(label, COUNTING, place, [&all, &own], Vec::new(), false);
            }
        }
        for (i, one) in models.iter().enumerate() {
            for other in &models[i + 1..] {
                let label = format!("{} − {}, {size} parameters", one.label(), other.label());
                let place = Place::of(&one.model).point(size, size);
                add(
                    label,
                    DUEL,
                    place,
                    [&bits(one, size), &bits(other, size)],
                    Vec::new(),
                    false,
                );
            }
        }
    }
    if let Some(attention) = models.iter().find(|s| s.model == ATTENTION) {
        for rival in models.iter().filter(|s| s.is_recurrent()) {
            result.extend(COSTS.map(|cost| {
                let here = |r: &Record| is_of_size(r, largest);
                lies_below(given, cost, CROSSING, [attention, rival], here, largest)
            }));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let with = |answer| counting.with(answer).list_models();
    let sentence = match answer {
        Supported => "Every model of the largest size predicts unseen text better than an n-gram that counted the same tokens.".to_owned(),
        Reversed => "An n-gram that counted the same tokens predicts unseen text better than every model of the largest size.".to_owned(),
        NoDifference => "Every model of the largest size predicts unseen text about as well as an n-gram that counted the same tokens.".to_owned(),
        Conditional => match with(Supported) {
            none if none.is_empty() => "No model is shown to beat an n-gram that counted the same tokens.".to_owned(),
            some => format!("An n-gram that counted the same tokens is beaten by {some}, not by every model."),
        },
        Undecided => "Whether the models predict unseen text better than an n-gram on the same tokens is not decided.".to_owned(),
    };
    let words = [
        (Supported, "better than the n-gram: "),
        (Reversed, "worse: "),
        (NoDifference, "level: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| these.list_models());
    Words::new(sentence, flips.join("; "))
}
