//! `state-tracking`: the counter-claim, recurrence wins where a state must be tracked.
//!
//! **Compared:** accuracy of the final answer on words longer than any trained on (the mean over
//! the tested lengths), best recurrent model minus transformer at equal parameters, over seeds, on
//! each task: the claimant is recurrence here, so a positive difference favours it.
//!
//! * **The claimant** is the recurrent model with the lowest mean validation loss, on words of the
//!   lengths trained on: test results have no say in it.
//! * **The opponent** is the transformer whose position scheme has the highest mean accuracy in the
//!   *test*, as Delétang et al. 2023 report the best of their encodings: a bias from that is against
//!   the claim.
//! * **Neither learnt:** where both stay within the margin of guessing, the training was too short
//!   to judge either; such a task decides nothing.
//! * **Resolution:** as in [`super::accuracy`], a group's standard deviation counts as at least 0.01.
//!
//! **Answers:** *supported*, ahead by more than the margin on every task; *refuted*, on none;
//! *conditional*, on some and not on others, or on some while the rest is undecided (says which);
//! *inconclusive* otherwise. Accuracy at the lengths trained on and solve rates are shown beside it.

use super::accuracy::RESOLUTION;
use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{ATTENTION, Place, Series};
use super::select::{by_run, distinct, floor, neither_learnt, solved, tested};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "state-tracking",
    claim: "Recurrence tracks a state over words longer than any it has seen, where attention cannot.",
    metric: "test_accuracy",
    expected: "Supported: RNN and LSTM answer right at more than ten times the length trained on, \
               transformers guess.",
    why: "A recurrent state is a finite automaton's, updated the same way at every step. A \
          transformer of fixed depth has a fixed number of steps for a word of any length, and its \
          positions end where training ended.",
    references: &[
        "Deletang et al. 2023, Neural Networks and the Chomsky Hierarchy",
        "Hahn 2020, Theoretical Limitations of Self-Attention in Neural Sequence Models",
        "Merrill, Petty & Sabharwal 2024, The Illusion of State in State-Space Models",
    ],
    observations: "seeds",
    compare,
    conclude,
};

const METRIC: &str = "test_accuracy";
const PART: &str = "task";

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

/// What was measured on one task; learning-rate trials are left out.
struct OnTask<'a> {
    records: Vec<&'a Record>,
}

impl<'a> OnTask<'a> {
    fn new(records: &[&'a Record], task: &str) -> Self {
        let mut records = tested(records, METRIC);
        records.retain(|r| r.task.as_deref() == Some(task));
        OnTask { records }
    }

    fn values(&self, metric: &str, series: &Series) -> Vec<f64> {
        by_run(&self.records, metric, |r| series.has(r))
    }

    fn mean(&self, metric: &str, series: &Series) -> f64 {
        mean(&self.values(metric, series))
    }

    /// Variants of models that pass, with two results at least.
    fn series(&self, pass: impl Fn(&Series) -> bool) -> impl Iterator<Item = Series> {
        let mut all = distinct(&self.records, |r| Some(Series::of(r)));
        all.retain(|s| pass(s) && self.values(METRIC, s).len() > 1);
        all.into_iter()
    }

    fn claimant(&self) -> Option<Series> {
        let loss = |s: &Series| self.mean("validation_loss", s);
        self.series(Series::is_recurrent)
            .min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }

    fn opponent(&self) -> Option<Series> {
        let accuracy = |s: &Series| self.mean(METRIC, s);
        self.series(|s| s.model == ATTENTION)
            .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)))
    }

    fn floor(&self) -> Option<f64> {
        floor(&self.records, |_| true)
    }
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let comparison = |task: String| {
        let here = OnTask::new(records, &task);
        let sides = [here.claimant(), here.opponent()];
        let [r, a] = sides.each_ref().map(|series| {
            let values = series.as_ref().map(|s| here.values(METRIC, s));
            values.unwrap_or_default()
        });
        let unlearnt = neither_learnt(here.floor(), &r, &a, margin);
        let effect = Effect::difference(&r, &a, RESOLUTION).map(|effect| effect.within(-1.0, 1.0));
        let [claimant, rival] = sides.map(|series| series.map(|s| s.label()));
        let claimant = claimant.unwrap_or("recurrent".to_owned());
        let rival = rival.unwrap_or(ATTENTION.to_owned());
        let label = format!("{claimant} − {rival}, {}", words(&task));
        let place = Place::of(&rival).task(&task);
        Comparison::new(label, "accuracy", margin, PART, place, effect).unlearnt_if(unlearnt)
    };
    tasks(records).into_iter().map(comparison).collect()
}

/// The task in words.
fn words(task: &str) -> String {
    let (name, parameters) = task.split_once(':').unwrap_or((task, ""));
    let group = parameters.split(',').find_map(|p| p.strip_prefix("group="));
    match (name, group) {
        ("permutation", group) => format!("permutations of {}", group.unwrap_or("3")),
        ("cyclic", _) => "cyclic counting".to_owned(),
        ("modular", _) => "modular arithmetic".to_owned(),
        _ => name.to_owned(),
    }
}

fn task(d: &Decided) -> &str {
    d.place().task.as_deref().unwrap_or_default()
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let answer = all.answer();
    let measured = all.measured();
    let named = |some: &Group| some.list(|d| words(task(d)));
    let lead = |d: &Decided| format!("{} on {}", d.plain(2), words(task(d)));
    let leads = |answer| measured.with(answer).list(lead);
    let learnt = measured.filter(|d| !d.comparison.unlearnt);
    let mut parts = learnt.by_answer(["ahead on ", "not ahead on ", "undecided on "], named);
    let unlearnt = measured.filter(|d| d.comparison.unlearnt);
    parts.extend(text::phrases([("neither side learns ", named(&unlearnt))]));
    let flips = parts.join(", ");
    let mut sentence = match answer {
        Answer::Supported => format!(
            "On words longer than those trained on the best recurrent model answers right more \
             often than the transformer on every task, by more than {margin}: {}.",
            leads(Answer::Supported)
        ),
        Answer::Refuted => format!(
            "On words longer than those trained on the best recurrent model is not ahead of the \
             transformer by {margin} on any task: {}.",
            leads(Answer::Refuted)
        ),
        Answer::Conditional => format!(
            "Only in part. On words longer than those trained on the best recurrent model, against \
             the transformer, is {flips}; it leads by {}.",
            leads(Answer::Supported)
        ),
        Answer::Inconclusive if flips.is_empty() => "There are not enough results to compare the \
             recurrent models with the transformer on any task."
            .to_owned(),
        Answer::Inconclusive => format!(
            "The runs cannot tell whether the best recurrent model is ahead of the transformer on \
             words longer than those trained on: {flips}."
        ),
    };
    sentence.extend(measured.iter().map(|d| beside(records, task(d))));
    Conclusion::new(answer, sentence, flips)
}

/// Accuracies beyond and at the lengths trained on, and the recurrent model's solve rate.
fn beside(records: &[&Record], task: &str) -> String {
    let here = OnTask::new(records, task);
    let (Some(recurrent), Some(attention)) = (here.claimant(), here.opponent()) else {
        return String::new();
    };
    let [r, a] = [&recurrent, &attention].map(|series| {
        let of = |metric: &str| text::decimal(here.mean(metric, series), 2);
        let (beyond, at) = (of(METRIC), of("validation_accuracy"));
        let name = text::the(&series.label());
        format!("{name} {beyond} ({at} at the lengths trained on)")
    });
    let floor = here.floor().map_or(String::new(), |floor| {
        format!(", guessing {}", text::decimal(floor, 2))
    });
    let (count, n) = solved(&here.records, |r| recurrent.has(r));
    let solved = text::solved(count, n);
    let task = text::capitalized(&words(task));
    format!(" {task}: {r}, {a}{floor}; solved by the former in {solved}.")
}
