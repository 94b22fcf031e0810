//! `--set key=value` on a built-in experiment.

use crate::experiments::planned;
use crate::guard;
use crate::mutate::{bytes, edits, to_toml, tree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use seqduel::experiment::embedded::find;
use serde_json::{Map, Value, json};

/// Keys of a profile table, right and wrong.
const KEYS: &[&str] = &[
    "settings.steps",
    "settings.task",
    "settings.seeds",
    "settings.equal",
    "settings.reference",
    "settings.width",
    "settings.layers",
    "settings.heads",
    "settings.forget_bias",
    "settings.chrono",
    "settings.initial",
    "settings.vocab",
    "settings.seq_len",
    "settings.batch",
    "settings.tokens_per_batch",
    "settings.parameters",
    "settings.parameters.delay",
    "settings.seconds",
    "settings.learning_rate",
    "settings.warmup_steps",
    "settings.final_lr_ratio",
    "settings.optimizer",
    "settings.weight_decay",
    "settings.beta2",
    "settings.clip",
    "settings.validate_every",
    "settings.validation_sequences",
    "settings.test_sequences",
    "settings.probe_context",
    "settings.gradient_sequences",
    "settings.test_multiples",
    "settings.stop_when_accuracy",
    "settings.checkpoint_every",
    "settings.keep_weights",
    "settings.tokenizer",
    "settings.max_characters",
    "settings.threads",
    "settings.most_work",
    "settings.launches",
    "settings.repeats",
    "settings.seconds_per_model",
    "settings.decode_batch",
    "sweep.task",
    "sweep.equal",
    "sweep.width",
    "sweep.layers",
    "sweep.batch",
    "sweep.seq_len",
    "sweep.parameters",
    "sweep.parameters.delay",
    "sweep.threads",
    "tune.learning_rates",
    "tune.extend",
    "tune.settings.steps",
    "tune.settings.seeds",
    "settings",
    "sweep",
    "tune",
    "",
    ".",
    "\"",
    "margin",
    "a.b.c.d.e",
    "settings.steps = 1\nsettings.batch",
];

/// What a value starts from before it is changed.
fn values() -> Vec<Value> {
    vec![
        json!(1),
        json!(64),
        json!(0.5),
        json!("all"),
        json!([1, 2, 3]),
        json!(["copy", "text"]),
        json!([1e-3, 1e-2]),
        json!({ "delay": 5 }),
        json!({ "delay": [5, 6] }),
        json!(true),
        json!("char"),
        json!("permutation:group=5"),
        json!("copy:delay=3"),
        json!("tokens"),
    ]
}

#[test]
fn set_values() {
    let experiments = [
        "distance-copy",
        "next-word",
        "speed-long",
        "state-tracking",
        "decode-cost",
    ];
    let loaded: Vec<_> = experiments
        .iter()
        .map(|id| find(id).expect("built in").expect("right"))
        .collect();
    let values = values();
    let damage = prop_oneof![4 => Just(Vec::new()), 1 => edits(1..3)];
    let set = (any::<Index>(), any::<Index>(), edits(0..3), damage);
    let inputs = (any::<Index>(), vec(set, 1..4));
    guard::run(150, inputs, |(which, sets)| {
        let sets: Vec<String> = sets
            .iter()
            .filter_map(|(key, value, changes, damage)| {
                let mut value = json!({ "v": value.get(&values) });
                tree(&mut value["v"], changes);
                let toml = to_toml(&Value::Object(Map::from_iter([(
                    "v".into(),
                    value["v"].take(),
                )])))?;
                let value = toml.strip_prefix("v = ").unwrap_or(&toml);
                let mut set = format!("{}={}", key.get(KEYS), value.trim()).into_bytes();
                bytes(&mut set, damage);
                Some(String::from_utf8_lossy(&set).into_owned())
            })
            .collect();
        let loaded = which.get(&loaded);
        if let Ok(experiment) = loaded.resolve("smoke", &sets) {
            planned(experiment, "smoke", loaded, &sets);
        }
    });
}

#[test]
fn a_norm_that_is_0_in_f32_is_trained_with() {
    let loaded = find("distance-copy").expect("built in").expect("right");
    let sets = ["settings.clip=1e-50".to_owned()];
    let experiment = loaded.resolve("smoke", &sets).expect("in range");
    planned(experiment, "smoke", &loaded, &sets);
}

#[test]
fn keys_of_a_hundred_thousand_parts_are_refused() {
    let loaded = find("distance-copy").expect("built in").expect("right");
    for set in [
        "a.".repeat(100_000) + "a=1",
        "a=".to_owned() + &"[".repeat(100_000),
    ] {
        assert!(loaded.resolve("smoke", &[set]).is_err());
    }
}
