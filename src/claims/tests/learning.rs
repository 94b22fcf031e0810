//! Steps to learn, along a delay.

use super::*;

const DELAYS: [usize; 3] = [2, 20, 50];
const SEEDS: usize = 5;

fn cell(model: &'static str, delay: usize) -> Cell {
    Cell {
        experiment: "distance-copy",
        model,
        positions: (model == "transformer").then_some("rotary"),
        gates: (model != "transformer").then_some("default"),
        task: "copy",
        width: 32,
        at: ("delay", delay),
        ..Cell::default()
    }
}

/// Runs that learn in about so many steps; `None` of those that do not.
fn outcomes(steps: impl Fn(&str, usize) -> Option<f64>) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["lstm", "gru", "transformer"] {
        for delay in DELAYS {
            let (cell, steps) = (cell(model, delay), steps(model, delay));
            let learns = steps.is_some();
            let ending = if learns { "solved" } else { "cap" };
            records.extend(cell.learnt(SEEDS, learns, ending));
            records.extend(cell.values("reached", &[f64::from(u8::from(learns)); SEEDS]));
            if let Some(steps) = steps {
                records.extend(cell.values("steps_to_learn", &around(steps, 0.05 * steps, SEEDS)));
            }
            let accuracy = if learns { 0.99 } else { 0.3 };
            records.extend(cell.values("test_accuracy", &around(accuracy, 0.002, SEEDS)));
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("distance-copy", records, 1.5, &[SEEDS])
}

#[test]
fn who_learns_in_fewer_steps_at_every_long_delay_is_ahead() {
    let attention_first = outcomes(|model, delay| {
        Some(if model == "transformer" {
            75.0
        } else {
            100.0 + 20.0 * delay as f64
        })
    });
    let v = verdict(&attention_first);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    assert_eq!(
        v.sentence,
        "Over long delays the transformer learns to copy in fewer steps, or in more runs, than the LSTM and the GRU."
    );
    assert!(v.survives || v.evidence.iter().any(|e| e.deciding));
    let last = outcomes(|model, _| Some(if model == "transformer" { 900.0 } else { 100.0 }));
    assert_eq!(verdict(&last).answer, Answer::Reversed);
    let level = outcomes(|_, _| Some(400.0));
    assert_eq!(verdict(&level).answer, Answer::NoDifference);
}

#[test]
fn a_rival_that_differs_makes_it_conditional() {
    let v = verdict(&outcomes(|model, _| {
        Some(if model == "lstm" { 3000.0 } else { 200.0 })
    }));
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    let flips = v.flips.unwrap();
    assert!(
        flips.contains("ahead of the LSTM")
            && flips.contains("the transformer is level with the GRU"),
        "{flips}"
    );
}

#[test]
fn runs_that_do_not_learn_are_counted_and_not_timed() {
    let v = verdict(&outcomes(|model, delay| match (model, delay) {
        ("transformer", _) => Some(75.0),
        (_, 50) => None,
        (_, delay) => Some(100.0 + 20.0 * delay as f64),
    }));
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let counted = v
        .evidence
        .iter()
        .filter(|e| e.deciding && e.unit == "share of runs");
    assert_eq!(counted.count(), 2);
}

#[test]
fn who_has_not_learnt_the_shortest_delay_is_not_judged() {
    let v = verdict(&outcomes(|model, _| {
        (model == "transformer").then_some(75.0)
    }));
    assert_eq!(v.answer, Answer::Undecided);
    let open = v.open.unwrap();
    assert!(open.contains("has not learnt the easiest case"), "{open}");
    // One of two rivals that has not learnt leaves the verdict to the other.
    let v = verdict(&outcomes(|model, delay| match model {
        "gru" => None,
        "lstm" => Some(100.0 + 20.0 * delay as f64),
        _ => Some(75.0),
    }));
    assert_eq!(v.answer, Answer::Supported);
    assert!(
        v.sentence.contains("the LSTM") && !v.sentence.contains("GRU"),
        "{}",
        v.sentence
    );
}

#[test]
fn a_rate_at_the_edge_of_its_search_decides_nothing() {
    let mut records = outcomes(|model, _| Some(if model == "transformer" { 75.0 } else { 1000.0 }));
    for model in ["lstm", "gru"] {
        for delay in DELAYS {
            records.extend(cell(model, delay).values("edge", &[1.0; SEEDS]));
        }
    }
    let v = verdict(&records);
    assert_eq!(v.answer, Answer::Undecided);
    assert!(v.open.unwrap().contains("at the edge of its search"));
}

#[test]
fn equal_steps_of_all_seeds_decide_nothing() {
    let mut records = outcomes(|model, _| Some(if model == "transformer" { 75.0 } else { 1000.0 }));
    for record in records.iter_mut().filter(|r| r.metric == "steps_to_learn") {
        record.value = Some(if record.model == "transformer" {
            75.0
        } else {
            1000.0
        });
    }
    assert_eq!(verdict(&records).answer, Answer::Undecided);
}

#[test]
fn fewer_runs_than_the_first_look_decide_nothing_and_ask_for_them() {
    let mut records = outcomes(|model, _| Some(if model == "transformer" { 75.0 } else { 1000.0 }));
    records.retain(|r| r.seed < Some(3));
    let v = verdict(&records);
    assert_eq!(v.answer, Answer::Undecided);
    assert!(v.open.unwrap().contains("3 of the 5 results"));
    // An open comparison names the cells that the next look adds to.
    let open = outcomes(|model, _| Some(if model == "transformer" { 100.0 } else { 150.0 }));
    let v = judged("distance-copy", &open, 1.5, &[SEEDS, 8]);
    assert_eq!(v.answer, Answer::Undecided);
    assert!(
        v.cells
            .iter()
            .any(|cell| cell.contains("delay50") && cell.contains("gru")),
        "{:?}",
        v.cells
    );
    assert!(
        v.cells
            .iter()
            .all(|cell| !cell.contains("seed") && !cell.contains("delay2-"))
    );
    assert!(v.open.unwrap().contains("the next look, after 8 seeds"));
}
