//! The claim on the parallel scan.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::timed_series;
use crate::record::Record;

const SERIES: [(&str, Option<&str>); 5] = [
    ("lstm", None),
    ("mingru", Some("sequential")),
    ("mingru", Some("parallel")),
    ("minlstm", Some("sequential")),
    ("minlstm", Some("parallel")),
];
const MODES: [&str; 2] = ["train-step", "forward"];
const LENGTHS: [usize; 3] = [128, 1024, 4096];

/// The LSTM at 10⁵ tokens/s, loops `own_loop` times and scans `scan(task, T)` times as fast.
fn records(noise: f64, own_loop: f64, scan: impl Fn(&str, usize) -> f64) -> Vec<Record> {
    let speed = |model: &str, task: &str, length: usize, _: usize| {
        1e5 * match model {
            "lstm" => 1.0,
            m if m.ends_with("sequential") => own_loop,
            _ => scan(task, length),
        }
    };
    timed_series("scan", &SERIES, &MODES, &LENGTHS, &[2], noise, speed)
}

#[test]
fn a_scan_ahead_of_both_rivals_everywhere_supports() {
    let verdict = judged("scan", &records(0.01, 1.5, |_, _| 3.0), 1.1);
    assert_eq!(verdict.answer, Answer::Supported);
    // Two cells, two rivals, two modes, three lengths; two loops at the longest.
    assert_eq!(verdict.evidence.len(), 24 + 2);
    for words in [
        "With the parallel scan minGRU and minLSTM process, at every length, in training and the forward pass, more than 1.1× the tokens per second of the LSTM and of their own loops; the narrowest lead is ",
        "against its own loop, ",
        "Without any scan, by the loop, the training speed at T = 4096 is 1.",
        "(the minGRU) and 1.",
    ] {
        assert!(
            verdict.sentence.contains(words),
            "{words}: {}",
            verdict.sentence
        );
    }
    // No record of the chains: nothing is said of them.
    assert!(!verdict.sentence.contains("longest chain"));
}

#[test]
fn a_scan_ahead_of_neither_rival_refutes() {
    let verdict = judged("scan", &records(0.01, 1.2, |_, _| 0.8), 1.1);
    assert_eq!(verdict.answer, Answer::Refuted);
    assert!(verdict.sentence.starts_with(
        "At no length, in training and the forward pass, does the parallel scan of minGRU or \
         minLSTM lead the LSTM or its own loop by 1.1×; the most it reaches is 0.8"
    ));
}

#[test]
fn a_condition_says_against_whom_and_where() {
    let scan = |task: &str, length: usize| match (task, length) {
        ("forward", 4096) => 4.0,
        _ => 1.8,
    };
    let verdict = judged("scan", &records(0.01, 2.0, scan), 1.1);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some(
            "the minGRU outpaces in training the LSTM at every length and its own loop at no length, \
             in the forward pass the LSTM at every length and its own loop at T = 4096; the minLSTM \
             outpaces in training the LSTM at every length and its own loop at no length, in the \
             forward pass the LSTM at every length and its own loop at T = 4096"
        )
    );
    let whole =
        "It depends on the rival. By more than 1.1× the parallel scan of the minGRU outpaces";
    assert!(verdict.sentence.starts_with(whole));
    assert!(
        verdict.sentence.contains("The ratio goes from 4.0")
            || verdict.sentence.contains("The ratio goes from 3.9")
    );
}

#[test]
fn an_open_verdict_names_the_repeats_it_takes() {
    let verdict = judged("scan", &records(0.15, 1.0, |_, _| 1.13), 1.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.more_seeds.unwrap() > 2);
    assert!(verdict.sentence.starts_with(
        "The timings cannot tell whether the parallel scan of minGRU or minLSTM is faster than the \
         LSTM and its own loop in training and the forward pass: the closest call is 1."
    ));
    assert!(verdict.sentence.contains("more repeats would decide it."));
}

#[test]
fn a_model_that_failed_is_named_and_chains_are_told() {
    let mut records = records(0.01, 1.5, |_, _| 3.0);
    records.retain(|r| !(r.model == "minlstm" && r.seq_len == Some(4096)));
    let chains: Vec<Record> = records
        .iter()
        .filter(|r| r.repeat == Some(0) && r.metric == "tokens_per_second")
        .map(|r| {
            let length = r.seq_len.unwrap() as f64;
            let span = match (r.model.as_str(), r.option("scan")) {
                ("lstm", _) => 13.0 * length,
                (_, Some("sequential")) => 100.0 + 2.0 * length,
                _ => 256.0 + 4.0 * length.log2(),
            };
            Record {
                metric: "span_flops".to_owned(),
                repeat: None,
                value: Some(span),
                ..r.clone()
            }
        })
        .collect();
    records.extend(chains);
    let verdict = judged("scan", &records, 1.1);
    // All that was measured supports it; what was not is undecided.
    assert_eq!(verdict.answer, Answer::Conditional);
    let flips = verdict.flips.unwrap();
    let undecided = "the LSTM at T = 128 and 1024 (undecided at T = 4096)";
    assert!(flips.contains(undecided), "{flips}");
    for words in [
        "Not compared (no result): minlstm parallel / lstm, training, T = 4096;",
        "From T = 128 to T = 4096 the longest chain of dependent operations of a forward pass grows by a factor of 32.00 (the LSTM), 23.29 (the minGRU's loop) and 1.07 (its scan).",
    ] {
        assert!(
            verdict.sentence.contains(words),
            "{words}: {}",
            verdict.sentence
        );
    }
    for record in &mut records {
        record.value = None;
    }
    assert_eq!(judged("scan", &records, 1.1).answer, Answer::Inconclusive);
}
