//! `verify`: the same bits pass, one digit more or less does not, and what cannot be verified is said.

use crate::common::{file, path, place, text};
#[cfg(unix)]
use crate::program::interrupt;
use crate::program::{fails, in_json, json_of, refuses, seqduel, words};
use seqduel::results::output::{PLAIN_RESULTS, RESULTS, read_csv};
use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::process::Stdio;
use std::sync::OnceLock;

const TINY: &str = r#"
id = "tiny"
claim = "distance-copy"
title = "Copying"
question = "Over what delay can each model say ten symbols again?"
kind = "train"
margin = 0.1
models = [{ model = "gru" }, { model = "transformer" }]
[settings]
task = "copy"
parameters.delay = 3
equal = "width"
width = 8
heads = 1
layers = 1
batch = 4
seeds = 1
steps = 12
warmup_steps = 2
validate_every = 4
validation_sequences = 8
test_sequences = 8
[tune]
learning_rates = [1e-3, 1e-2]
settings = { steps = 8 }
[profile.quick]
"#;

/// A small results directory, made once; not to be written to.
fn results() -> &'static str {
    static RESULTS: OnceLock<String> = OnceLock::new();
    RESULTS.get_or_init(|| {
        let (experiment, out) = (file("tiny.toml", TINY), path("results"));
        seqduel(&words(&format!("run {experiment} --quiet --out {out}")))
            .assert()
            .success();
        out
    })
}

/// A copy of its two files that count, one value of a metric of a run replaced.
fn changed(name: &str, metric: &str, change: impl Fn(&str) -> String) -> String {
    let to = place(name);
    fs::create_dir_all(&to).expect("writable");
    let from = Path::new(results());
    fs::copy(from.join("suite.json"), to.join("suite.json")).expect("both are there");
    let text = read_csv(&from.join(RESULTS)).expect("it was made");
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let header = reader.headers().expect("a header").clone();
    let place_of = |column: &str| header.iter().position(|h| h == column).expect("a column");
    let [run, of, value] = ["run", "metric", "value"].map(place_of);
    let mut writer = csv::Writer::from_path(to.join(PLAIN_RESULTS)).expect("writable");
    writer.write_record(&header).expect("writable");
    let mut found = 0;
    for row in reader.records() {
        let row = row.expect("a whole row");
        let this = &row[run] == "tiny-gru-seed0" && &row[of] == metric;
        found += usize::from(this);
        let field = |(i, field): (usize, &str)| match this && i == value {
            true => change(field),
            false => field.to_owned(),
        };
        let row: Vec<String> = row.iter().enumerate().map(field).collect();
        writer.write_record(row).expect("writable");
    }
    writer.flush().expect("writable");
    assert_eq!(found, 1, "{metric}");
    path(name)
}

/// Every file below a directory with its bytes.
fn files(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), fs::read(path).expect("readable"))),
        }
    }
    all.sort();
    all
}

#[test]
fn a_fresh_directory_is_equal_to_the_last_bit_and_stays_as_it_is() {
    let before = files(Path::new(results()));
    let found = json_of(&mut in_json(&format!("verify {} --all", results())));
    let runs = found["runs"].as_array().expect("a list");
    // 2 models with 2 trials and one training each.
    assert_eq!((runs.len(), found["trained"].as_u64()), (6, Some(6)));
    for run in runs {
        assert_eq!(run["differences"], serde_json::json!([]), "{run}");
        assert!(run["compared"].as_u64() >= Some(1), "{run}");
    }
    assert!(files(Path::new(results())) == before, "nothing is written");

    let drawn = seqduel(&words(&format!(
        "verify {} --runs 2 --threads 1",
        results()
    )));
    let output = { drawn }.assert().success().get_output().clone();
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(
        table.contains("gru") && table.contains("transformer"),
        "{table}"
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2 of 2 runs equal to the last bit"), "{said}");
}

#[test]
fn one_digit_of_a_trained_metric_is_told_with_both_values() {
    let mut was = String::new();
    let read = std::cell::RefCell::new(&mut was);
    let digit = |value: &str| {
        **read.borrow_mut() = value.to_owned();
        let (rest, last) = value.split_at(value.len() - 1);
        format!("{rest}{}", if last == "1" { "2" } else { "1" })
    };
    let directory = changed("digit", "test_loss", digit);
    let output = seqduel(&words(&format!("verify {directory} --all --quiet")))
        .assert()
        .code(1)
        .get_output()
        .clone();
    let table = String::from_utf8_lossy(&output.stdout);
    let row = table.lines().find(|line| line.contains("tiny-gru-seed0"));
    assert!(row.is_some_and(|row| row.contains("1 differ")), "{table}");
    let said = String::from_utf8_lossy(&output.stderr);
    let now: f64 = was.parse().expect("a number");
    let bits = format!("{:016x}", now.to_bits());
    for phrase in [
        "tiny-gru-seed0: test_loss: recorded",
        &format!("now {was} (bits {bits})"),
    ] {
        assert!(said.contains(phrase), "{phrase:?} is not in {said}");
    }
    assert_eq!(said.matches("recorded").count(), 1, "{said}");
}

#[test]
fn what_differs_of_version_and_level_is_told_with_a_difference() {
    let directory = changed("version", "test_loss", |_| "1.5".into());
    let file = Path::new(&directory).join("suite.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&file).expect("there")).expect("JSON");
    manifest["machine"]["version"] = "0.0.9".into();
    manifest["machine"]["simd"] = "neon".into();
    fs::write(&file, manifest.to_string()).expect("writable");
    let mut command = seqduel(&words(&format!("verify {directory} --all --quiet")));
    let output = command.assert().code(1).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr);
    for phrase in ["version: 0.0.9, now", "vector instructions: neon, now"] {
        assert!(said.contains(phrase), "{phrase:?} is not in {said}");
    }
}

#[test]
fn timings_are_not_compared() {
    let directory = changed("timing", "train_seconds", |_| "0.125".into());
    seqduel(&words(&format!("verify {directory} --all --quiet")))
        .assert()
        .success();
}

#[test]
fn what_cannot_be_verified_is_refused_with_the_reason() {
    let directory = results();
    refuses(
        &format!("verify {directory} --within 0s"),
        2,
        &[
            "too long, 6 runs",
            "tiny-gru-seed0",
            "6 of the 6",
            "longer --within",
        ],
    );
    refuses(
        &format!("verify {directory} --within soon"),
        2,
        &["--within", "5m"],
    );
    refuses(&format!("verify {directory} --runs 0"), 2, &["--runs 0"]);
    refuses(&format!("verify {directory} --runs 3 --all"), 2, &["--all"]);
    let missing = path("not-there");
    refuses(&format!("verify {missing}"), 2, &[&missing, "reproduce"]);

    let torn = changed("torn", "test_loss", |value| value.into());
    let file = Path::new(&torn).join(PLAIN_RESULTS);
    let whole = fs::read_to_string(&file).expect("there");
    fs::write(&file, &whole[..whole.len() - 30]).expect("writable");
    refuses(&format!("verify {torn}"), 2, &["results.csv", "torn"]);
    let header = whole.lines().next().expect("a header");
    fs::write(&file, format!("{header}\n")).expect("writable");
    refuses(
        &format!("verify {torn}"),
        2,
        &["torn", "no finished training"],
    );
}

#[test]
fn a_run_on_a_text_needs_that_text() {
    let task = "task = \"copy\"\nparameters.delay = 3";
    let words_of = TINY
        .replace(task, "task = \"text\"\ntokenizer = \"char\"\nseq_len = 12")
        .replace("id = \"tiny\"", "id = \"words\"")
        .replace("distance-copy", "next-word");
    let (experiment, out) = (file("words.toml", words_of), path("words"));
    let corpus = text();
    seqduel(&words(&format!(
        "run {experiment} --quiet --corpus {corpus} --out {out}"
    )))
    .assert()
    .success();
    let own = format!("verify {out} --runs 3 --quiet");
    seqduel(&words(&format!("{own} --corpus {corpus}")))
        .assert()
        .success();
    // The directory knows its name and digest, not where it is.
    fails(
        &mut seqduel(&words(&own)),
        2,
        &["cannot be verified, 6 runs", "text.txt", "--corpus"],
    );
    let other = file(
        "other.txt",
        fs::read_to_string(corpus).expect("there") + "more",
    );
    fails(
        &mut seqduel(&words(&format!("{own} --corpus {other}"))),
        2,
        &["other.txt is another now", "text.txt", "--corpus"],
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_and_leaves_nothing_behind() {
    let directory = changed("endless", "test_loss", |value| value.into());
    let manifest = Path::new(&directory).join("suite.json");
    let text = fs::read_to_string(&manifest).expect("there");
    assert!(text.contains("\"steps\": 12"), "{text}");
    let endless = text.replace("\"steps\": 12", "\"steps\": 100000000");
    fs::write(&manifest, endless).expect("writable");
    let temporary = place("temporary");
    fs::create_dir_all(&temporary).expect("writable");
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(words(&format!("verify {directory} --all")))
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = || fs::read_dir(&temporary).expect("readable").count() > 0;
    while !begun() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let said = interrupt(child, "INT");
    assert!(
        said.contains("interrupted: not all drawn runs were done"),
        "{said}"
    );
    assert!(!begun(), "nothing is left behind");
}
