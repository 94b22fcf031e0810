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

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, closest, overall};
use super::select::{nothing, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, line_slope};
use std::collections::BTreeMap;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "vanishing",
    claim: "The gradients of recurrent models vanish with distance.",
    experiment: "vanishing",
    metric: "initial_state_gradient",
    swept: "x",
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

/// Recurrent models of the claim.
const DECIDING: [&str; 5] = ["elman", "lstm", "gru", "mingru", "minlstm"];
/// Metric and what it is called, in the order of [`Comparison::at`].
const MOMENTS: [(&str, &str); 2] = [
    ("initial_state_gradient", "untrained"),
    ("trained_state_gradient", "trained"),
];
const UNIT: &str = "nats per token";

/// Whether a record is of a model as it is, no variant.
fn is_plain(record: &Record) -> bool {
    let default = record
        .option("gates")
        .is_none_or(|gates| gates == "default");
    record.options.get("radius").is_none() && record.clip.is_none() && default
}

/// Rates of decay by run.
fn rates(
    records: &[&Record],
    metric: &str,
    pass: impl Fn(&Record) -> bool,
) -> Result<Vec<f64>, Missing> {
    let mut runs: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.metric == metric && pass(r)) {
        if let (Some(x), Some(norm)) = (record.x.filter(|&x| x >= 1.0), usable(record)) {
            let (distances, logarithms) = runs.entry(&record.run).or_default();
            distances.push(x);
            logarithms.push(norm.ln());
        }
    }
    let slopes = runs
        .values()
        .map(|(x, y)| Ok(-line_slope(x, y)?.interval(0.95).estimate));
    slopes.collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for (at, (metric, moment)) in MOMENTS.iter().enumerate() {
        for model in DECIDING.into_iter().chain([ATTENTION]) {
            let pass = |r: &Record| r.model == model && is_plain(r);
            if !records.iter().any(|r| pass(r)) {
                continue;
            }
            let rates = rates(records, metric, pass);
            let effect = rates.and_then(|rates| match rates.as_slice() {
                [] => Err(nothing()),
                rates => Ok(Effect::mean(rates)?),
            });
            result.push(Comparison {
                label: format!("{model}, {moment}: decay of the gradient"),
                unit: UNIT,
                margin,
                part: (*moment).to_owned(),
                rival: model.to_owned(),
                at,
                deciding: model != ATTENTION,
                void: None,
                effect,
            });
        }
    }
    result
}

fn conclude(_: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding: Vec<&Decided> = decided.iter().filter(|d| d.comparison.deciding).collect();
    let answer = overall(deciding.iter().map(|d| d.answer()));
    let with_rate = |d: &&&Decided| {
        let rate = d.interval().map_or(String::new(), |i| text::plain(i, 3));
        format!("{} {rate}", text::the(&d.comparison.rival))
    };
    let at = |moment: usize| {
        let those = deciding
            .iter()
            .filter(|d| d.comparison.at == moment && d.evidence.is_some());
        text::list(&those.map(|d| with_rate(&d)).collect::<Vec<_>>())
    };
    let which = |wanted: Answer| {
        let names = |moment: usize| {
            let those = deciding
                .iter()
                .filter(|d| d.answer() == wanted && d.comparison.at == moment);
            let names: Vec<String> = those.map(|d| text::the(&d.comparison.rival)).collect();
            (!names.is_empty()).then(|| format!("{} {}", MOMENTS[moment].1, text::list(&names)))
        };
        [0, 1]
            .into_iter()
            .filter_map(names)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let flips: Vec<String> = [
        ("vanishing", Answer::Supported),
        ("not vanishing", Answer::Refuted),
        ("undecided", Answer::Inconclusive),
    ]
    .into_iter()
    .map(|(name, state)| (name, which(state)))
    .filter(|(_, which)| !which.is_empty())
    .map(|(name, which)| format!("{name}: {which}"))
    .collect();
    let flips = flips.join("; ");
    let rates = format!(
        " Rates of decay in {UNIT}: untrained, {}; trained, {}.",
        at(0),
        at(1)
    );
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
            let nearest = closest(deciding.iter().copied()).map_or(String::new(), |d| {
                format!(
                    ": the closest call is {}, {}",
                    with_rate(&&d),
                    d.comparison.part
                )
            });
            format!("The runs cannot tell whether gradients fall by {margin} {UNIT}{nearest}.")
        }
    };
    if decided.iter().any(|d| d.evidence.is_some()) {
        sentence.push_str(&rates);
    }
    let attention = decided.iter().filter(|d| !d.comparison.deciding);
    let attention: Vec<String> = attention
        .filter_map(|d| {
            Some(format!(
                "{} {}",
                d.comparison.part,
                text::plain(d.interval()?, 3)
            ))
        })
        .collect();
    if !attention.is_empty() {
        let (name, rates) = (text::the(ATTENTION), text::list(&attention));
        sentence.push_str(&format!(" For comparison, {name}: {rates}."));
    }
    Conclusion {
        answer,
        sentence,
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}
