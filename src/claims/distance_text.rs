//! `distance-text`: attention captures long-range dependencies better, on real text.
//!
//! **Compared:** what far context saves. A run's saving at k is the bits per character it needs for
//! the last token of each test window when it reads only the k tokens before, minus what it needs
//! when it reads the whole window (Khandelwal et al. 2018). The effect is the transformer's saving
//! minus that of the best recurrent model, by seed, at each k; the upper half of the k decides,
//! since the claim is not about near context. Savings are differences within a run, on the same
//! targets for all models, so that how well a model predicts from near context cancels. The interval
//! is over seeds, on this text.
//!
//! * **The opponent** is the recurrent model with the fewest validation bits.
//!
//! **Answers:** *supported*, the transformer saves more by the margin at every far k; *refuted*, at
//! none; *conditional*, at some (says from where); *inconclusive* otherwise.
//!
//! Beside it, not deciding: what the order of far context is worth (shuffled minus whole), and who
//! needs fewer bits at the shortest context and with all of it.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{ATTENTION, Place};
use super::select::{abscissas, best_recurrent_on_text, by_run};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-text",
    claim: "On real text, attention draws more from far context than recurrence does.",
    metric: "test_bits_truncated",
    expected: "Conditional or refuted at this size: small models draw little from beyond some tens \
               of characters, and a recurrent model may win at short contexts.",
    why: "A recurrent state forgets what many steps overwrote and knows far words only roughly; \
          attention can look any of them up, if training has taught it what to look for.",
    references: &[
        "Khandelwal et al. 2018, Sharp Nearby, Fuzzy Far Away: How Neural Language Models Use Context",
        "Kaplan et al. 2020, Scaling Laws for Neural Language Models",
    ],
    observations: "seeds",
    compare,
    conclude,
};

const TRUNCATED: &str = "test_bits_truncated";
const SHUFFLED: &str = "test_bits_shuffled";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const FAR: &str = "far";
const ORDER: &str = "order";
const DUEL: &str = "duel";

/// A metric of a model at one context, by run, in the order of the runs.
fn bits(records: &[&Record], metric: &str, model: &str, context: usize) -> Vec<f64> {
    let place = Place::of(model).x(context);
    by_run(records, metric, |r| place.has(r))
}

/// Bits at a context minus bits with the `whole` window, run by run.
fn saving(
    records: &[&Record],
    metric: &str,
    model: &str,
    context: usize,
    whole: usize,
) -> Vec<f64> {
    let part = bits(records, metric, model, context);
    let all = bits(records, TRUNCATED, model, whole);
    // A run has either every context or none.
    part.iter()
        .zip(&all)
        .map(|(part, all)| part - all)
        .collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let contexts = abscissas(records, TRUNCATED);
    let (Some(best), Some((&whole, short))) = (
        best_recurrent_on_text(records, TRUNCATED, 1),
        contexts.split_last(),
    ) else {
        return Vec::new();
    };
    let entry = |label: String, margin, part, context, a: &[f64], b: &[f64]| {
        let (place, effect) = (Place::of(best).x(context), Effect::difference(a, b, 0.0));
        Comparison::new(label, UNIT, margin, part, place, effect)
    };
    let mut result = Vec::new();
    for (part, metric, what) in [
        (FAR, TRUNCATED, "saving from context"),
        (ORDER, SHUFFLED, "saving from order"),
    ] {
        for (i, &k) in short.iter().enumerate() {
            let [a, r] = [ATTENTION, best].map(|model| saving(records, metric, model, k, whole));
            let label = format!("{ATTENTION} − {best}, {what} beyond {k} tokens");
            let deciding = part == FAR && i >= short.len() / 2;
            result.push(entry(label, margin, part, k, &a, &r).deciding_if(deciding));
        }
    }
    for &k in short.first().into_iter().chain([&whole]) {
        let [a, r] = [ATTENTION, best].map(|model| bits(records, TRUNCATED, model, k));
        let label = format!("{best} − {ATTENTION}, {k} tokens of context");
        result.push(entry(label, 0.0, DUEL, k, &r, &a).deciding_if(false));
    }
    result
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let deciding = all.deciding();
    let answer = deciding.answer();
    let best = all
        .first()
        .map_or("the recurrent".to_owned(), Decided::model);
    let whole = abscissas(records, TRUNCATED).last().copied().unwrap_or(0);
    let more = |d: &Decided| format!("{} beyond {}", d.plain(3), d.place().at());
    let each = deciding.measured().list(more);
    let states = ["more ", "not more ", "undecided "];
    let flips = deciding.by_answer(states, |these| {
        let contexts = these.list(|d| d.place().at().to_string());
        format!("beyond {contexts} tokens")
    });
    let flips = flips.join(", ");
    let mut sentence = match answer {
        Answer::Supported => format!(
            "Far context saves the transformer more than it saves {best}, by more than {margin} \
             {UNIT} at every distance: {each}."
        ),
        Answer::Refuted => format!(
            "Far context does not save the transformer {margin} {UNIT} more than it saves {best}: \
             the difference is {each}."
        ),
        Answer::Conditional => format!(
            "Only in part. What context saves the transformer, against {best}: {flips}. The \
             difference is {each} {UNIT}."
        ),
        Answer::Inconclusive => format!(
            "The runs cannot tell whether far context saves the transformer {margin} {UNIT} more \
             than it saves {best}{}.",
            deciding.closest(|d| format!(": the closest call is {}", more(d)))
        ),
    };
    sentence.push_str(&own_savings(records, &deciding, whole));
    sentence.extend(all.part(DUEL).measured().iter().map(|d| duel(d, whole)));
    Conclusion::new(answer, sentence, flips)
}

/// What each of the two saves beyond the nearest deciding context.
fn own_savings(records: &[&Record], deciding: &Group, whole: usize) -> String {
    let Some(d) = deciding.first().filter(|d| d.evidence.is_some()) else {
        return String::new();
    };
    let (k, rival) = (d.place().at(), d.place().model.as_str());
    let saved = [ATTENTION, rival].map(|model| {
        [TRUNCATED, SHUFFLED].map(|metric| {
            let saved = saving(records, metric, model, k, whole);
            text::decimal(mean(&saved), 3)
        })
    });
    let [[a, a_order], [r, r_order]] = saved;
    let (attention, rival) = (text::the(ATTENTION), d.model());
    format!(
        " Characters beyond the last {k} save {attention} {a} bits and {rival} {r}; their order \
         alone {a_order} and {r_order}."
    )
}

/// Who needs fewer bits at one context.
fn duel(d: &Decided, whole: usize) -> String {
    let at = match d.place().at() {
        k if k == whole => "With the whole window".to_owned(),
        1 => "With one token of context".to_owned(),
        k => format!("With {k} tokens of context"),
    };
    let (a, r) = (text::the(ATTENTION), d.model());
    let by = d.interval().map_or(0.0, |i| i.estimate.abs());
    let by = text::decimal(by, 3);
    match d.answer() {
        Answer::Supported => format!(" {at} {a} needs {by} bits less than {r}."),
        Answer::Refuted => format!(" {at} {r} needs {by} bits less than {a}."),
        _ => format!(" {at} the two cannot be told apart."),
    }
}
