//! Phrases translated word by word, by the length of the source.

use super::*;

const SEEDS: usize = 3;
const LENGTHS: [usize; 4] = [4, 8, 16, 37];
const ARMS: [(&str, Option<&str>); 4] = [
    ("encoder-decoder", None),
    ("gru-encoder-decoder", Some("additive")),
    ("gru-encoder-decoder", Some("none")),
    ("lstm-encoder-decoder", Some("additive")),
];

fn outcomes(share: impl Fn(&str, Option<&str>, usize) -> f64) -> Vec<Record> {
    let mut records = Vec::new();
    for (model, attention) in ARMS {
        let by_length = LENGTHS.map(|length| ("test_exact_by_length", Some(length)));
        for (metric, at) in by_length.into_iter().chain([("test_exact_long", None)]) {
            let length = at.unwrap_or(LENGTHS[LENGTHS.len() - 1]);
            let values = around(share(model, attention, length), 0.004, SEEDS);
            for (seed, value) in values.into_iter().enumerate() {
                records.push(Record {
                    run: format!("translate-{model}-{attention:?}-seed{seed}"),
                    experiment: "translate".to_owned(),
                    model: model.to_owned(),
                    options: [("source_attention", attention)].into(),
                    task: Some("phrases".to_owned()),
                    seed: Some(seed as u64),
                    metric: metric.to_owned(),
                    x: at.map(|length| length as f64),
                    value: Some(value),
                    ..Record::default()
                });
            }
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("translate", records, 0.05, &[SEEDS])
}

#[test]
fn recurrence_without_attention_is_behind_on_long_phrases_only() {
    let v = verdict(&outcomes(|_, attention, length| {
        match (attention, length) {
            (Some("none"), 16..) => 0.3,
            _ => 0.97,
        }
    }));
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Long phrases: the transformer is ahead of the GRU without attention, not of the GRU and the LSTM \
         with attention."
    );
    let deciding = v.evidence.iter().filter(|e| e.deciding);
    let labels: Vec<&str> = deciding.map(|e| &e.label[..]).collect();
    assert_eq!(labels.len(), 3, "{labels:?}");
    assert!(labels.iter().all(|label| label.ends_with("long phrases")));
}

#[test]
fn the_answers_follow_the_shares() {
    let of = |transformer: f64, recurrent: f64| {
        let v = verdict(&outcomes(|model, _, length| match (model, length) {
            (_, 4) => 0.98,
            ("encoder-decoder", _) => transformer,
            _ => recurrent,
        }));
        v.answer
    };
    assert_eq!(of(0.95, 0.5), Answer::Supported);
    assert_eq!(of(0.5, 0.95), Answer::Reversed);
    assert_eq!(of(0.95, 0.95), Answer::NoDifference);
}

#[test]
fn who_has_not_learnt_the_shortest_phrases_is_not_judged() {
    // The GRU without attention translates nothing at all: that says nothing of long phrases.
    let v = verdict(&outcomes(|_, attention, _| match attention {
        Some("none") => 0.2,
        _ => 0.97,
    }));
    assert_eq!(v.answer, Answer::NoDifference, "{v:?}");
    let void = |label: &str| v.evidence.iter().find(|e| e.label.contains(label)).unwrap();
    assert!(
        void("GRU without")
            .void
            .contains("has not learnt the shortest phrases")
    );
    // Nor anybody beside a transformer that has not.
    let v = verdict(&outcomes(|model, _, length| match (model, length) {
        ("encoder-decoder", 4) => 0.5,
        ("encoder-decoder", _) => 0.1,
        _ => 0.97,
    }));
    assert_eq!(v.answer, Answer::Undecided, "{v:?}");
}
