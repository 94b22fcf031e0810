//! The claim on vanishing gradients.

use super::judged;
use crate::claims::Answer;
use crate::record::{ColumnValue, Record};
use crate::stats::random::SplitMix64;

/// Three runs a model whose gradients fall at `rate(model, trained)` nats a token.
fn records(noise: f64, rate: impl Fn(&str, bool) -> f64) -> Vec<Record> {
    let mut random = SplitMix64::new(31);
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru", "mingru", "minlstm", "transformer"] {
        for seed in 0..3 {
            for (metric, trained) in [
                ("initial_state_gradient", false),
                ("trained_state_gradient", true),
            ] {
                let rate = rate(model, trained) + noise * random.normal();
                for distance in 0..40 {
                    let norm = match distance {
                        0 => Some(1000.0), // the position of the loss itself is left out
                        30 => None,        // too small for a float
                        d => Some(0.1 * (-rate * f64::from(d)).exp()),
                    };
                    records.push(Record {
                        run: format!("vanishing-{model}-{seed}"),
                        experiment: "vanishing".to_owned(),
                        model: model.to_owned(),
                        seed: Some(seed),
                        metric: metric.to_owned(),
                        x: Some(f64::from(distance)),
                        value: norm,
                        ..Record::default()
                    });
                }
            }
        }
    }
    records
}

fn of(model: &str, recurrent: f64) -> f64 {
    if model == "transformer" {
        0.005
    } else {
        recurrent
    }
}

#[test]
fn all_fall_or_none() {
    let supported = judged("vanishing", &records(0.001, |m, _| of(m, 0.5)), 0.05);
    assert_eq!(supported.answer, Answer::Supported);
    assert_eq!(supported.evidence.len(), 12);
    assert!((supported.evidence[0].effect.estimate - 0.5).abs() < 0.01);
    assert!(
        supported
            .sentence
            .contains("the transformer: untrained 0.00"),
        "{}",
        supported.sentence
    );
    let refuted = judged("vanishing", &records(0.001, |m, _| of(m, 0.01)), 0.05);
    assert_eq!(refuted.answer, Answer::Refuted);
    assert!(
        refuted
            .sentence
            .starts_with("No recurrent model's gradient falls by 0.05")
    );
}

#[test]
fn training_that_stops_the_decay_is_a_condition_and_variants_decide_nothing() {
    let learnt = |m: &str, trained: bool| of(m, if trained && m != "elman" { 0.001 } else { 0.5 });
    let mut all = records(0.001, learnt);
    let variant = all.iter().filter(|r| r.model == "elman").map(|r| {
        let mut variant = Record {
            run: format!("{}-radius", r.run),
            value: Some(1.0),
            ..r.clone()
        };
        variant.options.set("radius", ColumnValue::Number(3.0));
        variant
    });
    let variants: Vec<Record> = variant.collect();
    all.extend(variants);
    let verdict = judged("vanishing", &all, 0.05);
    assert_eq!(verdict.answer, Answer::Conditional);
    let flips = verdict.flips.unwrap();
    assert!(
        flips.contains("trained the Elman RNN; not vanishing: trained the LSTM"),
        "{flips}"
    );
}

#[test]
fn rates_about_the_margin_decide_nothing() {
    let verdict = judged("vanishing", &records(0.03, |m, _| of(m, 0.05)), 0.05);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.is_some());
    assert!(
        verdict.sentence.contains("the closest call is the "),
        "{}",
        verdict.sentence
    );
}
