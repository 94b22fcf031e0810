//! `both-sides`: a model that reads both sides of a gap fills it better than one that reads the left alone.
//!
//! **Compared:** bits of a hidden token of unseen text, one in each window, the same for all: the causal
//! transformer minus the masked one, and the LSTM minus the masked bidirectional LSTM, of equal parameters
//! after equal tokens. Seeds and blocks of windows are both drawn at random, and crossed.
//!
//! **The anchor:** who needs more bits than the neighbouring token alone would, has not learnt the text.
//!
//! Beside it, not deciding: both sides made of causal models that read one (a product of two, or one that
//! tries candidates and reads on), counting, and the same where training took equal seconds.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::blocks::{Blocks, crossed};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::Place;
use super::select::distinct;
use super::{Answer, Claim, Words, text};
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "both-sides",
    claim: "A model that reads both sides of a gap fills it better than one that reads the left alone.",
    metric: BITS,
    expected: "Supported for the transformer and the LSTM; a product of two causal models is no worse at \
               this size, since masked training asks for a seventh of the tokens.",
    why: "What follows a word tells as much of it as what stands before it. A causal model may not look \
          there, but two of them, or one that tries candidates, can be made to.",
    references: &[
        "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers",
        "Peters et al. 2018, Deep Contextualized Word Representations",
        "Salazar et al. 2020, Masked Language Model Scoring",
    ],
    observations: "seeds",
    compare,
    words,
};

const BITS: &str = "gap_bits_by_block";
const UNIT: &str = "bits per gap";
const PART: &str = "gap";
/// Models that read from the left, with those of their kind that see both sides.
const KINDS: [(&str, &str); 2] = [("transformer", "bert"), ("lstm", "bilstm")];
/// What has counted the tokens that the models have seen.
const COUNTING: &str = "kneser-ney-seen";

/// A model and what it reads of a gap.
type Arm = (&'static str, &'static str);

/// `the LSTM from the left`.
fn name((model, sides): Arm) -> String {
    let model = match model {
        "bert" => "the masked transformer".to_owned(),
        "bilstm" => "the masked LSTM".to_owned(),
        COUNTING => "the n-gram".to_owned(),
        other => text::the(other),
    };
    match sides {
        "left" => format!("{model} from the left"),
        "right" => format!("{model} from the right"),
        "product" => format!("{model} from the left × from the right"),
        "rescored" => format!("{model} trying candidates"),
        _ => model,
    }
}

fn compare(given: &Given) -> Vec<Comparison> {
    let budgets = distinct(&given.records, |r| {
        (r.metric == BITS && r.seed.is_some()).then(|| r.equal.clone())
    });
    let mut result = Vec::new();
    for equal in &budgets {
        let in_seconds = equal.as_deref() == Some("seconds");
        let here = |r: &Record| r.equal == *equal || r.seed.is_none() && !in_seconds;
        let is = |arm: Arm| move |r: &Record| r.model == arm.0 && r.sides == arm.1;
        let mut add = |one: Arm, both: Arm, deciding: bool| {
            let [a, b] = [one, both].map(|arm| {
                let blocks = Blocks::of(given, BITS, |r| is(arm)(r) && here(r));
                (blocks.means(), blocks)
            });
            if a.1.is_empty() || b.1.is_empty() {
                return;
            }
            let mut void = Vec::new();
            for arm in [one, both].into_iter().filter(|arm| arm.0 != COUNTING) {
                let of_model = |r: &Record| r.model == arm.0 && here(r);
                void.extend(given.unfit(&name((arm.0, "")), of_model, of_model));
            }
            let seconds = if in_seconds { ", equal seconds" } else { "" };
            let label = format!("{} − {}{seconds}", name(one), name(both));
            let place = Place::of(one.0).variant(Some(one.1));
            let margins = Margins::difference(given.margin);
            let effects = crossed(given.looks, &a.1, &b.1);
            let comparison =
                Comparison::new(label, UNIT, margins, PART, place, &[&a.0, &b.0], effects);
            let comparison = comparison.of_family(one.0).deciding_if(deciding);
            result.push(comparison.void_because(void));
        };
        for (one, two) in KINDS {
            let both = (two, "both");
            add((one, "left"), both, !in_seconds);
            for sides in ["right", "product", "rescored"] {
                add((one, sides), both, false);
            }
        }
        add(("bilstm", "both"), ("bert", "both"), false);
        add((COUNTING, "left"), ("transformer", "left"), false);
        add((COUNTING, "both"), ("bert", "both"), false);
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let kinds = |of: &Group| text::list(of.iter().map(|d| text::the(&d.place().model)));
    // Beside them: a minus where the one on the left needs fewer bits.
    let multiplied = all.filter(|d| d.place().variant.as_deref() == Some("product"));
    let ahead = multiplied.with(Reversed);
    let sentence = match answer {
        Supported if !ahead.is_empty() && ahead.len() == multiplied.len() => "Reading both sides fills gaps with fewer bits than reading the left alone; a product of two causal models needs fewer still.".to_owned(),
        Supported => "Reading both sides fills gaps with fewer bits than reading the left alone.".to_owned(),
        Reversed => "Reading the left alone fills gaps with fewer bits than masked training on both sides does.".to_owned(),
        NoDifference => "Reading both sides fills gaps about as well as reading the left alone.".to_owned(),
        Conditional => format!(
            "Reading both sides fills gaps better in {}, not in every kind of model.",
            text::or(kinds(&counting.with(Supported)), "no kind")
        ),
        Undecided => "Whether reading both sides fills gaps better than reading the left alone is not decided.".to_owned(),
    };
    let words = [
        (Supported, "better with both sides: "),
        (Reversed, "worse with both sides: "),
        (NoDifference, "level: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| kinds(these));
    Words::new(sentence, flips.join("; "))
}
