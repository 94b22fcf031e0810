//! `distance-recall`: attention recalls what a recurrent state cannot hold, on multi-query associative
//! recall.
//!
//! **Compared:** accuracy on the queries once learning has ended, transformer (rotary positions) minus
//! each recurrent model, at every number of pairs above the fewest and every width. Models have equal
//! widths, since the size of the state is the question; the report draws all of them against bytes of
//! state, attention's cache included.
//!
//! **The anchor** is the fewest pairs at the same width: who has not learnt to bind those has not learnt
//! the task, and its failure with more pairs says nothing of its state.
//!
//! Beside it, not deciding: what each recurrent model gains from the smallest width to the largest at the
//! most pairs, which is what the size of the state is worth.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{Place, Series};
use super::sample::of_two;
use super::select::column;
use super::{Answer, Claim, Words};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-recall",
    claim: "Attention recalls more pairs than a recurrent state holds.",
    metric: "test_accuracy",
    expected: "Conditional: attention recalls nearly everything; a recurrent state holds more pairs \
               the wider it is, and a wide enough one as many as attention.",
    why: "Attention keeps every pair in its cache and looks it up. A recurrent state has a fixed \
          number of values for all, and compares keys only through them.",
    references: &[
        "Arora et al. 2023, Zoology: Measuring and Improving Recall in Efficient Language Models",
        "Arora et al. 2024, Simple Linear Attention Language Models Balance the Recall-Throughput Tradeoff",
        "Jelassi et al. 2024, Repeat After Me: Transformers Are Better than State Space Models at Copying",
    ],
    observations: "seeds",
    compare,
    words,
};

const METRIC: &str = "test_accuracy";
const UNIT: &str = "accuracy";
const POSITIONS: &str = "rotary";
const RECALL: &str = "recall";
const SIZE: &str = "size";

fn pairs(record: &Record) -> Option<usize> {
    record.parameter("pairs")
}

fn difference(a: &[f64], b: &[f64]) -> Result<Effect, crate::stats::StatsError> {
    Ok(Effect::difference(a, b)?.within(-1.0, 1.0))
}

fn compare(given: &Given) -> Vec<Comparison> {
    let sweep = column(&given.records, METRIC, pairs);
    let widths = column(&given.records, METRIC, |r| r.width);
    let attention = Series::of_attention(POSITIONS);
    let rivals = given.series(METRIC, Series::is_recurrent);
    let (Some((&anchor, harder)), Some(&narrow), Some(&wide)) =
        (sweep.split_first(), widths.first(), widths.last())
    else {
        return Vec::new();
    };
    let margins = Margins::difference(given.margin);
    let sample = |series: &Series, n, width| {
        let here = |r: &Record| series.has(r) && pairs(r) == Some(n) && r.width == Some(width);
        given.sample(METRIC, here)
    };
    let mut result = Vec::new();
    for rival in &rivals {
        for &width in &widths {
            for &n in harder {
                let [a, r] = [&attention, rival].map(|series| sample(series, n, width));
                let label = format!(
                    "{} − {}, {n} pairs, width {width}",
                    attention.label(),
                    rival.label()
                );
                let place = Place::of(&rival.model).point(n, width);
                let effects = of_two(given.looks, (&a, &r), difference);
                let void = given.void_of_accuracy(
                    [&attention, rival],
                    |r| pairs(r) == Some(anchor) && r.width == Some(width),
                    |r| pairs(r) == Some(n) && r.width == Some(width),
                );
                let comparison =
                    Comparison::new(label, UNIT, margins, RECALL, place, &[&a, &r], effects);
                result.push(comparison.void_because(void));
            }
        }
        let most = sweep.last().copied().unwrap_or(anchor);
        if narrow != wide {
            let [w, n] = [wide, narrow].map(|width| sample(rival, most, width));
            let label = format!("{} of width {wide} − {narrow}, {most} pairs", rival.label());
            let place = Place::of(&rival.model).point(most, wide);
            let effects = of_two(given.looks, (&w, &n), difference);
            let comparison = Comparison::new(label, UNIT, margins, SIZE, place, &[&w, &n], effects);
            result.push(comparison.deciding_if(false));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let rivals = counting.list_models();
    let sentence = match answer {
        Supported => format!(
                "Wherever both learnt the easiest case, attention recalls a larger share of pairs than {rivals}."
            ),
        Reversed => format!(
                "Wherever both learnt the easiest case, attention recalls a smaller share of pairs than {rivals}."
            ),
        NoDifference => format!(
            "Wherever both learnt the easiest case, attention recalls about as large a share of pairs as {rivals}."
        ),
        Conditional => {
            "It depends on the state: wide recurrent states recall as many pairs as attention, narrow ones fewer.".to_owned()
        }
        Undecided => "Whether attention recalls more pairs than a recurrent state holds is not decided.".to_owned(),
    };
    let sentence = match answer {
        // Only where that is what happened.
        Conditional if !wider_is_better(&counting) => {
            "Attention recalls more pairs in some comparisons of model, width and number of pairs, not in all.".to_owned()
        }
        _ => sentence,
    };
    let words = [
        (Supported, "attention is ahead of "),
        (Reversed, "attention is behind "),
        (NoDifference, "attention is level with "),
        (Undecided, "undecided against "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.models(&counting, "", |here| {
            here.list(|d| format!("at {} pairs, width {}", d.place().at(), d.place().size))
        })
    });
    Words::new(sentence, flips.join("; "))
}

/// Whether every lead of attention is against a narrower state than every tie.
fn wider_is_better(all: &Group) -> bool {
    let widths = |answer| {
        all.with(answer)
            .iter()
            .map(|d| d.place().size)
            .collect::<Vec<_>>()
    };
    let (behind, level) = (widths(Supported), widths(NoDifference));
    let most = behind.iter().max();
    let reversed = all.any(Reversed);
    !reversed && most.is_some() && !level.is_empty() && most < level.iter().min()
}
