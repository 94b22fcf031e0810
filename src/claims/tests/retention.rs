//! Whether retention ends before the cap.

use super::*;

fn outcomes(seeds: u64, keeps: impl Fn(&str, u64) -> usize) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru"] {
        let cell = Cell {
            experiment: "retention",
            model,
            gates: (model != "elman").then_some("default"),
            task: "retention",
            width: 24,
            at: ("symbols", 8),
            ..Cell::default()
        };
        let distances = [1, 16, 256, 2048];
        records.extend(cell.curve(
            "test_accuracy_by_distance",
            seeds,
            &distances,
            1,
            |seed, x, _| {
                if x <= keeps(model, seed) { 0.99 } else { 0.2 }
            },
        ));
        records.extend(cell.learnt(seeds as usize, true, "cap"));
    }
    records
}

fn verdict(records: &[Record], looks: &[usize]) -> Verdict {
    judged("retention", records, 0.5, looks)
}

#[test]
fn what_reaches_the_cap_in_most_runs_has_not_ended() {
    let v = verdict(
        &outcomes(7, |model, _| if model == "elman" { 16 } else { 2048 }),
        &[7],
    );
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Whether most runs forget a symbol within 2048 tokens depends on the model or its width."
    );
    assert_eq!(
        verdict(&outcomes(7, |_, _| 256), &[7]).answer,
        Answer::Supported
    );
    assert_eq!(
        verdict(&outcomes(7, |_, _| 2048), &[7]).answer,
        Answer::Reversed
    );
}

#[test]
fn five_equal_censored_values_are_too_few() {
    assert_eq!(
        verdict(&outcomes(5, |_, _| 2048), &[5]).answer,
        Answer::Undecided
    );
    let mixed = outcomes(7, |_, seed| if seed < 3 { 256 } else { 2048 });
    assert_eq!(verdict(&mixed, &[7]).answer, Answer::Undecided);
}
