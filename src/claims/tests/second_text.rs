//! Models trained on a second text, after a first one or from scratch: seeds crossed with blocks of windows.

use super::*;

const SEEDS: u64 = 3;
const BLOCKS: usize = 8;
const SIZES: [usize; 2] = [10_000, 100_000];
const MODELS: [&str; 2] = ["transformer", "gru"];

/// Records of arms, with `bits(model, characters, arm)`; the model named has not learnt the first text.
fn outcomes(
    experiment: &str,
    arms: &[&str],
    bits: impl Fn(&str, usize, &str) -> f64,
    unlearnt: Option<&str>,
) -> Vec<Record> {
    // Arms of `lora` start from the same weights, which differ more than what is made of them.
    let luck = |seed: u64| match experiment {
        "lora" => 0.3 * seed as f64,
        _ => 0.0,
    };
    let mut records = Vec::new();
    for model in MODELS {
        for seed in 0..SEEDS {
            let of = |arm: &str, characters: usize| Record {
                run: format!("{experiment}-{characters}-{arm}-{model}-seed{seed}"),
                experiment: experiment.to_owned(),
                model: model.to_owned(),
                arm: arm.to_owned(),
                characters: Some(characters),
                task: Some("text".to_owned()),
                seed: Some(seed),
                ..Record::default()
            };
            let add = |records: &mut Vec<Record>, of: &Record, metric: &str, value: f64| {
                records.push(Record {
                    metric: metric.to_owned(),
                    value: Some(value),
                    ..of.clone()
                });
            };
            let learnt = |yes: bool| f64::from(u8::from(yes));
            for characters in SIZES {
                for arm in arms {
                    let of = of(arm, characters);
                    // Of little text a new model learns less than what follows what.
                    let knows = *arm != "scratch" || characters == SIZES[1];
                    add(&mut records, &of, "learnt", learnt(knows));
                    if *arm != "scratch" {
                        let first = learnt(unlearnt != Some(model));
                        add(&mut records, &of, "first_learnt", first);
                        add(&mut records, &of, "bits_before", 3.0 + 0.01 * seed as f64);
                        add(
                            &mut records,
                            &of,
                            "forgotten_bits",
                            0.2 + 0.01 * seed as f64,
                        );
                    }
                    for block in 0..BLOCKS {
                        let place = block as f64;
                        let own: f64 = arm.bytes().map(f64::from).sum();
                        let noise = 0.1 * (place * 1.7).sin()
                            + 0.001 * (seed as f64 * 2.3 + place + own).cos();
                        records.push(Record {
                            metric: "test_bits_by_block".to_owned(),
                            block: Some(block),
                            value: Some(bits(model, characters, arm) + noise + luck(seed)),
                            ..of.clone()
                        });
                    }
                }
            }
        }
    }
    records
}

fn fine_tune(bits: impl Fn(&str, usize, &str) -> f64, unlearnt: Option<&str>) -> Verdict {
    let records = outcomes("fine-tune", &["scratch", "all"], bits, unlearnt);
    judged("fine-tune", &records, 0.05, &[SEEDS as usize])
}

#[test]
fn scratch_is_compared_with_fine_tuning_at_each_model_and_size() {
    let of = |few: f64, many: f64| {
        fine_tune(
            |_, characters, arm| match (arm, characters) {
                ("all", _) => 2.0,
                (_, 10_000) => 2.0 + few,
                _ => 2.0 + many,
            },
            None,
        )
    };
    let v = of(0.8, 0.3);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let deciding: Vec<_> = v.evidence.iter().filter(|e| e.deciding).collect();
    assert_eq!(deciding.len(), 4);
    assert_eq!(
        deciding[0].label,
        "the gru, 10,000 characters: from scratch − fine-tuned".replace("gru", "GRU")
    );
    assert!((deciding[0].effect.estimate - 0.8).abs() < 0.01);
    assert_eq!(of(-0.3, -0.3).answer, Answer::Reversed);
    assert_eq!(of(0.0, 0.0).answer, Answer::NoDifference);
    let v = of(0.8, 0.0);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Training on another text first beats training from scratch with 10,000 characters, not in every case."
    );
    let flips = v.flips.unwrap();
    assert!(
        flips.starts_with("better: the GRU with 10,000 characters and the transformer with"),
        "{flips}"
    );
    assert!(
        flips.contains("level: the GRU with 100,000 characters"),
        "{flips}"
    );
}

#[test]
fn what_stands_beside_fine_tuning_decides_nothing() {
    let v = fine_tune(|_, _, arm| if arm == "all" { 2.0 } else { 2.5 }, None);
    let beside: Vec<_> = v.evidence.iter().filter(|e| !e.deciding).collect();
    assert_eq!(beside.len(), 8, "before and forgotten, of each");
    assert!(
        beside
            .iter()
            .any(|e| e.label == "the GRU, 100,000 characters: forgotten of the first text")
    );
}

#[test]
fn who_has_not_learnt_the_first_text_is_not_judged() {
    let v = fine_tune(
        |model, _, arm| match (model, arm) {
            (_, "all") => 2.0,
            ("gru", _) => 1.0, // reversed, were it counted
            _ => 2.5,
        },
        Some("gru"),
    );
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let void: Vec<_> = v.evidence.iter().filter(|e| !e.void.is_empty()).collect();
    assert_eq!(void.len(), 2);
    assert_eq!(void[0].void, "the GRU has not learnt the first text");
}

fn lora(bits: impl Fn(&str, usize, &str) -> f64) -> Verdict {
    let arms = ["all", "lora:1", "lora:4", "head"];
    let records = outcomes("lora", &arms, bits, None);
    judged("lora", &records, 0.02, &[SEEDS as usize])
}

#[test]
fn all_of_a_model_and_ranks_of_adapters_are_put_in_order() {
    let order = |all: f64, rank_4: f64, rank_1: f64| {
        lora(move |_, _, arm| match arm {
            "all" => all,
            "lora:1" => rank_1,
            _ => rank_4,
        })
    };
    let v = order(2.0, 2.1, 2.3);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let deciding = v.evidence.iter().filter(|e| e.deciding).count();
    assert_eq!(
        deciding, 8,
        "two pairs of each model and size; the head stands beside"
    );
    assert_eq!(order(2.3, 2.1, 2.0).answer, Answer::Reversed);
    assert_eq!(order(2.0, 2.0, 2.0).answer, Answer::NoDifference);
    let v = order(2.0, 2.0, 2.3);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Fine-tuning all of a model beats adapters of rank 4 nowhere; these beat adapters of rank 1 everywhere."
    );
    assert_eq!(
        v.flips.as_deref(),
        Some(
            "rank 4 is level with all of the model in the GRU and the transformer; rank 1 is behind rank 4 in \
             the GRU and the transformer"
        )
    );
}

#[test]
fn where_adapters_fall_behind_is_said() {
    let v = lora(|_, characters, arm| match (arm, characters) {
        ("all", 100_000) => 1.9,
        _ => 2.0,
    });
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Fine-tuning all of a model beats adapters of rank 4 in some cases; these beat adapters of rank 1 nowhere."
    );
    let flips = v.flips.unwrap();
    assert!(
        flips.contains("behind all of the model in the GRU with 100,000 characters"),
        "{flips}"
    );
}
