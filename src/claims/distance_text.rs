//! `distance-text`: attention captures long-range dependencies better, on real text.
//!
//! **Compared:** what far context saves. A run's saving at k is the bits per character it needs for
//! the last token of each test window when it reads only the k tokens before, minus what it needs
//! when it reads the whole window (Khandelwal et al. 2018). The effect is the transformer's saving
//! minus that of each recurrent model, at each k; the upper half of the k decides, since the claim is
//! not about near context. Savings are differences within a run, on the same targets for all models, so
//! that how well a model predicts from near context cancels. Seeds and blocks of windows are both drawn
//! at random, and crossed.
//!
//! **The anchor:** who needs more bits than the last character alone would, has not learnt the text.
//!
//! Beside it, not deciding: what the order of far context is worth (shuffled minus whole).

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::blocks::{Blocks, crossed};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, Series};
use super::select::abscissas;
use super::{Answer, Claim, Words, text};
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-text",
    claim: "On real text, attention draws more from far context than recurrence does.",
    metric: TRUNCATED,
    expected: "No difference or conditional at this size: small models draw little from beyond some \
               tens of characters.",
    why: "A recurrent state forgets what many steps overwrote. Attention can look up any far word, if \
          training has taught it what to look for.",
    references: &[
        "Khandelwal et al. 2018, Sharp Nearby, Fuzzy Far Away: How Neural Language Models Use Context",
        "Kaplan et al. 2020, Scaling Laws for Neural Language Models",
    ],
    observations: "seeds",
    compare,
    words,
};

const TRUNCATED: &str = "test_bits_truncated_by_block";
const SHUFFLED: &str = "test_bits_shuffled_by_block";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const FAR: &str = "far";
const ORDER: &str = "order";

fn compare(given: &Given) -> Vec<Comparison> {
    let contexts = abscissas(&given.records, TRUNCATED);
    let Some((&whole, short)) = contexts.split_last() else {
        return Vec::new();
    };
    let rivals = given.series(TRUNCATED, Series::is_recurrent);
    let transformers = given.series(TRUNCATED, |s| s.model == ATTENTION);
    let Some(attention) = transformers.first() else {
        return Vec::new();
    };
    let bits = |metric: &str, series: &Series, context: usize| {
        Blocks::of(given, metric, |r| {
            series.has(r) && r.x == Some(context as f64)
        })
    };
    let saving =
        |metric, series: &Series, k| bits(metric, series, k).minus(&bits(TRUNCATED, series, whole));
    let everywhere = |_: &Record| true;
    let mut result = Vec::new();
    for rival in &rivals {
        let void = given.void([attention, rival], everywhere, everywhere);
        for (part, metric, what) in [
            (FAR, TRUNCATED, "saving from context"),
            (ORDER, SHUFFLED, "saving from order"),
        ] {
            for (i, &k) in short.iter().enumerate() {
                let [a, r] = [attention, rival].map(|series| saving(metric, series, k));
                let label = format!(
                    "{} − {}, {what} beyond {k} tokens",
                    attention.label(),
                    rival.label()
                );
                let (place, margins) = (
                    Place::of(&rival.model).x(k),
                    Margins::difference(given.margin),
                );
                let effects = crossed(given.looks, &a, &r);
                let samples = [a.means(), r.means()];
                let comparison = Comparison::new(
                    label,
                    UNIT,
                    margins,
                    part,
                    place,
                    &[&samples[0], &samples[1]],
                    effects,
                );
                let deciding = part == FAR && i >= short.len() / 2;
                let comparison = comparison.of_family(rival.label());
                result.push(comparison.deciding_if(deciding).void_because(void.clone()));
            }
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let rivals = counting.list_models();
    let sentence = match answer {
        Supported => format!("Far context saves the transformer more bits than it saves {rivals}."),
        Reversed => format!("Far context saves {rivals} more bits than it saves the transformer."),
        NoDifference => format!("Far context saves the transformer about as many bits as it saves {rivals}."),
        Conditional => "Far context saves the transformer more bits in some comparisons of rival and distance, not in all.".to_owned(),
        Undecided => "Whether far context saves the transformer more bits than it saves recurrent models is not decided.".to_owned(),
    };
    let words = [
        (Supported, "it saves the transformer more than "),
        (Reversed, "it saves the transformer less than "),
        (NoDifference, "it saves the transformer as much as "),
        (Undecided, "undecided against "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.models(&counting, "", |here| {
            format!(
                "beyond {} tokens",
                here.list(|d| d.place().at().to_string())
            )
        })
    });
    Words::new(text::capitalized(&sentence), flips.join("; "))
}
