//! What the claims on distance in generated tasks share: the accuracy of the transformer minus that of the best
//! recurrent model along a sweep that gets harder (delay, pairs, length).
//!
//! * **The opponent** is the best recurrent model at each point and size, whatever its gates, chosen
//!   by mean *validation* accuracy: beating a weak one proves nothing, and choosing on test results
//!   would bias the difference.
//! * **Long** is the upper half of the sweep, the middle included. Ties at short distance do not
//!   contradict a claim on long ones; they are reported.
//! * **Together:** the long points are pooled with equal weight (stratified Welch), which is where
//!   a few seeds become enough; each point is also judged on its own, to find where it flips.
//! * **Resolution:** seeds that agree exactly (1.00, 1.00, 1.00) would give an interval of no
//!   width; each group's standard deviation counts as at least 0.01, the same tolerance that calls
//!   99 % solved.
//! * **Neither learnt:** where both stay within the margin of guessing, the budget was judged and
//!   not the architecture; such a point decides nothing.
//! * The t intervals speak of the mean accuracy of seeds like those seen. Three seeds that agree
//!   do not exclude that one in two would differ: the solve rates beside it, with Wilson's
//!   interval, say how much of that remains open.
//!
//! The position scheme that decides is the question's, fixed beforehand: rotary where places matter
//! (the only one known to copy far within a small budget); others are shown beside it.

use super::comparison::{Comparison, Conclusion, Decided, Missing, closest};
use super::select::nothing;
use super::{Answer, text};
use crate::record::Record;
use crate::stats::Effect;

mod table;
mod words;

pub(super) use table::Question;
use table::{Series, Table};
use words::{at_short, by_point, solve_rates};

/// Least standard deviation believed of an accuracy over seeds.
const RESOLUTION: f64 = 0.01;
const NEITHER: &str = "neither model learnt the task";
const POOLED: &str = "together";
const POINT: &str = "point";
const OTHER: &str = "other positions";
const GATES: &str = "gates";
const SIZE: &str = "size";

/// The comparisons of one claim.
pub(super) fn compare(question: &Question, records: &[&Record], margin: f64) -> Vec<Comparison> {
    let table = Table::new(records, question);
    let mut result = Vec::new();
    let Some(longest) = table.long().first().copied() else {
        return result;
    };
    let entry = |label, part: &str, rival: String, at, deciding, void, effect| Comparison {
        label,
        unit: question.unit,
        margin,
        part: part.to_owned(),
        rival,
        at,
        deciding,
        void,
        effect,
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
            let r = best
                .as_ref()
                .map(|s| table.accuracy(s, at, size))
                .unwrap_or_default();
            let void = table.neither_learnt(&a, &r, at, margin).then_some(NEITHER);
            let lead = pooled(&[(a.clone(), r.clone())]);
            let is_long = at >= longest;
            if is_long && lead.is_ok() {
                strata.push((a, r));
                unlearnt += usize::from(void.is_some());
            }
            if first {
                let rival = best.as_ref().map_or("recurrent".to_owned(), Series::label);
                let (point, size) = (named(question.point, at), &table.sizes[size].1);
                let label = format!("{} − {rival}, {point}{size}", attention.label());
                result.push(entry(label, POINT, rival, at, is_long, void, lead));
            }
        }
        let long = named(question.long, longest);
        let label = format!("{} − best recurrent, {long}", attention.label());
        let all_unlearnt = !strata.is_empty() && unlearnt == strata.len();
        let void = all_unlearnt.then_some(NEITHER);
        let (part, positions) = (
            if first { POOLED } else { OTHER },
            attention.positions.clone(),
        );
        let positions = positions.unwrap_or_default();
        let deciding = first && !strata.is_empty();
        result.push(entry(
            label,
            part,
            positions,
            longest,
            deciding,
            void,
            pooled(&strata),
        ));
    }
    for (part, label, strata) in [
        (GATES, "chrono − default gates", gates(&table)),
        (
            SIZE,
            "best recurrent, largest − smallest size",
            sizes(&table),
        ),
    ] {
        if !strata.is_empty() {
            let label = format!("{label}, {}", named(question.long, longest));
            result.push(entry(
                label,
                part,
                String::new(),
                longest,
                false,
                None,
                pooled(&strata),
            ));
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
    if strata.is_empty() {
        return Err(nothing());
    }
    let strata: Vec<_> = strata
        .iter()
        .map(|(a, b)| (a.as_slice(), b.as_slice()))
        .collect();
    Ok(Effect::stratified_difference(&strata, RESOLUTION)?.within(-1.0, 1.0))
}

fn named(words: &str, at: usize) -> String {
    words.replace("{}", &at.to_string())
}

/// The answer from the long points, and its sentence.
pub(super) fn conclude(
    question: &Question,
    records: &[&Record],
    margin: f64,
    decided: &[Decided],
) -> Conclusion {
    let table = Table::new(records, question);
    let of = |part: &'static str| decided.iter().filter(move |d| d.comparison.part == part);
    let (Some(together), Some(&longest)) = (of(POOLED).next(), table.long().first()) else {
        return Conclusion {
            answer: Answer::Inconclusive,
            sentence: "There is no transformer to compare the recurrent models with.".to_owned(),
            flips: None,
        };
    };
    let long: Vec<&Decided> = of(POINT).filter(|d| d.comparison.at >= longest).collect();
    let answer = from_long_points(together, &long);
    let over = named(question.long, longest);
    let attention = match together.comparison.rival.as_str() {
        "" => "the transformer".to_owned(),
        "none" => "the transformer without positions".to_owned(),
        positions => format!("the transformer with {positions} positions"),
    };
    let Some(lead) = together.interval().map(|i| text::plain(i, 2)) else {
        let sentence = format!(
            "There are not enough results over {over} to compare {attention} with the recurrent \
             models."
        );
        return Conclusion {
            answer: Answer::Inconclusive,
            sentence,
            flips: None,
        };
    };
    let (what, flips) = (
        question.accuracy,
        by_point(&table, &of(POINT).collect::<Vec<_>>()),
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
            "Only in part. {}, against the best recurrent model: {flips}. Over {over} together \
             their {what} differs by {lead}.",
            text::capitalized(&attention)
        ),
        Answer::Inconclusive if long.iter().any(|d| d.comparison.void.is_some()) => format!(
            "The runs cannot tell. {}, against the best recurrent model: {flips}; where nobody \
             learns the task within the budget, the budget was judged and not the model. Over \
             {over} the difference in {what} is {lead}.",
            text::capitalized(&attention)
        ),
        Answer::Inconclusive => {
            let nearest = closest(long.iter().copied()).map_or(String::new(), |d| {
                let effect = d.interval().map_or(String::new(), |i| text::plain(i, 2));
                format!(
                    " (closest call: {effect} at {})",
                    named(question.point, d.comparison.at)
                )
            });
            format!(
                "The runs cannot tell: over {over} the {what} of {attention} differs from that of \
                 the best recurrent model by {lead}, which does not settle {margin}{nearest}."
            )
        }
    };
    if answer == Answer::Supported || answer == Answer::Refuted {
        sentence.push_str(&at_short(
            &table,
            of(POINT).filter(|d| d.comparison.at < longest),
        ));
    }
    sentence.push_str(&solve_rates(&table));
    for (d, interval) in of(OTHER).filter_map(|d| Some((d, d.interval()?))) {
        let lead = text::plain(interval, 2);
        sentence.push_str(&format!(
            " With {} positions the lead is {lead}.",
            d.comparison.rival
        ));
    }
    for interval in of(GATES).filter_map(Decided::interval) {
        let gain = text::plain(interval, 2);
        sentence.push_str(&format!(
            " Chrono-initialised gates change the {what} by {gain}."
        ));
    }
    for interval in of(SIZE).filter_map(Decided::interval) {
        let gain = text::plain(interval, 2);
        sentence.push_str(&format!(
            " From the smallest to the largest size the best recurrent model gains {gain}."
        ));
    }
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

fn from_long_points(together: &Decided, long: &[&Decided]) -> Answer {
    let any = |answer| long.iter().any(|d| d.answer() == answer);
    let unlearnt = long.iter().any(|d| d.comparison.void.is_some());
    let (ahead, not_ahead) = (any(Answer::Supported), any(Answer::Refuted));
    match together.answer() {
        Answer::Supported if !not_ahead && !unlearnt => Answer::Supported,
        Answer::Supported => Answer::Conditional,
        _ if ahead => Answer::Conditional,
        Answer::Refuted if !unlearnt => Answer::Refuted,
        _ => Answer::Inconclusive,
    }
}
