//! `quadratic`: attention is quadratic in T.
//!
//! A step of a transformer costs a T + b T²: the exponent of its growth goes from 1 to 2 as sequences
//! grow. **Compared,** of the transformer at its three longest T:
//! 1. *time*, in training and in the forward pass: the exponent k in time ∝ Tᵏ, by least squares over
//!    all repeats, against a margin between linear and quadratic;
//! 2. *memory* of a training step, counted: the same exponent of the most bytes requested at a time.
//!
//! **Answers:** *supported*, every exponent exceeds the margin; *refuted*, none; *conditional*, some;
//! *inconclusive* otherwise. Beside it, not deciding: the exponents at the three shortest T, and those
//! of the LSTM, which is linear.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, overall};
use super::select::{distinct, growth, growth_of_counts, timings, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "quadratic",
    claim: "Attention is quadratic in the length of the sequence.",
    experiment: "quadratic",
    metric: "step_seconds",
    swept: "seq_len",
    expected: "Conditional: in time only where sequences are long, since the layers around \
               attention are linear and outweigh it before; in memory not at all, where the scores \
               are not kept.",
    why: "Every token is compared with all before it: T² / 2 scores a head. Nothing but habit asks \
          to keep them.",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Rabe & Staats 2021, Self-attention Does Not Need O(n²) Memory",
        "Dao et al. 2022, FlashAttention",
    ],
    observations: "repeats",
    compare,
    conclude,
};

const MEMORY: &str = "memory";
const MODES: [(&str, &str); 2] = [("train-step", "training"), ("forward", "the forward pass")];
/// What the transformer is seen beside.
const LINEAR: &str = "lstm";
/// Lengths that an exponent is taken over.
const WINDOW: usize = 3;

fn lengths(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| {
        r.seq_len.filter(|_| r.metric == "step_seconds")
    })
}

/// The three shortest lengths, or the three longest; of fewer than three, all.
fn window(records: &[&Record], longest: bool) -> Vec<usize> {
    let mut all = lengths(records);
    let outside = all.len().saturating_sub(WINDOW);
    match longest {
        true => all.split_off(outside),
        false => {
            all.truncate(WINDOW);
            all
        }
    }
}

fn span(lengths: &[usize]) -> String {
    match lengths {
        [first, .., last] => format!("T = {first} to {last}"),
        _ => "too few lengths".to_owned(),
    }
}

/// Exponent of a model's time.
fn time(
    records: &[&Record],
    model: &str,
    mode: &str,
    lengths: &[usize],
) -> Result<Effect, Missing> {
    growth(lengths, |length| {
        let here = |r: &Record| {
            r.model == model && r.task.as_deref() == Some(mode) && r.seq_len == Some(length)
        };
        timings(records, "step_seconds", here)
            .into_values()
            .collect()
    })
}

/// Exponent of the most bytes of a model's training step, between the ends.
fn memory(records: &[&Record], model: &str, lengths: &[usize]) -> Result<Effect, Missing> {
    growth_of_counts(lengths, |length| {
        let here = |r: &&&Record| {
            r.metric == "peak_bytes"
                && r.model == model
                && r.task.as_deref() == Some(MODES[0].0)
                && r.seq_len == Some(length)
        };
        records.iter().find(here).and_then(|r| usable(r))
    })
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let comparison =
        |label: String, part: &str, model: &str, at: &[usize], deciding, effect| Comparison {
            label,
            unit: "power of T",
            margin,
            part: part.to_owned(),
            rival: model.to_owned(),
            at: at.last().copied().unwrap_or(0),
            deciding,
            void: None,
            effect,
        };
    let mut result = Vec::new();
    if lengths(records).is_empty() {
        return result;
    }
    for (model, longest) in [(ATTENTION, true), (ATTENTION, false), (LINEAR, true)] {
        let at = window(records, longest);
        let deciding = model == ATTENTION && longest;
        for (mode, name) in MODES {
            let measured = |r: &&Record| r.task.as_deref() == Some(mode) && r.model == model;
            if !records.iter().any(measured) {
                continue;
            }
            let label = format!("time of {model}, {name}, {}", span(&at));
            let effect = time(records, model, mode, &at);
            result.push(comparison(label, mode, model, &at, deciding, effect));
        }
        let label = format!("memory of {model}, training, {}", span(&at));
        let effect = memory(records, model, &at);
        result.push(comparison(label, MEMORY, model, &at, deciding, effect));
    }
    result
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let long = span(&window(records, true));
    let place = |part: &str| match MODES.iter().find(|(mode, _)| *mode == part) {
        Some((_, name)) => format!("in the time of {name}"),
        None => "in the memory of training".to_owned(),
    };
    let exponents = |answer: Option<Answer>| {
        let chosen = deciding().filter(|d| answer.is_none_or(|a| d.answer() == a));
        let each = chosen.map(|d| match d.interval() {
            Some(i) => format!("{} ({})", place(&d.comparison.part), text::plain(i, 2)),
            None => place(&d.comparison.part),
        });
        text::list(&each.collect::<Vec<_>>())
    };
    let head = match answer {
        Answer::Supported => format!(
            "At {long} the transformer grows by a power of T over {margin} {}.",
            exponents(None)
        ),
        Answer::Refuted => format!(
            "At {long} the transformer grows by no power of T over {margin}: {}.",
            exponents(None)
        ),
        Answer::Conditional => {
            let not = exponents(Some(Answer::Refuted));
            let open = exponents(Some(Answer::Inconclusive));
            let rest = [("not", not), ("undecided", open)];
            let rest: Vec<String> = rest
                .iter()
                .filter(|(_, places)| !places.is_empty())
                .map(|(word, places)| format!("{word} {places}"))
                .collect();
            format!(
                "At {long} the transformer grows by a power of T over {margin} {}; {}.",
                exponents(Some(Answer::Supported)),
                rest.join(", ")
            )
        }
        Answer::Inconclusive => format!(
            "The timings do not settle whether the transformer grows by a power of T over {margin} \
             at {long}: {}.",
            exponents(None)
        ),
    };
    let flips = format!(
        "quadratic {}; not {}",
        exponents(Some(Answer::Supported)),
        exponents(Some(Answer::Refuted))
    );
    Conclusion {
        answer,
        sentence: format!("{head}{}", beside(decided)),
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}

/// The exponents of training time at short T, and of the model that is linear.
fn beside(decided: &[Decided]) -> String {
    let training = |d: &&Decided| !d.comparison.deciding && d.comparison.part == MODES[0].0;
    let each = decided.iter().filter(training).filter_map(|d| {
        let by = text::plain(d.interval()?, 2);
        Some(match d.comparison.rival.as_str() {
            ATTENTION => format!(" At the shortest lengths its training time grows by {by}."),
            rival => format!(
                " That of {} grows by {by} at the longest.",
                text::the(rival)
            ),
        })
    });
    each.collect()
}
