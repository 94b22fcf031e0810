//! `lora`: of a model trained on one text, training all of it on another is best, then low-rank adapters, then those
//! of a lower rank; the numbers of values trained are in the same order.
//!
//! **Compared:** bits per character of unseen windows of the second text, for every model and every amount of it:
//! adapters of rank 4 minus all of the model, and adapters of rank 1 minus those of rank 4. Each has the weights of
//! its best validation. Both start from the same weights at each seed, so that differences are taken there; seeds and
//! blocks of windows are both drawn at random, and crossed. How many values each trains is arithmetic, and recorded.
//!
//! **The anchor:** who has not learnt the first text is not judged.
//!
//! Beside it, not deciding: other ranks, the head alone (which may have more values than adapters of rank 4: its size
//! is that of the vocabulary), what is forgotten of the first text, and what the first text alone
//! gives.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::Comparison;
use super::given::Given;
use super::group::Group;
use super::second_text::{ALL, BITS, Cell, name, sizes};
use super::select::distinct;
use super::{Answer, Claim, Words, text};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "lora",
    claim: "Fine-tuning all of a model is best, then adapters of rank 4, then of rank 1; cost runs the other way.",
    metric: BITS,
    expected: "Conditional: with little text adapters come as close as the margin or pass, with more all of the \
               model is ahead. A step takes about as long, as the backward pass is \
               the same.",
    why: "What changes from one text to another may need few directions in the weights, and few directions \
          cannot fit noise; with more text there is more to be fitted.",
    references: &[
        "Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models",
        "Biderman et al. 2024, LoRA Learns Less and Forgets Less",
        "Lester, Al-Rfou & Constant 2021, The Power of Scale for Parameter-Efficient Prompt Tuning",
    ],
    observations: "seeds",
    compare,
    words,
};

/// The adapters that are judged.
const LORA: &str = "lora:4";
/// The cheaper ones.
const CHEAP: &str = "lora:1";
const HEAD: &str = "head";

fn compare(given: &Given) -> Vec<Comparison> {
    let mut result = Vec::new();
    let cells = Cell::all(given);
    for pair in [[LORA, ALL], [CHEAP, LORA]] {
        let deciding = cells.iter().filter_map(|cell| cell.difference(given, pair));
        result.extend(deciding);
    }
    let arms = distinct(&given.records, |r| Some(r.arm.clone()));
    for cell in &cells {
        let other = |arm: &&String| {
            let judged = [LORA, CHEAP].contains(&arm.as_str());
            arm.starts_with("lora:") && !judged || *arm == HEAD
        };
        for arm in arms.iter().filter(other) {
            let pair = cell.difference(given, [arm, ALL]);
            result.extend(pair.map(|comparison| comparison.deciding_if(false)));
        }
        let words = "the first text alone, bits on the second";
        result.extend(cell.beside(given, ("bits_before", "before"), ALL, words));
        for arm in [ALL, LORA, HEAD] {
            let words = format!("forgotten of the first text, {}", name(arm));
            result.extend(cell.beside(given, ("forgotten_bits", "forgotten"), arm, &words));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let of = |arm: &str| counting.filter(|d| d.place().variant.as_deref() == Some(arm));
    let (rank_4, rank_1) = (of(LORA), of(CHEAP));
    let some = |group: &Group| match (group.with(Supported).len(), group.len()) {
        (0, _) => "nowhere",
        (n, all) if n == all => "everywhere",
        _ => "in some cases",
    };
    let sentence = match answer {
        Supported => "Fine-tuning all of a model is best, then adapters of rank 4, then of rank 1."
            .to_owned(),
        Reversed => {
            "Adapters of rank 1 are best, then those of rank 4, then fine-tuning all of a model."
                .to_owned()
        }
        NoDifference => {
            "Fine-tuning all of a model, adapters of rank 4 or of rank 1 makes no difference."
                .to_owned()
        }
        Conditional => format!(
            "Fine-tuning all of a model beats adapters of rank 4 {}; these beat adapters of rank 1 {}.",
            some(&rank_4),
            some(&rank_1)
        ),
        Undecided => {
            "Whether all of a model or adapters of which rank are fine-tuned best is not decided."
                .to_owned()
        }
    };
    let words = [
        (Supported, "behind "),
        (Reversed, "ahead of "),
        (NoDifference, "level with "),
        (Undecided, "undecided against "),
    ];
    let flips = [
        (&rank_4, "rank 4 is ", "all of the model"),
        (&rank_1, "rank 1 is ", "rank 4"),
    ];
    let flips = flips.into_iter().filter(|(group, ..)| !group.is_empty());
    let flips = flips.map(|(group, who, whom)| {
        let show = |these: &Group| {
            let models = these.models(group, "", |here| format!("with {}", sizes(here)));
            format!("{whom} in {models}")
        };
        format!("{who}{}", group.by_answer(words, show).join(", "))
    });
    Words::new(sentence, text::semicolons(flips))
}
