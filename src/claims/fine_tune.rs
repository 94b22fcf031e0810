//! `fine-tune`: a model trained on one text and then on another predicts the other better than a new model does.
//!
//! **Compared:** bits per character of unseen windows of the second text: trained on it from scratch, minus
//! trained on the first text and then on it, for every model and every amount of the second text, after the same
//! number of steps at the most and each with the weights of its best validation. Seeds and blocks of windows are
//! both drawn at random, and crossed.
//!
//! **The anchor:** who has not learnt the first text, or the second where there is most of it, is not judged.
//!
//! Beside it, not deciding: what training on the second text adds to the first alone, what is forgotten of the
//! first, and counting.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::Comparison;
use super::given::Given;
use super::group::Group;
use super::second_text::{ALL, BITS, Cell, SCRATCH, characters, sizes};
use super::{Answer, Claim, Words};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "fine-tune",
    claim: "Training on one text and then fine-tuning on another beats training on the other from scratch.",
    metric: BITS,
    expected: "Supported where there is little of the second text, by less where there is more; for recurrent \
               models as for the transformer.",
    why: "Spelling, words and grammar of the first text hold in the second. What is known already need not be \
          learnt from the few characters there are.",
    references: &[
        "Dai & Le 2015, Semi-supervised Sequence Learning",
        "Howard & Ruder 2018, Universal Language Model Fine-tuning for Text Classification",
        "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training",
    ],
    observations: "seeds",
    compare,
    words,
};

fn compare(given: &Given) -> Vec<Comparison> {
    let mut result = Vec::new();
    let cells = Cell::all(given);
    result.extend(
        cells
            .iter()
            .filter_map(|cell| cell.difference(given, [SCRATCH, ALL])),
    );
    for cell in &cells {
        let beside = [
            (
                "bits_before",
                "before",
                "the first text alone, bits on the second",
            ),
            ("forgotten_bits", "forgotten", "forgotten of the first text"),
        ];
        for (metric, part, words) in beside {
            result.extend(cell.beside(given, (metric, part), ALL, words));
        }
        result.extend(cell.counting(given, ALL));
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let models = |some: &Group| {
        some.models(&counting, "", |here| {
            format!("with {}", here.list(|d| characters(d.place().at())))
        })
    };
    let sentence = match answer {
        Supported => "Training on one text first and then on another beats training from scratch, for every model and amount of text.".to_owned(),
        Reversed => "Training from scratch beats training on another text first, for every model and amount of text.".to_owned(),
        NoDifference => "Training on another text first makes no difference to training from scratch.".to_owned(),
        Conditional => {
            let better = counting.with(Supported);
            match better.is_empty() {
                true => "Training on another text first does not beat training from scratch.".to_owned(),
                false => format!("Training on another text first beats training from scratch with {}, not in every case.", sizes(&better)),
            }
        }
        Undecided => "Whether training on another text first beats training from scratch is not decided.".to_owned(),
    };
    let words = [
        (Supported, "better: "),
        (Reversed, "worse: "),
        (NoDifference, "level: "),
        (Undecided, "undecided: "),
    ];
    Words::new(sentence, counting.by_answer(words, models).join("; "))
}
