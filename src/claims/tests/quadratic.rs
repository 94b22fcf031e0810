//! The claim on growth with the length of the sequence.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::timed;
use crate::record::Record;

const LENGTHS: [usize; 5] = [128, 512, 2048, 4096, 8192];

/// The transformer's time as T + T² / `even` and its bytes as Tᵏ; everything else linear. `timed`
/// gives tokens a second of a batch of T tokens.
fn records(noise: f64, even: f64, bytes: f64) -> Vec<Record> {
    let speed = |model: &str, _: &str, length: usize, _: usize| match model {
        "transformer" => 1e6 / (1.0 + length as f64 / even),
        _ => 1e6,
    };
    let modes = ["train-step", "forward"];
    let mut records = timed("quadratic", &modes, &LENGTHS, &[1], noise, speed);
    for record in records.iter_mut().filter(|r| r.metric == "step_seconds") {
        // One sequence a step, whatever batch the shared fixture had in mind.
        let length = record.seq_len.unwrap() as f64;
        let own = speed(&record.model, "", length as usize, 1);
        let wobble = 1.0 + noise * (record.repeat.unwrap() % 3) as f64;
        record.value = Some(length / own * wobble);
    }
    let peaks: Vec<Record> = records
        .iter()
        .filter(|r| r.metric == "step_seconds" && r.repeat == Some(0))
        .map(|r| {
            let k = if r.model == "transformer" { bytes } else { 1.0 };
            Record {
                metric: "peak_bytes".to_owned(),
                repeat: None,
                value: Some(1e3 * (r.seq_len.unwrap() as f64).powf(k)),
                ..r.clone()
            }
        })
        .collect();
    records.extend(peaks);
    records
}

#[test]
fn quadratic_in_time_and_memory_is_supported() {
    let verdict = judged("quadratic", &records(0.01, 1.0, 2.0), 1.5);
    assert_eq!(verdict.answer, Answer::Supported);
    let time = &verdict.evidence[0];
    assert!((time.effect.estimate - 2.0).abs() < 0.02, "{time:?}");
    let memory = &verdict.evidence[2];
    assert!((memory.effect.estimate - 2.0).abs() < 1e-9, "{memory:?}");
}

#[test]
fn linear_in_both_is_refuted() {
    let verdict = judged("quadratic", &records(0.01, 1e9, 1.0), 1.5);
    assert_eq!(verdict.answer, Answer::Refuted);
    assert!(
        verdict.sentence.contains("by no power of T over 1.5"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn only_in_time_is_a_condition_and_the_ends_are_told_apart() {
    let verdict = judged("quadratic", &records(0.01, 1000.0, 1.0), 1.5);
    assert_eq!(verdict.answer, Answer::Conditional);
    let flips = verdict.flips.unwrap();
    assert!(
        flips.starts_with("quadratic in the time of training (1.80"),
        "{flips}"
    );
    assert!(
        flips.contains("; not in the memory of training (1.00"),
        "{flips}"
    );
    let short = verdict
        .evidence
        .iter()
        .find(|e| e.label == "time of transformer, training, T = 128 to 2048")
        .unwrap();
    assert!(!short.deciding && short.effect.estimate < 1.5, "{short:?}");
    let linear = verdict
        .evidence
        .iter()
        .find(|e| {
            e.label
                == "time of lstm, forward, T = 2048 to 8192".replace("forward", "the forward pass")
        })
        .unwrap();
    assert!((linear.effect.estimate - 1.0).abs() < 0.05, "{linear:?}");
}

#[test]
fn noise_settles_nothing() {
    let verdict = judged("quadratic", &records(3.0, 1000.0, 2.0), 1.5);
    assert_ne!(verdict.answer, Answer::Refuted);
    let time = &verdict.evidence[0];
    assert_eq!(time.answer, Answer::Inconclusive, "{time:?}");
}
