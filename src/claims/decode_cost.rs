//! `decode-cost`: attention pays per token of context when generating.
//!
//! **Compared,** of every recurrent model at equal parameters:
//! 1. *time*: how much faster the transformer's time a token grows with the tokens of context before
//!    it than the recurrent model's: the exponent k in (ratio of times) ∝ contextᵏ, timings taken in
//!    turn paired, by least squares over all contexts and repeats;
//! 2. *state*: the same exponent of the bytes of state kept, which are counted.
//!
//! **Answers:** *supported*, every exponent exceeds the margin; *refuted*, none; *conditional*, some;
//! *inconclusive* otherwise. Beside it, not deciding: each model's own exponent of time.

use super::comparison::{Comparison, Conclusion, Decided, Missing};
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place, RECURRENT};
use super::select::{column, counted, growth, growth_of_counts, paired, seconds, timings};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, median};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "decode-cost",
    claim: "Attention pays per token of context when generating.",
    metric: "step_seconds",
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
    column(records, "step_seconds", |r| r.seq_len)
}

fn state(records: &[&Record], model: &str, context: usize) -> Option<f64> {
    counted(records, "state_bytes", &Place::of(model).seq_len(context))
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let contexts = contexts(records);
    let Some(&longest) = contexts.last() else {
        return Vec::new();
    };
    let comparison = |label: String, part, model, effect| {
        let place = Place::of(model).seq_len(longest);
        let unit = "power of the context";
        Comparison::new(label, unit, margin, part, place, effect).deciding_if(part != OWN)
    };
    let relative = RECURRENT.into_iter().flat_map(|model| {
        let [time, state] =
            ["time", "state"].map(|what| format!("{what} of {ATTENTION} / {model}"));
        [
            comparison(time, TIME, model, times(records, &contexts, model)),
            comparison(state, STATE, model, states(records, &contexts, model)),
        ]
    });
    let own = MODELS.into_iter().map(|model| {
        let place = |context| Place::of(model).seq_len(context);
        let time = growth(&contexts, |context| seconds(records, &place(context)));
        comparison(format!("time of {model}"), OWN, model, time)
    });
    relative.chain(own).collect()
}

/// Exponent of the transformer's time over a recurrent model's.
fn times(records: &[&Record], contexts: &[usize], model: &str) -> Result<Effect, Missing> {
    growth(contexts, |context| {
        let [a, r] = [ATTENTION, model].map(|model| {
            let place = Place::of(model).seq_len(context);
            timings(records, "step_seconds", |r| place.has(r))
        });
        let (a, r) = paired(&a, &r);
        a.iter().zip(&r).map(|(a, r)| a / r).collect()
    })
}

/// Exponent of the transformer's state over a recurrent model's, between the ends.
fn states(records: &[&Record], contexts: &[usize], model: &str) -> Result<Effect, Missing> {
    if contexts.len() == 1 {
        return Err(Missing::because("counted at one context only"));
    }
    growth_of_counts(contexts, |context| {
        Some(state(records, ATTENTION, context)? / state(records, model, context)?)
    })
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let answer = all.deciding().answer();
    let [time, state] = [TIME, STATE].map(|part| match all.part(part).answer() {
        Answer::Supported => "against every recurrent model",
        Answer::Refuted => "against none",
        Answer::Conditional => "against some recurrent models",
        Answer::Inconclusive => "undecided",
    });
    let flips = format!("in time {time}; in state {state}");
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
    let own = all.part(OWN).measured();
    let own = own.list(|d: &Decided| format!("{} ({})", d.plain(2), d.model()));
    let exponents = text::unless_empty(own, |own| {
        format!(" The time a token grows as the context to the power {own}.")
    });
    Conclusion::new(answer, head + &exponents + &ends(records), flips)
}

/// Time and state at the shortest and the longest context.
fn ends(records: &[&Record]) -> String {
    let [short, .., long] = contexts(records)[..] else {
        return String::new();
    };
    let of = |model: &str| {
        let micros = |context| {
            let all = seconds(records, &Place::of(model).seq_len(context));
            (!all.is_empty()).then(|| 1e6 * median(&all))
        };
        let kib = |context| Some(state(records, model, context)? / 1024.0);
        let [few, many] = [kib(short)?, kib(long)?];
        let [fast, slow] = [micros(short)?, micros(long)?];
        let time = format!("{fast:.0} to {slow:.0} µs");
        let name = text::the(model);
        Some(format!(
            "{time} and {few:.1} to {many:.1} KiB of state ({name})"
        ))
    };
    let each = text::semicolons(MODELS.into_iter().filter_map(of));
    text::unless_empty(each, |each| {
        format!(" From {short} to {long} tokens of context: {each}.")
    })
}
