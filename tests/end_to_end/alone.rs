//! A checkpoint is one file: copied somewhere else without what stood beside it, every command opens
//! it and says the same.

use crate::common::{file, path, place, text};
use crate::program::{checkpoint, fails, in_json, json_of, seqduel, words};
use std::fs;
use std::path::Path;

/// Copies the checkpoint of a directory to a file of its own, and demands that all commands answer for
/// the file as for the directory; returns the file.
#[track_caller]
fn same_alone(name: &str, directory: &Path, prompt: &str) -> String {
    let alone = path(&format!("{name}.safetensors"));
    fs::copy(directory.join("checkpoint.safetensors"), &alone).expect("there is one");
    let of = |line: &str, checkpoint: &str| json_of(&mut in_json(&format!("{line} {checkpoint}")));
    let directory = directory.display().to_string();
    for line in [
        "eval --threads 1".to_string(),
        format!("generate --tokens 20 --seed 3 --prompt {prompt}"),
        format!("predict --prompt {prompt}"),
    ] {
        assert_eq!(of(&line, &alone), of(&line, &directory), "{name}: {line}");
    }
    alone
}

#[test]
fn a_checkpoint_of_train_needs_no_other_file() {
    let alone = same_alone("text", Path::new(checkpoint()), "the");
    let other = file("other.txt", "the mat sat on the cat. ".repeat(60));
    let eval = json_of(&mut in_json(&format!("eval {alone} --corpus {other}")));
    assert!(eval["loss"].as_f64().expect("a number") > 0.0);

    let task = path("task");
    seqduel(&words(&format!(
        "train --model gru --width 8 --layers 1 --batch 2 --steps 3 --quiet --task copy:delay=3 \
         --seed 4 --out {task}"
    )))
    .assert()
    .success();
    let alone = same_alone("task", &place("task"), "1");
    fails(
        &mut seqduel(&words(&format!("eval {alone} --corpus {other}"))),
        2,
        &["--corpus", "no tokenizer"],
    );
}

/// An experiment of two small runs on the text.
const WORDS: &str = r#"
id = "alone"
claim = "next-word"
title = "Words"
question = "How many bits does a character take?"
kind = "train"
margin = 0.1
models = [{ model = "gru" }, { model = "elman" }]
[settings]
task = "text"
tokenizer = "char"
width = 16
heads = 1
layers = 1
seq_len = 16
batch = 4
seeds = 1
steps = 20
learning_rate = 5e-3
warmup_steps = 2
validate_every = 10
validation_sequences = 8
test_sequences = 8
checkpoint_every = 10
[profile.quick]
[[plot]]
file = "alone"
title = "Words"
kind = "bars"
metric = "test_bits_per_character"
x = "model"
x_label = "model"
y_label = "bits per character"
series = ["model"]
"#;

#[test]
fn a_checkpoint_of_a_suites_run_is_the_same() {
    let (experiment, suite) = (file("alone.toml", WORDS), path("suite"));
    seqduel(&words(&format!(
        "run {experiment} --keep-weights --corpus {} --out {suite} --quiet",
        text()
    )))
    .assert()
    .success();
    let run = place("suite").join("runs/alone-gru-seed0");
    let alone = same_alone("run", &run, "the");

    // It holds no moments, so the optimiser starts anew; the data go on.
    let dry = format!(
        "train --from {} --steps 4 --dry-run --out {}",
        run.display(),
        path("dry")
    );
    let said = seqduel(&words(&dry)).assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
    assert!(
        said.contains("gru after 20 steps") && said.contains("no optimiser's moments"),
        "{said}"
    );
    let out = path("from-run");
    let more = json_of(&mut in_json(&format!(
        "train --from {alone} --steps 4 --out {out}"
    )));
    assert_eq!((&more["model"], &more["steps"]), (&"gru".into(), &4.into()));
}
