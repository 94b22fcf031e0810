//! `seqduel train` and what can be asked of the checkpoint it leaves, for every model.

use super::{json, number};
use crate::common::{path, place, text};
use crate::earlier::copied;
use crate::program::{TINY, refuses, seqduel, words};
use seqduel::models::of_one_sequence;
use serde_json::Value;
use std::fs;

#[test]
fn every_model_trains_evaluates_generates_and_predicts() {
    for model in of_one_sequence().map(|row| row.name) {
        let trained = path(&format!("{model}-text"));
        let flags = TINY.replace("lstm", model);
        let line = format!("train {flags} --corpus {} --out {trained}", text());
        seqduel(&words(&line)).assert().success();
        for name in [
            "checkpoint.safetensors",
            "tokenizer.json",
            "config.toml",
            "metrics.csv",
        ] {
            let there = fs::exists(format!("{trained}/{name}")).expect("can be asked");
            assert!(there, "{model} {name}");
        }
        let evaluated = json(&format!("eval {trained}"));
        assert!(number(&evaluated["loss"]) > 0.0);
        assert!(number(&evaluated["bits_per_character"]) < 8.0, "{model}");

        let next = json(&format!("predict {trained} --prompt the --top 5"));
        assert_eq!(next["model"], model);
        let next = next["next"].as_array().expect("a list");
        assert_eq!(next.len(), 5);
        let probabilities: Vec<f64> = next.iter().map(|n| number(&n["probability"])).collect();
        assert!(probabilities.is_sorted_by(|a, b| a >= b));

        let generate = |seed: u32| {
            let line = format!("generate {trained} --prompt the --tokens 30 --seed {seed}");
            json(&line)["text"].as_str().expect("text").to_string()
        };
        assert_eq!(generate(1), generate(1), "{model}");
        assert_ne!(generate(1), generate(2), "{model}");
        assert_eq!(generate(1).chars().count(), 30, "{model}");
    }
}

/// The losses of a run, without its timings.
fn losses(directory: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(format!("{directory}/metrics.csv")).expect("there");
    let header = reader.headers().expect("a header").clone();
    let rows = reader.records().map(|row| {
        let row = row.expect("a row");
        let columns = header
            .iter()
            .zip(&row)
            .filter(|(name, _)| *name != "seconds");
        columns.map(|(_, value)| value.to_string()).collect()
    });
    rows.collect()
}

#[test]
fn the_same_seed_gives_the_same_losses_whatever_the_threads() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let train = |name: &str, model: &str, threads: usize, seed: u32| {
        let out = path(name);
        seqduel(&words(&format!(
            "train --model {model} --task copy:delay=10 --width 32 --layers 2 --batch 8 --steps 30 \
             --validate-every 10 --quiet --threads {threads} --seed {seed} --out {out}"
        )))
        .assert()
        .success();
        let losses = losses(&out);
        assert!(losses.len() >= 3, "{losses:?}");
        losses
    };
    for model in of_one_sequence().map(|row| row.name) {
        let one = train(&format!("{model}-one"), model, 1, 1);
        assert_eq!(
            one,
            train(&format!("{model}-again"), model, 1, 1),
            "{model}"
        );
        assert_eq!(
            one,
            train(&format!("{model}-all"), model, cores, 1),
            "{model}"
        );
        assert_ne!(
            one,
            train(&format!("{model}-other"), model, 1, 2),
            "{model}"
        );
    }
}

#[test]
fn a_task_of_numbers_is_trained_and_evaluated_but_says_no_tokens() {
    for model in of_one_sequence().map(|row| row.name) {
        let out = path(&format!("adding-{model}"));
        let run = json(&format!(
            "train --task adding:length=8 --model {model} --width 8 --heads 2 --layers 1 --batch 8 \
             --steps 12 --threads 1 --out {out}"
        ));
        assert_eq!(run["steps"], 12);
        assert!((number(&run["floor_loss"]) - 1.0 / 6.0).abs() < 1e-12);
        let evaluated = json(&format!("eval {out} --threads 1"));
        assert_eq!(evaluated["loss"], run["loss"], "{model}");
        assert!(evaluated.get("bits_per_character").is_none());
        for command in ["generate", "predict"] {
            refuses(
                &format!("{command} {out} --prompt 1"),
                2,
                &["says a number", "seqduel eval"],
            );
        }
    }
    // The configuration of a model of numbers, in the earlier directory of a task of tokens.
    let tokens = copied("lstm");
    let there = fs::read_to_string(place("adding-gru").join("config.toml")).expect("written");
    fs::write(tokens.join("config.toml"), there).expect("can be written");
    refuses(&format!("eval {}", tokens.display()), 2, &["vocab = 10"]);
}

#[test]
fn a_task_is_tested_on_longer_words_than_it_is_trained_on() {
    let models = of_one_sequence().map(|row| row.name);
    let each = models.flat_map(|model| ["none", "learned", "rotary"].map(|p| (model, p)));
    for (model, positions) in each {
        let out = path(&format!("parity-{model}-{positions}"));
        let run = json(&format!(
            "train --task parity:length=6,test_length=30 --model {model} --positions {positions} \
             --width 8 --heads 2 --layers 1 --batch 4 --steps 5 --threads 1 --out {out}"
        ));
        assert_eq!(
            (&run["tokens"], &run["scored"]),
            (&Value::from(4 * 7 * 5), &Value::from(512))
        );
        assert_eq!(run["floor_accuracy"], 0.5);
        assert_eq!(
            json(&format!("eval {out} --threads 1"))["loss"],
            run["loss"]
        );
    }
}
