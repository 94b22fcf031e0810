//! The claim on the cost of a generated token.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::timed;
use crate::record::Record;

const CONTEXTS: [usize; 4] = [16, 128, 1024, 4096];

/// The transformer's time as the context to the power `time`, its state to the power `state`.
fn records(noise: f64, time: f64, state: f64) -> Vec<Record> {
    let power = |model: &str, k: f64, length: usize| match model {
        "transformer" => (length as f64).powf(k),
        _ => 1.0,
    };
    let speed = |model: &str, _: &str, length: usize, _: usize| 1e6 / power(model, time, length);
    let mut records = timed("decode-cost", &["decode"], &CONTEXTS, &[1], noise, speed);
    let states: Vec<Record> = records
        .iter()
        .filter(|r| r.metric == "step_seconds" && r.repeat == Some(0))
        .map(|r| Record {
            metric: "state_bytes".to_owned(),
            repeat: None,
            value: Some(4096.0 * power(&r.model, state, r.seq_len.unwrap())),
            ..r.clone()
        })
        .collect();
    records.extend(states);
    records
}

#[test]
fn a_cost_that_grows_with_the_context_supports() {
    let verdict = judged("decode-cost", &records(0.02, 0.6, 1.0), 0.1);
    assert_eq!(verdict.answer, Answer::Supported);
    assert_eq!(verdict.evidence.len(), 10);
    assert!(
        verdict
            .sentence
            .contains("4.0 to 4.0 KiB of state (the LSTM)"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn costs_that_do_not_grow_refute() {
    let verdict = judged("decode-cost", &records(0.02, 0.0, 0.0), 0.1);
    assert_eq!(verdict.answer, Answer::Refuted);
}

#[test]
fn growth_in_state_and_not_in_time_is_a_condition() {
    let verdict = judged("decode-cost", &records(0.02, 0.0, 1.0), 0.1);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some("in time against none; in state against every recurrent model")
    );
}

#[test]
fn noise_that_hides_the_slope_decides_nothing() {
    let mut noisy = records(0.3, 0.1, 1.0);
    noisy.retain(|r| r.metric != "state_bytes");
    let verdict = judged("decode-cost", &noisy, 0.1);
    assert_eq!(verdict.answer, Answer::Inconclusive, "{}", verdict.sentence);
}
