//! What the claims on distance in generated tasks share: the accuracy of the transformer minus that
//! of the best recurrent model along a sweep that gets harder (delay, pairs, length).
//!
//! * **The opponent** is the best recurrent model at each point and size, whatever its gates, chosen
//!   by mean *validation* accuracy: beating a weak one proves nothing, and choosing on test results
//!   would bias the difference.
//! * **Long** is the upper half of the sweep, the middle included. Ties at short distance do not
//!   contradict a claim on long ones; they are reported.
//! * **Together:** the long points are pooled with equal weight (stratified Welch), so that a few
//!   seeds are enough; each point is also judged on its own, to find where the answer flips.
//! * **Resolution:** seeds that agree exactly (1.00, 1.00, 1.00) would give an interval of no
//!   width; each group's standard deviation counts as at least 0.01, the same tolerance that calls
//!   99 % solved.
//! * **Neither learnt:** where both stay within the margin of guessing, the training was too short
//!   to judge either; such a point decides nothing.
//! * The t intervals are of the mean accuracy of seeds like those seen. Three seeds that agree do
//!   not exclude that one in two would differ: the solve rates shown beside, with Wilson's interval,
//!   say how far that remains open.
//!
//! The position scheme that decides is the question's, fixed beforehand: rotary where places matter
//! (the only one known to copy far within a small budget); others are shown beside it.

use super::comparison::{Comparison, Conclusion, Decided, Missing};
use super::group::Group;
use super::place::{Place, Series};
use super::select::neither_learnt;
use super::{Answer, text};
use crate::record::Record;
use crate::stats::Effect;

mod table;
mod words;

pub(super) use table::Question;
use table::Table;
use words::{at_short, by_point, solve_rates};

/// Least standard deviation believed of an accuracy over seeds.
pub(super) const RESOLUTION: f64 = 0.01;
/// Parts of the comparisons: the transformer that decides over the long points together and at
/// each point; others over the long points; and what gates and size are worth there.
const POOLED: &str = "together";
const POINT: &str = "point";
const OTHER: &str = "other positions";
const GATES: &str = "gates";
const SIZE: &str = "size";

/// The comparisons of one claim.
pub(super) fn compare(question: &Question, records: &[&Record], margin: f64) -> Vec<Comparison> {
    let table = Table::new(records, question);
    let mut result = Vec::new();
    let Some(&longest) = table.long().first() else {
        return result;
    };
    let long = named(question.long, longest);
    let comparison = |label, part, place: Place, effect| {
        Comparison::new(label, question.unit, margin, part, place, effect)
    };
    for (rank, attention) in table.attention().iter().enumerate() {
        let first = rank == 0;
        let (mut strata, mut unlearnt) = (Vec::new(), 0);
        for (at, size) in table.cells(&table.sweep) {
            let a = table.accuracy(attention, at, size);
            if a.is_empty() && (!first || table.sizes.len() > 1) {
                continue; // a variant or a size that was not run at this point
            }
            let best = table.best(at, size, |_| true);
            let r = best.as_ref().map(|s| table.accuracy(s, at, size));
            let r = r.unwrap_or_default();
            let neither_learnt = neither_learnt(table.floor(at), &a, &r, margin);
            let lead = pooled(&[(a.clone(), r.clone())]);
            let is_long = at >= longest;
            if is_long && lead.is_ok() {
                strata.push((a, r));
                unlearnt += usize::from(neither_learnt);
            }
            if first {
                let rival = best.map_or("recurrent".to_owned(), |s| s.label());
                let (point, suffix) = (named(question.point, at), &table.sizes[size].1);
                let label = format!("{} − {rival}, {point}{suffix}", attention.label());
                let place = Place::of(&rival).point(at, size);
                let here = comparison(label, POINT, place, lead).deciding_if(is_long);
                result.push(here.unlearnt_if(neither_learnt));
            }
        }
        let part = if first { POOLED } else { OTHER };
        let label = format!("{} − best recurrent, {long}", attention.label());
        let scheme = attention.positions.as_deref().unwrap_or_default();
        let place = Place::default().positions(scheme);
        let together = comparison(label, part, place, pooled(&strata));
        let together = together.deciding_if(first && !strata.is_empty());
        result.push(together.unlearnt_if(!strata.is_empty() && unlearnt == strata.len()));
    }
    let largest = "best recurrent, largest − smallest size";
    for (part, label, strata) in [
        (GATES, "chrono − default gates", gates(&table)),
        (SIZE, largest, sizes(&table)),
    ] {
        if !strata.is_empty() {
            let (label, effect) = (format!("{label}, {long}"), pooled(&strata));
            let beside = comparison(label, part, Place::default(), effect);
            result.push(beside.deciding_if(false));
        }
    }
    result
}

/// Accuracies of two groups in one stratum.
type Stratum = (Vec<f64>, Vec<f64>);

/// Chrono against default gates of the same model, over the long points.
fn gates(table: &Table) -> Vec<Stratum> {
    let is_chrono = |s: &Series| s.gates.as_deref() == Some("chrono");
    let mut strata = Vec::new();
    for series in table.series().into_iter().filter(is_chrono) {
        for (at, size) in table.cells(table.long()) {
            let default = |s: &Series| s.model == series.model && !is_chrono(s);
            if let Some(default) = table.best(at, size, default) {
                let of = |series: &Series| table.accuracy(series, at, size);
                strata.push((of(&series), of(&default)));
            }
        }
    }
    strata.retain(|(chrono, default)| chrono.len() > 1 && default.len() > 1);
    strata
}

/// The best recurrent model at the largest size against that at the smallest, over the long points.
fn sizes(table: &Table) -> Vec<Stratum> {
    let largest = table.sizes.len() - 1;
    if largest == 0 {
        return Vec::new();
    }
    let stratum = |at: &usize| {
        let of = |size| Some(table.accuracy(&table.best(*at, size, |_| true)?, *at, size));
        Some((of(largest)?, of(0)?))
    };
    table.long().iter().filter_map(stratum).collect()
}

fn pooled(strata: &[Stratum]) -> Result<Effect, Missing> {
    let strata = strata.iter().map(|(a, b)| (a.as_slice(), b.as_slice()));
    let effect = Effect::stratified_difference(&strata.collect::<Vec<_>>(), RESOLUTION)?;
    Ok(effect.within(-1.0, 1.0))
}

fn named(words: &str, at: impl ToString) -> String {
    words.replace("{}", &at.to_string())
}

/// The answer from the long points, and its sentence.
pub(super) fn conclude(
    question: &Question,
    records: &[&Record],
    margin: f64,
    all: &Group,
) -> Conclusion {
    let table = Table::new(records, question);
    let points = all.part(POINT);
    let (Some(together), Some(&longest)) = (all.part(POOLED).first(), table.long().first()) else {
        let sentence = "There is no transformer to compare the recurrent models with.";
        return Conclusion::unknown(sentence.to_owned());
    };
    let long = points.filter(|d| d.place().at() >= longest);
    let answer = from_long_points(together, &long);
    let over = named(question.long, longest);
    let attention = match together.place().positions.as_deref() {
        Some("") | None => "the transformer".to_owned(),
        Some("none") => "the transformer without positions".to_owned(),
        Some(scheme) => format!("the transformer with {scheme} positions"),
    };
    if together.evidence.is_none() {
        return Conclusion::unknown(format!(
            "There are not enough results over {over} to compare {attention} with the recurrent \
             models."
        ));
    }
    let (what, lead) = (question.accuracy, together.plain(2));
    let flips = by_point(&table, &points);
    let at_points = format!(
        "{}, against the best recurrent model: {flips}",
        text::capitalized(&attention)
    );
    let mut sentence = match answer {
        Answer::Supported => format!(
            "Over {over} the {what} of {attention} exceeds that of the best recurrent model by \
             {lead}, more than {margin}."
        ),
        Answer::Refuted => format!(
            "Over {over} the {what} of {attention} does not exceed that of the best recurrent model \
             by {margin}: it differs by {lead}."
        ),
        Answer::Conditional => format!(
            "Only in part. {at_points}. Over {over} together their {what} differs by {lead}."
        ),
        Answer::Inconclusive if any_unlearnt(&long) => format!(
            "The runs cannot tell. {at_points}; where nobody learns the task within the budget, the \
             budget was judged and not the model. Over {over} the difference in {what} is {lead}."
        ),
        Answer::Inconclusive => {
            let nearest = long.closest(|d| {
                let point = named(question.point, d.place().at());
                format!(" (closest call: {} at {point})", d.plain(2))
            });
            format!(
                "The runs cannot tell: over {over} the {what} of {attention} differs from that of \
                 the best recurrent model by {lead}, which does not settle {margin}{nearest}."
            )
        }
    };
    if answer == Answer::Supported || answer == Answer::Refuted {
        let short = points.filter(|d| d.place().at() < longest);
        sentence.push_str(&at_short(&table, &short));
    }
    sentence.push_str(&solve_rates(&table));
    sentence.extend(all.measured().iter().map(|d| {
        let (by, scheme) = (d.plain(2), d.place().positions.as_deref());
        match d.comparison.part {
            OTHER => format!(
                " With {} positions the lead is {by}.",
                scheme.unwrap_or_default()
            ),
            GATES => format!(" Chrono-initialised gates change the {what} by {by}."),
            SIZE => format!(
                " From the smallest to the largest size the best recurrent model gains {by}."
            ),
            _ => String::new(),
        }
    }));
    Conclusion::new(answer, sentence, flips)
}

fn any_unlearnt(points: &Group) -> bool {
    points.iter().any(|d| d.comparison.unlearnt)
}

fn from_long_points(together: &Decided, long: &Group) -> Answer {
    let unlearnt = any_unlearnt(long);
    let (ahead, not_ahead) = (long.any(Answer::Supported), long.any(Answer::Refuted));
    match together.answer() {
        Answer::Supported if !not_ahead && !unlearnt => Answer::Supported,
        Answer::Supported => Answer::Conditional,
        _ if ahead => Answer::Conditional,
        Answer::Refuted if !unlearnt => Answer::Refuted,
        _ => Answer::Inconclusive,
    }
}
