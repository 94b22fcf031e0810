//! Extreme numbers for every flag that takes one, given to the program itself: with `--dry-run` where
//! something would be trained.

use crate::common::{path, text};
use crate::guard;
use crate::mutate::{bytes, edits, to_toml, tree};
use assert_cmd::Command;
use clap::CommandFactory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use std::time::Duration;

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "-0",
    "1.5",
    "0.5",
    "1e-3",
    "1e9",
    "-1e9",
    "1e308",
    "-1e308",
    "1e-320",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "infinity",
    "4294967295",
    "4294967296",
    "2147483647",
    "2147483648",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1000000",
    "100000",
    "1e",
    "",
    " 1",
    "0x10",
    "1_000",
    "+5",
    "é",
    "1\u{1b}[2J",
];

/// Flags of a command that take a value and are no names of files, as clap knows them.
fn flags(command: &str) -> Vec<String> {
    let cli = seqduel::cli::Cli::command();
    let found = cli.find_subcommand(command).expect("a command");
    let not = [
        "out", "config", "from", "format", "corpus", "profile", "prompt",
    ];
    let values = found.get_arguments().chain(cli.get_arguments());
    values
        .filter(|a| a.get_action().takes_values() && !a.is_positional())
        .filter_map(|a| a.get_long())
        .filter(|long| !not.contains(long))
        .map(|long| format!("--{long}"))
        .collect()
}

/// A command line that is right, and is quick.
struct Start {
    words: Vec<String>,
    flags: Vec<String>,
}

fn starts() -> Vec<Start> {
    let trained = path("trained");
    let small = "--width 8 --layers 1 --seq-len 8 --batch 2";
    let text = text();
    program()
        .args(words(&format!(
            "train --model transformer {small} --heads 2 --steps 2 --quiet --corpus {text} --out {trained}"
        )))
        .assert()
        .success();
    let out = path("none");
    let all = [
        format!("train --model lstm --corpus {text} --dry-run --out {out}"),
        format!("train --model transformer --task copy:delay=3 --dry-run --out {out}"),
        format!("train --from {trained} --dry-run --out {out}"),
        format!("measure train-step --model gru,transformer {small} --vocab 9 --dry-run"),
        format!("measure decode --model minlstm {small} --vocab 9 --dry-run"),
        format!("work-span --model gru {small} --vocab 9 --dry-run"),
        format!("eval {trained}"),
        format!("generate {trained} --prompt the --tokens 3 --quiet"),
        format!("predict {trained} --prompt the"),
        format!("run distance-copy --profile smoke --dry-run --out {out}"),
        format!("reproduce --profile smoke --claims distance-copy --dry-run --out {out}"),
    ];
    all.iter()
        .map(|line| Start {
            words: words(line),
            flags: flags(line.split(' ').next().expect("a command")),
        })
        .collect()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn program() -> Command {
    let mut command = Command::cargo_bin("seqduel").expect("built with the tests");
    command
        .env_remove("RUST_BACKTRACE")
        .timeout(Duration::from_secs(20));
    command
}

/// Demands a result or a word, and an exit code of the program's own.
fn answers(line: &[String]) {
    let output = program().args(line).output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(0..=2)), "{code:?} {line:?}: {error}");
    assert!(!error.contains("panicked"), "{line:?}: {error}");
    assert!(
        code == Some(0) || !error.trim().is_empty(),
        "{line:?}: no word"
    );
}

impl Start {
    /// With flags set to numbers, instead of those that are there. The address space is limited on
    /// Unix, so that filling the memory is seen.
    fn check(&self, set: &[(Index, Index)]) {
        let mut line = self.words.clone();
        for (flag, number) in set {
            let (flag, number) = (flag.get(&self.flags), number.get(NUMBERS));
            // As many tokens as one asks for are generated, one after the other, and so it may last.
            if flag == "--tokens" && self.words[0] == "generate" && number.len() > 3 {
                continue;
            }
            if let Some(at) = line.iter().position(|word| word == flag) {
                line.drain(at..at + 2);
            }
            line.push(format!("{flag}={number}"));
        }
        answers(&line);
    }
}

#[test]
fn numbers_of_flags() {
    let starts = starts();
    let set = vec(any::<(Index, Index)>(), 1..4);
    guard::run(150, (any::<Index>(), set), |(which, set)| {
        which.get(&starts).check(set)
    });
}

#[test]
fn training_configurations() {
    let printed = |flags: &str| -> Value {
        let line = format!("train {flags} --dry-run --out {}", path("none"));
        let output = program().args(words(&line)).assert().success();
        let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        toml::from_str(&text).expect("TOML")
    };
    let valid = [
        printed("--model transformer --task copy:delay=3 --seconds 3 --positions rotary"),
        printed(&format!(
            "--model gru --gates chrono --seq-len 16 --tokenizer bpe:300 --corpus {}",
            text()
        )),
    ];
    let damage = prop_oneof![3 => Just(Vec::new()), 1 => edits(1..3)];
    let file = path("config.toml");
    let inputs = (any::<Index>(), edits(0..4), damage);
    guard::run(60, inputs, |(which, changes, damage)| {
        let mut value = which.get(&valid).clone();
        tree(&mut value, changes);
        let Some(toml) = to_toml(&value) else {
            return;
        };
        let mut data = toml.into_bytes();
        bytes(&mut data, damage);
        std::fs::write(&file, data).expect("writable");
        answers(&words(&format!(
            "train --config {file} --dry-run --out {}",
            path("none")
        )));
    });
}
