//! `distance-text`: attention captures long-range dependencies better, on real text.
//!
//! **Compared:** what far context saves. A run's saving at k is the bits per character it needs for
//! the last token of each test window when it reads only the k tokens before, minus what it needs
//! when it reads the whole window (Khandelwal et al. 2018). The effect is the transformer's saving
//! minus that of the best recurrent model, by seed, at each k; the upper half of the k decides,
//! since near context is not what the claim is about. Savings are differences within a run, on the
//! same targets for all models, so that who is better at spelling does not enter. The interval is
//! over seeds, on this text.
//!
//! * **The opponent** is the recurrent model with the fewest validation bits.
//!
//! **Answers:** *supported*, the transformer saves more by the margin at every far k; *refuted*, at
//! none; *conditional*, at some (says from where); *inconclusive* otherwise.
//!
//! Beside it, not deciding: what the order of far context is worth (shuffled minus whole), and who
//! needs fewer bits at the shortest context and with all of it.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, closest, overall};
use super::select::{best_recurrent_on_text, by_run, distinct};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-text",
    claim: "On real text, attention draws more from far context than recurrence does.",
    experiment: "distance-text",
    metric: "test_bits_truncated",
    swept: "x",
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

/// The lengths of context measured, rising; the last is the whole window.
fn contexts(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| {
        (r.metric == TRUNCATED).then_some(r.x? as usize)
    })
}

/// A metric of a model at one context, by run, in the order of the runs.
fn bits(records: &[&Record], metric: &str, model: &str, context: usize) -> Vec<f64> {
    by_run(records, metric, |r| {
        r.model == model && r.x == Some(context as f64)
    })
}

/// Bits at a context minus bits with the whole window, run by run.
fn saving(
    records: &[&Record],
    metric: &str,
    model: &str,
    context: usize,
    whole: usize,
) -> Vec<f64> {
    let (part, all) = (
        bits(records, metric, model, context),
        bits(records, TRUNCATED, model, whole),
    );
    // A run has either every context or none.
    part.iter()
        .zip(&all)
        .map(|(part, all)| part - all)
        .collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let contexts = contexts(records);
    let (Some(best), Some((&whole, short))) = (
        best_recurrent_on_text(records, TRUNCATED),
        contexts.split_last(),
    ) else {
        return Vec::new();
    };
    let entry = |label: String, margin, part: &str, at, deciding, effect| Comparison {
        label,
        unit: UNIT,
        margin,
        part: part.to_owned(),
        rival: best.to_owned(),
        at,
        deciding,
        void: None,
        effect,
    };
    let difference = |a: &[f64], b: &[f64]| Effect::difference(a, b, 0.0).map_err(Missing::from);
    let mut result = Vec::new();
    for (part, metric, what) in [
        (FAR, TRUNCATED, "saving from context"),
        (ORDER, SHUFFLED, "saving from order"),
    ] {
        for (i, &k) in short.iter().enumerate() {
            let [a, r] = [ATTENTION, best].map(|model| saving(records, metric, model, k, whole));
            let label = format!("{ATTENTION} − {best}, {what} beyond {k} tokens");
            let deciding = part == FAR && i >= short.len() / 2;
            result.push(entry(label, margin, part, k, deciding, difference(&a, &r)));
        }
    }
    let ends = short.first().into_iter().chain([&whole]);
    for &k in ends {
        let [a, r] = [ATTENTION, best].map(|model| bits(records, TRUNCATED, model, k));
        let label = format!("{best} − {ATTENTION}, {k} tokens of context");
        result.push(entry(label, 0.0, DUEL, k, false, difference(&r, &a)));
    }
    result
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding: Vec<&Decided> = decided.iter().filter(|d| d.comparison.deciding).collect();
    let answer = overall(deciding.iter().map(|d| d.answer()));
    let best = text::the(decided.first().map_or("recurrent", |d| &d.comparison.rival));
    let whole = contexts(records).last().copied().unwrap_or(0);
    let more = |d: &Decided| {
        let by = d.interval().map_or(String::new(), |i| text::plain(i, 3));
        format!("{by} beyond {}", d.comparison.at)
    };
    let all = |wanted: Option<Answer>| {
        let chosen = deciding.iter().filter(|d| d.evidence.is_some());
        let chosen = chosen.filter(|d| wanted.is_none_or(|w| d.answer() == w));
        text::list(&chosen.map(|d| more(d)).collect::<Vec<_>>())
    };
    let states = [
        ("more", Answer::Supported),
        ("not more", Answer::Refuted),
        ("undecided", Answer::Inconclusive),
    ];
    let flips: Vec<String> = states
        .iter()
        .filter_map(|(name, state)| {
            let places = deciding.iter().filter(|d| d.answer() == *state);
            let places: Vec<String> = places.map(|d| d.comparison.at.to_string()).collect();
            (!places.is_empty()).then(|| format!("{name} beyond {} tokens", text::list(&places)))
        })
        .collect();
    let flips = flips.join(", ");
    let mut sentence = match answer {
        Answer::Supported => format!(
            "Far context saves the transformer more than it saves {best}, by more than {margin} \
             {UNIT} at every distance: {}.",
            all(None)
        ),
        Answer::Refuted => format!(
            "Far context does not save the transformer {margin} {UNIT} more than it saves {best}: \
             the difference is {}.",
            all(None)
        ),
        Answer::Conditional => format!(
            "Only in part. What context saves the transformer, against {best}: {flips}. The \
             difference is {} {UNIT}.",
            all(None)
        ),
        Answer::Inconclusive => {
            let nearest = closest(deciding.iter().copied()).map_or(String::new(), |d| {
                format!(": the closest call is {}", more(d))
            });
            format!(
                "The runs cannot tell whether far context saves the transformer {margin} {UNIT} \
                 more than it saves {best}{nearest}."
            )
        }
    };
    sentence.push_str(&own_savings(records, &deciding, whole));
    for d in decided.iter().filter(|d| d.comparison.part == DUEL) {
        sentence.push_str(&duel(d, whole));
    }
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

/// What each of the two saves beyond the nearest deciding context.
fn own_savings(records: &[&Record], deciding: &[&Decided], whole: usize) -> String {
    let Some(d) = deciding.first().filter(|d| d.evidence.is_some()) else {
        return String::new();
    };
    let (k, rival) = (d.comparison.at, d.comparison.rival.as_str());
    let saved = |model: &str, metric: &str| {
        text::decimal(mean(&saving(records, metric, model, k, whole)), 3)
    };
    format!(
        " Characters beyond the last {k} save {} {} bits and {} {}; their order alone {} and {}.",
        text::the(ATTENTION),
        saved(ATTENTION, TRUNCATED),
        text::the(rival),
        saved(rival, TRUNCATED),
        saved(ATTENTION, SHUFFLED),
        saved(rival, SHUFFLED)
    )
}

/// Who needs fewer bits at one context.
fn duel(d: &Decided, whole: usize) -> String {
    let Some(interval) = d.interval() else {
        return String::new();
    };
    let at = match d.comparison.at {
        k if k == whole => "With the whole window".to_owned(),
        1 => "With one token of context".to_owned(),
        k => format!("With {k} tokens of context"),
    };
    let (a, r) = (text::the(ATTENTION), text::the(&d.comparison.rival));
    let by = text::decimal(interval.estimate.abs(), 3);
    match d.answer() {
        Answer::Supported => format!(" {at} {a} needs {by} bits less than {r}."),
        Answer::Refuted => format!(" {at} {r} needs {by} bits less than {a}."),
        _ => format!(" {at} the two cannot be told apart."),
    }
}
