//! Words longer than those trained on.

use super::*;

const SEEDS: usize = 5;

fn cell(model: &'static str, task: &'static str) -> Cell {
    Cell {
        experiment: "state-tracking",
        model,
        positions: (model == "transformer").then_some("rotary"),
        gates: (model == "lstm").then_some("default"),
        task,
        width: 32,
        at: ("length", 12),
        ..Cell::default()
    }
}

fn outcomes(accuracy: impl Fn(&str, &str) -> (f64, bool)) -> Vec<Record> {
    let mut records = Vec::new();
    for task in ["parity", "cyclic:length=12"] {
        for model in ["elman", "lstm", "mingru", "transformer"] {
            let (cell, (accuracy, learnt)) = (cell(model, task), accuracy(model, task));
            records.extend(cell.values("test_accuracy", &around(accuracy, 0.01, SEEDS)));
            records.extend(cell.learnt(SEEDS, learnt, if learnt { "solved" } else { "plateau" }));
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("state-tracking", records, 0.1, &[SEEDS])
}

#[test]
fn recurrence_that_carries_over_is_ahead_of_attention_that_learnt_the_range() {
    let v = verdict(&outcomes(|model, _| match model {
        "transformer" => (0.4, true),
        "mingru" => (0.45, false),
        _ => (0.98, true),
    }));
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let minimal = v
        .evidence
        .iter()
        .find(|e| e.label.starts_with("mingru"))
        .unwrap();
    assert!(!minimal.deciding && !minimal.void.is_empty());
    let v = verdict(&outcomes(|model, task| match (model, task) {
        ("transformer", _) => (0.4, true),
        ("lstm", "cyclic:length=12") => (0.42, true),
        _ => (0.98, true),
    }));
    assert_eq!(v.answer, Answer::Conditional);
    assert_eq!(
        v.sentence,
        "Recurrent models lead on longer words in some comparisons with transformers, and not in others."
    );
}

#[test]
fn attention_that_has_not_learnt_the_range_is_not_judged() {
    let v = verdict(&outcomes(|model, _| {
        (
            if model == "transformer" { 0.5 } else { 0.98 },
            model != "transformer",
        )
    }));
    assert_eq!(v.answer, Answer::Undecided);
    assert!(
        v.open
            .unwrap()
            .contains("the transformer (rotary) has not learnt")
    );
}
