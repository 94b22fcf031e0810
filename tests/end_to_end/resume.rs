//! Experiments that are killed at any moment and started again end with the same results as if they
//! had never been interrupted.

mod damaged;
mod plans;

use crate::common::{file, path, place, text};
#[cfg(unix)]
use crate::program::interrupt;
use crate::program::{seqduel, start, words};
use seqduel::record::metrics;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// An experiment that tunes, trains and tests, with a checkpoint every few steps.
const COPY: &str = r#"
id = "small-copy"
claim = "distance-copy"
title = "Copying"
question = "Over what delay can each model say ten symbols again?"
kind = "train"
margin = 0.1
models = [{ model = "gru" }, { model = "transformer", positions = "rotary" }]
[settings]
task = "copy"
reference = "transformer"
width = 24
heads = 2
layers = 1
batch = 8
seeds = 2
steps = 160
warmup_steps = 10
validate_every = 25
validation_sequences = 16
test_sequences = 32
checkpoint_every = 10
[sweep]
parameters.delay = [3, 9]
[tune]
learning_rates = [1e-3, 1e-2]
settings = { steps = 60, validate_every = 30 }
[profile.quick]
[[plot]]
file = "small-copy"
title = "Copying"
kind = "lines"
metric = "test_accuracy"
x = "delay"
x_label = "delay"
y_label = "accuracy"
series = ["model"]
"#;

/// An experiment on a text with an equal number of tokens for each model, and n-gram baselines.
const WORDS: &str = r#"
id = "small-words"
claim = "next-word"
title = "Words"
question = "How many bits does a character take?"
kind = "train"
margin = 0.1
models = [{ model = "elman" }, { model = "lstm" }]
[settings]
task = "text"
tokenizer = "char"
width = 24
heads = 1
layers = 1
seq_len = 20
batch = 8
seeds = 2
steps = 120
learning_rate = 5e-3
warmup_steps = 10
validate_every = 30
validation_sequences = 8
test_sequences = 8
checkpoint_every = 15
keep_weights = true
[profile.quick]
[[plot]]
file = "small-words"
title = "Words"
kind = "bars"
metric = "test_bits_per_character"
x = "model"
x_label = "model"
y_label = "bits per character"
series = ["model"]
"#;

/// The command line that runs both into a directory.
fn line(out: &str) -> Vec<String> {
    static FILES: OnceLock<[String; 2]> = OnceLock::new();
    let [copy, on_text] =
        FILES.get_or_init(|| [file("copy.toml", COPY), file("words.toml", WORDS)]);
    words(&format!(
        "run {copy} {on_text} --corpus {} --out {out} --quiet",
        text()
    ))
}

/// The rows of results.csv that do not depend on the clock: all columns, as written.
fn rows(directory: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(directory.join("results.csv")).expect("there");
    let header = reader.headers().expect("a header").clone();
    let column = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let (metric, equal) = (column("metric"), column("equal"));
    let rows = reader.records().map(|row| row.expect("a whole row"));
    let rows = rows.filter(|row| {
        let timing = metrics::find(&row[metric]).expect("a known metric").timing;
        !timing && &row[equal] != "seconds"
    });
    rows.map(|row| row.iter().map(String::from).collect())
        .collect()
}

/// Runs a command line to its end and demands success.
#[track_caller]
fn finish(line: &[String]) {
    seqduel(line).assert().success();
}

/// The results of a run that was not interrupted, and how long it took.
fn whole() -> &'static (PathBuf, Duration) {
    static WHOLE: OnceLock<(PathBuf, Duration)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let began = Instant::now();
        finish(&line(&path("whole")));
        (place("whole"), began.elapsed())
    })
}

/// Files under `directory` at any depth.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

/// Kills a process, and says whether it was still running.
fn kill(mut child: Child) -> bool {
    let _ = child.kill(); // it may just have ended
    let status = child.wait().expect("it ends");
    status.code().is_none()
}

/// Starts a command line and kills it as soon as there is a file in the directory whose path `sign`
/// accepts.
#[track_caller]
fn kill_at(line: &[String], directory: &Path, sign: impl Fn(&str) -> bool) {
    let child = start(line);
    let began = Instant::now();
    let seen = |file: &Path| {
        let within = file.strip_prefix(directory).expect("found there");
        sign(&within.to_string_lossy())
    };
    while !files(directory).iter().any(|file| seen(file)) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(kill(child), "it had ended before it could be killed");
}

#[test]
fn undisturbed_runs_agree_and_hold_every_kind_of_row() {
    let (directory, _) = whole();
    let expected = rows(directory);
    let text = format!("{expected:?}");
    for word in [
        "tuning_validation_loss",
        "train_loss",
        "test_accuracy",
        "test_bits_per_character",
        "kneser-ney",
    ] {
        assert!(text.contains(word), "no {word}");
    }
    finish(&line(&path("again")));
    assert_eq!(rows(&place("again")), expected);
    // One job at a time gives the same.
    let mut alone = line(&path("alone"));
    alone.extend(words("--jobs 1"));
    finish(&alone);
    assert_eq!(rows(&place("alone")), expected);
}

#[test]
fn killed_at_any_stage_it_ends_with_the_same_rows() {
    let expected = rows(&whole().0);
    type Sign = fn(&str) -> bool;
    let tuning = |file: &str| file.contains("-tune-");
    let stages: [(&str, Sign); 9] = [
        ("planned", |f| f == "suite.json"),
        ("tuning", move |f| {
            f.contains("-tune-") && f.ends_with("checkpoint.safetensors")
        }),
        ("tuned", |f| {
            f.contains("-tune-") && f.ends_with("status.json")
        }),
        ("training", |f| {
            !f.contains("-tune-") && f.ends_with("checkpoint.safetensors")
        }),
        ("trained", |f| {
            !f.contains("-tune-") && f.ends_with("status.json")
        }),
        ("counting", |f| f.contains("-baselines")),
        ("collecting", |f| f.starts_with("results.csv")),
        ("judging", |f| f.starts_with("verdicts.json")),
        ("drawing", |f| f.starts_with("plots")),
    ];
    for (stage, sign) in stages {
        let (out, directory) = (path(stage), place(stage));
        kill_at(&line(&out), &directory, sign);
        let left = files(&directory);
        let left: Vec<String> = left.iter().map(|f| f.display().to_string()).collect();
        assert!(
            !left.iter().any(|f| f.ends_with("report.html")),
            "{stage}: too late"
        );
        if stage == "tuning" {
            let done = |f: &&String| tuning(f) && f.ends_with("status.json");
            assert!(left.iter().filter(done).count() < 4, "{stage}: too late");
        }
        finish(&line(&out));
        assert_eq!(rows(&directory), expected, "killed when {stage}");
        assert!(directory.join("report.html").exists(), "{stage}");
    }
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_rows() {
    let (undisturbed, took) = whole();
    let expected = rows(undisturbed);
    // In one directory, a fifth of the whole time each.
    let (out, directory) = (path("chain"), place("chain"));
    let mut killed = 0;
    for _ in 0..4 {
        let child = start(&line(&out));
        std::thread::sleep(*took / 5);
        killed += kill(child) as usize;
    }
    assert!(killed >= 2, "ended too early: killed {killed} times only");
    finish(&line(&out));
    assert_eq!(rows(&directory), expected);
    // In a directory each, at moments that do not depend on the stages.
    for share in [0.13, 0.37, 0.61, 0.83] {
        let name = format!("after-{share}");
        let child = start(&line(&path(&name)));
        std::thread::sleep(took.mul_f64(share));
        kill(child);
        finish(&line(&path(&name)));
        assert_eq!(rows(&place(&name)), expected, "killed at {share}");
    }
}

#[test]
fn a_built_in_experiment_killed_twice_ends_with_the_same_rows() {
    let line = |out: &str| {
        words(&format!(
            "reproduce --profile smoke --claims distance-recall --quiet --out {}",
            path(out)
        ))
    };
    finish(&line("smoke-whole"));
    let out = place("smoke-killed");
    let tuned = |f: &str| f.contains("-tune-") && f.ends_with("status.json");
    kill_at(&line("smoke-killed"), &out, tuned);
    let trained = |f: &str| !f.contains("-tune-") && f.ends_with("status.json");
    kill_at(&line("smoke-killed"), &out, trained);
    finish(&line("smoke-killed"));
    let expected = rows(&place("smoke-whole"));
    assert!(expected.len() > 50, "{} rows", expected.len());
    assert_eq!(rows(&out), expected);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_state_to_go_on_from() {
    let (out, directory) = (path("interrupted"), place("interrupted"));
    let child = start(&line(&out));
    let began = Instant::now();
    let training = |f: &PathBuf| {
        let name = f.display().to_string();
        !name.contains("-tune-") && name.ends_with("checkpoint.safetensors")
    };
    while !files(&directory).iter().any(training) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = interrupt(child);
    for phrase in ["interrupted", "run the same command again", &out] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
    assert!(!directory.join("report.html").exists(), "not finished");
    let (partial, expected) = (rows(&directory), rows(&whole().0));
    assert!(partial.len() < expected.len(), "stopped too late");
    assert!(partial.iter().all(|row| expected.contains(row)));
    finish(&line(&out));
    assert_eq!(rows(&directory), expected);
}
