//! `state-tracking`: the counter-claim, recurrence wins where a state must be tracked.
//!
//! **Compared:** accuracy of the final answer on words longer than any trained on (the mean over the
//! tested lengths), each recurrent model minus the transformer with each scheme of positions, on each
//! task: the claimant is recurrence here, so a positive difference favours it.
//!
//! **The anchor** is the range trained on: only models that answer right there are compared, by
//! validation. Minimal cells, whose gates do not see the state, are shown beside: a positive gate cannot
//! flip a sign, so that they are predicted to fail parity (Grazzi et al. 2025).

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ALL_MODELS, ATTENTION, Place, Series};
use super::sample::of_two;
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "state-tracking",
    claim: "On words longer than any trained on, recurrence tracks a state better than attention.",
    metric: "test_accuracy",
    expected: "Conditional: recurrent models that learnt parity hold it at five times the length; \
               transformers guess there. GRU and LSTM lose cyclic counting with length. Minimal cells \
               do not learn parity.",
    why: "A recurrent model updates its state by the same rule at every step, as a finite automaton \
          does. A transformer of fixed depth has a fixed number of steps for a word of any length, and \
          its positions end where training ended.",
    references: &[
        "Deletang et al. 2023, Neural Networks and the Chomsky Hierarchy",
        "Hahn 2020, Theoretical Limitations of Self-Attention in Neural Sequence Models",
        "Grazzi et al. 2025, Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues",
    ],
    observations: "seeds",
    compare,
    words,
};

const METRIC: &str = "test_accuracy";
const TRACKS: &str = "tracks";
const MINIMAL: &str = "minimal cells";

/// Tasks in the order of their first record: that of the experiment.
fn tasks(records: &[&Record]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for record in records.iter().filter(|r| r.metric == METRIC) {
        if let Some(task) = record.task.as_ref().filter(|task| !found.contains(task)) {
            found.push(task.clone());
        }
    }
    found
}

fn compare(given: &Given) -> Vec<Comparison> {
    let claimants = given.series(METRIC, |s| {
        s.model != ATTENTION && ALL_MODELS.contains(&s.model.as_str())
    });
    let rivals = given.series(METRIC, |s| s.model == ATTENTION);
    let mut result = Vec::new();
    for task in tasks(&given.records) {
        let here = |r: &Record| r.task.as_deref() == Some(&task);
        for claimant in &claimants {
            for rival in &rivals {
                let sample = |series: &Series| given.sample(METRIC, |r| series.has(r) && here(r));
                let [c, r] = [claimant, rival].map(sample);
                if c.is_empty() || r.is_empty() {
                    continue; // not run on this task
                }
                let label = format!("{} − {}, {task}", claimant.label(), rival.label());
                let place = Place::of(&claimant.model)
                    .task(&task)
                    .positions(rival.positions.as_deref().unwrap_or_default());
                let effects = of_two(given.looks, (&c, &r), |c, r| {
                    Ok(Effect::difference(c, r)?.within(-1.0, 1.0))
                });
                let part = if claimant.is_recurrent() {
                    TRACKS
                } else {
                    MINIMAL
                };
                let margins = Margins::difference(given.margin);
                let comparison =
                    Comparison::new(label, "accuracy", margins, part, place, &[&c, &r], effects);
                let void = given.void([claimant, rival], here, here);
                let family = format!("{}, {task}", claimant.label());
                let comparison = comparison.of_family(family);
                result.push(comparison.deciding_if(part == TRACKS).void_because(void));
            }
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let tasks = |these: &Group| {
        let mut names: Vec<String> = Vec::new();
        for d in these.iter() {
            let task = d.place().task.clone().unwrap_or_default();
            let name = match task.split(':').next().unwrap_or_default() {
                "cyclic" => "cyclic counting",
                "permutation" => "permutations",
                "modular" => "modular arithmetic",
                name => name,
            };
            if !names.contains(&name.to_owned()) {
                names.push(name.to_owned());
            }
        }
        text::list(names)
    };
    let all_tasks = tasks(&counting);
    let sentence = match answer {
        Supported => format!(
            "On {all_tasks}, recurrent models that learnt short words answer long ones right more often than transformers that did."
        ),
        Reversed => format!(
            "On {all_tasks}, transformers that learnt short words answer long ones right more often than recurrent models that did."
        ),
        NoDifference => format!(
            "On {all_tasks}, recurrent models and transformers that learnt short words answer long ones right about equally often."
        ),
        Conditional => {
            "Recurrent models lead on longer words in some comparisons with transformers, and not in others.".to_owned()
        }
        Undecided => {
            "Whether recurrence carries over to longer words better than attention is not decided."
                .to_owned()
        }
    };
    let words = [
        (Supported, "ahead: "),
        (Reversed, "behind: "),
        (NoDifference, "level: "),
        (Undecided, "undecided: "),
    ];
    let schemes = |these: &Group| {
        let scheme = |d: &Decided| d.place().positions.clone().unwrap_or_default();
        let mut names: Vec<String> = these.iter().map(scheme).collect();
        names.sort();
        names.dedup();
        names.join("/")
    };
    let flips = counting.by_answer(words, |these| {
        these.models(&counting, " on every task", |here| {
            format!("on {} (positions {})", tasks(here), schemes(here))
        })
    });
    Words::new(sentence, flips.join("; "))
}
