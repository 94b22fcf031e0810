//! `retention` (counter-claim): the unlimited context of a recurrent state exists in theory only.
//!
//! A run retains a symbol over d tokens if at every tested distance up to d it names the symbol in at
//! least [`KEPT`] of the sequences. **Compared,** of every recurrent model at every width: by how many
//! doublings the retained distance stays below the longest tested; the interval is over seeds. The
//! margin is the number of doublings from which on retention counts as having ended. Beside it, not
//! deciding: the same of the transformer, which keeps every token of its context.
//!
//! **Answers:** *supported*, every model's retention ends at every width; *refuted*, none does
//! within what was tested; *conditional*, some (says which); *inconclusive* otherwise.

use super::comparison::{Comparison, Conclusion};
use super::group::Group;
use super::place::{ALL_MODELS, ATTENTION, Place};
use super::select::{abscissas, curves, distinct};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, median};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "retention",
    claim: "That a recurrent state reaches back without limit is theory: what it retains ends.",
    metric: "test_accuracy_by_distance",
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

/// Share of right answers at which a symbol counts as retained.
const KEPT: f64 = 0.9;

const PART: &str = "retained";

/// Every width of every model.
fn places(records: &[&Record]) -> Vec<Place> {
    let of = |model| {
        let widths = distinct(records, |r| r.width.filter(|_| r.model == model));
        widths
            .into_iter()
            .map(move |width| Place::of(model).width(width))
    };
    ALL_MODELS.into_iter().flat_map(of).collect()
}

/// Longest distance up to which each run retains, and the longest tested; half of the shortest
/// tested where it does not retain over that.
fn retained(records: &[&Record], place: &Place) -> Vec<(f64, f64)> {
    let of = |run: Vec<(f64, f64)>| {
        let ((first, _), (longest, _)) = (run.first()?, run.last()?);
        let kept = run.iter().take_while(|(_, accuracy)| *accuracy >= KEPT);
        let retained = kept.last().map_or(first / 2.0, |(distance, _)| *distance);
        Some((retained, *longest))
    };
    let runs = curves(records, CLAIM.metric, place);
    runs.into_iter().filter_map(of).collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let comparison = |place: Place| {
        let runs = retained(records, &place);
        let doublings = runs
            .iter()
            .map(|(retained, longest)| libm::log2(longest / retained));
        let effect = Effect::mean(&doublings.collect::<Vec<_>>());
        let (model, width) = (&place.model, place.at());
        let label = format!("longest tested / retained by {model}, width {width}");
        let deciding = model != ATTENTION;
        Comparison::new(label, "doublings", margin, PART, place, effect).deciding_if(deciding)
    };
    places(records).into_iter().map(comparison).collect()
}

fn conclude(records: &[&Record], _: f64, all: &Group) -> Conclusion {
    let deciding = all.deciding();
    let answer = deciding.answer();
    let longest = abscissas(records, CLAIM.metric)
        .last()
        .copied()
        .unwrap_or(0);
    let models = |some: &Group| {
        some.models(&deciding, "", |here| {
            let widths = here.list(|d| d.place().at().to_string());
            format!("at width {widths}")
        })
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
            let words = [
                "retention ends before",
                "it does not end within",
                "undecided within",
            ];
            let words = words.map(|words| format!("{words} {longest} tokens for "));
            let parts = text::semicolons(deciding.by_answer(words, models));
            format!("It depends on the model: {parts}.")
        }
    };
    let [ends, does_not] =
        [Answer::Supported, Answer::Refuted].map(|answer| models(&deciding.with(answer)));
    let flips = format!("ends: {ends}; does not: {does_not}");
    Conclusion::new(answer, head + &distances(records), flips)
}

/// The retained distance of every model, by width.
fn distances(records: &[&Record]) -> String {
    let places = places(records);
    let of = |model: &str| {
        let here = places.iter().filter(|place| place.model == model);
        let each = here.filter_map(|place| {
            let runs = retained(records, place);
            let retained: Vec<f64> = runs.iter().map(|(retained, _)| *retained).collect();
            let width = place.at();
            (!retained.is_empty()).then(|| format!("{} (width {width})", median(&retained)))
        });
        (format!("{} ", text::the(model)), text::list(each))
    };
    let each = text::semicolons(text::phrases(ALL_MODELS.map(of)));
    text::unless_empty(each, |each| {
        let kept = 100.0 * KEPT;
        format!(
            " The longest distance with at least {kept} % right, median over seeds, in tokens: \
             {each}."
        )
    })
}
