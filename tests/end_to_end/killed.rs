//! `seqduel train`, killed or interrupted and started again, ends with the same bits as if it had
//! not been.

use crate::common::{file, path, place, text};
#[cfg(unix)]
use crate::program::{ending_signals, interrupt, signal};
use crate::program::{leftovers, seqduel, start, words};
use safetensors::tensor::SafeTensors;
use seqduel::train::checkpoint;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const STEPS: usize = 1500;

fn line(out: &str) -> Vec<String> {
    with_budget(&format!("--steps {STEPS}"), out)
}

fn with_budget(budget: &str, out: &str) -> Vec<String> {
    words(&format!(
        "train --model lstm --width 40 --layers 2 --seq-len 24 --batch 8 {budget} \
         --validate-every 100 --checkpoint-every 20 --lr 0.01 --quiet --corpus {} --out {out}",
        text()
    ))
}

/// Starts a command and kills it after its first checkpoint; how many steps that has.
#[track_caller]
fn killed_once(line: &[String], directory: &Path) -> usize {
    let mut child = start(line);
    wait_for_step_after(directory, 0);
    child.kill().expect("SIGKILL");
    let status = child.wait().expect("it ends");
    assert!(!status.success(), "it had ended before it could be killed");
    step(directory)
}

/// Step of the checkpoint in a directory, 0 without one. It can be read at any moment.
fn step(directory: &Path) -> usize {
    match directory.join(checkpoint::FILE).exists() {
        true => {
            let (_, metadata) = checkpoint::load(directory).expect("a whole checkpoint");
            metadata.position.step
        }
        false => 0,
    }
}

fn wait_for_step_after(directory: &Path, before: usize) {
    let start = Instant::now();
    while step(directory) <= before {
        assert!(start.elapsed() < Duration::from_secs(60), "no progress");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Tensors by name, and the rows of metrics.csv without the column of seconds.
type Result = (Vec<(String, Vec<u8>)>, Vec<Vec<String>>);

fn result(directory: &Path) -> Result {
    let bytes = fs::read(directory.join(checkpoint::FILE)).expect("there");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut tensors: Vec<_> = (tensors.iter())
        .map(|(name, view)| (name.to_string(), view.data().to_vec()))
        .collect();
    tensors.sort();
    let mut reader = csv::Reader::from_path(directory.join("metrics.csv")).expect("there");
    let header = reader.headers().expect("a header").clone();
    let untimed = |row: csv::StringRecord| {
        let columns = header.iter().zip(&row);
        let columns = columns.filter(|(name, _)| *name != "seconds");
        columns.map(|(_, value)| value.to_string()).collect()
    };
    let rows = reader.records().map(|row| untimed(row.expect("a row")));
    (tensors, rows.collect())
}

#[test]
fn a_killed_train_command_goes_on_to_the_same_bits() {
    let whole = path("train-whole");
    seqduel(&line(&whole)).assert().success();
    let expected = result(Path::new(&whole));
    assert_eq!(expected.1.len(), STEPS / 100);

    let (out, directory) = (path("train-killed"), place("train-killed"));
    let mut reached = Vec::new();
    for delay in [0, 9, 23] {
        let before = step(&directory);
        let mut child = start(&line(&out));
        wait_for_step_after(&directory, before);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        reached.push(step(&directory));
    }
    assert!(reached.is_sorted_by(|a, b| a < b), "{reached:?}");
    assert!(reached[2] < STEPS, "killed too late: {reached:?}");
    seqduel(&line(&out)).assert().success();
    assert!(
        result(&directory) == expected,
        "killed at {reached:?}: other results"
    );
    assert_eq!(leftovers(&directory), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn a_signal_to_end_saves_and_says_how_to_go_on() {
    let whole = path("train-undisturbed");
    seqduel(&line(&whole)).assert().success();
    for name in ending_signals() {
        let (out, directory) = (path(name), place(name));
        let child = start(&line(&out));
        wait_for_step_after(&directory, 0);
        let error = interrupt(child, name);
        let stopped = step(&directory);
        assert!(0 < stopped && stopped < STEPS, "{name}: {stopped}");
        let said = format!("interrupted after step {stopped}");
        assert!(error.contains(&said), "{name}: {error}");
        assert!(error.contains("repeat the command"), "{name}: {error}");
        seqduel(&line(&out)).assert().success();
        assert!(
            result(&directory) == result(Path::new(&whole)),
            "{name} at {stopped}: other results"
        );
    }
}

/// Schedulers and `timeout` send a signal more than once; the second one is no other wish.
#[cfg(unix)]
#[test]
fn signals_in_a_row_are_one() {
    let (out, directory) = (path("twice"), place("twice"));
    let child = start(&line(&out));
    wait_for_step_after(&directory, 0);
    signal(&child, "TERM");
    signal(&child, "TERM");
    let error = interrupt(child, "TERM");
    assert!(error.contains("repeat the command"), "{error}");
}

/// A program under `nohup` goes on when its terminal closes.
#[cfg(unix)]
#[test]
fn an_ignored_signal_stays_ignored() {
    let (out, directory) = (path("nohup"), place("nohup"));
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(line(&out))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("sh is there");
    wait_for_step_after(&directory, 0);
    signal(&child, "HUP");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(step(&directory), STEPS);
}

/// The step's time is measured once and written down: who goes on, or repeats the run by its
/// configuration, does as many steps to the same bits.
#[test]
fn a_killed_run_of_so_many_seconds_goes_on_to_the_same_bits() {
    let (out, directory) = (path("seconds-killed"), place("seconds-killed"));
    let line = with_budget("--seconds 1.5", &out);
    let stopped = killed_once(&line, &directory);
    let config = || fs::read_to_string(directory.join("config.toml")).expect("written");
    let measured = config();
    assert!(measured.contains("seconds = 1.5"), "{measured}");
    assert!(measured.contains("step-seconds = 0.0"), "{measured}");
    #[cfg(unix)]
    for name in ["TERM", "KILL"] {
        let before = step(&directory);
        let child = start(&line);
        wait_for_step_after(&directory, before);
        signal(&child, name);
        child.wait_with_output().expect("it ends");
    }
    let stopped = stopped.max(step(&directory));
    seqduel(&line).assert().success();
    assert_eq!(config(), measured, "measured once");
    assert!(stopped < step(&directory), "{stopped}");
    assert_eq!(leftovers(&directory), Vec::<PathBuf>::new());

    let repeated = path("seconds-repeated");
    let again = format!("train --config {out}/config.toml --quiet --out {repeated}");
    seqduel(&words(&again)).assert().success();
    assert!(
        result(Path::new(&repeated)) == result(&directory),
        "killed at {stopped}"
    );
}

#[test]
fn a_killed_run_that_started_from_another_goes_on_to_the_same_bits() {
    let parent = path("ancestor");
    seqduel(&with_budget("--steps 60", &parent))
        .assert()
        .success();
    let other = file("other.txt", "a cat on 7 mats.\n".repeat(250));
    for (kind, data) in [("more", ""), ("elsewhere", &*format!("--corpus {other}"))] {
        let line = |out: &str| {
            words(&format!(
                "train --from {parent} {data} --steps 900 --checkpoint-every 20 --quiet --out {out}"
            ))
        };
        let whole = path(&format!("{kind}-whole"));
        seqduel(&line(&whole)).assert().success();
        let (out, directory) = (path(kind), place(kind));
        let stopped = killed_once(&line(&out), &directory);
        assert!(stopped < 900, "{stopped}");
        seqduel(&line(&out)).assert().success();
        assert!(
            result(&directory) == result(Path::new(&whole)),
            "{kind}, killed at {stopped}: other results"
        );
    }
}
