//! Rounds of launches between what is trained.

use super::*;
use crate::campaign::testing::{Fixture, SMALL, TIMINGS};

fn parts_of(experiments: &[&str]) -> Vec<Part> {
    let fixture = Fixture::new(experiments, &[]);
    let plan = fixture.plan();
    parts(&fixture.suite, plan.runs.iter())
}

fn trained(id: &str) -> String {
    SMALL.replace("id = \"p\"", &format!("id = {id:?}"))
}

#[test]
fn rounds_are_spread_over_what_is_trained() {
    let all = ["a", "b", "c", "d"].map(trained);
    let [a, b, c, d] = &all;
    let timings = TIMINGS.replace("launches = 3", "launches = 5");
    let of = |id: &str| Part::Experiment(id.into());
    let expected = [
        Part::Round(0),
        of("a"),
        Part::Round(1),
        of("b"),
        Part::Round(2),
        of("c"),
        Part::Round(3),
        of("d"),
        Part::Round(4),
    ];
    // Wherever the timings stand.
    assert_eq!(parts_of(&[&timings, a, b, c, d]), expected);
    assert_eq!(parts_of(&[a, b, &timings, c, d]), expected);
    // Two timings of other lengths: their rounds are the same.
    let more = timings.replace("id = \"q\"", "id = \"r\"");
    let more = more.replace("launches = 5", "launches = 2");
    assert_eq!(parts_of(&[&timings, a, b, &more, c, d]), expected);
}

#[test]
fn the_first_round_is_first_and_the_last_is_last_whatever_there_is() {
    let (a, rounds) = (trained("a"), [0, 1, 2].map(Part::Round));
    assert_eq!(parts_of(&[TIMINGS]), rounds);
    let [first, second, third] = rounds;
    let experiment = Part::Experiment("a".into());
    let expected = [first.clone(), second, experiment.clone(), third];
    assert_eq!(parts_of(&[&a, TIMINGS]), expected);
    let once = TIMINGS.replace("launches = 3", "launches = 1");
    assert_eq!(parts_of(&[&a, &once]), [first, experiment.clone()]);
    assert_eq!(parts_of(&[&a]), [experiment]);
}

#[test]
fn with_a_limit_rounds_come_first_and_then_the_shortest() {
    let long = trained("a").replace("steps = 12", "steps = 4000");
    let mut fixture = Fixture::new(&[&long, TIMINGS, &trained("b")], &[]);
    fixture.suite.within = Some(1e-3);
    let plan = fixture.plan();
    let found = parts(&fixture.suite, plan.runs.iter());
    let of = |id: &str| Part::Experiment(id.into());
    let expected = [
        Part::Round(0),
        Part::Round(1),
        Part::Round(2),
        of("b"),
        of("a"),
    ];
    assert_eq!(found, expected);
}
