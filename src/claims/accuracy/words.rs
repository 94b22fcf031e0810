//! The parts of a sentence on accuracy.

use super::named;
use super::table::Table;
use crate::claims::group::Group;
use crate::claims::place::Series;
use crate::claims::{Answer, text};

/// `ahead at delays of 100 to 200, not ahead at a delay of 50`; sizes apart where they differ.
pub(super) fn by_point(table: &Table, points: &Group) -> String {
    let sizes = 0..table.sizes.len();
    let by_size = sizes.map(|size| of_size(table, &points.filter(|d| d.place().size == size)));
    let by_size: Vec<String> = by_size.collect();
    if by_size.iter().all(|words| *words == by_size[0]) {
        return by_size[0].clone();
    }
    let named = table.sizes.iter().zip(by_size);
    text::semicolons(
        named.map(|(size, words)| format!("{} {words}", size.1.trim_start_matches(", "))),
    )
}

fn of_size(table: &Table, points: &Group) -> String {
    let learnt = points.filter(|d| !d.comparison.unlearnt);
    let with = |answer| learnt.with(answer).sweep();
    let measured = points.sweep();
    let unmeasured = table.sweep.iter().filter(|at| !measured.contains(at));
    let states = [
        ("ahead", with(Answer::Supported)),
        ("not ahead", with(Answer::Refuted)),
        (
            "neither side learns the task",
            points.filter(|d| d.comparison.unlearnt).sweep(),
        ),
        ("undecided", with(Answer::Inconclusive)),
        ("unmeasured", unmeasured.copied().collect()),
    ];
    let question = table.question;
    let phrases = states.map(|(name, places)| {
        let words = match places.as_slice() {
            [] => String::new(),
            [one] => named(question.point, one),
            many => named(question.points, text::ranges(many, &table.sweep)),
        };
        (format!("{name} at "), words)
    });
    text::phrases(phrases).join(", ")
}

/// What holds at the short points, where it differs from the long ones.
pub(super) fn at_short(table: &Table, short: &Group) -> String {
    let short = short.measured();
    if short.len() > 4 {
        return String::new();
    }
    let shown = short.list(|d| {
        let (place, lead) = (d.place(), d.plain(2));
        let point = named(table.question.point, place.at());
        format!("{lead} at {point}{}", table.sizes[place.size].1)
    });
    text::unless_empty(shown, |shown| {
        format!(" Below that the difference is {shown}.")
    })
}

/// How often the task is solved at the long points, with Wilson's interval: the transformer, and
/// the recurrent model that solves it most often.
pub(super) fn solve_rates(table: &Table) -> String {
    let recurrent = table.series().into_iter().filter(Series::is_recurrent);
    let rated = recurrent.map(|s| (table.solved(&s), s));
    let rated = rated.filter(|((_, n), _)| *n > 0);
    let share = |(solved, n): (usize, usize)| solved as f64 / n as f64;
    let best = rated.max_by(|a, b| share(a.0).total_cmp(&share(b.0)));
    let attention = table.attention().first().map(|s| table.solved(s));
    let (Some((own, runs @ 1..)), Some(((solved, n), series))) = (attention, best) else {
        return String::new();
    };
    let rate = text::solved(solved, n);
    let recurrent = match solved {
        0 => format!("each recurrent model in {rate}"),
        _ => {
            let name = text::the(&series.label());
            format!("the best recurrent model, {name}, in {rate}")
        }
    };
    format!(
        " At the hard end of the sweep the transformer solves the task in {}, {recurrent}.",
        text::solved(own, runs)
    )
}
