//! `modern`: later changes to the transformer's block help.
//!
//! **Compared:** bits per character on held-out text, the plain block (norm first, learned positions, GELU)
//! minus the same with one change, and minus the block that has them all; equal widths, and the windows of
//! the test and the seeds crossed. What counts is what was added since.
//!
//! **The anchor:** who needs more bits than the last character alone would, has not learnt the text.
//!
//! Beside it, not deciding: what the block rests on, taken away: residual connections, norms, norms first.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::blocks::{Blocks, crossed};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::Place;
use super::{Answer, Claim, Words, text};
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "modern",
    claim: "Later changes to the transformer's block make it predict text better.",
    metric: BITS,
    expected: "Conditional: rotary positions and gated feed-forwards save a little, norms of another kind and \
               shared keys save time or memory, not bits.",
    why: "A rotary position tells a distance wherever it stands, and a gate multiplies where a plain map \
          adds. RMS norm and shared heads of keys were made to cost less, not to learn more.",
    references: &[
        "Shazeer 2020, GLU Variants Improve Transformer",
        "Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding",
        "Narang et al. 2021, Do Transformer Modifications Transfer Across Implementations and Applications?",
        "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models",
    ],
    observations: "seeds",
    compare,
    words,
};

const BITS: &str = "test_bits_by_block";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const ADDED: &str = "added";
const TAKEN: &str = "taken away";

/// The model whose block is changed, and the preset with all changes.
const PLAIN: &str = "gpt2";
const ALL: &str = "llama";
/// What the preset is called in sentences.
const TOGETHER: &str = "all together";

/// What was added since: name in sentences, option and its value.
const CHANGES: [[&str; 3]; 6] = [
    ["rotary positions", "positions", "rotary"],
    ["RMS norm", "norm_kind", "rms"],
    ["SwiGLU", "feed_forward", "swiglu"],
    ["one head of keys", "kv_heads", "1"],
    ["no biases", "biases", "off"],
    ["normed queries", "qk_norm", "on"],
];

/// What the block rests on.
const REMOVED: [[&str; 3]; 3] = [
    ["no residual connections", "residual", "off"],
    ["no norms", "norm_kind", "none"],
    ["norms after", "norm_place", "post"],
];

/// The change that a record's block has, `plain` without one; `None` for any other block.
fn arm(record: &Record) -> Option<&'static str> {
    let has = |[_, option, value]: &&[&str; 3]| {
        let own = record.options.get(option);
        own.is_some_and(|own| own.to_string() == *value)
    };
    match record.model.as_str() {
        ALL => Some(TOGETHER),
        PLAIN => {
            let mut found = CHANGES.iter().chain(&REMOVED).filter(has);
            match (found.next(), found.next()) {
                (None, _) => Some("plain"),
                (Some([name, ..]), None) => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

fn compare(given: &Given) -> Vec<Comparison> {
    let bits = |name: &str| Blocks::of(given, BITS, |r| arm(r) == Some(name));
    let of = |name: &'static str| move |r: &Record| arm(r) == Some(name);
    let plain = bits("plain");
    if plain.is_empty() {
        return Vec::new();
    }
    let names = |table: &'static [[&str; 3]]| table.iter().map(|[name, ..]| *name);
    let added = names(&CHANGES).chain([TOGETHER]).map(|name| (name, ADDED));
    let all = added.chain(names(&REMOVED).map(|name| (name, TAKEN)));
    let mut result = Vec::new();
    for (name, part) in all {
        let own = bits(name);
        if own.is_empty() {
            continue;
        }
        let effects = crossed(given.looks, &plain, &own);
        let samples = [plain.means(), own.means()];
        let label = format!("the plain block − {name}");
        let (margins, place) = (Margins::difference(given.margin), Place::of(PLAIN));
        let place = place.variant(Some(name));
        let both = [&samples[0], &samples[1]];
        let comparison = Comparison::new(label, UNIT, margins, part, place, &both, effects);
        let mut void = Vec::new();
        if part == ADDED {
            void.extend(given.unfit("the plain block", of("plain"), of("plain")));
            void.extend(given.unfit(&format!("the block with {name}"), of(name), of(name)));
        }
        let comparison = comparison.of_family(name).deciding_if(part == ADDED);
        result.push(comparison.void_because(void));
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let list = |these: &Group| {
        text::list(
            these
                .iter()
                .map(|d| d.place().variant.clone().unwrap_or_default()),
        )
    };
    let helping = counting.with(Supported);
    let sentence = match answer {
        Supported => {
            "Every later change to the block saves bits, and so do all together.".to_owned()
        }
        Reversed => {
            "Every later change to the block costs bits, and so do all together.".to_owned()
        }
        NoDifference => "No later change to the block makes a difference that counts.".to_owned(),
        Conditional if helping.is_empty() => {
            "No later change to the block is shown to save bits; some cost them.".to_owned()
        }
        Conditional => format!(
            "Of later changes to the block these save bits: {}.",
            list(&helping)
        ),
        Undecided => "Whether later changes to the block save bits is not decided.".to_owned(),
    };
    let words = [
        (Supported, "saving bits: "),
        (Reversed, "costing bits: "),
        (NoDifference, "no difference: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| list(these));
    Words::new(sentence, flips.join("; "))
}
