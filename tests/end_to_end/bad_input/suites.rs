//! Experiments: unknown names, impossible values, unusable text.

use super::no_network;
use crate::common::{file, path, place, text};
use crate::program::{refuses, seqduel, words};
use seqduel::results::output::read_results;
use std::fs;

#[test]
fn unknown_experiments_keys_and_profiles_are_refused() {
    let out = path("unknown-suite");
    refuses(
        &format!("reproduce --claims nonsense --out {out}"),
        2,
        &["nonsense", "speed-long"],
    );
    refuses(
        &format!("reproduce --profile enormous --out {out}"),
        2,
        &["enormous", "quick"],
    );
    refuses(
        &format!("run nowhere.toml --out {out}"),
        2,
        &["nowhere.toml"],
    );
    let unknown_key = file(
        "unknown-key.toml",
        "id = \"x\"\nclaim = \"speed-long\"\nwidht = 3\n",
    );
    refuses(
        &format!("run {unknown_key} --out {out}"),
        2,
        &["unknown-key.toml", "widht", "3"],
    );
    let not_toml = file("not.toml", "id = \"x\nclaim");
    refuses(&format!("run {not_toml} --out {out}"), 2, &["not.toml"]);
    assert!(!fs::exists(&out).expect("can be asked"));

    let exported = path("exported");
    seqduel(&words(&format!("list experiments --export {exported}")))
        .assert()
        .success();
    let run = format!("run {exported}/distance-copy.toml --out {out}");
    refuses(&format!("{run} --profile enormous"), 2, &["enormous"]);
    refuses(&format!("{run} --set settings.widht=3"), 2, &["widht"]);
    refuses(&format!("{run} --set widht"), 2, &["widht"]);
    assert!(!fs::exists(&out).expect("can be asked"));
}

#[test]
fn published_numbers_that_are_not_there_are_refused() {
    let out = path("no-published");
    let command = format!("reproduce --published --out {out}");
    refuses(
        &format!("{command} --rows nope"),
        2,
        &["--rows nope", "parity-rnn"],
    );
    refuses(
        &format!("{command} --profile smoke"),
        2,
        &["--profile smoke", "full and quick"],
    );
    refuses(
        &format!("{command} --rows char-gru --profile quick"),
        2,
        &["--profile quick", "full"],
    );
    refuses(&format!("{command} --claims scan"), 2, &["--claims"]);
    refuses(
        &format!("reproduce --rows parity-rnn --out {out}"),
        2,
        &["--published"],
    );
    assert!(!fs::exists(&out).expect("can be asked"));
}

/// The row that needs a text says which command fetches it; the other row is measured.
#[test]
fn without_network_published_numbers_of_a_text_are_not_run() {
    let out = path("published-offline");
    let mut command = seqduel(&words(&format!(
        "reproduce --published --rows gru-layer,nanogpt --quiet --format json --out {out}"
    )));
    no_network(&mut command);
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = |id: &str| {
        let mut rows = rows.as_array().expect("a list").iter();
        rows.find(|row| row["id"] == id)
            .expect("every row is listed")
    };
    assert_eq!(row("nanogpt")["outcome"], "not-run");
    let reason = row("nanogpt")["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("--corpus FILE") && reason.contains("corpus fetch"),
        "{reason}"
    );
    let layer = row("gru-layer");
    assert!(layer["ours"].as_f64().expect("measured") > 1.0, "{layer}");
    assert_ne!(layer["outcome"], "not-run");
    let there = place("published-offline");
    let csv = fs::read_to_string(there.join("published.csv")).expect("written");
    assert_eq!(csv.lines().count(), 3);
    let page = fs::read_to_string(there.join("report.html")).expect("written");
    assert!(page.contains("Published numbers") && page.contains("pull request 4154"));
}

#[test]
fn values_of_experiments_that_cannot_be_run_are_refused() {
    let out = path("impossible-suite");
    let run = format!("run distance-copy --profile smoke --out {out}");
    for (set, phrases) in [
        ("settings.width=0", ["settings.width", "at least 1"]),
        ("settings.width=-1", ["settings.width", "-1"]),
        ("settings.width=wide", ["settings.width", "wide"]),
        (
            "settings.width=1000000000000",
            ["settings.width", "at most"],
        ),
        ("settings.width=4000000", ["settings.width", "GiB"]),
        ("settings.heads=5", ["heads", "5"]),
        ("settings.batch=0", ["settings.batch", "at least 1"]),
        ("settings.batch=1000000000", ["settings.batch", "GiB"]),
        (
            "settings.test_sequences=1000000000",
            ["settings.test_sequences", "GiB"],
        ),
        (
            "settings.validation_sequences=1000000000",
            ["settings.validation_sequences", "at most"],
        ),
        ("settings.seeds=1000000000", ["settings.seeds", "10000"]),
        (
            "tune.settings.steps=0",
            ["tune.settings.steps", "at least 1"],
        ),
        ("settings.plateau=1.5", ["settings.plateau", "1.5"]),
        ("settings.looks=[5,3]", ["settings.looks", "rising"]),
        ("settings.steps=0", ["settings.steps", "at least 1"]),
        ("settings.task=coppy", ["coppy", "copy"]),
        ("sweep.parameters.delay=[0]", ["delay", "0"]),
        ("sweep.parameters.delay=[]", ["delay", "at least one"]),
        ("sweep.parameters.deley=[3]", ["deley", "parameter"]),
        ("tune.learning_rates=[-1]", ["tune.learning_rates[0]", "-1"]),
    ] {
        refuses(&format!("{run} --set {set}"), 2, &phrases);
    }
    // Of a profile that searches rates.
    let searching = run.replace("--profile smoke", "--profile full");
    for seeds in ["0", "9999"] {
        let line = format!("{searching} --set tune.settings.seeds={seeds}");
        refuses(&line, 2, &["tune.settings.seeds", "0000"]);
    }
    refuses(
        &format!("{run} --seed 18446744073709551615"),
        2,
        &["--seed", "at most 9223372036854775807"],
    );
    assert!(!fs::exists(out).expect("can be asked"));
}

#[test]
fn texts_that_experiments_cannot_use_are_refused() {
    let out = path("unusable-text");
    for (name, bytes, phrase) in [
        ("suite-empty.txt", Vec::new(), "is empty"),
        ("suite-one.txt", b"a".to_vec(), "'a'"),
        ("suite-latin.txt", b"caf\xe9 ".repeat(900), "not UTF-8"),
        ("suite-binary.txt", b"ab\0".repeat(900), "NUL byte"),
        ("suite-short.txt", b"abc ".repeat(20), "too short"),
    ] {
        let corpus = file(name, bytes);
        for command in ["reproduce --claims next-word", "run next-word"] {
            refuses(
                &format!("{command} --profile smoke --corpus {corpus} --out {out}"),
                2,
                &["--corpus", phrase],
            );
        }
    }
    refuses(
        &format!("run next-word --profile smoke --corpus nowhere.txt --out {out}"),
        2,
        &["nowhere.txt", "kjv"],
    );
    assert!(!fs::exists(out).expect("can be asked"));
}

#[test]
fn without_network_the_experiments_that_need_no_text_still_run() {
    let out = path("offline");
    let mut command = seqduel(&words(&format!(
        "run distance-recall next-word --profile smoke --set settings.steps=2 --quiet --out {out}"
    )));
    no_network(&mut command);
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for phrase in ["next-word", "not cached", "--corpus FILE", "corpus fetch"] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
    let results = read_results(&place("offline")).expect("written");
    assert!(!results.is_empty() && results.iter().all(|r| r.experiment == "distance-recall"));
    assert!(place("offline").join("report.html").exists());

    // With a text, the same command would run what is left.
    let line = format!(
        "run distance-recall next-word --profile smoke --set settings.steps=2 --set \
         settings.seconds=0.01 --quiet --corpus {} --dry-run --format json --out {out}",
        text()
    );
    let output = seqduel(&words(&line)).assert().success();
    let plan = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    for row in plan.as_array().expect("a list") {
        let run = row["run"].as_str().expect("a name");
        assert_eq!(row["done"], run.starts_with("distance-recall"), "{run}");
    }
}
