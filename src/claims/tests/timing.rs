//! The two claims on speed.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::timed;

pub(super) const LENGTHS: [usize; 5] = [32, 128, 512, 2048, 4096];
pub(super) const MODES: [&str; 3] = ["train-step", "forward", "decode"];

/// Tokens per second of a recurrent model that slows down as B falls, and `factor(task, T)` times
/// that for the transformer.
pub(super) fn speed(
    factor: impl Fn(&str, usize) -> f64,
) -> impl Fn(&str, &str, usize, usize) -> f64 {
    move |model, task, length, _| {
        let recurrent = 1e5 / (1.0 + length as f64 / 1000.0);
        match model {
            "transformer" => recurrent * factor(task, length),
            "elman" => recurrent * 1.05,
            _ => recurrent,
        }
    }
}

#[test]
fn a_lead_at_every_length_supports_speed_long() {
    let records = timed(
        "speed-long",
        &MODES,
        &LENGTHS,
        &[2],
        0.01,
        speed(|_, _| 2.0),
    );
    let verdict = judged("speed-long", &records, 1.1);
    assert_eq!(verdict.answer, Answer::Supported);
    assert_eq!(verdict.evidence.len(), 3 * 5 * 3 + 4);
    for words in [
        "At every length, in training, the forward pass and decoding, the transformer processes more than 1.1×",
        "its narrowest lead is 1.8",
        "the Elman RNN (",
        "The recurrent models themselves slow down: from T = 32 to T = 4096 their training speed falls by a factor of 4.9",
        "Of the machine's peak, training at T = 4096 uses: the Elman RNN ",
    ] {
        assert!(verdict.sentence.contains(words), "{words}");
    }
}

#[test]
fn no_lead_at_any_length_refutes_speed_long() {
    let records = timed(
        "speed-long",
        &MODES,
        &LENGTHS,
        &[2],
        0.01,
        speed(|_, _| 0.7),
    );
    let verdict = judged("speed-long", &records, 1.1);
    assert_eq!(verdict.answer, Answer::Refuted);
    assert!(verdict.sentence.starts_with("At no length, in training, the forward pass and decoding, does the transformer lead any recurrent model by 1.1×; the most it reaches is 0.7"));
}

#[test]
fn speed_long_conditional_says_where_it_flips() {
    let factor = |task: &str, t: usize| match task {
        "decode" => 0.5,
        "forward" => 3.0,
        _ if t <= 512 => 3.0,
        _ => 0.4,
    };
    let records = timed("speed-long", &MODES, &LENGTHS, &[1, 2], 0.01, speed(factor));
    let verdict = judged("speed-long", &records, 1.1);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some(
            "in training every recurrent model at T = 32 to 512, none at T = 2048 and 4096; in the \
             forward pass every recurrent model at every length; in decoding none at any length"
        )
    );
    assert!(
        verdict.sentence.contains("the speed of the LSTM")
            || verdict.sentence.contains("the speed of the GRU")
    );
}

#[test]
fn speed_long_inconclusive_names_the_repeats_it_takes() {
    let flat =
        |model: &str, _: &str, _: usize, _: usize| if model == "transformer" { 1.15 } else { 1.0 };
    let records = timed("speed-long", &MODES[..1], &LENGTHS, &[2], 0.15, flat);
    let verdict = judged("speed-long", &records, 1.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.unwrap() > 2);
    assert!(verdict.sentence.starts_with("The timings cannot tell whether the transformer is faster than the recurrent models in training: the closest call is 1."));
    assert!(verdict.sentence.contains("more repeats would decide it."));
}

#[test]
fn speed_long_survives_a_model_that_failed() {
    let mut records = timed(
        "speed-long",
        &MODES[..1],
        &LENGTHS,
        &[2],
        0.01,
        speed(|_, _| 2.0),
    );
    records.retain(|r| !(r.model == "lstm" && r.seq_len == Some(4096)));
    let verdict = judged("speed-long", &records, 1.1);
    // All that was measured supports it; what was not is undecided.
    assert_eq!(verdict.answer, Answer::Conditional);
    assert!(
        verdict
            .sentence
            .contains("Not compared (no result): transformer / lstm, training, T = 4096;")
    );
    assert!(
        verdict
            .flips
            .unwrap()
            .contains("the Elman RNN and the GRU (undecided against the LSTM) at T = 4096")
    );
    for record in &mut records {
        record.value = None;
    }
    assert_eq!(
        judged("speed-long", &records, 1.1).answer,
        Answer::Inconclusive
    );
}

/// Speed-up on n threads: `gain(model, T)` of the perfect one.
fn scaling(gain: impl Fn(&str, usize) -> f64) -> impl Fn(&str, &str, usize, usize) -> f64 {
    move |model, _, length, n| 1e4 * (1.0 + (n as f64 - 1.0) * gain(model, length))
}

#[test]
fn parallel_clock_has_four_answers() {
    let run = |noise: f64, gain: &dyn Fn(&str, usize) -> f64| {
        let records = timed(
            "parallel-clock",
            &["train-step"],
            &[64, 1024],
            &[1, 2],
            noise,
            scaling(gain),
        );
        judged("parallel-clock", &records, 1.1)
    };
    let by = |recurrent: f64, attention: f64| {
        move |m: &str, _: usize| {
            if m == "transformer" {
                attention
            } else {
                recurrent
            }
        }
    };
    let supported = run(0.005, &by(0.2, 0.9));
    assert_eq!(supported.answer, Answer::Supported);
    assert!(supported.sentence.starts_with("From 1 to 2 threads the transformer's training gains more than 1.1× the speed-up of every recurrent model at every shape measured; its smallest advantage is 1.5"));
    assert!(supported.sentence.contains("(the transformer speeds up 1."));
    let refuted = run(0.005, &by(0.9, 0.9));
    assert_eq!(refuted.answer, Answer::Refuted);
    assert!(
        refuted
            .sentence
            .contains("at no shape is the transformer's speed-up 1.1× that of a recurrent model")
    );
    let conditional = run(0.005, &|m, t| {
        if m == "lstm" && t == 1024 { 0.1 } else { 0.8 }
    });
    assert_eq!(conditional.answer, Answer::Conditional);
    assert_eq!(
        conditional.flips.as_deref(),
        Some(
            "the LSTM (T = 1024, B = 4); not that of the Elman RNN at every shape, the LSTM (T = 64, \
             B = 64) and the GRU at every shape"
        )
    );
    let inconclusive = run(0.2, &by(0.7, 0.9));
    assert_eq!(inconclusive.answer, Answer::Inconclusive);
    assert!(inconclusive.more_seeds.is_some() && inconclusive.sentence.contains("cannot tell"));
}

#[test]
fn parallel_clock_needs_two_thread_counts() {
    let records = timed(
        "parallel-clock",
        &["train-step"],
        &[64],
        &[1],
        0.01,
        scaling(|_, _| 1.0),
    );
    let verdict = judged("parallel-clock", &records, 1.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.sentence.starts_with(
        "Speed-up cannot be measured here: all timings used the same number of threads"
    ));
}
