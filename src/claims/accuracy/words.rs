//! The parts of a sentence on accuracy.

use super::named;
use super::table::{Series, Table};
use crate::claims::comparison::Decided;
use crate::claims::{Answer, text};

/// `ahead at delays of 100 to 200, not ahead at a delay of 50`; sizes apart where they differ.
pub(super) fn by_point(table: &Table, points: &[&Decided]) -> String {
    let by_size: Vec<String> = table
        .sizes
        .iter()
        .map(|size| of_size(table, points, &size.1))
        .collect();
    if by_size.iter().all(|words| *words == by_size[0]) {
        return by_size[0].clone();
    }
    let named = table.sizes.iter().zip(by_size);
    let named = named.map(|(size, words)| format!("{} {words}", size.1.trim_start_matches(", ")));
    text::semicolons(&named.collect::<Vec<_>>())
}

fn of_size(table: &Table, points: &[&Decided], size: &str) -> String {
    let state = |at: usize| {
        let mut here = points.iter();
        let here = here.find(|d| d.comparison.at == at && d.comparison.label.ends_with(size));
        match here.map(|d| (d.answer(), d.comparison.void)) {
            None => "unmeasured",
            Some((_, Some(_))) => "neither side learns the task",
            Some((Answer::Supported, _)) => "ahead",
            Some((Answer::Refuted, _)) => "not ahead",
            Some(_) => "undecided",
        }
    };
    let states = [
        "ahead",
        "not ahead",
        "neither side learns the task",
        "undecided",
        "unmeasured",
    ];
    let phrases = states.iter().filter_map(|name| {
        let places = table.sweep.iter().copied().filter(|at| state(*at) == *name);
        let words = match places.collect::<Vec<_>>().as_slice() {
            [] => return None,
            [one] => named(table.question.point, *one),
            many => table
                .question
                .points
                .replace("{}", &text::ranges(many, &table.sweep)),
        };
        Some(format!("{name} at {words}"))
    });
    phrases.collect::<Vec<_>>().join(", ")
}

/// What holds at the short points, where it differs from the long ones.
pub(super) fn at_short<'a>(table: &Table, points: impl Iterator<Item = &'a Decided>) -> String {
    let shown = points.filter_map(|d| {
        let lead = text::plain(d.interval()?, 2);
        let size = table
            .sizes
            .iter()
            .find(|size| d.comparison.label.ends_with(&size.1))?;
        Some(format!(
            "{lead} at {}{}",
            named(table.question.point, d.comparison.at),
            size.1
        ))
    });
    let shown: Vec<String> = shown.collect();
    match shown.len() {
        1..=4 => format!(" Below that the difference is {}.", text::list(&shown)),
        _ => String::new(),
    }
}

/// How often the task is solved at the long points, with Wilson's interval: the transformer, and
/// the recurrent model that solves it most often.
pub(super) fn solve_rates(table: &Table) -> String {
    let Some(attention) = table.attention().into_iter().next() else {
        return String::new();
    };
    let recurrent = table.series().into_iter().filter(Series::is_recurrent);
    let rated = recurrent
        .map(|s| (table.solved(&s), s))
        .filter(|((_, n), _)| *n > 0);
    let share = |(solved, n): (usize, usize)| solved as f64 / n as f64;
    let best = rated.max_by(|a, b| share(a.0).total_cmp(&share(b.0)));
    let (own, Some((other, series))) = (table.solved(&attention), best) else {
        return String::new();
    };
    if own.1 == 0 {
        return String::new();
    }
    let recurrent = match other.0 {
        0 => format!("each recurrent model in {}", text::solved(0, other.1)),
        some => format!(
            "the best recurrent model, {}, in {}",
            text::the(&series.label()),
            text::solved(some, other.1)
        ),
    };
    format!(
        " At the hard end of the sweep the transformer solves the task in {}, {recurrent}.",
        text::solved(own.0, own.1)
    )
}
