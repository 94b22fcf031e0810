//! `parallel-clock`: recurrent training is hard to parallelise.
//!
//! **Compared:** the speed-up of training from one thread to all cores, transformer over each
//! recurrent model, at every shape (T, B) measured: (aₙ/a₁)/(rₙ/r₁) = (aₙ/rₙ)/(a₁/r₁) with tokens
//! per second a and r of one launch, in which all were timed in turn.
//!
//! **Why the ratio of speed-ups:** a model that is slow on one core and slow on all is not hard to
//! parallelise. What counts is the share of the cores that it leaves idle, and the transformer's
//! speed-up shows how much the same machine can give.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins, Missing};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, RECURRENT, TRAINING};
use super::sample::{Sample, of_one};
use super::select::{Point, distinct, points};
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "parallel-clock",
    claim: "Recurrent training gains less from more threads than a transformer's.",
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
    observations: "launches",
    compare,
    words,
};

const PART: &str = "speed-up";

fn is_training(record: &Record) -> bool {
    record.task.as_deref() == Some(TRAINING)
}

/// The fewest and the most threads of training.
fn threads(given: &Given) -> Option<(usize, usize)> {
    match distinct(&given.records, |r| r.threads.filter(|_| is_training(r)))[..] {
        [few, .., many] => Some((few, many)),
        _ => None,
    }
}

fn compare(given: &Given) -> Vec<Comparison> {
    let points = points(&given.records, ATTENTION).into_iter();
    let comparison = |point: &Point, model: &'static str| {
        let what = format!("speed-up of {ATTENTION} / speed-up of {model}");
        let label = format!("{what}, {}", point.label());
        let gains = relative(given, point, model);
        let effects = match threads(given) {
            None => Err(Missing::because("measured at one number of threads only")),
            Some(_) => of_one(given.looks, &gains, Effect::mean_of_logarithms),
        };
        Comparison::new(
            label,
            "×",
            Margins::ratio(given.margin),
            PART,
            point.place(model),
            &[&gains],
            effects,
        )
    };
    let of_point = |point: Point| RECURRENT.map(|model| comparison(&point, model));
    points
        .filter(|point| point.task() == TRAINING)
        .flat_map(of_point)
        .collect()
}

/// Logarithm of the transformer's speed-up over a recurrent model's, launch by launch.
fn relative(given: &Given, point: &Point, model: &str) -> Sample {
    let Some((few, many)) = threads(given) else {
        return Sample::default();
    };
    let speeds = |model: &str, threads: usize| {
        given.sample("tokens_per_second", |r| {
            r.model == model && r.threads == Some(threads) && point.has(r)
        })
    };
    let (a, r) = (ATTENTION, model);
    let four = [
        speeds(a, many),
        speeds(a, few),
        speeds(r, many),
        speeds(r, few),
    ];
    Sample::across(&four, |v| Some(libm::log((v[0] / v[1]) / (v[2] / v[3]))))
}

fn words(given: &Given, answer: Answer, all: &Group) -> Words {
    let Some((few, many)) = threads(given) else {
        let sentence =
            "Speed-up cannot be measured here: all timings used the same number of threads.";
        return Words::new(sentence, "");
    };
    let counting = all.counting();
    let from = format!("From {few} to {many} threads");
    let sentence = match answer {
        Supported => format!(
            "{from} training gains more for the transformer than for every recurrent model."
        ),
        Reversed => format!(
            "{from} training gains less for the transformer than for every recurrent model."
        ),
        NoDifference => format!(
            "{from} training gains about as much for recurrent models as for the transformer."
        ),
        Conditional => {
            format!("{from} whose training speeds up more depends on the rival or the shape.")
        }
        Undecided => format!("{from} it is not decided whose training gains more."),
    };
    let shape = |d: &super::comparison::Decided| {
        let (t, b) = (d.place().seq_len.unwrap_or(0), d.place().batch.unwrap_or(0));
        format!("T = {t}, B = {b}")
    };
    let words = [
        (Supported, "more than "),
        (Reversed, "less than "),
        (NoDifference, "as much as "),
        (Undecided, "undecided against "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.models(&counting, " at every shape", |here| {
            format!("({})", text::semicolons(here.iter().map(shape)))
        })
    });
    Words::new(sentence, flips.join("; "))
}
