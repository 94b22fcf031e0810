//! The claim on contexts longer than those trained on.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;
use crate::stats::random::SplitMix64;

const SERIES: [(&str, Option<&str>); 6] = [
    ("elman", None),
    ("lstm", None),
    ("gru", None),
    ("transformer", Some("learned")),
    ("transformer", Some("rotary")),
    ("transformer", Some("alibi")),
];

/// Models whose bits change by `change` from 64 to 512 tokens; `None`: it cannot read so many.
fn records(noise: f64, change: impl Fn(&str, &str) -> Option<f64>) -> Vec<Record> {
    let mut random = SplitMix64::new(5);
    let mut records = Vec::new();
    for (model, positions) in SERIES {
        let scheme = positions.unwrap_or_default();
        for seed in 0..3 {
            let offset = 0.3 * random.normal();
            let mut push = |metric: &str, x: f64, value: Option<f64>| {
                records.push(Record {
                    run: format!("context-limit-{model}-{scheme}-{seed}"),
                    experiment: "context-limit".to_owned(),
                    model: model.to_owned(),
                    options: [("positions", positions)].into(),
                    seed: Some(seed),
                    metric: metric.to_owned(),
                    x: Some(x),
                    value,
                    ..Record::default()
                });
            };
            let base = if model == "gru" { 2.0 } else { 2.4 };
            push("validation_bits_per_character", 100.0, Some(base));
            push("test_bits_by_length", 64.0, Some(base + offset));
            let long = change(model, scheme);
            let long = long.map(|c| base + offset + c + noise * random.normal());
            push("test_bits_by_length", 512.0, long);
        }
    }
    records
}

#[test]
fn every_scheme_that_loses_or_cannot_read_supports() {
    let change = |model: &str, scheme: &str| match (model, scheme) {
        (_, "learned") => None,
        ("transformer", _) => Some(0.5),
        _ => Some(-0.05),
    };
    let verdict = judged("context-limit", &records(0.002, change), 0.05);
    assert_eq!(verdict.answer, Answer::Supported);
    let rotary = verdict
        .evidence
        .iter()
        .find(|e| e.label == "transformer (rotary) − gru, lost from T to 512 tokens")
        .unwrap();
    assert!((rotary.effect.estimate - 0.55).abs() < 0.01, "{rotary:?}");
    assert!(
        verdict
            .sentence
            .contains("learned, which cannot be read at all"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn no_scheme_that_loses_refutes_and_some_are_a_condition() {
    let none = |_: &str, _: &str| Some(-0.05);
    let verdict = judged("context-limit", &records(0.002, none), 0.05);
    assert_eq!(verdict.answer, Answer::Refuted);
    let some = |_: &str, scheme: &str| match scheme {
        "learned" => None,
        "rotary" => Some(1.0),
        _ => Some(-0.05),
    };
    let verdict = judged("context-limit", &records(0.002, some), 0.05);
    assert_eq!(verdict.answer, Answer::Conditional);
    let flips = verdict.flips.unwrap();
    assert!(
        flips.starts_with("more by over the margin with positions rotary 1.0"),
        "{flips}"
    );
    assert!(flips.contains("; not with alibi"), "{flips}");
}

#[test]
fn noise_decides_nothing() {
    let verdict = judged("context-limit", &records(0.3, |_, _| Some(0.05)), 0.05);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.is_some());
}
