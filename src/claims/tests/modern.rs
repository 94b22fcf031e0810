//! Changes to the block: seeds crossed with blocks of windows.

use super::*;
use crate::models::{ModelOptions, Value};

const SEEDS: u64 = 3;
const BLOCKS: usize = 8;
/// Model, and the option in which it differs from the plain block.
const ARMS: [(&str, Option<(&str, &str)>); 6] = [
    ("gpt2", None),
    ("gpt2", Some(("positions", "rotary"))),
    ("gpt2", Some(("norm_kind", "rms"))),
    ("gpt2", Some(("kv_heads", "1"))),
    ("gpt2", Some(("residual", "off"))),
    ("llama", Some(("positions", "rotary"))),
];

fn outcomes(bits: impl Fn(&str, Option<&str>) -> f64, unlearnt: Option<&str>) -> Vec<Record> {
    let mut records = Vec::new();
    for (model, change) in ARMS {
        let name = change.map(|(option, _)| option);
        let mut options = ModelOptions::default();
        let plain = [
            ("positions", "learned"),
            ("norm_kind", "layer"),
            ("residual", "on"),
        ];
        for (option, value) in plain.into_iter().chain(change) {
            options.set(option, Value::parse(value));
        }
        for seed in 0..SEEDS {
            let of = Record {
                run: format!("modern-{model}-{name:?}-seed{seed}"),
                experiment: "modern".to_owned(),
                model: model.to_owned(),
                options: options.clone(),
                task: Some("text".to_owned()),
                seed: Some(seed),
                ..Record::default()
            };
            for block in 0..BLOCKS {
                // A block is as hard for all, a seed a little better for each.
                let noise = 0.3 * (block as f64 * 1.7).sin()
                    + 0.001 * (seed as f64 * 2.3 + block as f64 + bits(model, name)).cos();
                records.push(Record {
                    metric: "test_bits_by_block".to_owned(),
                    block: Some(block),
                    value: Some(bits(model, name) + noise),
                    ..of.clone()
                });
            }
            let is_learnt = unlearnt.is_none() || unlearnt != name;
            records.push(Record {
                metric: "learnt".to_owned(),
                value: Some(f64::from(u8::from(is_learnt))),
                ..of
            });
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("modern", records, 0.02, &[SEEDS as usize])
}

#[test]
fn changes_that_save_bits_are_named_and_what_was_taken_away_does_not_decide() {
    let v = verdict(&outcomes(
        |model, change| match (model, change) {
            ("llama", _) => 1.9,
            (_, Some("positions")) => 1.95,
            (_, Some("residual")) => 2.5,
            _ => 2.0,
        },
        None,
    ));
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Of later changes to the block these save bits: rotary positions and all together."
    );
    let deciding = v.evidence.iter().filter(|e| e.deciding);
    assert_eq!(deciding.count(), 4);
    let residual = v.evidence.iter().find(|e| e.label.contains("residual"));
    let residual = residual.unwrap();
    assert!(
        !residual.deciding && residual.effect.estimate < -0.4,
        "{residual:?}"
    );
    assert!(
        v.flips
            .unwrap()
            .contains("no difference: RMS norm and one head of keys")
    );
}

#[test]
fn all_the_same_makes_no_difference_and_all_better_is_support() {
    let v = verdict(&outcomes(|_, _| 2.0, None));
    assert_eq!(v.answer, Answer::NoDifference, "{v:?}");
    let better = |model: &str, change: Option<&str>| match (model, change) {
        ("gpt2", None) => 2.2,
        _ => 2.0,
    };
    assert_eq!(verdict(&outcomes(better, None)).answer, Answer::Supported);
    let worse = |model: &str, change: Option<&str>| match (model, change) {
        ("gpt2", None) => 1.8,
        _ => 2.0,
    };
    assert_eq!(verdict(&outcomes(worse, None)).answer, Answer::Reversed);
}

#[test]
fn a_block_that_has_not_learnt_does_not_count() {
    let v = verdict(&outcomes(
        |_, change| {
            if change == Some("norm_kind") {
                3.0
            } else {
                1.9
            }
        },
        Some("norm_kind"),
    ));
    let norm = v.evidence.iter().find(|e| e.label.ends_with("RMS norm"));
    assert!(
        norm.unwrap()
            .void
            .contains("the block with RMS norm has not learnt")
    );
    assert_eq!(v.answer, Answer::NoDifference, "{v:?}");
}
