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
//! **Answers:** *supported*, all three of every recurrent model; *refuted*, none; *conditional*,
//! some (the steps of a sequence wait for each other, the sequences of a batch do not);
//! *inconclusive* otherwise.
//!
//! Beside it, not deciding: minGRU with the parallel scan, whose state is linear in time, and how far
//! the step times predicted from one thread lie from the clock.

use super::comparison::{Comparison, Conclusion, Missing};
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place, RECURRENT};
use super::select::{self, column, nothing, only, power, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, mean, median};

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
    observations: "repeats",
    compare,
    conclude,
};

/// The model whose recurrence is linear, scanned in parallel.
const SCANNED: &str = "mingru";
const SPAN: &str = "span";
const LENGTH: &str = "length";
const BATCH: &str = "batch";

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

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let (ts, bs) = (lengths(records), batches(records));
    let Some(&longest) = ts.last() else {
        return Vec::new();
    };
    let span = |model, t, b| counted(records, "span_flops", model, (t, b));
    let parallelism = |model, t, b| counted(records, "parallelism", model, (t, b));
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
            let comparison = Comparison::new(label, unit, margin, part, place, effect);
            comparison.deciding_if(model != SCANNED)
        })
    };
    let models = RECURRENT.into_iter().chain([SCANNED]);
    models.flat_map(of_model).collect()
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

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let deciding = all.deciding();
    let answer = deciding.answer();
    let holds = |part| deciding.part(part).answer();
    let (ts, bs) = (lengths(records), batches(records));
    let (Some(&short), Some(&long), Some(&few), Some(&many)) =
        (ts.first(), ts.last(), bs.first(), bs.last())
    else {
        return Conclusion::unknown("There is no span to compare.".to_owned());
    };
    let sequence = match (holds(SPAN), holds(LENGTH)) {
        (Answer::Supported, Answer::Supported) => "is hard",
        (Answer::Refuted, Answer::Refuted) => "is not",
        _ => "is hard in part",
    };
    let batch = match holds(BATCH) {
        Answer::Refuted => "is not",
        Answer::Supported => "is hard too",
        _ => "is hard in part",
    };
    let flips =
        format!("along one sequence it {sequence}, over the sequences of a batch it {batch}");
    let head = match answer {
        Answer::Supported => "Recurrent training is hard to parallelise along the sequence and \
                              over the batch."
            .to_owned(),
        Answer::Refuted => {
            format!("Recurrent training is not hard to parallelise: no exponent exceeds {margin}.")
        }
        Answer::Conditional => format!("{}.", text::capitalized(&flips)),
        Answer::Inconclusive => format!(
            "The spans counted do not settle whether they grow by a power of more than {margin}."
        ),
    };
    let growth = growth(records, (short, few), (long, few));
    let reach = match few == many {
        true => String::new(),
        false => batch_reach(records, (long, few), (long, many)),
    };
    let sentence = format!("{head} {growth}{reach}{}", prediction(records));
    Conclusion::new(answer, sentence, flips)
}

/// `From T = 32 to T = 512 the longest chain of dependent operations of a training step grows
/// 15.6-fold to 9000 operations (the LSTM), …`.
fn growth(records: &[&Record], short: Shape, long: Shape) -> String {
    let of = |model: &str| {
        let [from, to] = [short, long].map(|shape| counted(records, "span_flops", model, shape));
        let (from, to) = (from?, to?);
        let name = match model {
            SCANNED => "the scanned minGRU".to_owned(),
            model => text::the(model),
        };
        let fold = to / from;
        Some(format!("{fold:.1}-fold to {to:.0} operations ({name})"))
    };
    let models = RECURRENT.into_iter().chain([SCANNED, ATTENTION]);
    format!(
        "From T = {} to T = {} the longest chain of dependent operations of a training step grows \
         {}.",
        short.0,
        long.0,
        text::list(models.filter_map(of))
    )
}

/// How many workers a step could use with few sequences and with many.
fn batch_reach(records: &[&Record], few: Shape, many: Shape) -> String {
    let of = |model: &str| {
        let at = |shape| counted(records, "parallelism", model, shape);
        let (from, to, name) = (at(few)?, at(many)?, text::the(model));
        Some(format!("{from:.0} to {to:.0} ({name})"))
    };
    let each = text::semicolons(MODELS.into_iter().filter_map(of));
    let (t, few, many) = (many.0, few.1, many.1);
    text::unless_empty(each, |each| {
        format!(
            " From B = {few} to B = {many} at T = {t} the most that any number of workers could \
             gain goes from {each}."
        )
    })
}

/// How far the predictions from one thread lie from the clock.
fn prediction(records: &[&Record]) -> String {
    let metric = "prediction_error";
    let Some(most) = column(records, metric, |r| r.threads).pop() else {
        return String::new();
    };
    let here = only(records, |r| r.metric == metric && r.threads == Some(most));
    let errors = here.into_iter().filter_map(usable).map(f64::abs);
    let errors: Vec<f64> = errors.collect();
    if errors.is_empty() {
        return String::new();
    }
    format!(
        " The times of {} steps on {most} thread{}, predicted from one recorded on a single thread, \
         miss the clock by {:.1} % (median), at most {:.1} %.",
        errors.len(),
        if most == 1 { "" } else { "s" },
        100.0 * median(&errors),
        100.0 * errors.iter().copied().fold(0.0, f64::max)
    )
}
