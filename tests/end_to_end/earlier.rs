//! Directories that earlier versions wrote are still read, and their training goes on.

use crate::common::place;
use crate::program::{fails, in_json, json_of, seqduel, words};
use std::fs;
use std::path::{Path, PathBuf};

/// A copy of what version 0.1.0 left after `train … --task copy:delay=3 --steps 6 --seed 5`, at the
/// level avx2, and the loss that its `eval` printed.
const DIRECTORIES: [(&str, &str, f64); 2] = [
    ("lstm", "--chrono 9", 2.316152489358544),
    (
        "transformer",
        "--positions rotary --heads 2",
        2.533890798351595,
    ),
];

/// The same of a text, which stands beside it: `train --model gru … --corpus words.txt --seq-len 8`.
const TEXT_LOSS: f64 = 3.1372215621467303;

/// A copy of an earlier directory, at the caller's place of that name.
#[track_caller]
pub fn copied(name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/earlier")
        .join(name);
    let to = place(name);
    fs::create_dir_all(&to).expect("the scratch directory can be written");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("readable");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("both are there");
    }
    to
}

#[test]
fn an_earlier_checkpoint_is_judged_as_then() {
    for (name, _, loss) in DIRECTORIES {
        let line = format!("eval {}", copied(name).display());
        let now = json_of(&mut in_json(&line))["loss"]
            .as_f64()
            .expect("a number");
        assert!(
            (now - loss).abs() < 1e-5 * loss,
            "{name}: {now}, not {loss}"
        );
    }
}

#[test]
fn the_same_command_recognises_an_earlier_directory() {
    for (name, options, _) in DIRECTORIES {
        let line = |more: &str| {
            let out = copied(name).display().to_string();
            words(&format!(
                "train --model {name} {options} --width 8 --layers 1 --task copy:delay=3 --batch 2 \
                 --steps 6 --warmup 2 --validate-every 3 --seed 5 --threads 1 --quiet --out {out} \
                 {more}"
            ))
        };
        seqduel(&line("")).assert().success();
        let output = seqduel(&line("--lr 0.5")).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains("other settings"),
            "{error}"
        );
    }
}

#[test]
fn an_earlier_checkpoint_of_a_text_is_read_with_the_files_beside_it() {
    let directory = copied("text");
    let within = |line: &str| {
        let mut command = in_json(line);
        command.current_dir(&directory);
        command
    };
    let loss = json_of(&mut within("eval ."))["loss"].as_f64();
    let loss = loss.expect("a number");
    assert!((loss - TEXT_LOSS).abs() < 1e-5 * loss, "{loss}");
    let next = json_of(&mut within("predict checkpoint.safetensors --prompt the"));
    assert_eq!(next["next"][0]["token"], "1");
    // It can be started from, and what comes of it needs no files beside it.
    within("train --from . --steps 4 --out more")
        .assert()
        .success();
    fs::rename(
        directory.join("more/checkpoint.safetensors"),
        directory.join("moved.safetensors"),
    )
    .expect("it was made");
    within("eval moved.safetensors").assert().success();
    // Alone, the earlier file lacks what stood beside it.
    for file in ["config.toml", "tokenizer.json"] {
        fs::remove_file(directory.join(file)).expect("it was there");
    }
    fails(
        &mut within("eval checkpoint.safetensors"),
        2,
        &["config.toml", "earlier version", "--corpus"],
    );
    fails(
        &mut within("eval checkpoint.safetensors --corpus words.txt"),
        2,
        &["tokenizer.json", "missing"],
    );
}
