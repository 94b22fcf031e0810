//! `state-tracking`: the counter-claim, recurrence wins where a state must be tracked.
//!
//! **Compared:** accuracy of the final answer on words longer than any trained on (the mean over
//! the tested lengths), best recurrent model minus transformer at equal parameters, over seeds, on
//! each task: the claimant is recurrence here, so a positive difference favours it.
//!
//! * **The claimant** is the recurrent model with the lowest mean validation loss, on words of the
//!   lengths trained on: test results have no say in it.
//! * **The opponent** is the transformer whose position scheme has the highest mean accuracy in the
//!   *test*, as Delétang et al. 2023 report the best of their encodings: if that biases the
//!   difference, then against the claim.
//! * **Neither learnt:** where both stay within the margin of guessing, the budget was judged; such
//!   a task decides nothing.
//! * **Resolution:** as in [`super::accuracy`], a group's standard deviation counts as at least 0.01.
//!
//! **Answers:** *supported*, ahead by more than the margin on every task; *refuted*, on none;
//! *conditional*, on some and not on others, or on some while the rest is undecided (says which);
//! *inconclusive* otherwise. Accuracy at the lengths trained on and solve rates are shown beside it.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, overall};
use super::select::{by_run, distinct, nothing, runs_with};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "state-tracking",
    claim: "Recurrence tracks a state over words longer than any it has seen, where attention cannot.",
    experiment: "state-tracking",
    metric: "test_accuracy",
    swept: "task",
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
const NEITHER: &str = "neither model learnt the task";
/// Least standard deviation believed of an accuracy over seeds.
const RESOLUTION: f64 = 0.01;

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

/// A model with its variant.
type Series = (String, Option<String>, Option<String>);

fn series_of(record: &Record) -> Series {
    (
        record.model.clone(),
        record.option("positions").map(str::to_owned),
        record.option("gates").map(str::to_owned),
    )
}

fn label((model, positions, gates): &Series) -> String {
    match (positions, gates.as_deref()) {
        (Some(positions), _) if model == ATTENTION => format!("{model} ({positions})"),
        (_, Some("chrono")) => format!("{model} (chrono)"),
        _ => model.clone(),
    }
}

/// What was measured on one task; learning-rate trials have no test results and are left out.
struct OnTask<'a> {
    records: Vec<&'a Record>,
}

impl<'a> OnTask<'a> {
    fn new(records: &[&'a Record], task: &str) -> Self {
        let tested = runs_with(records, METRIC);
        let here = records
            .iter()
            .copied()
            .filter(|r| r.task.as_deref() == Some(task));
        OnTask {
            records: here.filter(|r| tested.contains(r.run.as_str())).collect(),
        }
    }

    fn values(&self, metric: &str, series: &Series) -> Vec<f64> {
        by_run(&self.records, metric, |r| series_of(r) == *series)
    }

    /// Variants of models that pass, with two results at least.
    fn series(&self, pass: impl Fn(&str) -> bool) -> Vec<Series> {
        let mut all = distinct(&self.records, |r| pass(&r.model).then(|| series_of(r)));
        all.retain(|s| self.values(METRIC, s).len() > 1);
        all
    }

    fn claimant(&self) -> Option<Series> {
        let loss = |s: &Series| mean(&self.values("validation_loss", s));
        let recurrent = self.series(|model| RECURRENT.contains(&model));
        recurrent
            .into_iter()
            .min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }

    fn opponent(&self) -> Option<Series> {
        let accuracy = |s: &Series| mean(&self.values(METRIC, s));
        let attention = self.series(|model| model == ATTENTION);
        attention
            .into_iter()
            .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)))
    }

    fn floor(&self) -> Option<f64> {
        let floors = by_run(&self.records, "floor_accuracy", |_| true);
        (!floors.is_empty()).then(|| mean(&floors))
    }
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let comparison = |(at, task): (usize, String)| {
        let here = OnTask::new(records, &task);
        let (claimant, opponent) = (here.claimant(), here.opponent());
        let accuracy =
            |s: &Option<Series>| s.as_ref().map_or(Vec::new(), |s| here.values(METRIC, s));
        let (r, a) = (accuracy(&claimant), accuracy(&opponent));
        let best = mean(&r).max(mean(&a));
        let unlearnt = here.floor().is_some_and(|floor| best < floor + margin);
        let effect = match r.is_empty() || a.is_empty() {
            true => Err(nothing()),
            false => Effect::difference(&r, &a, RESOLUTION)
                .map(|effect| effect.within(-1.0, 1.0))
                .map_err(Missing::from),
        };
        let name = |s: &Option<Series>, other: &str| s.as_ref().map_or(other.to_owned(), label);
        let rival = name(&opponent, ATTENTION);
        Comparison {
            label: format!(
                "{} − {rival}, {}",
                name(&claimant, "recurrent"),
                words(&task)
            ),
            unit: "accuracy",
            margin,
            part: task,
            rival,
            at,
            deciding: true,
            void: unlearnt.then_some(NEITHER),
            effect,
        }
    };
    tasks(records)
        .into_iter()
        .enumerate()
        .map(comparison)
        .collect()
}

/// The task in words.
fn words(task: &str) -> String {
    let (name, parameters) = task.split_once(':').unwrap_or((task, ""));
    let group = parameters.split(',').find_map(|p| p.strip_prefix("group="));
    match (name, group) {
        ("permutation", Some(n)) => format!("permutations of {n}"),
        ("permutation", None) => "permutations of 3".to_owned(),
        ("cyclic", _) => "cyclic counting".to_owned(),
        ("modular", _) => "modular arithmetic".to_owned(),
        _ => name.to_owned(),
    }
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let answer = overall(decided.iter().map(Decided::answer));
    let of = |wanted: Answer| -> Vec<&Decided> {
        decided
            .iter()
            .filter(|d| d.answer() == wanted && d.evidence.is_some())
            .collect()
    };
    let lead = |d: &Decided| {
        let by = d.interval().map_or(String::new(), |i| text::plain(i, 2));
        format!("{by} on {}", words(&d.comparison.part))
    };
    let named = |all: &[&Decided]| {
        text::list(
            &all.iter()
                .map(|d| words(&d.comparison.part))
                .collect::<Vec<_>>(),
        )
    };
    let leads = |all: &[&Decided]| text::list(&all.iter().map(|d| lead(d)).collect::<Vec<_>>());
    let (ahead, not_ahead) = (of(Answer::Supported), of(Answer::Refuted));
    let (unlearnt, open): (Vec<_>, Vec<_>) = of(Answer::Inconclusive)
        .into_iter()
        .partition(|d| d.comparison.void.is_some());
    let mut parts = Vec::new();
    for (what, tasks) in [
        ("ahead on", &ahead),
        ("not ahead on", &not_ahead),
        ("undecided on", &open),
        ("neither side learns", &unlearnt),
    ] {
        if !tasks.is_empty() {
            parts.push(format!("{what} {}", named(tasks)));
        }
    }
    let flips = parts.join(", ");
    let mut sentence = match answer {
        Answer::Supported => format!(
            "On words longer than those trained on the best recurrent model answers right more \
             often than the transformer on every task, by more than {margin}: {}.",
            leads(&ahead)
        ),
        Answer::Refuted => format!(
            "On words longer than those trained on the best recurrent model is not ahead of the \
             transformer by {margin} on any task: {}.",
            leads(&not_ahead)
        ),
        Answer::Conditional => format!(
            "Only in part. On words longer than those trained on the best recurrent model, against \
             the transformer, is {flips}; it leads by {}.",
            leads(&ahead)
        ),
        Answer::Inconclusive if flips.is_empty() => "There are not enough results to compare the \
             recurrent models with the transformer on any task."
            .to_owned(),
        Answer::Inconclusive => format!(
            "The runs cannot tell whether the best recurrent model is ahead of the transformer on \
             words longer than those trained on: {flips}."
        ),
    };
    for d in decided.iter().filter(|d| d.evidence.is_some()) {
        sentence.push_str(&beside(
            &OnTask::new(records, &d.comparison.part),
            &words(&d.comparison.part),
        ));
    }
    Conclusion {
        answer,
        sentence,
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}

/// Accuracies beyond and at the lengths trained on, and the recurrent model's solve rate.
fn beside(here: &OnTask, task: &str) -> String {
    let (Some(recurrent), Some(attention)) = (here.claimant(), here.opponent()) else {
        return String::new();
    };
    let of = |s: &Series, metric: &str| text::decimal(mean(&here.values(metric, s)), 2);
    let one = |s: &Series| {
        format!(
            "{} {} ({} at the lengths trained on)",
            text::the(&label(s)),
            of(s, METRIC),
            of(s, "validation_accuracy")
        )
    };
    let floor = here.floor().map_or(String::new(), |floor| {
        format!(", guessing {}", text::decimal(floor, 2))
    });
    let solved = here.values("solved", &recurrent);
    let rate = text::solved(solved.iter().filter(|v| **v > 0.5).count(), solved.len());
    format!(
        " {}: {}, {}{floor}; solved by the former in {rate}.",
        text::capitalized(task),
        one(&recurrent),
        one(&attention)
    )
}
