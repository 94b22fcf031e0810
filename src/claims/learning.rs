//! What the claims on distance in generated tasks share: how many steps each recurrent model takes to
//! learn a task, over those of the transformer, along a sweep that gets harder (delay, length).
//!
//! * **Outcome:** the step at which validation accuracy first exceeds the experiment's
//!   `stop_when_accuracy`. Steps are what a distance costs while it can still be learnt; accuracy within
//!   a budget judges the budget.
//! * **The rivals:** each recurrent model on its own, beside the transformer with the scheme of positions
//!   that the question fixed beforehand. Beating the slowest proves nothing: the claim holds where the
//!   transformer is ahead of every rival.
//! * **The anchor** is the shortest point of the sweep. Who has not learnt it is judged nowhere.
//! * **Long** is the upper half of the sweep, the middle included, and decides.
//! * **Where all runs of both learn**, the ratio of steps is compared, by t on the logarithms. **Where a
//!   run does not learn by the end of its budget**, its steps are unknown, and what is compared is how
//!   many runs learn, by an exact test of whether one side's do so more often. The records choose between the two tests, so that each has half
//!   of α.
//! * Beside it, not deciding: accuracy in the test once learning has ended.

use super::Answer::{NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, Series};
use super::sample::of_two;
use super::select::column;
use super::{Answer, Words, text};
use crate::record::Record;
use crate::stats::Effect;

/// The sweep and its words.
pub(super) struct Question {
    /// Column that is swept.
    pub column: fn(&Record) -> Option<usize>,
    /// One point: `a delay of {}`.
    pub point: &'static str,
    /// The long ones: `long delays`.
    pub long: &'static str,
    /// What is learnt: `copying`.
    pub what: &'static str,
    /// Position scheme of the transformer that decides, fixed beforehand.
    pub positions: &'static str,
}

const STEPS: &str = "steps_to_learn";
const ACCURACY: &str = "test_accuracy";
/// Parts of the comparisons.
const LEARNING: &str = "learning";
const HELD: &str = "held";
/// Accuracy by which the models must differ in what is shown beside.
const HELD_MARGIN: f64 = 0.1;

/// The comparisons of one claim.
pub(super) fn compare(question: &Question, given: &Given) -> Vec<Comparison> {
    let sweep = column(&given.records, "reached", question.column);
    let Some(&anchor) = sweep.first() else {
        return Vec::new();
    };
    let attention = Series::of_attention(question.positions);
    let rivals = given.series("reached", Series::is_recurrent);
    let mut result = Vec::new();
    for rival in &rivals {
        for &at in &sweep {
            let here =
                |series: &Series, r: &Record| series.has(r) && (question.column)(r) == Some(at);
            let point = question.point.replace("{}", &at.to_string());
            let place = Place::of(&rival.model)
                .gates(rival.gates.as_deref())
                .point(at, 0);
            let long = sweep.iter().position(|v| *v == at) >= Some(sweep.len() / 2);
            let is_anchor = |r: &Record| (question.column)(r) == Some(anchor);
            let void = given.void([&attention, rival], is_anchor, |r| {
                (question.column)(r) == Some(at)
            });
            let of = |metric| {
                let sample = |series: &Series| given.sample(metric, |r| here(series, r));
                [sample(rival), sample(&attention)]
            };
            let solved = of("reached");
            let [r, a] = &solved;
            let all_learn = solved.iter().all(|s| s.values().iter().all(|v| *v > 0.5));
            let learning = match all_learn {
                true => {
                    let [rival_steps, steps] = of(STEPS);
                    let effects = of_two(given.looks, (&rival_steps, &steps), Effect::ratio);
                    let label = format!(
                        "steps to learn, {} / {}, {point}",
                        rival.label(),
                        attention.label()
                    );
                    let margins = Margins::ratio(given.margin);
                    Comparison::new(
                        label,
                        "×",
                        margins,
                        LEARNING,
                        place.clone(),
                        &[r, a],
                        effects,
                    )
                }
                false => {
                    let learn = |s: &[f64]| (s.iter().filter(|v| **v > 0.5).count(), s.len());
                    let effects = of_two(given.looks, (a, r), |a, r| {
                        Effect::rates(learn(a), learn(r))
                    });
                    let label = format!(
                        "runs that learn, {} − {}, {point}",
                        attention.label(),
                        rival.label()
                    );
                    let margins = Margins::difference(HELD_MARGIN);
                    Comparison::new(
                        label,
                        "share of runs",
                        margins,
                        LEARNING,
                        place.clone(),
                        &[r, a],
                        effects,
                    )
                }
            };
            let deciding = long && rival.gates.as_deref() != Some("chrono");
            let learning = Comparison {
                share: 0.5,
                ..learning
            };
            let learning = learning.of_family(rival.label());
            result.push(learning.deciding_if(deciding).void_because(void.clone()));
            let [r, a] = &of(ACCURACY);
            let held = of_two(given.looks, (a, r), |a, r| {
                Ok(Effect::difference(a, r)?.within(-1.0, 1.0))
            });
            let label = format!(
                "accuracy, {} − {}, {point}",
                attention.label(),
                rival.label()
            );
            let margins = Margins::difference(HELD_MARGIN);
            let held = Comparison::new(label, "accuracy", margins, HELD, place, &[r, a], held);
            result.push(held.deciding_if(false).void_because(void));
        }
    }
    result
}

/// The answer in words.
pub(super) fn words(question: &Question, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let attention = text::the(ATTENTION);
    let (what, long) = (question.what, question.long);
    let rivals = counting.list_models();
    let sentence = match answer {
        Supported => format!(
            "Over {long} {attention} learns {what} in fewer steps, or in more runs, than {rivals}."
        ),
        Reversed => format!(
            "Over {long} {attention} learns {what} in more steps, or in fewer runs, than {rivals}."
        ),
        NoDifference => format!(
            "Over {long} {attention} learns {what} in about as many steps, or runs, as {rivals}."
        ),
        Answer::Conditional => format!(
            "Over {long} {attention} learns {what} sooner than some recurrent models, not than all."
        ),
        Undecided => {
            format!("Whether {attention} learns {what} sooner over {long} is not decided.")
        }
    };
    let words = [
        (Supported, "the transformer is ahead of "),
        (Reversed, "the transformer is behind "),
        (NoDifference, "the transformer is level with "),
        (Undecided, "undecided against "),
    ];
    let flips = counting.by_answer(words, |these| {
        these.models(&counting, "", |here| {
            let points = here.list(|d| d.place().at().to_string());
            format!("at {}", question.point.replace("{}", &points))
        })
    });
    Words::new(sentence, flips.join("; "))
}
