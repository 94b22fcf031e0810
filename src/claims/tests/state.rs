//! The claim on tracking a state.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;
use crate::stats::random::SplitMix64;

const TASKS: [(&str, f64); 3] = [
    ("parity", 0.5),
    ("cyclic", 0.2),
    ("permutation:group=5,all=1", 1.0 / 120.0),
];

/// Runs with `accuracy(model, positions, task, seed)` in the test; validation is solved by the
/// recurrent models, the LSTM with the least loss.
fn records(seeds: u64, noise: f64, accuracy: impl Fn(&str, &str, &str, u64) -> f64) -> Vec<Record> {
    let mut random = SplitMix64::new(22);
    let mut records = Vec::new();
    let series = [
        ("elman", None),
        ("lstm", None),
        ("gru", None),
        ("transformer", Some("rotary")),
        ("transformer", Some("sinusoidal")),
    ];
    for (task, floor) in TASKS {
        for (model, positions) in series {
            for seed in 0..seeds {
                let value =
                    accuracy(model, positions.unwrap_or(""), task, seed) + noise * random.normal();
                let value = value.clamp(0.0, 1.0);
                let loss = match model {
                    "lstm" => 0.001,
                    "transformer" => 0.6,
                    _ => 0.01,
                };
                for (metric, x, value) in [
                    ("validation_loss", Some(100.0), 3.0 - loss),
                    ("validation_loss", Some(200.0), loss),
                    ("validation_accuracy", Some(200.0), 0.9),
                    ("test_accuracy", None, value),
                    ("test_accuracy_by_distance", Some(500.0), 0.0),
                    ("solved", None, f64::from(u8::from(value > 0.99))),
                    ("floor_accuracy", None, floor),
                ] {
                    records.push(Record {
                        run: format!("state-tracking-{task}-{model}-{positions:?}-{seed}"),
                        experiment: "state-tracking".to_owned(),
                        model: model.to_owned(),
                        task: Some(task.to_owned()),
                        options: [
                            ("positions", positions),
                            (
                                "gates",
                                ["lstm", "gru"].contains(&model).then_some("default"),
                            ),
                        ]
                        .into(),
                        seed: Some(seed),
                        metric: metric.to_owned(),
                        x,
                        value: Some(value),
                        ..Record::default()
                    });
                }
            }
        }
    }
    records
}

fn guess(task: &str) -> f64 {
    TASKS.iter().find(|(name, _)| *name == task).unwrap().1
}

#[test]
fn recurrence_that_generalises_supports() {
    let verdict = judged(
        "state-tracking",
        &records(3, 0.002, |model, positions, task, _| {
            match (model, positions) {
                ("transformer", "sinusoidal") => guess(task) + 0.05,
                ("transformer", _) => guess(task),
                ("lstm", _) => 1.0,
                _ => 0.7,
            }
        }),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Supported);
    for words in [
        "On words longer than those trained on the best recurrent model answers right more often than the transformer on every task, by more than 0.1: 0.45 [",
        " on parity, 0.75 [",
        " on permutations of 5.",
        // The claimant by validation loss, the opponent by its test.
        "Parity: the LSTM 1.00 (0.90 at the lengths trained on), the transformer (sinusoidal) 0.55 (0.90 at the lengths trained on), guessing 0.50; solved by the former in 3 of 3 runs [44 to 100 %].",
    ] {
        assert!(
            verdict.sentence.contains(words),
            "{words}\n{}",
            verdict.sentence
        );
    }
    assert_eq!(
        verdict.evidence[1].label,
        "lstm − transformer (sinusoidal), cyclic counting"
    );
}

#[test]
fn a_transformer_that_keeps_up_refutes() {
    let verdict = judged("state-tracking", &records(3, 0.002, |_, _, _, _| 0.98), 0.1);
    assert_eq!(verdict.answer, Answer::Refuted);
    assert!(verdict.sentence.starts_with("On words longer than those trained on the best recurrent model is not ahead of the transformer by 0.1 on any task: 0.00 ["), "{}", verdict.sentence);
}

#[test]
fn some_tasks_and_not_others_is_a_condition() {
    let verdict = judged(
        "state-tracking",
        &records(3, 0.002, |model, _, task, _| match (model, task) {
            ("transformer", "parity") => 0.5,
            (_, "permutation:group=5,all=1") => 0.02,
            _ => 1.0,
        }),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some(
            "ahead on parity, not ahead on cyclic counting, neither side learns permutations of 5"
        )
    );
}

#[test]
fn undecided_without_enough_seeds_and_where_nobody_learns() {
    let every_other = |model: &str, _: &str, task: &str, seed: u64| match (model, seed % 2) {
        ("transformer", _) | (_, 1) => guess(task),
        _ => 1.0,
    };
    let verdict = judged("state-tracking", &records(4, 0.01, every_other), 0.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.is_some());
    assert!(
        verdict
            .sentence
            .contains("undecided on parity, cyclic counting and permutations of 5."),
        "{}",
        verdict.sentence
    );
    let nobody = judged(
        "state-tracking",
        &records(3, 0.002, |_, _, task, _| guess(task)),
        0.1,
    );
    assert_eq!(
        (nobody.answer, nobody.more_seeds),
        (Answer::Inconclusive, None)
    );
    assert!(
        nobody
            .sentence
            .contains("neither side learns parity, cyclic counting and permutations of 5.")
    );
    let lone = judged("state-tracking", &records(1, 0.0, |_, _, _, _| 1.0), 0.1);
    assert_eq!(
        (lone.answer, lone.evidence.len()),
        (Answer::Inconclusive, 0)
    );
}
