//! The claim on how long a recurrent state retains a symbol.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;

/// Runs that answer right up to `kept(model, width, seed)` tokens and guess beyond.
fn records(seeds: u64, kept: impl Fn(&str, usize, u64) -> f64) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru", "transformer"] {
        for width in [24, 48] {
            for seed in 0..seeds {
                for power in 0..=10 {
                    let x = f64::from(1 << power);
                    let right = x <= kept(model, width, seed);
                    records.push(Record {
                        run: format!("retention-{model}-{width}-{seed}"),
                        experiment: "retention".to_owned(),
                        model: model.to_owned(),
                        width: Some(width),
                        seed: Some(seed),
                        metric: "test_accuracy_by_distance".to_owned(),
                        x: Some(x),
                        value: Some(if right { 0.97 } else { 0.125 }),
                        ..Record::default()
                    });
                }
            }
        }
    }
    records
}

#[test]
fn ending_everywhere_is_supported_whatever_the_transformer_does() {
    let kept = |model: &str, width: usize, seed: u64| match model {
        "transformer" => 1024.0,
        _ => (width * if seed.is_multiple_of(2) { 1 } else { 2 }) as f64,
    };
    let verdict = judged("retention", &records(5, kept), 1.0);
    assert_eq!(verdict.answer, Answer::Supported);
    let elman = &verdict.evidence[0];
    // 16 of 1024 in three runs of five, 32 in two.
    assert!((elman.effect.estimate - 5.6).abs() < 1e-9, "{elman:?}");
    assert!(
        verdict
            .sentence
            .contains("the Elman RNN 16 (width 24) and 32 (width 48)"),
        "{}",
        verdict.sentence
    );
    assert!(verdict.evidence.last().is_some_and(|e| !e.deciding));
}

#[test]
fn never_ending_is_refuted_and_some_of_each_a_condition() {
    let verdict = judged("retention", &records(5, |_, _, _| 1024.0), 1.0);
    assert_eq!(verdict.answer, Answer::Refuted);
    let some = |model: &str, width: usize, seed: u64| match (model, width) {
        ("elman", _) => 8.0 * (1 + seed % 2) as f64,
        ("lstm", 24) => 64.0 * (1 + seed % 2) as f64,
        _ => 1024.0,
    };
    let verdict = judged("retention", &records(5, some), 1.0);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some(
            "ends: the Elman RNN and the LSTM at width 24; does not: the LSTM at width 48 and the GRU"
        )
    );
}

#[test]
fn seeds_that_disagree_decide_nothing() {
    let split = |_: &str, _: usize, seed: u64| if seed == 0 { 4.0 } else { 1024.0 };
    let verdict = judged("retention", &records(3, split), 1.0);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.is_some());
}

#[test]
fn a_run_that_retains_nothing_counts_half_the_shortest_distance() {
    let verdict = judged("retention", &records(3, |_, _, _| 0.0), 1.0);
    assert_eq!(verdict.answer, Answer::Supported);
    assert_eq!(verdict.evidence[0].effect.estimate, 11.0);
}
