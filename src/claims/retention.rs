//! `retention` (counter-claim): the "infinite" context of a recurrent state is theory.
//!
//! A run retains a symbol over d tokens if at every tested distance up to d it names the symbol in at
//! least [`KEPT`] of the sequences. **Compared,** of every recurrent model at every width: by how many
//! doublings the retained distance stays below the longest tested; the interval is over seeds. The
//! margin is the number of doublings from which on retention counts as having ended. Beside it, not
//! deciding: the same of the transformer, whose context is kept token by token.
//!
//! **Answers:** *supported*, every model's retention ends at every width; *refuted*, none does
//! within what was tested; *conditional*, some (says which); *inconclusive* otherwise.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, overall};
use super::select::{distinct, nothing, usable};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, median};
use std::collections::BTreeMap;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "retention",
    claim: "That a recurrent state reaches back without limit is theory: what it retains ends.",
    experiment: "retention",
    metric: "test_accuracy_by_distance",
    swept: "width",
    expected: "Conditional: the state has one size and each step writes over it, so an Elman \
               network forgets soon; a gate can learn to hold one symbol far beyond the distances \
               trained on.",
    why: "In theory the state may carry anything for ever. In practice every step multiplies what \
          it holds by a number that training brings near 1, and not to 1.",
    references: &[
        "Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent Is Difficult",
        "Khandelwal et al. 2018, Sharp Nearby, Fuzzy Far Away",
    ],
    observations: "seeds",
    compare,
    conclude,
};

/// Recurrent models of the claim.
const DECIDING: [&str; 5] = ["elman", "lstm", "gru", "mingru", "minlstm"];
/// Share of right answers at which a symbol counts as retained.
const KEPT: f64 = 0.9;

/// Distance and accuracy of each run of a model at a width, in order of the distance.
fn by_distance(records: &[&Record], model: &str, width: usize) -> Vec<Vec<(f64, f64)>> {
    let mut runs: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for record in records {
        let here =
            record.metric == CLAIM.metric && record.model == model && record.width == Some(width);
        if let (true, Some(x), Some(value)) = (here, record.x, usable(record)) {
            runs.entry(&record.run).or_default().push((x, value));
        }
    }
    let sorted = runs.into_values().map(|mut run| {
        run.sort_by(|a, b| a.0.total_cmp(&b.0));
        run
    });
    sorted.collect()
}

fn widths(records: &[&Record], model: &str) -> Vec<usize> {
    distinct(records, |r| r.width.filter(|_| r.model == model))
}

/// Longest distance up to which a run retains; half of the shortest tested if it does not do that.
fn retained(run: &[(f64, f64)]) -> f64 {
    let kept = run.iter().take_while(|(_, accuracy)| *accuracy >= KEPT);
    let first = run.first().map_or(1.0, |(distance, _)| *distance);
    kept.last().map_or(first / 2.0, |(distance, _)| *distance)
}

/// Doublings from the retained distance to the longest tested, by run.
fn doublings(runs: &[Vec<(f64, f64)>]) -> Vec<f64> {
    let of = |run: &Vec<(f64, f64)>| Some((run.last()?.0 / retained(run)).log2());
    runs.iter().filter_map(of).collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for model in DECIDING.into_iter().chain([ATTENTION]) {
        for width in widths(records, model) {
            let runs = by_distance(records, model, width);
            let effect: Result<Effect, Missing> = match doublings(&runs).as_slice() {
                [] => Err(nothing()),
                values => Effect::mean(values).map_err(Missing::from),
            };
            result.push(Comparison {
                label: format!("longest tested / retained by {model}, width {width}"),
                unit: "doublings",
                margin,
                part: model.to_owned(),
                rival: model.to_owned(),
                at: width,
                deciding: model != ATTENTION,
                void: None,
                effect,
            });
        }
    }
    result
}

fn conclude(records: &[&Record], _: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let longest = distinct(records, |r| {
        let x = r.x.filter(|_| r.metric == CLAIM.metric)?;
        Some(x as usize)
    });
    let longest = longest.last().copied().unwrap_or(0);
    let which = |wanted: Answer| {
        let mut by_model: Vec<(&str, Vec<String>)> = Vec::new();
        for d in deciding().filter(|d| d.answer() == wanted) {
            let (model, width) = (d.comparison.rival.as_str(), d.comparison.at.to_string());
            match by_model.last_mut().filter(|(name, _)| *name == model) {
                Some((_, widths)) => widths.push(width),
                None => by_model.push((model, vec![width])),
            }
        }
        let each = by_model.iter().map(|(model, widths)| {
            let all = widths.len() == self::widths(records, model).len();
            match all {
                true => text::the(model),
                false => format!("{} at width {}", text::the(model), text::list(widths)),
            }
        });
        text::list(&each.collect::<Vec<_>>())
    };
    let head = match answer {
        Answer::Supported => format!(
            "What a recurrent state retains of one symbol ends before {longest} tokens for every \
             model at every width."
        ),
        Answer::Refuted => format!(
            "Every recurrent model retains one symbol over the whole {longest} tokens tested."
        ),
        Answer::Conditional | Answer::Inconclusive => {
            let parts = [
                ("retention ends before", Answer::Supported),
                ("it does not end within", Answer::Refuted),
                ("undecided within", Answer::Inconclusive),
            ];
            let parts = parts.iter().filter_map(|(words, wanted)| {
                let models = which(*wanted);
                let there = !models.is_empty();
                there.then(|| format!("{words} {longest} tokens for {models}"))
            });
            format!(
                "It depends on the model: {}.",
                text::semicolons(&parts.collect::<Vec<_>>())
            )
        }
    };
    let flips = format!(
        "ends: {}; does not: {}",
        which(Answer::Supported),
        which(Answer::Refuted)
    );
    Conclusion {
        answer,
        sentence: format!("{head}{}", distances(records)),
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}

/// The retained distance of every model, by width.
fn distances(records: &[&Record]) -> String {
    let of = |model: &str| {
        let at = |width: usize| {
            let runs = by_distance(records, model, width);
            let retained: Vec<f64> = runs.iter().map(|run| retained(run)).collect();
            let there = !retained.is_empty();
            there.then(|| format!("{} (width {width})", median(&retained)))
        };
        let each: Vec<String> = widths(records, model).into_iter().filter_map(at).collect();
        (!each.is_empty()).then(|| format!("{} {}", text::the(model), text::list(&each)))
    };
    let each: Vec<String> = DECIDING
        .into_iter()
        .chain([ATTENTION])
        .filter_map(of)
        .collect();
    match each.is_empty() {
        true => String::new(),
        false => format!(
            " The longest distance with at least {} % right, median over seeds, in tokens: {}.",
            100.0 * KEPT,
            text::semicolons(&each)
        ),
    }
}
