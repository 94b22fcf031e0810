//! The claim on the adding problem.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;
use crate::stats::random::SplitMix64;

const LENGTHS: [usize; 4] = [50, 100, 200, 400];

/// Runs whose test error is `mse(model, length, seed)`, give or take a tenth of it.
fn records(seeds: u64, mse: impl Fn(&str, usize, u64) -> f64) -> Vec<Record> {
    let mut random = SplitMix64::new(21);
    let mut records = Vec::new();
    for length in LENGTHS {
        for model in ["elman", "lstm", "gru", "transformer"] {
            for seed in 0..seeds {
                let value = mse(model, length, seed) * (1.0 + 0.1 * random.uniform());
                for (metric, value) in [
                    ("test_mse", value),
                    ("validation_mse", value),
                    ("floor_mse", 1.0 / 6.0),
                    ("solved", f64::from(u8::from(value < 0.01))),
                    // Not what the rule reads.
                    ("test_accuracy", 0.5),
                    ("floor_accuracy", 0.15),
                ] {
                    records.push(Record {
                        run: format!("distance-add-{length}-{model}-{seed}"),
                        experiment: "distance-add".to_owned(),
                        model: model.to_owned(),
                        parameters: Some(25_000),
                        width: Some(32),
                        options: [("positions", (model == "transformer").then_some("none"))].into(),
                        task_parameters: [("length".into(), length)].into(),
                        seed: Some(seed),
                        metric: metric.to_owned(),
                        value: Some(value),
                        ..Record::default()
                    });
                }
            }
        }
    }
    records
}

#[test]
fn a_tie_refutes() {
    let mse = |model: &str, _: usize, _: u64| match model {
        "gru" | "transformer" => 0.001,
        "lstm" => 0.05,
        _ => 0.16,
    };
    let verdict = judged("distance-add", &records(3, mse), 0.1);
    assert_eq!(verdict.answer, Answer::Refuted);
    for words in [
        "Over lengths of 200 positions and more the explained share of the variance of the transformer without positions does not exceed that of the best recurrent model by 0.1: it differs by ",
        "the transformer solves the task in 6 of 6 runs [61 to 100 %], the best recurrent model, the GRU, in 6 of 6 runs",
    ] {
        assert!(
            verdict.sentence.contains(words),
            "{words}\n{}",
            verdict.sentence
        );
    }
    assert!(
        verdict
            .evidence
            .iter()
            .all(|e| e.unit == "share of the variance")
    );
}

#[test]
fn attention_alone_supports_and_the_lead_is_in_explained_variance() {
    let mse = |model: &str, _: usize, _: u64| match model {
        "transformer" => 0.0,
        _ => 0.1,
    };
    let verdict = judged("distance-add", &records(3, mse), 0.1);
    assert_eq!(verdict.answer, Answer::Supported);
    // MSE 0.1 to 0.11 leaves 60 to 66 % of 1/6.
    let lead = verdict
        .evidence
        .iter()
        .find(|e| e.label.ends_with("a length of 400"))
        .unwrap();
    assert!((0.59..0.67).contains(&lead.effect.estimate), "{lead:?}");
}

#[test]
fn conditional_beyond_a_length_and_undecided_where_nobody_learns() {
    let beyond = |model: &str, length: usize, _: u64| match model {
        "transformer" => 0.001,
        _ if length <= 200 => 0.001,
        _ => 0.16,
    };
    let verdict = judged("distance-add", &records(3, beyond), 0.1);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some("ahead at a length of 400, not ahead at lengths of 50 to 200")
    );
    let nobody = judged("distance-add", &records(3, |_, _, _| 0.155), 0.1);
    assert_eq!(nobody.answer, Answer::Inconclusive);
    assert!(
        nobody
            .sentence
            .contains("the budget was judged and not the model")
    );
    let bimodal = |model: &str, _: usize, seed: u64| match (model, seed % 2) {
        ("transformer", 0) => 0.001,
        _ => 0.155,
    };
    let verdict = judged("distance-add", &records(3, bimodal), 0.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.is_some());
}
