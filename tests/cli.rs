//! The command line end to end: what it prints, where, and its exit codes.

mod common;

use common::*;
use serde_json::Value;
use std::fs;
use std::process::Stdio;

/// Runs, demands success, and parses what it prints to stdout.
#[track_caller]
fn json(line: &str) -> Value {
    json_of(&mut in_json(line))
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn help_names_every_command_and_shared_flag() {
    let output = seqduel(&["--help"]).assert().success().get_output().clone();
    let help = String::from_utf8(output.stdout).expect("text");
    for word in [
        "reproduce",
        "run",
        "measure",
        "train",
        "eval",
        "generate",
        "predict",
        "list",
        "report",
        "plot",
        "compare",
        "corpus",
        "doctor",
        "completions",
        "--threads",
        "--jobs",
        "--seed",
        "--format",
        "--dry-run",
        "--quiet",
    ] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    seqduel(&["--version"]).assert().success();
    for command in ["measure", "train", "reproduce", "corpus"] {
        seqduel(&[command, "--help"]).assert().success();
    }
}

#[test]
fn usage_errors_end_with_2_on_stderr() {
    refuses("frobnicate", 2, &["frobnicate"]);
    refuses("measure", 2, &["--model"]);
    refuses("doctor --format yaml", 2, &["yaml"]);
    refuses("doctor --seed -1", 2, &["-1"]);
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = seqduel(&["completions", shell])
            .assert()
            .success()
            .get_output()
            .clone();
        let script = String::from_utf8(output.stdout).expect("text");
        assert!(script.contains("reproduce"), "{shell}");
    }
}

/// A reader that has seen enough is no error; a stdout that takes nothing is one.
#[cfg(target_os = "linux")]
#[test]
fn stdout_closed_or_full() {
    let program = assert_cmd::cargo::cargo_bin("seqduel");
    let mut child = std::process::Command::new(&program)
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );

    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    for line in ["completions bash", "list models", "doctor"] {
        let output = std::process::Command::new(&program)
            .args(words(line))
            .stdout(full.try_clone().expect("can be cloned"))
            .stderr(Stdio::piped())
            .output()
            .expect("starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {error}");
        assert!(
            error.contains("standard output") && !error.contains("panicked"),
            "{error}"
        );
    }
}

#[test]
fn doctor_reports_machine_and_limits() {
    let found = json("doctor --threads 1");
    assert!(number(&found["roofline"]["fma_flops"]) > 0.0);
    assert!(number(&found["roofline"]["gemm_flops"]) > 0.0);
    assert!(
        !found["roofline"]["copy"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    assert!(number(&found["machine"]["cores"]) >= 1.0);
    assert!(found["machine"]["cpu"].is_string() && found["machine"]["simd"].is_string());
    assert!(!found["corpora"].as_array().expect("a list").is_empty());
    let advice = found["advice"].to_string();
    assert!(
        advice.contains("corpus fetch"),
        "the cache is empty here: {advice}"
    );
}

#[test]
fn measure_prints_every_field_for_every_model() {
    for mode in ["train-step", "forward", "decode"] {
        for model in ["elman", "lstm", "gru", "mingru", "minlstm", "transformer"] {
            let m = json(&format!(
                "measure {mode} --model {model} --width 16 --layers 2 --heads 2 --seq-len 12 \
                 --batch 3 --vocab 20 --threads 1 --seconds 0"
            ));
            assert_eq!(m["model"], model);
            assert_eq!(m["threads"], 1);
            assert!(m["cpu"].is_string());
            for key in [
                "parameters",
                "tokens_per_second",
                "flops_per_step",
                "peak_flops",
                "share_of_peak",
                "peak_bytes",
            ] {
                assert!(number(&m[key]) > 0.0, "{mode} {model} {key}: {m}");
            }
            let step = &m["step_seconds"];
            let repeats = step["repeats"].as_array().expect("a list");
            assert!(repeats.len() >= 5 && repeats.iter().all(|s| number(s) > 0.0));
            let (low, high) = (
                number(&step["interval"]["low"]),
                number(&step["interval"]["high"]),
            );
            let median = number(&step["median"]);
            assert!(low <= median && median <= high);
            assert_eq!(step["interval"]["level"], 0.95);
            let tokens = if mode == "decode" { 3.0 } else { 36.0 };
            let rate = number(&m["tokens_per_second"]);
            assert!((rate * median / tokens - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn measure_counts_the_published_parameters() {
    for (model, parameters) in [
        ("elman", 312_416),
        ("lstm", 1_101_920),
        ("gru", 838_752),
        ("mingru", 312_416),
        ("minlstm", 444_000),
        ("transformer", 1_662_048),
    ] {
        let rows = json(&format!(
            "measure train-step --model {model} --width 256 --layers 2 --seq-len 128 --batch 32 \
             --vocab 96 --dry-run"
        ));
        assert_eq!(rows["parameters"], parameters, "{model}: {rows}");
    }
}

#[test]
fn measure_takes_several_models_and_every_format() {
    let line = "measure forward --model lstm,gru --width 8 --layers 1 --seq-len 4 --batch 2 \
                --vocab 8 --threads 1 --seconds 0";
    assert_eq!(json(line).as_array().map(Vec::len), Some(2));
    for (format, sign) in [("table", "lstm"), ("csv", "lstm,"), ("markdown", "| lstm")] {
        let output = seqduel(&words(&format!("{line} --format {format}")))
            .assert()
            .success()
            .get_output()
            .clone();
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            text.contains(sign) && text.contains("gru"),
            "{format}: {text}"
        );
    }
}

#[test]
fn decoding_past_learned_positions_is_refused() {
    let line = "measure decode --model transformer --width 8 --layers 1 --seq-len 16 --batch 1 \
                --vocab 8 --heads 2 --seconds 0 --context";
    refuses(&format!("{line} 16"), 2, &["end at 16", "rotary"]);
    seqduel(&words(&format!("{line} 15"))).assert().success();
    seqduel(&words(&format!("{line} 300 --positions rotary")))
        .assert()
        .success();
}

#[test]
fn every_list_has_rows_in_every_format() {
    for (list, row) in [
        ("models", "transformer"),
        ("tasks", "copy"),
        ("experiments", "speed-long"),
        ("claims", "next-word"),
        ("corpora", "kjv"),
    ] {
        let rows = json(&format!("list {list}"));
        assert!(rows.to_string().contains(row), "{rows}");
        for format in ["table", "csv", "markdown"] {
            let output = seqduel(&["list", list, "--format", format])
                .assert()
                .success()
                .get_output()
                .clone();
            let text = String::from_utf8(output.stdout).expect("text");
            assert!(text.contains(row), "{list} {format}: {text}");
        }
    }
}

#[test]
fn train_evaluate_generate_predict() {
    let trained = checkpoint();
    for name in [
        "checkpoint.safetensors",
        "tokenizer.json",
        "config.toml",
        "metrics.csv",
    ] {
        assert!(
            fs::exists(format!("{trained}/{name}")).expect("can be asked"),
            "{name}"
        );
    }
    let evaluated = json(&format!("eval {trained}"));
    assert!(number(&evaluated["loss"]) > 0.0);
    assert!(number(&evaluated["bits_per_character"]) < 8.0);

    let next = json(&format!("predict {trained} --prompt the --top 5"));
    assert_eq!(next["model"], "lstm");
    let next = next["next"].as_array().expect("a list");
    assert_eq!(next.len(), 5);
    let probabilities: Vec<f64> = next.iter().map(|n| number(&n["probability"])).collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b));

    let generate = |seed: u32| {
        let line = format!("generate {trained} --prompt the --tokens 30 --seed {seed}");
        json(&line)["text"].as_str().expect("text").to_string()
    };
    assert_eq!(generate(1), generate(1));
    assert_ne!(generate(1), generate(2));
    assert_eq!(generate(1).chars().count(), 30);
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
    for model in ["elman", "lstm", "gru", "mingru", "minlstm", "transformer"] {
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
    let out = path("adding");
    let run = json(&format!(
        "train --task adding:length=8 --model gru --width 8 --layers 1 --batch 8 --steps 12 --threads 1 --out {out}"
    ));
    assert_eq!(run["steps"], 12);
    assert!((number(&run["floor_loss"]) - 1.0 / 6.0).abs() < 1e-12);
    let evaluated = json(&format!("eval {out} --threads 1"));
    assert_eq!(evaluated["loss"], run["loss"]);
    assert!(evaluated.get("bits_per_character").is_none());
    for command in ["generate", "predict"] {
        refuses(
            &format!("{command} {out} --prompt 1"),
            2,
            &["says a number", "seqduel eval"],
        );
    }
    // Beside the data of another kind of answer.
    let tokens = path("not-adding");
    json(&format!(
        "train --task recall:keys=2,values=2,pairs=1,length=4 --model gru --width 8 --layers 1 --batch 2 --steps 1 --threads 1 --out {tokens}"
    ));
    let there = fs::read_to_string(place("adding").join("config.toml")).expect("written");
    fs::write(place("not-adding").join("config.toml"), there).expect("can be written");
    refuses(&format!("eval {tokens}"), 2, &["vocab = 5"]);
}

#[test]
fn a_task_is_tested_on_longer_words_than_it_is_trained_on() {
    for (model, positions) in [
        ("elman", "none"),
        ("transformer", "learned"),
        ("transformer", "rotary"),
    ] {
        let out = path(&format!("parity-{model}-{positions}"));
        let run = json(&format!(
            "train --task parity:length=6,test_length=30 --model {model} --positions {positions} --width 8 --heads 2 --layers 1 \
             --batch 4 --steps 5 --threads 1 --out {out}"
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
