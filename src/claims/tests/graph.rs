//! The claim on the graph of a training step.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;

const LENGTHS: [usize; 3] = [128, 512, 2048];
const BATCHES: [usize; 2] = [1, 16];

/// Spans `span(model, T)` and parallelism `parallelism(model, T, B)` of every model and shape.
fn records(
    span: impl Fn(&str, f64) -> f64,
    parallelism: impl Fn(&str, f64, f64) -> f64,
) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru", "mingru", "transformer"] {
        for t in LENGTHS {
            for b in BATCHES {
                let (x, y) = (t as f64, b as f64);
                let values = [
                    ("span_flops", Some(1), span(model, x)),
                    ("parallelism", None, parallelism(model, x, y)),
                    ("prediction_error", Some(1), 0.5),
                    (
                        "prediction_error",
                        Some(2),
                        if t == 128 { -0.04 } else { 0.02 },
                    ),
                ];
                records.extend(values.map(|(metric, threads, value)| Record {
                    run: format!("parallel-graph-{t}-{b}"),
                    experiment: "parallel-graph".to_owned(),
                    model: model.to_owned(),
                    options: [("scan", (model == "mingru").then_some("parallel"))].into(),
                    seq_len: Some(t),
                    batch: Some(b),
                    threads,
                    metric: metric.to_owned(),
                    value: Some(value),
                    ..Record::default()
                }));
            }
        }
    }
    records
}

fn is_chain(model: &str) -> bool {
    ["elman", "lstm", "gru"].contains(&model)
}

fn span(model: &str, t: f64) -> f64 {
    if is_chain(model) {
        50.0 + 40.0 * t
    } else {
        300.0 + 20.0 * t.log2()
    }
}

#[test]
fn conditional_where_a_batch_gives_what_the_sequence_does_not() {
    let records = records(span, |model, t, b| 1e5 * t * b / span(model, t));
    let verdict = judged("parallel-graph", &records, 0.5);
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(verdict.evidence.len(), 12);
    assert_eq!(
        verdict.flips.as_deref(),
        Some("along one sequence it is hard, over the sequences of a batch it is not")
    );
    for words in [
        "Along one sequence it is hard, over the sequences of a batch it is not.",
        "grows 15.9-fold to 81970 operations (the Elman RNN)",
        "(the scanned minGRU)",
        "predicted from one recorded on a single thread, miss the clock by 2.0 % (median), at most 4.0 %.",
    ] {
        assert!(
            verdict.sentence.contains(words),
            "{words}: {}",
            verdict.sentence
        );
    }
}

#[test]
fn supported_where_a_batch_is_no_help_either() {
    let records = records(span, |model, t, b| {
        let batch = if is_chain(model) { b.powf(0.1) } else { b };
        1e5 * t * batch / span(model, t)
    });
    assert_eq!(
        judged("parallel-graph", &records, 0.5).answer,
        Answer::Supported
    );
}

#[test]
fn refuted_where_recurrence_grows_as_attention_does() {
    let flat = |_: &str, t: f64| 300.0 + 20.0 * t.log2();
    let records = records(flat, |model, t, b| 1e5 * t * b / flat(model, t));
    let verdict = judged("parallel-graph", &records, 0.5);
    assert_eq!(verdict.answer, Answer::Refuted);
}

#[test]
fn inconclusive_where_the_exponent_covers_the_margin_and_no_repeats_would_help() {
    // From T = 128 to 512 as T^0.2, from there as T^0.9; nothing of it decided.
    let bent = |model: &str, t: f64| match (is_chain(model), t < 1000.0) {
        (false, _) => 100.0,
        (true, true) => 100.0 * (t / 128.0).powf(0.2),
        (true, false) => 100.0 * 4f64.powf(0.2) * (t / 512.0).powf(0.9),
    };
    let records = records(bent, |_, t, b| b.powf(if t < 200.0 { 0.4 } else { 0.6 }));
    let verdict = judged("parallel-graph", &records, 0.5);
    assert_eq!(verdict.answer, Answer::Inconclusive, "{}", verdict.sentence);
    assert_eq!(verdict.more_seeds, None);
}
