//! Timings are made by launches, processes of their own, whatever becomes of them.

use crate::common::{file, path, place};
#[cfg(unix)]
use crate::program::interrupt;
use crate::program::{fails, json_of, leftovers, seqduel, start, words};
use seqduel::record::Record;
use seqduel::results::output::read_results;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Timings of two models at two lengths.
const TIMINGS: &str = r#"
id = "timings"
claim = "speed-long"
title = "Timings"
question = "How fast is a step?"
kind = "throughput"
margin = 1.1
models = [{ model = "gru" }, { model = "transformer", positions = "rotary" }]
[settings]
task = "train-step"
reference = "transformer"
width = 16
heads = 2
layers = 1
vocab = 20
batch = 2
threads = 1
launches = 3
repeats = 2
seconds_per_model = 0.01
[sweep]
seq_len = [8, 16]
[profile.quick]
"#;

fn line(out: &str, sets: &str) -> Vec<String> {
    let experiment = file("timings.toml", TIMINGS);
    words(&format!("run {experiment} --out {out} --quiet {sets}"))
}

fn log(directory: &Path, run: &str) -> String {
    fs::read_to_string(directory.join("runs").join(run).join("log.txt")).expect("there")
}

/// Process of each launch that its log names.
fn processes(directory: &Path) -> Vec<u32> {
    let of = |run: String| {
        let log = log(directory, &run);
        let line = log.lines().find_map(|line| line.strip_prefix("process "));
        line.expect("named").parse().expect("a number")
    };
    let runs = [8, 16].map(|t| [0, 1, 2].map(|k| format!("timings-seq-len{t}-launch{k}")));
    runs.into_iter().flatten().map(of).collect()
}

/// What identifies the times recorded.
fn times(directory: &Path) -> Vec<(String, String, Option<usize>)> {
    let records = read_results(directory).expect("there");
    let times = records.into_iter().filter(|r| r.metric == "step_seconds");
    times.map(|r: Record| (r.run, r.model, r.repeat)).collect()
}

#[test]
fn every_launch_is_a_process_of_its_own() {
    let directory = place("processes");
    seqduel(&line(&path("processes"), "")).assert().success();
    let processes = processes(&directory);
    let distinct: BTreeSet<&u32> = processes.iter().collect();
    assert_eq!(distinct.len(), 2 * 3, "{processes:?}");
    let times = times(&directory);
    assert_eq!(times.len(), 2 * 3 * 2);
    let distinct: BTreeSet<_> = times.iter().collect();
    assert_eq!(distinct.len(), times.len());
    let log = log(&directory, "timings-seq-len16-launch2");
    assert!(log.contains("transformer with 1 threads: "), "{log}");
}

#[test]
fn a_launch_reads_the_file_of_its_run_and_no_other() {
    let directory = place("files");
    seqduel(&line(&path("files"), "")).assert().success();
    let config = directory.join("runs/timings-seq-len8-launch1/config.toml");
    // Its stdin ends at once: nobody waits for what it finds.
    let mut command = seqduel(&["launch", config.to_str().expect("text")]);
    command.write_stdin("").assert().code(1);
    let other = file("other.toml", "run = 3");
    let mut missing = start(&words("launch /nonexistent/config.toml"));
    assert!(!missing.wait().expect("it ends").success());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(["launch", &other])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdin = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("other.toml is not the configuration"),
        "{error}"
    );
    let listed = seqduel(&["--help"]).assert().success();
    let help = String::from_utf8_lossy(&listed.get_output().stdout).into_owned();
    assert!(!help.contains("launch"), "not for people: {help}");
    let more = format!("run {} --dry-run", file("timings.toml", TIMINGS));
    let more = json_of(&mut seqduel(&words(&format!(
        "{more} --format json --quiet"
    ))));
    assert_eq!(more.as_array().expect("runs").len(), 6);
    let none = line(&path("none"), "--set settings.launches=0");
    fails(&mut seqduel(&none), 2, &["settings.launches", "1 to 100"]);
}

/// Three launches that take most of a second each.
#[cfg(unix)]
const LONG: &str = "--set settings.seconds_per_model=0.3 --set sweep.seq_len=[8]";

/// Waits until a process of a launch runs, and says which.
#[cfg(unix)]
#[track_caller]
fn running(directory: &Path) -> (u32, PathBuf) {
    let began = Instant::now();
    loop {
        let runs = fs::read_dir(directory.join("runs")).into_iter().flatten();
        for run in runs.flatten().map(|entry| entry.path()) {
            let log = fs::read_to_string(run.join("log.txt")).unwrap_or_default();
            let process = log.strip_prefix("process ").and_then(|l| l.lines().next());
            if let (Some(Ok(pid)), false) =
                (process.map(str::parse), run.join("status.json").exists())
            {
                return (pid, run);
            }
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(unix)]
fn is_alive(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = state.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.is_empty() && !state.starts_with('Z')
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_ends_its_process_ends_with_it_and_goes_on_later() {
    for name in ["INT", "TERM", "KILL"] {
        let (out, directory) = (path(name), place(name));
        let mut child = start(&line(&out, LONG));
        let (pid, _) = running(&directory);
        assert!(is_alive(pid));
        if name == "KILL" {
            child.kill().expect("SIGKILL");
            child.wait().expect("it ends");
        } else {
            let error = interrupt(child, name);
            assert!(error.contains("run the same command again"), "{error}");
        }
        let began = Instant::now();
        while is_alive(pid) {
            assert!(began.elapsed() < Duration::from_secs(5), "{name}: it lives");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(name == "KILL" || times(&directory).len() < 6, "{name}");
        seqduel(&line(&out, LONG)).assert().success();
        let times = times(&directory);
        let distinct: BTreeSet<_> = times.iter().collect();
        assert_eq!((times.len(), distinct.len()), (6, 6), "{name}");
        assert_eq!(leftovers(&directory), Vec::<PathBuf>::new(), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_launch_is_reported_and_made_again() {
    let (out, directory) = (path("killed"), place("killed"));
    let child = start(&line(&out, LONG));
    let (pid, run) = running(&directory);
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.expect("kill is there").success());
    let output = child.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "a run failed: {error}");
    let name = run.file_name().expect("a name").to_string_lossy();
    for phrase in [&*name, "signal: 9", "memory", "run the same command again"] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    // The others went on.
    assert_eq!(times(&directory).len(), 4);
    seqduel(&line(&out, LONG)).assert().success();
    assert_eq!(times(&directory).len(), 6);
}
