//! `context-limit`: attention is limited by the context it was built for; recurrence is not.
//!
//! A model trained on windows of T tokens is tested on windows of up to 8 T, always on the last T
//! tokens: the same targets, with ever more before them. Its *loss of length* is its bits per
//! character with the longest window less those with T tokens. **Compared,** of the transformer with
//! each scheme of positions: by how much its loss of length exceeds that of the best recurrent model
//! (by validation loss). A scheme that cannot read the longest window at all is limited without a
//! comparison. Beside it, not deciding: every model's own loss of length.
//!
//! **Answers:** *supported*, every scheme is limited; *refuted*, none; *conditional*, some (says
//! which); *inconclusive* otherwise.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::{Group, overall};
use super::place::{ATTENTION, Place, RECURRENT, Series, with_positions};
use super::select::{abscissas, best_recurrent_on_text, by_run, column};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "context-limit",
    claim: "Attention is limited by the context it was built for; recurrence is not.",
    metric: BITS,
    expected: "Conditional: a learned table has no further positions, sinusoidal and rotary ones \
               were never seen, ALiBi only lowers what is far; a recurrent state goes on.",
    why: "A position beyond those trained on is an input the model has never had. A recurrent model \
          has no positions.",
    references: &[
        "Press, Smith & Lewis 2022, Train Short, Test Long",
        "Su et al. 2021, RoFormer",
        "Kazemnejad et al. 2023, The Impact of Positional Encoding on Length Generalization",
    ],
    observations: "seeds",
    compare,
    conclude,
};

const BITS: &str = "test_bits_by_length";
const UNIT: &str = "bits per character";
const LIMIT: &str = "limit";
const OWN: &str = "own";

/// Schemes of positions of the transformer, as they stand in records.
fn schemes(records: &[&Record]) -> Vec<String> {
    let of = |r: &Record| Series::of(r).positions;
    column(records, BITS, of)
}

/// The transformer with a scheme of positions.
fn attention(scheme: &str) -> Place {
    Place::of(ATTENTION).positions(scheme)
}

/// Bits at the longest window less those at the shortest, run by run; none where it cannot be read.
fn loss(records: &[&Record], place: &Place) -> Vec<f64> {
    let [short, .., long] = abscissas(records, BITS)[..] else {
        return Vec::new();
    };
    let at = |length| {
        let place = place.clone().x(length);
        by_run(records, BITS, |r| place.has(r))
    };
    let (short, long) = (at(short), at(long));
    long.iter().zip(&short).map(|(l, s)| l - s).collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let Some(best) = best_recurrent_on_text(records, BITS, 1) else {
        return Vec::new();
    };
    let at = abscissas(records, BITS).last().copied().unwrap_or(0);
    let recurrent = loss(records, &Place::of(best));
    let transformers = schemes(records).into_iter().map(|s| attention(&s));
    let limits = transformers.clone().filter_map(|place| {
        let own = loss(records, &place);
        let label = format!("{} − {best}, lost from T to {at} tokens", name(&place));
        let effect = Effect::difference(&own, &recurrent, 0.0);
        (!own.is_empty()).then(|| Comparison::new(label, UNIT, margin, LIMIT, place, effect))
    });
    let own = RECURRENT.map(Place::of).into_iter().chain(transformers);
    let own = own.filter_map(|place| {
        let own = loss(records, &place);
        let label = format!("{}, lost from T to {at} tokens", name(&place));
        let comparison = Comparison::new(label, UNIT, 0.0, OWN, place, Effect::mean(&own));
        (!own.is_empty()).then(|| comparison.deciding_if(false))
    });
    limits.chain(own).collect()
}

fn name(place: &Place) -> String {
    match &place.positions {
        None => place.model.clone(),
        Some(scheme) => with_positions(&place.model, scheme),
    }
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let limits = all.part(LIMIT);
    let mut unreadable = schemes(records);
    unreadable.retain(|scheme| loss(records, &attention(scheme)).is_empty());
    let cannot = unreadable.iter().map(|_| Answer::Supported);
    let answer = overall(limits.iter().map(Decided::answer).chain(cannot));
    let best = text::the(best_recurrent_on_text(records, BITS, 1).unwrap_or("recurrent"));
    let (short, long) = match abscissas(records, BITS)[..] {
        [short, .., long] => (short, long),
        _ => (0, 0),
    };
    let with = |wanted| {
        let these = limits.with(wanted);
        let shown = these.iter().map(|d| {
            let scheme = d.place().positions.as_deref().unwrap_or_default();
            format!("{scheme} {}", d.plain(3)).trim_end().to_owned()
        });
        shown.collect::<Vec<_>>()
    };
    let table = |scheme: &String| format!("{scheme}, which cannot be read at all");
    let limited = with(Answer::Supported)
        .into_iter()
        .chain(unreadable.iter().map(table));
    let flips = text::phrases([
        (
            "more by over the margin with positions ",
            text::semicolons(limited),
        ),
        ("not with ", text::semicolons(with(Answer::Refuted))),
        (
            "undecided with ",
            text::semicolons(with(Answer::Inconclusive)),
        ),
    ]);
    let flips = flips.join("; ");
    let own = all.part(OWN).measured();
    let own = own
        .iter()
        .map(|d| format!("{} {}", name(d.place()), d.plain(3)));
    let own = text::semicolons(own);
    let sentence = format!(
        "From {short} tokens, the length trained on, to {long} the transformer loses, against \
         {best} and a margin of {margin} {UNIT}: {flips}. Each model's own change, less than 0 where \
         a longer context helps: {own}."
    );
    Conclusion::new(answer, sentence, flips)
}
