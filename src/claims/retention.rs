//! `retention` (counter-claim): the unlimited context of a recurrent state exists in theory only.
//!
//! A run retains a symbol over d tokens if at every tested distance up to d it names the symbol in at
//! least [`KEPT`] of the sequences. Distances are tested by powers of two up to a cap, so that what is
//! retained is censored there; **compared** is therefore the share of runs whose retention ends before
//! the cap, by an exact binomial test against the margin (one half: most runs), of every recurrent model
//! at every width. Who has not learnt the distances trained on is not judged. Beside it, not deciding:
//! the same of minimal cells and the transformer, which keeps every token of its context.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ALL_MODELS, Place, RECURRENT, Series};
use super::sample::{Sample, of_one};
use super::select::{abscissas, distinct};
use super::{Answer, Claim, Words, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "retention",
    claim: "A recurrent state reaches back without limit in theory only: in practice it forgets.",
    metric: "test_accuracy_by_distance",
    expected: "Conditional: the state has one size and each step writes over it, so an Elman \
               RNN forgets soon. A gate can hold one symbol far beyond the distances trained on.",
    why: "In theory the state may carry anything for ever. In practice every step multiplies what \
          it holds by a number that training brings near 1, and not to 1.",
    references: &[
        "Bengio, Simard & Frasconi 1994, Learning Long-Term Dependencies with Gradient Descent Is Difficult",
        "Khandelwal et al. 2018, Sharp Nearby, Fuzzy Far Away",
    ],
    observations: "seeds",
    compare,
    words,
};

/// Share of right answers at which a symbol counts as retained.
const KEPT: f64 = 0.9;
const ENDS: &str = "ends";

/// 1 for each run that does not retain up to the longest distance tested, else 0.
fn ends(given: &Given, series: &Series, width: usize) -> Sample {
    let distances = abscissas(&given.records, CLAIM.metric);
    let at = |distance: usize| {
        let here =
            |r: &Record| series.has(r) && r.width == Some(width) && r.x == Some(distance as f64);
        given.sample(CLAIM.metric, here)
    };
    let samples: Vec<Sample> = distances.into_iter().map(at).collect();
    Sample::across(&samples, |accuracies| {
        Some(f64::from(u8::from(accuracies.iter().any(|a| *a < KEPT))))
    })
}

fn compare(given: &Given) -> Vec<Comparison> {
    let known = |s: &Series| ALL_MODELS.contains(&s.model.as_str());
    let longest = abscissas(&given.records, CLAIM.metric)
        .last()
        .copied()
        .unwrap_or(0);
    let mut result = Vec::new();
    for series in given.series(CLAIM.metric, known) {
        let widths = distinct(&given.records, |r| r.width.filter(|_| series.has(r)));
        for width in widths {
            let runs = ends(given, &series, width);
            let rate = |runs: &[f64]| {
                let ended = runs.iter().filter(|v| **v > 0.5).count();
                Effect::rate(ended, runs.len())
            };
            let effects = of_one(given.looks, &runs, rate);
            let label = format!(
                "runs of {}, width {width}, that forget within {longest} tokens",
                series.label()
            );
            let place = Place::of(&series.model)
                .gates(series.gates.as_deref())
                .width(width);
            let margins = Margins::share(given.margin);
            let here = |r: &Record| r.width == Some(width);
            let void = given.void([&series, &series], here, here);
            let comparison = Comparison::new(
                label,
                "share of runs",
                margins,
                ENDS,
                place,
                &[&runs],
                effects,
            );
            let deciding = RECURRENT.contains(&series.model.as_str());
            result.push(comparison.deciding_if(deciding).void_because(void));
        }
    }
    result
}

fn words(given: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let longest = abscissas(&given.records, CLAIM.metric)
        .last()
        .copied()
        .unwrap_or(0);
    let models = |some: &Group| {
        some.models(&counting, "", |here| {
            format!("at width {}", here.list(|d| d.place().at().to_string()))
        })
    };
    let [forget, keep] = [Supported, Reversed].map(|answer| models(&counting.with(answer)));
    let sentence = match answer {
        Supported => format!(
            "Most runs of {} that learnt to hold a symbol forget it within {longest} tokens.",
            counting.list_models()
        ),
        Reversed => format!(
            "Most runs of {} that learnt to hold a symbol still hold it after {longest} tokens.",
            counting.list_models()
        ),
        Conditional => format!(
            "Whether most runs forget a symbol within {longest} tokens depends on the model or its width."
        ),
        NoDifference | Undecided => format!(
            "Whether recurrent models forget a symbol within {longest} tokens is not decided."
        ),
    };
    let open = models(&counting.with(Undecided));
    let flips = text::phrases([
        ("forget: ", forget),
        ("do not: ", keep),
        ("undecided: ", open),
    ]);
    Words::new(sentence, flips.join("; "))
}
