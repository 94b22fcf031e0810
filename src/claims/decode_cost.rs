//! `decode-cost`: attention pays per token of context when generating.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *time*: how much faster the transformer's time a token grows with the tokens of context before
//!    it than the recurrent model's: the exponent k in (ratio of times) ∝ contextᵏ, timings taken in
//!    turn paired, by least squares over all contexts and repeats;
//! 2. *state*: the same of the bytes of state kept, which are counted.
//!
//! **Answers:** *supported*, every exponent exceeds the margin; *refuted*, none; *conditional*, some;
//! *inconclusive* otherwise. Beside it, not deciding: each model's own exponent of time.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, overall};
use super::select::{distinct, growth, growth_of_counts, paired, timings, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, median};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "decode-cost",
    claim: "Attention pays per token of context when generating.",
    experiment: "decode-cost",
    metric: "step_seconds",
    swept: "seq_len",
    expected: "Supported: keys and values grow with every token and are all read for the next one; \
               a recurrent state stays as it is.",
    why: "The next token attends to all before it. A recurrent state has one size, whatever it has \
          seen.",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Pope et al. 2023, Efficiently Scaling Transformer Inference",
    ],
    observations: "repeats",
    compare,
    conclude,
};

const TIME: &str = "time";
const STATE: &str = "state";
const OWN: &str = "own";

fn contexts(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| {
        r.seq_len.filter(|_| r.metric == "step_seconds")
    })
}

fn seconds(records: &[&Record], model: &str, context: usize) -> super::select::Timings {
    let here = |r: &Record| r.model == model && r.seq_len == Some(context);
    timings(records, "step_seconds", here)
}

fn state(records: &[&Record], model: &str, context: usize) -> Option<f64> {
    let here =
        |r: &&&Record| r.metric == "state_bytes" && r.model == model && r.seq_len == Some(context);
    records.iter().find(here).and_then(|r| usable(r))
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let at = contexts(records).last().copied().unwrap_or(0);
    let comparison = |label: String, part: &str, rival: &str, effect| Comparison {
        label,
        unit: "power of the context",
        margin,
        part: part.to_owned(),
        rival: rival.to_owned(),
        at,
        deciding: part != OWN,
        void: None,
        effect,
    };
    let mut result = Vec::new();
    if contexts(records).is_empty() {
        return result;
    }
    for model in RECURRENT {
        let label = format!("time of {ATTENTION} / {model}");
        result.push(comparison(label, TIME, model, relative(records, model)));
        let label = format!("state of {ATTENTION} / {model}");
        result.push(comparison(label, STATE, model, states(records, model)));
    }
    for model in RECURRENT.into_iter().chain([ATTENTION]) {
        let label = format!("time of {model}");
        result.push(comparison(label, OWN, model, own(records, model)));
    }
    result
}

/// Exponent of the transformer's time over a recurrent model's.
fn relative(records: &[&Record], model: &str) -> Result<Effect, Missing> {
    growth(&contexts(records), |context| {
        let [a, r] = [ATTENTION, model].map(|m| seconds(records, m, context));
        let (a, r) = paired(&a, &r);
        a.iter().zip(&r).map(|(a, r)| a / r).collect()
    })
}

/// Exponent of a model's own time.
fn own(records: &[&Record], model: &str) -> Result<Effect, Missing> {
    growth(&contexts(records), |context| {
        seconds(records, model, context).into_values().collect()
    })
}

/// Exponent of the transformer's state over a recurrent model's, between the ends.
fn states(records: &[&Record], model: &str) -> Result<Effect, Missing> {
    let all = contexts(records);
    if all.len() == 1 {
        return Err(Missing::Unusable("counted at one context only".to_owned()));
    }
    growth_of_counts(&all, |context| {
        Some(state(records, ATTENTION, context)? / state(records, model, context)?)
    })
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let holds = |part: &str| {
        let these = deciding().filter(|d| d.comparison.part == part);
        overall(these.map(Decided::answer))
    };
    let word = |answer| match answer {
        Answer::Supported => "against every recurrent model",
        Answer::Refuted => "against none",
        Answer::Conditional => "against some recurrent models",
        Answer::Inconclusive => "undecided",
    };
    let flips = format!(
        "in time {}; in state {}",
        word(holds(TIME)),
        word(holds(STATE))
    );
    let own: Vec<String> = decided
        .iter()
        .filter(|d| d.comparison.part == OWN)
        .filter_map(|d| {
            let name = text::the(&d.comparison.rival);
            Some(format!("{} ({name})", text::plain(d.interval()?, 2)))
        })
        .collect();
    let head = match answer {
        Answer::Supported => format!(
            "A token costs the transformer more the longer its context, and the recurrent models \
             not: relative to each, time and state grow by a power of more than {margin}."
        ),
        Answer::Refuted => format!(
            "Relative to no recurrent model do the transformer's time and state a token grow by a \
             power of more than {margin} of the context."
        ),
        Answer::Conditional => format!("The transformer pays for its context {flips}."),
        Answer::Inconclusive => format!(
            "The timings do not settle whether the transformer's cost of a token grows by a power \
             of more than {margin} of the context, relative to the recurrent models."
        ),
    };
    let exponents = match own.is_empty() {
        true => String::new(),
        false => format!(
            " The time a token grows as the context to the power {}.",
            text::list(&own)
        ),
    };
    Conclusion {
        answer,
        sentence: format!("{head}{exponents}{}", ends(records)),
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}

/// Time and state at the shortest and the longest context.
fn ends(records: &[&Record]) -> String {
    let [short, .., long] = contexts(records)[..] else {
        return String::new();
    };
    let of = |model: &str| {
        let micros = |c| -> Option<f64> {
            let all: Vec<f64> = seconds(records, model, c).into_values().collect();
            (!all.is_empty()).then(|| 1e6 * median(&all))
        };
        let kib = |c| Some(state(records, model, c)? / 1024.0);
        Some(format!(
            "{:.0} to {:.0} µs and {:.1} to {:.1} KiB of state ({})",
            micros(short)?,
            micros(long)?,
            kib(short)?,
            kib(long)?,
            text::the(model)
        ))
    };
    let each: Vec<String> = RECURRENT
        .into_iter()
        .chain([ATTENTION])
        .filter_map(of)
        .collect();
    if each.is_empty() {
        return String::new();
    }
    format!(
        " From {short} to {long} tokens of context: {}.",
        text::semicolons(&each)
    )
}
