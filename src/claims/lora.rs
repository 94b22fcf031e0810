//! `lora`: of a model trained on one text, training all of it on another is best, then low-rank adapters, then the
//! head alone; the numbers of values trained are in the same order.
//!
//! **Compared:** bits per character of unseen windows of the second text, for every model and every amount of it:
//! adapters of rank 4 minus all of the model, and the head alone minus adapters of rank 4. Each has a learning
//! rate of its own and the weights of its best validation. Seeds and blocks of windows are both drawn at random,
//! and crossed. How many values each trains is arithmetic, and recorded.
//!
//! **The anchor:** who has not learnt the first text is not judged.
//!
//! Beside it, not deciding: other ranks, what is forgotten of the first text, and what the first text alone
//! gives.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::Comparison;
use super::given::Given;
use super::group::Group;
use super::second_text::{ALL, BITS, Cell, characters, name};
use super::select::distinct;
use super::{Answer, Claim, Words, text};
use std::collections::BTreeSet;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "lora",
    claim: "Fine-tuning all of a model is best, then low-rank adapters, then the head alone; cost runs the other way.",
    metric: BITS,
    expected: "Conditional: with little text adapters come as close as the margin or pass, with more all of the \
               model is ahead; the head alone stays behind. A step takes about as long, as the backward pass is \
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
const HEAD: &str = "head";

fn compare(given: &Given) -> Vec<Comparison> {
    let mut result = Vec::new();
    let cells = Cell::all(given);
    for pair in [[LORA, ALL], [HEAD, LORA]] {
        let deciding = cells.iter().filter_map(|cell| cell.difference(given, pair));
        result.extend(deciding);
    }
    let arms = distinct(&given.records, |r| Some(r.arm.clone()));
    for cell in &cells {
        let other = |arm: &&String| arm.starts_with("lora:") && *arm != LORA;
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
    let (adapters, head) = (of(LORA), of(HEAD));
    let sizes = |some: &Group| {
        let sizes: BTreeSet<usize> = some.sweep().into_iter().collect();
        text::list(sizes.into_iter().map(characters))
    };
    let behind = adapters.with(Supported);
    let sentence = match answer {
        Supported => {
            "Fine-tuning all of a model is best, then adapters of rank 4, then the head alone."
                .to_owned()
        }
        Reversed => {
            "The head alone is best, then adapters of rank 4, then fine-tuning all of a model."
                .to_owned()
        }
        NoDifference => {
            "Fine-tuning all of a model, adapters of rank 4 or the head alone makes no difference."
                .to_owned()
        }
        Conditional => {
            let adapters = match (behind.len(), adapters.len()) {
                (0, _) => "Adapters of rank 4 are not behind fine-tuning all of a model".to_owned(),
                (n, all) if n == all => {
                    "Fine-tuning all of a model beats adapters of rank 4".to_owned()
                }
                _ => "Fine-tuning all of a model beats adapters of rank 4 in some cases".to_owned(),
            };
            let head = match (head.with(Supported).len(), head.len()) {
                (_, 0) => String::new(),
                (n, all) if n == all => "; the head alone is behind them".to_owned(),
                (0, _) => "; the head alone is not behind them".to_owned(),
                _ => "; the head alone is behind them in some cases".to_owned(),
            };
            format!("{adapters}{head}.")
        }
        Undecided => {
            "Whether all of a model, adapters or the head alone is fine-tuned best is not decided."
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
        (&adapters, "adapters are ", "all of the model"),
        (&head, "the head is ", "adapters"),
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
