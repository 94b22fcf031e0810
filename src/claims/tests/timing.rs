//! Claims on time and state.

use super::*;

const LENGTHS: [usize; 4] = [32, 128, 512, 2048];

/// Decoding whose time grows with the context for the transformer alone.
pub(super) fn decode() -> Vec<Record> {
    let mut records = timed(
        "decode-cost",
        &["decode"],
        &LENGTHS,
        &[1],
        0.01,
        |model, _, context, _| {
            let slow = if model == "transformer" {
                context as f64 / 32.0
            } else {
                1.0
            };
            1e5 / slow
        },
    );
    for model in ["elman", "lstm", "gru", "transformer"] {
        for context in LENGTHS {
            let bytes = if model == "transformer" {
                64 * context
            } else {
                512
            };
            records.push(Record {
                experiment: "decode-cost".to_owned(),
                model: model.to_owned(),
                metric: "state_bytes".to_owned(),
                seq_len: Some(context),
                value: Some(bytes as f64),
                ..Record::default()
            });
        }
    }
    records
}

fn speeds(noise: f64, speed: impl Fn(&str, usize) -> f64) -> Verdict {
    let records = timed(
        "speed-long",
        &["train-step", "forward"],
        &LENGTHS,
        &[2],
        noise,
        |model, _, t, _| speed(model, t),
    );
    judged("speed-long", &records, 1.1, &[7])
}

#[test]
fn speed_is_judged_at_every_length() {
    let fast = |factor: f64| {
        move |model: &str, _: usize| {
            if model == "transformer" {
                factor * 1e5
            } else {
                1e5
            }
        }
    };
    assert_eq!(speeds(0.01, fast(2.0)).answer, Answer::Supported);
    assert_eq!(speeds(0.01, fast(0.5)).answer, Answer::Reversed);
    assert_eq!(speeds(0.01, fast(1.0)).answer, Answer::NoDifference);
    let v = speeds(0.01, |model, t| {
        if model == "transformer" && t < 512 {
            2e5
        } else {
            1e5
        }
    });
    assert_eq!(v.answer, Answer::Conditional);
    assert!(v.flips.unwrap().contains("training at T = 32 and 128"));
    assert_eq!(speeds(0.3, fast(1.1)).answer, Answer::Undecided);
}

#[test]
fn decoding_is_judged_by_the_slope_of_each_launch() {
    let v = judged("decode-cost", &decode(), 0.1, &[7]);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let time = v
        .evidence
        .iter()
        .find(|e| e.label == "time of transformer / lstm")
        .unwrap();
    assert!((time.effect.estimate - 1.0).abs() < 0.02 && time.effect.n == 7);
    assert!(v.scope.contains("7 launches"), "{}", v.scope);
}

#[test]
fn threads_gain_by_model() {
    let v = |gain: fn(&str) -> f64| {
        let records = timed(
            "parallel-clock",
            &["train-step"],
            &[64, 512],
            &[1, 2],
            0.01,
            |model, _, _, threads| {
                if threads == 2 { gain(model) * 1e5 } else { 1e5 }
            },
        );
        judged("parallel-clock", &records, 1.1, &[7])
    };
    assert_eq!(
        v(|model| if model == "transformer" { 1.9 } else { 1.2 }).answer,
        Answer::Supported
    );
    let same = v(|_| 1.8);
    assert_eq!(same.answer, Answer::NoDifference);
    assert!(
        same.sentence.starts_with("From 1 to 2 threads"),
        "{}",
        same.sentence
    );
}

#[test]
fn growth_of_time_is_quadratic_where_its_slope_is() {
    let verdict = |power: f64| {
        let mut records = timed(
            "quadratic",
            &["train-step", "forward"],
            &LENGTHS,
            &[1],
            0.005,
            |_, _, t, _| 1e7 / (t as f64).powf(power),
        );
        for (t, bytes) in LENGTHS.map(|t| (t, 1000.0 * t as f64)) {
            for model in ["lstm", "transformer"] {
                records.push(Record {
                    experiment: "quadratic".to_owned(),
                    model: model.to_owned(),
                    metric: "peak_bytes".to_owned(),
                    task: Some("train-step".to_owned()),
                    seq_len: Some(t),
                    value: Some(bytes),
                    ..Record::default()
                });
            }
        }
        judged("quadratic", &records, 1.5, &[7])
    };
    let v = verdict(2.0);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert!(
        v.sentence.contains("training memory does not"),
        "{}",
        v.sentence
    );
    assert_eq!(verdict(1.0).answer, Answer::NoDifference);
}
