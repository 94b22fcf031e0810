//! The program under test: starting it, reading what it prints, and one small trained checkpoint.

use crate::common::{path, place, scratch, text};
use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;

/// The program, with an empty corpus cache and without backtraces.
pub fn seqduel<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::cargo_bin("seqduel").expect("the binary is built with the tests");
    command
        .args(arguments.iter().map(AsRef::as_ref))
        .env("SEQDUEL_CACHE", scratch().join("no-cache"))
        .env_remove("SEQDUEL_LOG")
        .env_remove("RUST_BACKTRACE");
    command
}

/// Splits a command line at its spaces.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(String::from).collect()
}

/// The program with its results as JSON.
pub fn in_json(line: &str) -> Command {
    let mut arguments = words(line);
    arguments.extend(words("--format json --quiet"));
    seqduel(&arguments)
}

/// Runs, demands success, and parses what it prints to stdout.
#[track_caller]
pub fn json_of(command: &mut Command) -> serde_json::Value {
    let assert = command.assert().success();
    serde_json::from_slice(&assert.get_output().stdout).expect("stdout is one JSON value")
}

/// Starts the program and leaves it running.
pub fn start(line: &[String]) -> Child {
    std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(line)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Sends a signal by its name.
#[cfg(unix)]
#[track_caller]
pub fn signal(child: &Child, name: &str) {
    let signal = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(signal.expect("kill is there").success());
}

/// Interrupts with a signal, as Ctrl-C does with INT; demands exit code 1, and returns what was written
/// to stderr.
#[cfg(unix)]
#[track_caller]
pub fn interrupt(child: Child, name: &str) -> String {
    signal(&child, name);
    let output = child.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

/// The signals that ask a program to end. SIGHUP is none where these tests, and so the program, ignore
/// it: under `nohup`.
#[cfg(unix)]
pub fn ending_signals() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match ignored.unwrap_or(0) & 1 {
        0 => vec!["INT", "TERM", "HUP"],
        _ => vec!["INT", "TERM"],
    }
}

/// Files of a directory, at any depth, that were being written when a process was killed.
pub fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let within = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => leftovers(&path),
        path => vec![path],
    });
    let half = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let begins = [".seqduel-", ".tmp", ".checkpoint", ".writing"];
        begins.iter().any(|begin| name.starts_with(begin)) || name.ends_with(".partial")
    };
    within.filter(half).collect()
}

/// Flags of a training run of an LSTM that takes a fraction of a second.
pub const TINY: &str = "--model lstm --width 16 --layers 1 --seq-len 16 --batch 4 --steps 20 \
                        --validate-every 10 --quiet";

/// The output directory of one tiny model trained on [`text`]; not to be written to.
pub fn checkpoint() -> &'static str {
    static CHECKPOINT: OnceLock<String> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let out = path("trained");
        let mut command = words(&format!("train {TINY}"));
        command.extend([
            "--corpus".into(),
            text().into(),
            "--out".into(),
            out.clone(),
        ]);
        seqduel(&command).assert().success();
        out
    })
}

/// A copy of the trained directory, to be damaged, at the caller's [`place`] of that name.
#[track_caller]
pub fn copy_of_checkpoint(name: &str) -> PathBuf {
    let to = place(name);
    std::fs::create_dir_all(&to).expect("the scratch directory can be written");
    for entry in std::fs::read_dir(checkpoint()).expect("it was just made") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("both are readable");
    }
    to
}

/// Runs, and demands this exit code, nothing on stdout, and one message on stderr that contains all
/// of these phrases.
#[track_caller]
pub fn fails(command: &mut Command, code: i32, phrases: &[&str]) {
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(code),
        "exit code; stderr: {error}"
    );
    assert!(output.stdout.is_empty(), "stdout: {:?}", output.stdout);
    assert!(!error.contains("panicked"), "{error}");
    let messages = error.lines().filter(|l| l.starts_with("error")).count();
    assert_eq!(messages, 1, "one message: {error}");
    for phrase in phrases {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
}

/// [`fails`] for a command line whose arguments hold no spaces.
#[track_caller]
pub fn refuses(line: &str, code: i32, phrases: &[&str]) {
    fails(&mut seqduel(&words(line)), code, phrases);
}
