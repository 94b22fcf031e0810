//! Every level of vector instructions that this CPU has. The portable one is all that a CPU without
//! fused multiply-adds gets from the same binary; the others give the same bits.

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
fn every_level_trains_every_model_and_those_that_fuse_to_the_same_bits() {
    for model in of_one_sequence().map(|row| row.name) {
        let results: Vec<_> = available()
            .iter()
            .map(|level| {
                let (out, corpus) = (path(&format!("{model}-{}", level.name())), text());
                let train = TINY
                    .replace("lstm", model)
                    .replace("--width 16 --layers 1", "--width 40 --layers 2")
                    .replace("--steps 20", "--steps 50")
                    .replace("--quiet", "");
                json(
                    level.name(),
                    &format!("train {train} --corpus {corpus} --out {out}"),
                );
                let evaluated = json(level.name(), &format!("eval {out}"));
                let loss = evaluated["loss"].as_f64().expect("a number");
                let written = json(
                    level.name(),
                    &format!("generate {out} --prompt to --tokens 40 --seed 1"),
                );
                (loss, written.to_string())
            })
            .collect();
        let exact = || {
            available()
                .iter()
                .zip(&results)
                .filter(|(l, _)| l.is_exact())
        };
        for (level, (loss, written)) in exact() {
            let (_, (first, text)) = exact().next().expect("at least itself");
            assert_eq!(loss.to_bits(), first.to_bits(), "{model} at {level:?}");
            assert_eq!(written, text, "{model} at {level:?}");
        }
        for (loss, _) in &results {
            let (first, _) = results[0];
            assert!((loss - first).abs() < 1e-3 * first, "{model}: {results:?}");
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
