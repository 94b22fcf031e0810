//! `parallel-graph`: recurrent training is hard to parallelise, by the graph of a training step.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *span*: how much faster its longest chain of dependent operations grows with the sequence
//!    length T than the transformer's: the difference of the exponents k in S ∝ Tᵏ;
//! 2. *length*: how much faster the transformer's parallelism W/S, the most that any number of
//!    workers can gain, grows with T than its own;
//! 3. *batch*: how much of a larger batch its parallelism fails to use: 1 − k in W/S ∝ Bᵏ.
//!
//! If the claim holds fully, each exceeds the margin, an exponent fixed before the run. Chains are
//! counted and not sampled: there is no sampling error and nothing to test. The interval shown is
//! the range of the exponent between neighbouring values of T or B, over all values of the other.
//!
//! Beside it, not deciding: what the clock says of the plotted prediction at the threads of this machine,
//! measured speed-up over predicted, by launch.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins, Missing};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, RECURRENT};
use super::sample::{Sample, of_one};
use super::select::{self, column, nothing, points, power, usable};
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::{Effect, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "parallel-graph",
    claim: "Recurrent training is hard to parallelise: its steps wait for each other.",
    metric: "span_flops",
    expected: "Conditional: the span grows with T for recurrence and with log T for attention, so \
               that only the transformer gains workers from longer sequences; a larger batch gives \
               both more.",
    why: "A state that depends on the one before makes T products one chain; attention's sums over \
          T tokens are trees. The sequences of a batch share nothing but the weights.",
    references: &[
        "Brent 1974, The Parallel Evaluation of General Arithmetic Expressions",
        "Vaswani et al. 2017, Attention Is All You Need",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
    ],
    observations: "launches",
    compare,
    words,
};

/// The model whose recurrence is linear, scanned in parallel.
const SCANNED: &str = "mingru";
const SPAN: &str = "span";
const LENGTH: &str = "length";
const BATCH: &str = "batch";
const CHECK: &str = "check";
/// A prediction this near is right.
const CHECK_MARGIN: f64 = 1.25;

/// Sequence length and batch.
type Shape = (usize, usize);

/// A metric of one model's step at one shape.
fn counted(records: &[&Record], metric: &str, model: &str, (t, b): Shape) -> Option<f64> {
    let place = Place::of(model).seq_len(t).batch(b);
    let place = match model {
        SCANNED => place.scan("parallel"),
        _ => place,
    };
    select::counted(records, metric, &place)
}

fn lengths(records: &[&Record]) -> Vec<usize> {
    column(records, "span_flops", |r| r.seq_len)
}

fn batches(records: &[&Record]) -> Vec<usize> {
    column(records, "span_flops", |r| r.batch)
}

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let (ts, bs) = (lengths(records), batches(records));
    let Some(&longest) = ts.last() else {
        return Vec::new();
    };
    let span = |model, t, b| counted(records, "span_flops", model, (t, b));
    let parallelism = |model, t, b| counted(records, "parallelism", model, (t, b));
    let margins = Margins::difference(given.margin);
    let of_model = |model: &'static str| {
        let length = exponent("length", &ts, &bs, |t, b| {
            Some(span(model, t, b)? / span(ATTENTION, t, b)?)
        });
        let gain = exponent("length", &ts, &bs, |t, b| {
            Some(parallelism(ATTENTION, t, b)? / parallelism(model, t, b)?)
        });
        let used = exponent("batch", &bs, &ts, |b, t| parallelism(model, t, b));
        let unused = used.and_then(|effect| {
            let i = effect.interval(1.0);
            let range = (1.0 - i.high, 1.0 - i.low);
            Ok(Effect::exact(1.0 - i.estimate, range, i.n)?)
        });
        let (t, b) = ("power of T", "power of B");
        let parts = [
            (SPAN, format!("span of {model} / {ATTENTION}"), t, length),
            (LENGTH, format!("W/S of {ATTENTION} / {model}"), t, gain),
            (BATCH, format!("B over W/S of {model}"), b, unused),
        ];
        parts.map(|(part, label, unit, effect)| {
            let place = Place::of(model).seq_len(longest);
            let comparison = Comparison::new(
                label,
                unit,
                margins,
                part,
                place,
                &[],
                effect.map(|e| vec![e]),
            );
            comparison.deciding_if(model != SCANNED)
        })
    };
    let models = RECURRENT.into_iter().chain([SCANNED]);
    models.flat_map(of_model).chain(checks(given)).collect()
}

/// The speed-up by the clock over the one that the graph predicts for as many workers: it lies below 1 as
/// far as this program, or this machine, does not do what the graph allows.
fn checks(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let Some(threads) = column(records, "measured_speed_up", |r| r.threads).pop() else {
        return Vec::new();
    };
    let mut result = Vec::new();
    for point in points(records, ATTENTION) {
        for model in RECURRENT.into_iter().chain([ATTENTION]) {
            let here = |r: &Record| r.model == model && point.has(r);
            let workers = Some(threads as f64);
            let predicted = records
                .iter()
                .find(|r| r.metric == "predicted_speed_up" && r.x == workers && here(r));
            let Some(predicted) = predicted.and_then(|r| usable(r)) else {
                continue;
            };
            let measured = given.sample("measured_speed_up", |r| {
                here(r) && r.threads == Some(threads)
            });
            let ratios = Sample::across(&[measured], |v| Some(libm::log(v[0] / predicted)));
            let effects = of_one(given.looks, &ratios, Effect::mean_of_logarithms);
            let label = format!(
                "measured / predicted speed-up of {model} with {threads} threads, {}",
                point.label()
            );
            let (margins, place) = (Margins::ratio(CHECK_MARGIN), point.place(model));
            let check = Comparison::new(label, "×", margins, CHECK, place, &[&ratios], effects);
            result.push(check.deciding_if(false));
        }
    }
    result
}

/// The exponent of a quantity from the least to the greatest of the `swept` values (of `what`):
/// the mean over the `others`, with the range between neighbours.
fn exponent(
    what: &str,
    swept: &[usize],
    others: &[usize],
    quantity: impl Fn(usize, usize) -> Option<f64>,
) -> Result<Effect, Missing> {
    let [first, .., last] = *swept else {
        return Err(Missing::because(format!("counted at one {what} only")));
    };
    let (mut whole, mut local) = (Vec::new(), Vec::new());
    for &other in others {
        let between = |ends| power(ends, |v| quantity(v, other));
        whole.push(between((first, last)).ok_or_else(nothing)?);
        local.extend(swept.windows(2).filter_map(|w| between((w[0], w[1]))));
    }
    let low = local.iter().copied().fold(f64::INFINITY, f64::min);
    let high = local.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let n = swept.len() * others.len();
    Ok(Effect::exact(mean(&whole), (low, high), n)?)
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let sentence = match answer {
        Supported => {
            "Recurrent training is hard to parallelise along the sequence and over the batch."
        }
        Reversed => "Recurrent training is easier to parallelise than the transformer's.",
        NoDifference => "Recurrent training is no harder to parallelise than the transformer's.",
        Conditional => {
            "Recurrent training is hard to parallelise along a sequence, not over the sequences of a batch."
        }
        Undecided => "The graphs do not settle whether recurrent training is hard to parallelise.",
    };
    // The sentence of a conditional answer names what is so in every case known; else only the flips say.
    let is = |part, answer| counting.part(part).iter().all(|d| d.answer() == answer);
    let known = is(SPAN, Supported)
        && is(LENGTH, Supported)
        && (is(BATCH, NoDifference) || is(BATCH, Reversed));
    let sentence = match answer == Conditional && !known {
        true => {
            "How hard recurrent training is to parallelise depends on the model, and on whether length or batch grows."
        }
        false => sentence,
    };
    let words = [
        (Supported, "hard: "),
        (Reversed, "easier: "),
        (NoDifference, "not hard: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        let of_part =
            |part: &'static str| (format!("{part} of "), these.part(part).list(|d| d.model()));
        text::phrases([SPAN, LENGTH, BATCH].map(of_part)).join(", ")
    });
    Words::new(sentence, flips.join("; "))
}
