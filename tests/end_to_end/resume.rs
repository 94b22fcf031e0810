//! Experiments that are killed at any moment and started again end with the same results as if they
//! had never been interrupted.

mod damaged;
mod plans;

use crate::common::{file, path, place, text};
#[cfg(unix)]
use crate::program::{ending_signals, interrupt, signal};
use crate::program::{leftovers, seqduel, start, words};
use seqduel::record::metrics;
use seqduel::results::output::{RESULTS, read_csv};
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

/// The rows of results.csv.gz that do not depend on the clock: all columns, as written.
fn rows(directory: &Path) -> Vec<Vec<String>> {
    let text = read_csv(&directory.join(RESULTS)).expect("there");
    let mut reader = csv::Reader::from_reader(text.as_slice());
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
        ("collecting", |f| f.starts_with(RESULTS)),
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
    for turn in 0..4 {
        let child = start(&line(&out));
        std::thread::sleep(*took / 5);
        #[cfg(unix)]
        if turn % 2 == 1 {
            // Asked to end, and killed while it does.
            signal(&child, "TERM");
            std::thread::sleep(Duration::from_millis(3));
        }
        killed += kill(child) as usize;
    }
    assert!(killed >= 2, "ended too early: killed {killed} times only");
    finish(&line(&out));
    assert_eq!(rows(&directory), expected);
    assert_eq!(leftovers(&directory), Vec::<PathBuf>::new());
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
    let begun = |f: &str| f.contains("-gru-") && f.ends_with("config.toml");
    kill_at(&line("smoke-killed"), &out, begun);
    let trained = |f: &str| f.ends_with("status.json");
    kill_at(&line("smoke-killed"), &out, trained);
    finish(&line("smoke-killed"));
    let expected = rows(&place("smoke-whole"));
    assert!(expected.len() > 50, "{} rows", expected.len());
    assert_eq!(rows(&out), expected);
}

/// Waits until a run that counts has saved something.
#[cfg(unix)]
#[track_caller]
fn wait_for_training(directory: &Path) {
    let began = Instant::now();
    let training = |f: &PathBuf| {
        let name = f.display().to_string();
        !name.contains("-tune-") && name.ends_with("checkpoint.safetensors")
    };
    while !files(directory).iter().any(training) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_to_end_leaves_a_state_to_go_on_from() {
    for name in ending_signals() {
        let (out, directory) = (path(name), place(name));
        let child = start(&line(&out));
        wait_for_training(&directory);
        let error = interrupt(child, name);
        for phrase in ["interrupted", "run the same command again", &out] {
            assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
        }
        assert!(!error.contains("panicked"), "{error}");
        assert!(!directory.join("report.html").exists(), "not finished");
        let (partial, expected) = (rows(&directory), rows(&whole().0));
        assert!(partial.len() < expected.len(), "{name}: stopped too late");
        assert!(partial.iter().all(|row| expected.contains(row)));
        finish(&line(&out));
        assert_eq!(rows(&directory), expected, "{name}");
        assert_eq!(leftovers(&directory), Vec::<PathBuf>::new(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_reproduction_that_is_asked_to_end_goes_on_later() {
    let (out, directory) = (path("asked"), place("asked"));
    let line = format!("reproduce --profile smoke --claims distance-copy --quiet --out {out}");
    let child = start(&words(&line));
    let began = Instant::now();
    while !files(&directory).iter().any(|f| f.ends_with("status.json")) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = interrupt(child, "TERM");
    assert!(error.contains("run the same command again"), "{error}");
    finish(&words(&line));
    assert!(directory.join("report.html").exists());
}

/// What changes no run is corrected; what was measured stays.
#[test]
fn words_plots_and_margin_are_corrected_in_a_finished_directory() {
    let out = path("corrected");
    let first = |toml: &str, more: &str| {
        let file = file("corrected.toml", toml);
        words(&format!("run {file} --out {out} --quiet{more}"))
    };
    finish(&first(COPY, ""));
    let directory = place("corrected");
    let before = rows(&directory);
    let ended = || {
        let of_runs = files(&directory.join("runs")).into_iter();
        let times = of_runs.map(|f| f.metadata().expect("there").modified().expect("known"));
        times.max().expect("some")
    };
    let last = ended();
    let page = || fs::read_to_string(directory.join("report.html")).expect("written");
    assert!(!page().contains("A better title"));

    let corrected =
        COPY.replace(
            "title = \"Copying\"\nquestion",
            "title = \"A better title\"\nquestion",
        )
        .replace("margin = 0.1", "margin = 0.4")
        .replace("file = \"small-copy\"", "file = \"other-name\"")
        .replace(
            "y_label = \"accuracy\"",
            "y_label = \"share of right answers\"",
        ) + "[explanation]\ntitle = \"What is it?\"\nparagraphs = [\"A paragraph for readers.\"]\n";
    finish(&first(&corrected, ""));
    for said in [
        "A better title",
        "A paragraph for readers.",
        "share of right",
    ] {
        assert!(page().contains(said), "{said}");
    }
    assert!(directory.join("plots/other-name.svg").exists());
    let suite = fs::read_to_string(directory.join("suite.json")).expect("written");
    assert!(suite.contains("\"margin\": 0.4"), "{suite}");
    assert_eq!(rows(&directory), before);
    assert_eq!(ended(), last, "no run was made again");

    // What a run depends on is still refused, and named.
    let output = seqduel(&first(&corrected.replace("width = 24", "width = 32"), ""));
    let refused = { output }.assert().code(2);
    let error = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    for phrase in ["settings.width = 24", "32", "small-copy", "--out"] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    assert!(page().contains("A better title"), "nothing was written");
}
