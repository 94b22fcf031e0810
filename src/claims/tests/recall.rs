//! Accuracy of recall by pairs and width.

use super::*;

const SEEDS: usize = 5;

fn cell(model: &'static str, pairs: usize, width: usize) -> Cell {
    Cell {
        experiment: "distance-recall",
        model,
        positions: (model == "transformer").then_some("rotary"),
        gates: (model != "transformer").then_some("default"),
        task: "recall",
        width,
        at: ("pairs", pairs),
        ..Cell::default()
    }
}

fn outcomes(accuracy: impl Fn(&str, usize, usize) -> (f64, &'static str)) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["lstm", "gru", "transformer"] {
        for pairs in [2, 4] {
            for width in [32, 64] {
                let cell = cell(model, pairs, width);
                let (accuracy, ending) = accuracy(model, pairs, width);
                records.extend(cell.values("test_accuracy", &around(accuracy, 0.004, SEEDS)));
                records.extend(cell.learnt(SEEDS, accuracy > 0.95, ending));
            }
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("distance-recall", records, 0.1, &[SEEDS])
}

#[test]
fn a_state_that_is_too_small_is_behind_and_a_wide_one_level() {
    let v = verdict(&outcomes(|model, pairs, width| {
        match (model, pairs, width) {
            ("transformer", ..) | (_, 2, _) | (_, _, 64) => (0.985, "solved"),
            _ => (0.4, "plateau"),
        }
    }));
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert!(
        v.sentence.starts_with("It depends on the state"),
        "{}",
        v.sentence
    );
    let flips = v.flips.unwrap();
    assert!(
        flips.contains("at 4 pairs, width 32") && flips.contains("level with"),
        "{flips}"
    );
    let behind = verdict(&outcomes(|model, pairs, _| match (model, pairs) {
        ("transformer", _) | (_, 2) => (0.985, "solved"),
        _ => (0.4, "plateau"),
    }));
    assert_eq!(behind.answer, Answer::Supported);
    let level = verdict(&outcomes(|_, _, _| (0.985, "solved")));
    assert_eq!(level.answer, Answer::NoDifference);
}

#[test]
fn a_rival_that_knows_the_set_but_not_the_pairing_is_not_judged() {
    // On the floor of 1/pairs at the anchor: it has not learnt to bind.
    let v = verdict(&outcomes(|model, pairs, _| match model {
        "transformer" => (0.985, "solved"),
        _ => (1.0 / pairs as f64, "plateau"),
    }));
    assert_eq!(v.answer, Answer::Undecided);
    assert!(v.open.unwrap().contains("has not learnt the easiest case"));
    assert!(
        v.evidence
            .iter()
            .filter(|e| e.deciding)
            .all(|e| !e.void.is_empty())
    );
}

#[test]
fn a_rival_that_was_still_learning_is_not_judged() {
    let v = verdict(&outcomes(|model, pairs, _| match (model, pairs) {
        ("transformer", _) | (_, 2) => (0.985, "solved"),
        _ => (0.6, "cap"),
    }));
    assert_eq!(v.answer, Answer::Undecided);
    assert!(v.open.unwrap().contains("was still learning"));
}
