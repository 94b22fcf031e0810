//! The command line end to end: what it prints, where, and its exit codes.

mod fill;
mod flags;
mod machines;
mod measure;
mod same;
mod train;
mod translate;

use crate::program::{in_json, json_of, refuses, seqduel, words};
use seqduel::models::MODELS;
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
        "verify",
        "corpus",
        "doctor",
        "completions",
        "--threads",
        "--seed",
        "--format",
        "--quiet",
    ] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    // Flags that only some commands obey are listed by those alone.
    let dry = [
        "reproduce",
        "run",
        "measure",
        "work-span",
        "train",
        "list",
        "report",
        "plot",
    ];
    for command in dry
        .iter()
        .chain(&["eval", "generate", "predict", "compare", "verify", "doctor"])
    {
        let output = seqduel(&[command, "--help"])
            .assert()
            .success()
            .get_output()
            .clone();
        let help = String::from_utf8(output.stdout).expect("text");
        assert_eq!(
            help.contains("--dry-run"),
            dry.contains(command),
            "{command}"
        );
        let sessions = ["reproduce", "run"].contains(command);
        assert_eq!(help.contains("--jobs"), sessions, "{command}");
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
fn completions_exist_for_every_shell() {
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

/// The reader of a pipe may stop reading early; a stdout that cannot be written is an error.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_stdout_is_no_error_and_a_full_one_is() {
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
    let levels = found["simd_levels"].as_array().expect("a list");
    assert!(levels.contains(&found["machine"]["simd"]), "{levels:?}");
    // What a machine does not show is null, never 0.
    for key in ["core_distance", "governor", "load_average", "others"] {
        assert!(found.get(key).is_some(), "{key}");
    }
    if let Some(nearest) = found["core_distance"].get("nearest_ns") {
        assert!(number(nearest) > 0.0);
    }
    assert!(!found["corpora"].as_array().expect("a list").is_empty());
    let advice = found["advice"].to_string();
    assert!(
        advice.contains("corpus fetch"),
        "the cache is empty here: {advice}"
    );
}

#[test]
fn every_model_is_listed() {
    let listed = json("list models").to_string();
    for row in MODELS {
        assert!(listed.contains(row.name), "{} is missing", row.name);
    }
}

#[test]
fn every_list_has_rows_in_every_format() {
    for (list, row) in [
        ("models", "transformer"),
        ("options", "positions"),
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
