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

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins, Missing};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, RECURRENT, TRAINING};
use super::sample::{Sample, of_one};
use super::select::{column, distinct};
use super::{Answer, Claim, Words, text};
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
    let shapes = column(&given.records, "tokens_per_second", |r| {
        is_training(r).then_some((r.seq_len?, r.batch?))
    });
    let comparison = |(t, b), model| {
        let place = Place::of(model).task(TRAINING).seq_len(t).batch(b);
        let what = format!("speed-up of {ATTENTION} / speed-up of {model}");
        let label = format!("{what}, T = {t}, B = {b}");
        let gains = relative(given, &place);
        let effects = match threads(given) {
            None => Err(Missing::because("measured at one number of threads only")),
            Some(_) => of_one(given.looks, &gains, Effect::mean_of_logarithms),
        };
        Comparison::new(
            label,
            "×",
            Margins::ratio(given.margin),
            PART,
            place,
            &[&gains],
            effects,
        )
    };
    let of_shape = |shape| RECURRENT.map(|model| comparison(shape, model));
    shapes.into_iter().flat_map(of_shape).collect()
}

/// Logarithm of the transformer's speed-up over a recurrent model's, launch by launch.
fn relative(given: &Given, place: &Place) -> Sample {
    let Some((few, many)) = threads(given) else {
        return Sample::default();
    };
    let speeds = |model: &str, threads: usize| {
        let place = place.clone().model(model);
        given.sample("tokens_per_second", |r| {
            place.has(r) && r.threads == Some(threads)
        })
    };
    let (a, r) = (ATTENTION, place.model.as_str());
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
            format!("{from} it depends on the model and the shape whose training gains more.")
        }
        Undecided => format!("{from} it is not decided whose training gains more."),
    };
    let shape = |d: &super::comparison::Decided| {
        let (t, b) = (d.place().at(), d.place().batch.unwrap_or(0));
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
