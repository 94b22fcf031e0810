//! `speed-long`: recurrent models are slow on long sequences because they take one token at a time.
//!
//! **Compared:** tokens per second of the transformer over each recurrent model at equal parameters,
//! at every sequence length T, in training, in the forward pass and when decoding; repeats taken in
//! turn are paired, so that drift of the machine cancels. Tokens per batch are the same at every T
//! (B falls as T grows), so that no model is judged by how much work a batch holds. Each recurrent
//! model is compared on its own; beating the slowest proves nothing.
//!
//! **Why every T and not only long ones:** the claim says how speed changes with T. A transformer
//! that is faster at T = 128 and slower at T = 4096 contradicts it, and only the whole sweep shows
//! that.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, MODES, Place, RECURRENT};
use super::select::{lengths, paired_ratio, speeds};
use super::{Answer, Claim, Words, text};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "speed-long",
    claim: "Recurrent models are slow on long sequences because they take one token at a time.",
    metric: "tokens_per_second",
    expected: "Conditional: the transformer is faster until its T² term dominates, then slower; \
               recurrent models lose efficiency as B falls.",
    why: "A recurrent step multiplies B rows by its weights and waits for the step before; with \
          few rows the product is bound by memory. Attention works on all T tokens at once, but \
          its scores grow with T².",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
        "Tay et al. 2022, Efficient Transformers: A Survey",
    ],
    observations: "launches",
    compare,
    words,
};

const LEAD: &str = "lead";

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let mut result = Vec::new();
    for (mode, name) in MODES {
        for seq_len in lengths(records, mode) {
            let place = |model| Place::of(model).task(mode).seq_len(seq_len);
            let attention = speeds(records, &place(ATTENTION));
            for model in RECURRENT {
                let label = format!("{ATTENTION} / {model}, {name}, T = {seq_len}");
                let rival = speeds(records, &place(model));
                let effects = paired_ratio(given.looks, &attention, &rival);
                let (margins, samples) = (Margins::ratio(given.margin), [&attention, &rival]);
                let place = place(model);
                result.push(Comparison::new(
                    label, "×", margins, LEAD, place, &samples, effects,
                ));
            }
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let sentence = match answer {
        Supported => "The transformer is faster than every recurrent model at every length.",
        Reversed => "Every recurrent model is faster than the transformer at every length.",
        NoDifference => {
            "The transformer and the recurrent models are about as fast at every length."
        }
        Conditional => {
            "Whether the transformer is faster depends on the length, the work and the rival."
        }
        Undecided => "Whether the transformer is faster than recurrent models is not decided.",
    };
    let words = [
        (Supported, "faster: "),
        (Reversed, "slower: "),
        (NoDifference, "as fast: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        let of_mode = |(mode, name)| {
            let here = these.task(mode);
            let at = text::ranges(
                &distinct(here.sweep()),
                &distinct(counting.task(mode).sweep()),
            );
            (format!("{name} at T = "), at)
        };
        text::phrases(MODES.map(of_mode)).join(", ")
    });
    Words::new(sentence, flips.join("; "))
}

fn distinct(mut lengths: Vec<usize>) -> Vec<usize> {
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}
