//! Every level of vector instructions that this CPU has. The portable one is all that an older CPU
//! gets from the same binary.

use crate::common::{path, text};
use crate::program::{TINY, in_json, json_of};
use kernels::simd::available;
use seqduel::models::of_one_sequence;
use serde_json::Value;

/// Runs at a level and parses what it prints to stdout.
#[track_caller]
fn json(level: &str, line: &str) -> Value {
    json_of(in_json(line).env("SEQDUEL_SIMD", level))
}

#[test]
fn every_level_trains_every_model_to_the_same_loss() {
    for model in of_one_sequence().map(|row| row.name) {
        let losses: Vec<_> = available()
            .iter()
            .map(|level| {
                let out = path(&format!("{model}-{}", level.name()));
                let train = TINY.replace("lstm", model).replace("--quiet", "");
                let corpus = text();
                let line = format!("train {train} --corpus {corpus} --out {out}");
                json(level.name(), &line);
                let evaluated = json(level.name(), &format!("eval {out}"));
                evaluated["loss"].as_f64().expect("a number")
            })
            .collect();
        for loss in &losses {
            let first = losses[0];
            assert!(
                (loss - first).abs() < 1e-3 * first,
                "{model}: {losses:?} at {:?}",
                available()
            );
        }
    }
}

#[test]
fn doctor_says_the_level_in_use() {
    for level in available() {
        let found = json(level.name(), "doctor");
        assert_eq!(found["machine"]["simd"], level.name());
    }
}
