//! `parallel-graph`: recurrent training is hard to parallelise, by the graph of a training step.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *span*: how much faster its longest chain of dependent operations grows with the sequence
//!    length T than the transformer's: the difference of the exponents k in S ∝ Tᵏ;
//! 2. *length*: how much faster the transformer's parallelism W/S, the most that any number of
//!    workers can gain, grows with T than its own;
//! 3. *batch*: how much of a larger batch its parallelism fails to use: 1 − k in W/S ∝ Bᵏ.
//!
//! Each should exceed the margin, an exponent fixed before the run, if the claim held without
//! reserve. Chains are counted and not sampled: there is no sampling error and nothing to test. What
//! stands as an interval is the range of the exponent between neighbouring values of T or B, over
//! all values of the other.
//!
//! **Answers:** *supported*, all three of every recurrent model; *refuted*, none; *conditional*,
//! some: time is a chain, but the sequences of a batch are side by side; *inconclusive* otherwise.
//!
//! Beside it, not deciding: minGRU with the parallel scan, whose state is linear in time, and how far
//! the step times predicted from one thread lie from the clock.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, overall};
use super::select::{distinct, nothing, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, median};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "parallel-graph",
    claim: "Recurrent training is hard to parallelise: its steps wait for each other.",
    experiment: "parallel-graph",
    metric: "span_flops",
    swept: "seq_len",
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

/// A metric of one model's step at one shape.
fn counted(records: &[&Record], metric: &str, model: &str, (t, b): (usize, usize)) -> Option<f64> {
    let here = |r: &&&Record| {
        r.metric == metric
            && r.model == model
            && r.option("scan") != Some("sequential")
            && (r.seq_len, r.batch) == (Some(t), Some(b))
    };
    records.iter().find(here).and_then(|r| usable(r))
}

fn lengths(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| r.seq_len.filter(|_| r.metric == "span_flops"))
}

fn batches(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| r.batch.filter(|_| r.metric == "span_flops"))
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    if lengths(records).is_empty() {
        return result;
    }
    for model in RECURRENT.into_iter().chain([SCANNED]) {
        let span = |shape| {
            let of = |model| counted(records, "span_flops", model, shape);
            Some(of(model)? / of(ATTENTION)?)
        };
        let length = |shape| {
            let of = |model| counted(records, "parallelism", model, shape);
            Some(of(ATTENTION)? / of(model)?)
        };
        let batch = |shape| counted(records, "parallelism", model, shape);
        let by_batch = exponent(records, batch, Along::Batch).and_then(|e| {
            let i = e.interval(1.0);
            Ok(Effect::exact(
                1.0 - i.estimate,
                (1.0 - i.high, 1.0 - i.low),
                i.n,
            )?)
        });
        let parts = [
            (
                SPAN,
                format!("span of {model} / {ATTENTION}"),
                "power of T",
                exponent(records, span, Along::Length),
            ),
            (
                LENGTH,
                format!("W/S of {ATTENTION} / {model}"),
                "power of T",
                exponent(records, length, Along::Length),
            ),
            (
                BATCH,
                format!("B over W/S of {model}"),
                "power of B",
                by_batch,
            ),
        ];
        result.extend(
            parts
                .into_iter()
                .map(|(part, label, unit, effect)| Comparison {
                    label,
                    unit,
                    margin,
                    part: part.to_owned(),
                    rival: model.to_owned(),
                    at: lengths(records).last().copied().unwrap_or(0),
                    deciding: model != SCANNED,
                    void: None,
                    effect,
                }),
        );
    }
    result
}

/// What an exponent is taken over.
#[derive(Clone, Copy, PartialEq)]
enum Along {
    Length,
    Batch,
}

/// The exponent of a quantity from the least to the greatest length (or batch): the mean over the
/// batches (lengths), with the range between neighbours.
fn exponent(
    records: &[&Record],
    quantity: impl Fn((usize, usize)) -> Option<f64>,
    along: Along,
) -> Result<Effect, Missing> {
    let (ts, bs) = (lengths(records), batches(records));
    let (swept, others) = match along {
        Along::Length => (ts, bs),
        Along::Batch => (bs, ts),
    };
    if swept.len() < 2 {
        let what = if along == Along::Length {
            "length"
        } else {
            "batch"
        };
        return Err(Missing::Unusable(format!("counted at one {what} only")));
    }
    let (mut whole, mut local) = (Vec::new(), Vec::new());
    for &other in &others {
        let at = |v: usize| match along {
            Along::Length => quantity((v, other)),
            Along::Batch => quantity((other, v)),
        };
        let between = |a: usize, b: usize| {
            let growth: f64 = at(b)? / at(a)?;
            Some(growth.ln() / (b as f64 / a as f64).ln())
        };
        let ends = between(swept[0], swept[swept.len() - 1]);
        whole.push(ends.ok_or_else(nothing)?);
        local.extend(swept.windows(2).filter_map(|w| between(w[0], w[1])));
    }
    let estimate = whole.iter().sum::<f64>() / whole.len() as f64;
    let low = local.iter().copied().fold(f64::INFINITY, f64::min);
    let high = local.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(Effect::exact(
        estimate,
        (low, high),
        swept.len() * others.len(),
    )?)
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let of_part = |part: &'static str| deciding().filter(move |d| d.comparison.part == part);
    let holds = |part| overall(of_part(part).map(Decided::answer));
    let (ts, bs) = (lengths(records), batches(records));
    let (Some(short), Some(long)) = (ts.first(), ts.last()) else {
        return unknown("There is no span to compare.");
    };
    let (few, many) = (bs[0], bs[bs.len() - 1]);
    let grows = format!(
        "From T = {short} to T = {long} {}",
        growth(records, (*short, *long), few)
    );
    let flips = format!(
        "along one sequence it {}, over the sequences of a batch it {}",
        match (holds(SPAN), holds(LENGTH)) {
            (Answer::Supported, Answer::Supported) => "is hard",
            (Answer::Refuted, Answer::Refuted) => "is not",
            _ => "is hard in part",
        },
        match holds(BATCH) {
            Answer::Refuted => "is not",
            Answer::Supported => "is hard too",
            _ => "is hard in part",
        }
    );
    let reach = batch_reach(records, *long, (few, many));
    let sentence = match answer {
        Answer::Supported => format!(
            "Recurrent training is hard to parallelise along the sequence and over the batch. {grows}.{reach}"
        ),
        Answer::Refuted => format!(
            "Recurrent training is not hard to parallelise: no exponent exceeds {margin}. {grows}.{reach}"
        ),
        Answer::Conditional => {
            format!(
                "{} {grows}.{reach}",
                text::capitalized(&format!("{flips}."))
            )
        }
        Answer::Inconclusive => format!(
            "The spans counted do not settle whether they grow by a power of more than {margin}. {grows}.{reach}"
        ),
    };
    Conclusion {
        answer,
        sentence: format!("{sentence}{}", prediction(records)),
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}

fn unknown(sentence: &str) -> Conclusion {
    Conclusion {
        answer: Answer::Inconclusive,
        sentence: sentence.to_owned(),
        flips: None,
    }
}

/// `the longest chain of dependent operations of a training step grows 15.6-fold (the LSTM), …`.
fn growth(records: &[&Record], (short, long): (usize, usize), batch: usize) -> String {
    let of = |model: &str| {
        let at = |t| counted(records, "span_flops", model, (t, batch));
        let (from, to) = (at(short)?, at(long)?);
        let name = if model == SCANNED {
            "the scanned minGRU".to_owned()
        } else {
            text::the(model)
        };
        Some(format!(
            "{:.1}-fold to {to:.0} operations ({name})",
            to / from
        ))
    };
    let models = RECURRENT.into_iter().chain([SCANNED, ATTENTION]);
    let each: Vec<String> = models.filter_map(of).collect();
    format!(
        "the longest chain of dependent operations of a training step grows {}",
        text::list(&each)
    )
}

/// How many workers a step could use with few sequences and with many.
fn batch_reach(records: &[&Record], length: usize, (few, many): (usize, usize)) -> String {
    let of = |model: &str| {
        let at = |b| counted(records, "parallelism", model, (length, b));
        Some(format!(
            "{:.0} to {:.0} ({})",
            at(few)?,
            at(many)?,
            text::the(model)
        ))
    };
    let each: Vec<String> = RECURRENT
        .into_iter()
        .chain([ATTENTION])
        .filter_map(of)
        .collect();
    if few == many || each.is_empty() {
        return String::new();
    }
    format!(
        " From B = {few} to B = {many} at T = {length} the most that any number of workers could \
         gain goes from {}.",
        text::semicolons(&each)
    )
}

/// How far the predictions from one thread lie from the clock.
fn prediction(records: &[&Record]) -> String {
    let threads = distinct(records, |r| {
        r.threads.filter(|_| r.metric == "prediction_error")
    });
    let Some(&most) = threads.last() else {
        return String::new();
    };
    let here = records
        .iter()
        .filter(|r| r.metric == "prediction_error" && r.threads == Some(most));
    let errors: Vec<f64> = here.filter_map(|r| usable(r)).map(f64::abs).collect();
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
