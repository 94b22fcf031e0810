//! Plans that grow and budgets in seconds: killed and started again, or repeated with the same step
//! times, they end with the same results; and weights that are kept can be used.

use super::{files, finish, kill_at};
use crate::common::{file, path, place, text};
use crate::program::{in_json, json_of, leftovers, seqduel, words};
#[cfg(unix)]
use crate::program::{signal, start};
use seqduel::record::{Record, metrics};
use seqduel::results::output::read_results;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
#[cfg(unix)]
use std::time::Duration;

/// A search that extends outward, and a budget in seconds.
const GROWN: &str = r#"
id = "grown"
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
steps = 60
seconds = 0.3
warmup_steps = 10
validate_every = 30
validation_sequences = 8
test_sequences = 8
checkpoint_every = 10
keep_weights = true
[sweep]
equal = ["tokens", "seconds"]
[tune]
learning_rates = [1e-5, 2e-5]
extend = 2
settings = { steps = 40, seeds = 1 }
[profile.quick]
[[plot]]
file = "grown"
title = "Words"
kind = "bars"
metric = "test_bits_per_character"
x = "model"
x_label = "model"
y_label = "bits per character"
series = ["model"]
"#;

const MEASURED: &str = "runs/grown-equal-seconds-step-time";

fn line(out: &str) -> Vec<String> {
    static FILE: OnceLock<String> = OnceLock::new();
    let experiment = FILE.get_or_init(|| file("grown.toml", GROWN));
    let corpus = text();
    words(&format!(
        "run {experiment} --corpus {corpus} --out {out} --quiet"
    ))
}

/// The directory of a suite that was not interrupted.
fn whole() -> &'static PathBuf {
    static WHOLE: OnceLock<PathBuf> = OnceLock::new();
    WHOLE.get_or_init(|| {
        finish(&line(&path("grown-whole")));
        place("grown-whole")
    })
}

/// Every record that is no timing, those of a budget in seconds among them.
fn results(directory: &Path) -> Vec<Record> {
    let mut records = read_results(directory).expect("there");
    records.retain(|r| !metrics::find(&r.metric).expect("known").timing);
    records
}

/// A place that holds the step times of the undisturbed suite and nothing else.
fn with_step_times(name: &str) -> PathBuf {
    let (from, to) = (whole().join(MEASURED), place(name).join(MEASURED));
    fs::create_dir_all(&to).expect("writable");
    for source in files(&from) {
        let target = to.join(source.file_name().expect("a file"));
        fs::copy(&source, target).expect("readable");
    }
    place(name)
}

#[test]
fn the_same_step_times_give_the_same_results_however_often_killed() {
    let expected = results(whole());
    let of_seconds = |r: &&Record| r.equal.as_deref() == Some("seconds");
    assert!(expected.iter().filter(of_seconds).count() > 50);
    for rate in ["0.00004", "0.00008"] {
        let tried = format!("grown-tune-lstm-rate{rate}-seed1000000");
        assert!(expected.iter().any(|r| r.run == tried), "{tried}");
    }
    let repeated = with_step_times("grown-again");
    finish(&line(&path("grown-again")));
    assert_eq!(results(&repeated), expected);

    let killed = with_step_times("grown-killed");
    let line = line(&path("grown-killed"));
    let in_run =
        |run: &'static str, name: &'static str| move |f: &str| f.contains(run) && f.ends_with(name);
    kill_at(&line, &killed, in_run("-rate0.00004-", "status.json"));
    kill_at(
        &line,
        &killed,
        in_run("equal-seconds-lstm", "checkpoint.safetensors"),
    );
    kill_at(
        &line,
        &killed,
        in_run("equal-seconds-elman", "checkpoint.safetensors"),
    );
    #[cfg(unix)]
    {
        let child = start(&line);
        std::thread::sleep(Duration::from_millis(400));
        signal(&child, "TERM");
        child.wait_with_output().expect("it ends");
    }
    finish(&line);
    assert_eq!(results(&killed), expected);
    assert_eq!(leftovers(&killed), Vec::<PathBuf>::new());
}

#[test]
fn a_dry_run_says_how_far_a_plan_may_grow() {
    let said = |out: &str| {
        let mut line = line(out);
        line.push("--dry-run".into());
        let output = seqduel(&line).assert().success();
        let output = output.get_output();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let out = path("grown-planned");
    let (list, sum) = said(&out);
    // Searches of two models, each with two rates; each may try two more.
    assert!(
        sum.contains("14 of 14 runs to do, and up to 4 more, about"),
        "{sum}"
    );
    assert!(
        list.contains("time a step") && !list.contains("rate0.00004"),
        "{list}"
    );
    assert!(!place("grown-planned").exists(), "only planned");
    // What has grown is known from the files.
    let (list, sum) = said(&whole().display().to_string());
    assert!(sum.contains("0 of 18 runs to do, about"), "{sum}");
    assert!(list.contains("rate0.00004"), "{list}");
}

#[test]
fn weights_that_a_suite_keeps_are_opened_by_every_command() {
    let run = whole().join("runs/grown-equal-seconds-lstm-seed1");
    let trial = whole().join("runs/grown-tune-lstm-rate0.00002-seed1000000");
    assert!(!trial.join("checkpoint.safetensors").exists());
    let recorded = results(whole());
    let recorded = |metric: &str| {
        let of_run = |r: &&Record| run.ends_with(&r.run) && r.metric == metric;
        recorded
            .iter()
            .find(of_run)
            .and_then(|r| r.value)
            .expect(metric)
    };
    let run_path = run.display();
    let judged = json_of(&mut in_json(&format!("eval {run_path} --sequences 8")));
    let loss = judged["loss"].as_f64().expect("a number");
    assert!((loss - recorded("test_loss")).abs() < 1e-5, "{judged}");
    for command in ["generate", "predict"] {
        let mut line = words(&format!("{command} {run_path} --quiet --prompt"));
        line.push("the ".into());
        seqduel(&line).assert().success();
    }
    let longer = path("grown-longer");
    let line = format!("train --from {run_path} --steps 5 --out {longer}");
    let trained = json_of(&mut in_json(&line));
    assert_eq!(trained["steps"], 5);
}
