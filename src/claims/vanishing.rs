//! `vanishing`: the gradients of recurrent models vanish with distance.
//!
//! **Compared:** the rate of decay. A run's rate is minus the least-squares slope of
//! ln ‖∂L_T/∂s_t‖ over the distance T − t from 1 on, in nats a token; a gradient that falls
//! exponentially has a rate above 0 however far one looks, one that falls by a power of the distance
//! a rate that goes to 0. The margin is the rate from which on a gradient counts as vanishing. The
//! interval is over seeds. Each recurrent model decides twice, untrained and trained; variants
//! (chrono gates, a chosen radius) and the transformer are shown beside it and decide nothing.
//!
//! **Answers:** *supported*, all recurrent models vanish untrained and trained; *refuted*, none
//! does; *conditional*, some do (says which); *inconclusive* otherwise.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{ALL_MODELS, ATTENTION, Place, is_plain};
use super::select::{curves, only};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, StatsError, line_slope};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "vanishing",
    claim: "The gradients of recurrent models vanish with distance.",
    metric: "initial_state_gradient",
    expected: "Conditional: the Elman network's gradient decays exponentially, gates slow the decay \
               and learn to stop it, and attention has a direct path.",
    why: "The gradient of a loss by the state t steps before is a product of t Jacobians. Below a \
          radius of 1 it falls exponentially; a gate that stays open multiplies by nearly 1, and \
          attention reaches any position in one step.",
    references: &[
        "Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent Is Difficult",
        "Pascanu, Mikolov & Bengio 2013, On the Difficulty of Training Recurrent Neural Networks",
        "Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
    ],
    observations: "seeds",
    compare,
    conclude,
};

/// Metric, and the part of the rule.
const MOMENTS: [(&str, &str); 2] = [
    ("initial_state_gradient", "untrained"),
    ("trained_state_gradient", "trained"),
];
const UNIT: &str = "nats per token";

/// Rates of decay by run.
fn rates(records: &[&Record], metric: &str, place: &Place) -> Result<Vec<f64>, StatsError> {
    let mut runs = curves(records, metric, place);
    runs.iter_mut()
        .for_each(|run| run.retain(|(x, _)| *x >= 1.0));
    let rate = |run: &Vec<(f64, f64)>| {
        let (x, y): (Vec<f64>, Vec<f64>) =
            run.iter().map(|(x, norm)| (x, libm::log(*norm))).unzip();
        Ok(-line_slope(&x, &y)?.interval(0.95).estimate)
    };
    runs.iter()
        .filter(|run| !run.is_empty())
        .map(rate)
        .collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let plain = only(records, is_plain);
    let mut result = Vec::new();
    for (metric, moment) in MOMENTS {
        for model in ALL_MODELS {
            let place = Place::of(model);
            if plain.iter().any(|r| place.has(r)) {
                let label = format!("{model}, {moment}: decay of the gradient");
                let effect = rates(&plain, metric, &place).and_then(|rates| Effect::mean(&rates));
                let comparison = Comparison::new(label, UNIT, margin, moment, place, effect);
                result.push(comparison.deciding_if(model != ATTENTION));
            }
        }
    }
    result
}

fn conclude(_: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let deciding = all.deciding();
    let answer = deciding.answer();
    let with_rate = |d: &Decided| format!("{} {}", d.model(), d.plain(3));
    let flips = deciding.by_answer(["vanishing: ", "not vanishing: ", "undecided: "], |these| {
        let models = |(_, moment)| {
            (
                format!("{moment} "),
                these.part(moment).list(Decided::model),
            )
        };
        text::phrases(MOMENTS.map(models)).join(", ")
    });
    let flips = flips.join("; ");
    let mut sentence = match answer {
        Answer::Supported => format!(
            "The gradients of all recurrent models fall exponentially with distance, by more than \
             {margin} {UNIT}, untrained and trained."
        ),
        Answer::Refuted => {
            format!("No recurrent model's gradient falls by {margin} {UNIT}, untrained or trained.")
        }
        Answer::Conditional => format!(
            "It depends on the model and its training. {}.",
            text::capitalized(&flips)
        ),
        Answer::Inconclusive => {
            let nearest = deciding.closest(|d| {
                let moment = d.comparison.part;
                format!(": the closest call is {}, {moment}", with_rate(d))
            });
            format!("The runs cannot tell whether gradients fall by {margin} {UNIT}{nearest}.")
        }
    };
    if !all.measured().is_empty() {
        let [untrained, trained] =
            MOMENTS.map(|(_, moment)| deciding.part(moment).measured().list(with_rate));
        sentence.push_str(&format!(
            " Rates of decay in {UNIT}: untrained, {untrained}; trained, {trained}."
        ));
    }
    let attention = all.filter(|d| !d.comparison.deciding).measured();
    let attention = attention.list(|d| format!("{} {}", d.comparison.part, d.plain(3)));
    sentence += &text::unless_empty(attention, |rates| {
        format!(" For comparison, {}: {rates}.", text::the(ATTENTION))
    });
    Conclusion::new(answer, sentence, flips)
}
