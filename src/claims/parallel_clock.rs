//! `parallel-clock`: recurrent training is hard to parallelise.
//!
//! **Compared:** the speed-up of training from one thread to all cores, transformer over each
//! recurrent model, at every shape (T, B) measured: (aₙ/a₁)/(rₙ/r₁) = (aₙ/rₙ)/(a₁/r₁) with tokens
//! per second a and r. The second form is what is computed, because aₙ and rₙ were timed in turn,
//! as were a₁ and r₁, while the two thread counts may be minutes apart.
//!
//! **Why the ratio of speed-ups:** a model that is slow on one core and slow on all is not hard to
//! parallelise; only the share of the cores that it leaves idle counts, and the transformer on the
//! same machine says what was there to be had.
//!
//! **Answers:** *supported*, the transformer's speed-up exceeds that of every recurrent model by
//! more than the margin at every shape; *refuted*, it exceeds none anywhere; *conditional*, some
//! and not others (says which shapes); *inconclusive* otherwise, and on a machine with one core.

use super::comparison::{
    ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, closest, extremes, overall,
};
use super::select::{self, Timings, distinct, paired, timings};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::Effect;
use std::collections::BTreeSet;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "parallel-clock",
    claim: "Recurrent training is hard to parallelise.",
    experiment: "parallel-clock",
    metric: "tokens_per_second",
    swept: "threads",
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

type Shape = (usize, usize);

fn speeds(records: &[&Record], model: &str, shape: Shape, threads: usize) -> Timings {
    timings(records, "tokens_per_second", |r| {
        is_training(r)
            && r.model == model
            && (r.seq_len, r.batch) == (Some(shape.0), Some(shape.1))
            && r.threads == Some(threads)
    })
}

fn is_training(record: &Record) -> bool {
    record
        .task
        .as_deref()
        .is_none_or(|task| task == "train-step")
}

/// Fewest and most threads measured.
fn threads(records: &[&Record]) -> Option<(usize, usize)> {
    let counts = distinct(records, |r| if is_training(r) { r.threads } else { None });
    match counts[..] {
        [few, .., many] => Some((few, many)),
        _ => None,
    }
}

fn shapes(records: &[&Record]) -> BTreeSet<Shape> {
    let timed = records
        .iter()
        .filter(|r| r.metric == "tokens_per_second" && is_training(r));
    timed.filter_map(|r| Some((r.seq_len?, r.batch?))).collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for shape in shapes(records) {
        for model in RECURRENT {
            result.push(Comparison {
                label: format!(
                    "speed-up of {ATTENTION} / speed-up of {model}, T = {}, B = {}",
                    shape.0, shape.1
                ),
                unit: "×",
                margin,
                part: format!("T = {}, B = {}", shape.0, shape.1),
                rival: model.to_owned(),
                at: shape.0,
                deciding: true,
                void: None,
                effect: relative_speed_up(records, model, shape),
            });
        }
    }
    result
}

fn relative_speed_up(records: &[&Record], model: &str, shape: Shape) -> Result<Effect, Missing> {
    let (few, many) = threads(records)
        .ok_or_else(|| Missing::Unusable("measured at one number of threads only".to_owned()))?;
    let pair = |n: usize| {
        paired(
            &speeds(records, ATTENTION, shape, n),
            &speeds(records, model, shape, n),
        )
    };
    let ((many_a, many_r), (few_a, few_r)) = (pair(many), pair(few));
    Ok(Effect::ratio_of_paired_ratios(
        (&many_a, &many_r),
        (&few_a, &few_r),
    )?)
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let Some((few, many)) = threads(records) else {
        let sentence = "Speed-up cannot be measured here: all timings used the same number of \
                        threads, as on a machine with one core.";
        return Conclusion {
            answer: Answer::Inconclusive,
            sentence: sentence.to_owned(),
            flips: None,
        };
    };
    let answer = overall(decided.iter().map(Decided::answer));
    let by = text::margin_times(margin);
    let from = format!("From {few} to {many} threads");
    let show = |d: &Decided| measured(records, d, (few, many));
    let flips = where_it_holds(decided);
    let sentence = match (answer, extremes(decided.iter())) {
        (Answer::Supported, Some((least, _))) => format!(
            "{from} the transformer's training gains more than {by} the speed-up of every recurrent \
             model at every shape measured; its smallest advantage is {}.",
            show(least)
        ),
        (Answer::Refuted, Some((_, most))) => format!(
            "{from} recurrent training gains about as much as the transformer's or more: at no shape \
             is the transformer's speed-up {by} that of a recurrent model, at most {}.",
            show(most)
        ),
        (Answer::Conditional, Some((least, most))) => format!(
            "{from} it depends on model and shape: the transformer's speed-up exceeds {by} that of \
             {flips}. It goes from {} to {}.",
            show(most),
            show(least)
        ),
        _ => {
            let nearest = closest(decided.iter()).map_or(String::new(), |d| {
                format!(
                    "; the closest call is {}, which does not settle {by}",
                    show(d)
                )
            });
            format!(
                "{from} the timings cannot tell whether the transformer's training gains more than \
                 that of the recurrent models{nearest}."
            )
        }
    };
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

/// `the LSTM at T = 32, B = 1 and at …; not of the GRU at …`.
fn where_it_holds(decided: &[Decided]) -> String {
    let places = |answer: Answer| -> Vec<String> {
        let models = RECURRENT.into_iter().filter_map(|model| {
            let of_model = decided
                .iter()
                .filter(|d| d.comparison.rival == model && d.answer() == answer);
            let shapes: Vec<String> = of_model.map(|d| d.comparison.part.clone()).collect();
            let all = decided
                .iter()
                .filter(|d| d.comparison.rival == model)
                .count();
            let name = text::the(model);
            match shapes.len() {
                0 => None,
                some if some == all => Some(format!("{name} at every shape")),
                _ => Some(format!("{name} ({})", text::semicolons(&shapes))),
            }
        });
        models.collect()
    };
    let mut parts = vec![text::list(&places(Answer::Supported))];
    let (refuted, open) = (places(Answer::Refuted), places(Answer::Inconclusive));
    if !refuted.is_empty() {
        parts.push(format!("not that of {}", text::list(&refuted)));
    }
    if !open.is_empty() {
        parts.push(format!("undecided for {}", text::list(&open)));
    }
    text::semicolons(&parts)
}

/// The relative speed-up with both speed-ups behind it.
fn measured(records: &[&Record], decided: &Decided, (few, many): (usize, usize)) -> String {
    let place = &decided.comparison;
    let Some(interval) = decided.interval() else {
        return String::new();
    };
    let shape = shapes(records)
        .into_iter()
        .find(|s| format!("T = {}, B = {}", s.0, s.1) == place.part);
    let own = |model: &str| {
        let shape = shape?;
        let effect = select::ratio(
            &speeds(records, model, shape, many),
            &speeds(records, model, shape, few),
        );
        effect.ok().map(|e| text::times(e.interval(interval.level)))
    };
    let ratio = text::times(interval);
    match (own(ATTENTION), own(&place.rival)) {
        (Some(a), Some(r)) => format!(
            "{ratio} at {} (the transformer speeds up {a}, {} {r})",
            place.part,
            text::the(&place.rival)
        ),
        _ => format!(
            "{ratio} at {} against {}",
            place.part,
            text::the(&place.rival)
        ),
    }
}
