//! `parallel-clock`: recurrent training is hard to parallelise.
//!
//! **Compared:** the speed-up of training from one thread to all cores, transformer over each
//! recurrent model, at every shape (T, B) measured: (aₙ/a₁)/(rₙ/r₁) = (aₙ/rₙ)/(a₁/r₁) with tokens
//! per second a and r. The second form is what is computed, because aₙ and rₙ were timed in turn,
//! as were a₁ and r₁, while the two thread counts may be minutes apart.
//!
//! **Why the ratio of speed-ups:** a model that is slow on one core and slow on all is not hard to
//! parallelise. What counts is the share of the cores that it leaves idle, and the transformer's
//! speed-up shows how much the same machine can give.
//!
//! **Answers:** *supported*, the transformer's speed-up exceeds that of every recurrent model by
//! more than the margin at every shape; *refuted*, it exceeds none anywhere; *conditional*, some
//! and not others (says which shapes); *inconclusive* otherwise, and on a machine with one core.

use super::comparison::{Comparison, Conclusion, Decided, Missing};
use super::group::Group;
use super::place::{ATTENTION, Place, RECURRENT, TRAINING};
use super::select::{self, Timings, column, distinct, paired, timings};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "parallel-clock",
    claim: "Recurrent training is hard to parallelise.",
    metric: "tokens_per_second",
    expected: "Conditional: small recurrent steps scale worst; with a large batch the threads \
               share the sequences and recurrence scales as well.",
    why: "The steps of a sequence wait for each other, so that only the rows of a batch can be \
          shared out; a transformer can share out tokens as well.",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
        "Feng et al. 2024, Were RNNs All We Needed?",
    ],
    observations: "repeats",
    compare,
    conclude,
};

const PART: &str = "speed-up";

fn speeds(records: &[&Record], place: &Place, threads: usize) -> Timings {
    timings(records, "tokens_per_second", |r| {
        place.has(r) && r.threads == Some(threads)
    })
}

fn is_training(record: &Record) -> bool {
    record.task.as_deref() == Some(TRAINING)
}

/// Fewest and most threads measured.
fn threads(records: &[&Record]) -> Option<(usize, usize)> {
    match distinct(records, |r| r.threads.filter(|_| is_training(r)))[..] {
        [few, .., many] => Some((few, many)),
        _ => None,
    }
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let shapes = column(records, "tokens_per_second", |r| {
        is_training(r).then_some((r.seq_len?, r.batch?))
    });
    let comparison = |(t, b), model| {
        let place = Place::of(model).task(TRAINING).seq_len(t).batch(b);
        let what = format!("speed-up of {ATTENTION} / speed-up of {model}");
        let (label, effect) = (
            format!("{what}, T = {t}, B = {b}"),
            relative(records, &place),
        );
        Comparison::new(label, "×", margin, PART, place, effect)
    };
    let of_shape = |shape| RECURRENT.map(|model| comparison(shape, model));
    shapes.into_iter().flat_map(of_shape).collect()
}

/// The transformer's speed-up over a recurrent model's.
fn relative(records: &[&Record], place: &Place) -> Result<Effect, Missing> {
    let one = || Missing::because("measured at one number of threads only");
    let (few, many) = threads(records).ok_or_else(one)?;
    let attention = place.clone().model(ATTENTION);
    let pair = |n| paired(&speeds(records, &attention, n), &speeds(records, place, n));
    let ((many_a, many_r), (few_a, few_r)) = (pair(many), pair(few));
    Ok(Effect::ratio_of_paired_ratios(
        (&many_a, &many_r),
        (&few_a, &few_r),
    )?)
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let Some((few, many)) = threads(records) else {
        let sentence = "Speed-up cannot be measured here: all timings used the same number of \
                        threads, as on a machine with one core.";
        return Conclusion::unknown(sentence.to_owned());
    };
    let answer = all.answer();
    let by = format!("{margin}×");
    let from = format!("From {few} to {many} threads");
    let show = |d: &Decided| measured(records, d, (few, many));
    let flips = where_it_holds(all);
    let (least, most) = all.extremes(show);
    let sentence = match answer {
        Answer::Supported => format!(
            "{from} the transformer's training gains more than {by} the speed-up of every recurrent \
             model at every shape measured; its smallest advantage is {least}."
        ),
        Answer::Refuted => format!(
            "{from} recurrent training gains about as much as the transformer's or more: at no shape \
             is the transformer's speed-up {by} that of a recurrent model, at most {most}."
        ),
        Answer::Conditional => format!(
            "{from} it depends on model and shape: the transformer's speed-up exceeds {by} that of \
             {flips}. It goes from {most} to {least}."
        ),
        Answer::Inconclusive => format!(
            "{from} the timings cannot tell whether the transformer's training gains more than that \
             of the recurrent models{}.",
            all.closest(|d| format!(
                "; the closest call is {}, which does not settle {by}",
                show(d)
            ))
        ),
    };
    Conclusion::new(answer, sentence, flips)
}

/// `T = 64, B = 8`.
fn shape(d: &Decided) -> String {
    let (t, b) = (d.place().at(), d.place().batch.unwrap_or(0));
    format!("T = {t}, B = {b}")
}

/// `the LSTM (T = 32, B = 1; …); not that of the GRU at every shape`.
fn where_it_holds(all: &Group) -> String {
    let shapes = |here: &Group| format!("({})", text::semicolons(here.iter().map(shape)));
    let models = |some: &Group| some.models(all, " at every shape", shapes);
    text::semicolons(all.by_answer(["", "not that of ", "undecided for "], models))
}

/// The relative speed-up with both speed-ups behind it.
fn measured(records: &[&Record], d: &Decided, (few, many): (usize, usize)) -> String {
    let own = |model: &str| {
        let place = d.place().clone().model(model);
        let [few, many] = [few, many].map(|n| speeds(records, &place, n));
        let effect = select::ratio(&many, &few).ok()?;
        Some(text::times(effect.interval(d.interval()?.level)))
    };
    let (ratio, shape, model) = (d.times(), shape(d), d.model());
    match (own(ATTENTION), own(&d.place().model)) {
        (Some(a), Some(r)) => {
            format!("{ratio} at {shape} (the transformer speeds up {a}, {model} {r})")
        }
        _ => format!("{ratio} at {shape} against {model}"),
    }
}
