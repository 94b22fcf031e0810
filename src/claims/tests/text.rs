//! Claims on real text: seeds crossed with blocks of windows.

use super::*;

const SEEDS: u64 = 3;
const BLOCKS: usize = 8;
const MODELS: [&str; 3] = ["lstm", "gru", "transformer"];

/// A noise that is the same for a block in every model, and one of each seed.
fn noise(seed: u64, block: usize) -> f64 {
    0.3 * (block as f64 * 1.7).sin() + 0.003 * (seed as f64 * 2.3 + block as f64).cos()
}

fn cell(experiment: &'static str, model: &'static str) -> Cell {
    Cell {
        experiment,
        model,
        positions: (model == "transformer").then_some("rotary"),
        gates: (model != "transformer").then_some("default"),
        task: "text",
        width: 64,
        parameters: Some(50_000),
        at: ("length", 1),
    }
}

fn along(
    experiment: &'static str,
    metric: &str,
    xs: &[usize],
    bits: impl Fn(&str, usize) -> f64,
) -> Vec<Record> {
    let mut records = Vec::new();
    for model in MODELS {
        let cell = cell(experiment, model);
        records.extend(cell.curve(metric, SEEDS, xs, BLOCKS, |seed, x, block| {
            bits(model, x) + noise(seed, block)
        }));
        records.extend(cell.learnt(SEEDS as usize, true, "cap"));
    }
    records
}

#[test]
fn far_context_is_judged_by_what_it_saves() {
    let far = |attention: f64, recurrent: f64| {
        let records = along(
            "distance-text",
            "test_bits_truncated_by_block",
            &[1, 16, 64, 256],
            |model, x| {
                let saved = if model == "transformer" {
                    attention
                } else {
                    recurrent
                };
                if x == 256 {
                    2.0 - saved
                } else {
                    2.0 + 1.0 / x as f64
                }
            },
        );
        judged("distance-text", &records, 0.02, &[3])
    };
    assert_eq!(far(0.2, 0.05).answer, Answer::Supported);
    assert_eq!(far(0.05, 0.2).answer, Answer::Reversed);
    let same = far(0.1, 0.1);
    assert_eq!(same.answer, Answer::NoDifference, "{same:?}");
    assert_eq!(
        same.sentence,
        "Far context saves the transformer about as many bits as it saves the LSTM and the GRU."
    );
}

#[test]
fn a_scheme_of_positions_is_limited_where_it_loses_more() {
    let mut records = along(
        "context-limit",
        "test_bits_by_length_and_block",
        &[64, 512],
        |model, x| {
            2.0 + if x == 512 && model == "transformer" {
                0.4
            } else {
                0.0
            }
        },
    );
    let v = judged("context-limit", &records, 0.05, &[3]);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let alibi = Cell {
        positions: Some("alibi"),
        ..cell("context-limit", "transformer")
    };
    records.extend(alibi.curve(
        "test_bits_by_length_and_block",
        SEEDS,
        &[64, 512],
        BLOCKS,
        |seed, x, block| 2.0 + noise(seed, block) + 0.001 * ((x * block) as f64).sin(),
    ));
    records.extend(alibi.learnt(SEEDS as usize, true, "cap"));
    let v = judged("context-limit", &records, 0.05, &[3]);
    assert_eq!(v.answer, Answer::Conditional);
    assert_eq!(
        v.sentence,
        "At 8 times the length trained on, attention with rotary positions loses more bits than recurrence; with ALiBi it does not."
    );
}

#[test]
fn models_are_judged_beside_an_n_gram_on_the_same_tokens() {
    let with = |bits: &dyn Fn(&str) -> f64, learnt: bool| {
        let mut records = along("next-word", "test_bits_by_block", &[1], |model, _| {
            bits(model)
        });
        records.retain(|r| learnt || r.metric != "learnt");
        for (model, bits) in [("kneser-ney-seen", 2.0), ("kneser-ney-unlimited", 1.7)] {
            let counted = Cell {
                positions: None,
                gates: None,
                ..cell("next-word", "gru")
            };
            let mut rows = counted.curve("test_bits_by_block", 1, &[1], BLOCKS, |_, _, block| {
                bits + noise(9, block)
            });
            for row in &mut rows {
                (row.model, row.seed, row.run) =
                    (model.to_owned(), None, "next-word-baselines".to_owned());
            }
            records.extend(rows);
        }
        judged("next-word", &records, 0.02, &[3])
    };
    assert_eq!(with(&|_| 1.8, true).answer, Answer::Supported);
    assert_eq!(with(&|_| 2.2, true).answer, Answer::Reversed);
    let v = with(&|model| if model == "lstm" { 2.2 } else { 1.8 }, true);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "An n-gram that counted the same tokens is beaten by the GRU and the transformer, not by every model."
    );
    assert_eq!(
        with(&|_| 1.8, false).answer,
        Answer::Undecided,
        "nobody has learnt the text"
    );
}
