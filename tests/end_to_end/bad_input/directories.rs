//! Output directories: of another run, not writable, full, in use, or not results at all.

use crate::common::{file, path, place, text};
use crate::program::{TINY, copy_of_checkpoint, fails, refuses, seqduel, words};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn directories_of_another_run_stay_as_they_are() {
    let before = fs::read(copy_of_checkpoint("kept").join("checkpoint.safetensors"));
    let kept = path("kept");
    let text = text();
    refuses(
        &format!("train {TINY} --width 24 --corpus {text} --out {kept}").replacen(
            "--width 16 ",
            "",
            1,
        ),
        2,
        &["kept", "another directory"],
    );
    let after = fs::read(place("kept").join("checkpoint.safetensors"));
    assert_eq!(before.expect("readable"), after.expect("readable"));
}

#[test]
fn output_directories_that_cannot_be_written_are_refused() {
    let occupied = file("occupied", "a file, not a directory");
    let text = text();
    for out in [occupied.clone(), format!("{occupied}/below")] {
        refuses(
            &format!("train {TINY} --corpus {text} --out {out}"),
            1,
            &["occupied"],
        );
        refuses(
            &format!("reproduce --profile smoke --claims distance-copy --out {out}"),
            1,
            &["occupied"],
        );
    }
    let left = fs::read_to_string(occupied).expect("still there");
    assert_eq!(left, "a file, not a directory");
}

/// A full disk, imitated by a limit on the size of files: every write past it fails.
#[cfg(unix)]
#[test]
fn a_full_disk_harms_nothing() {
    // `blocks` of 512 bytes is the most that a file may have.
    let full = |blocks: usize, line: &str| {
        let program = assert_cmd::cargo::cargo_bin("seqduel");
        let mut command = assert_cmd::Command::new("sh");
        command
            .arg("-c")
            // The signal is ignored, so that the write fails instead.
            .arg(format!(
                "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
            ))
            .arg(program)
            .args(words(line))
            .env_remove("RUST_BACKTRACE");
        command
    };
    let text = text();
    // In a new directory training fails, and succeeds once there is room.
    let out = path("full");
    let train = format!("train {TINY} --corpus {text} --out {out}");
    fails(&mut full(1, &train), 1, &["full", "checkpoint"]);
    seqduel(&words(&train)).assert().success();
    // A finished run stays as it was, whatever cannot be written.
    let whole = fs::read(place("full").join("checkpoint.safetensors")).expect("written");
    fails(&mut full(0, &train), 1, &["full"]);
    let still = fs::read(place("full").join("checkpoint.safetensors")).expect("there");
    assert_eq!(whole, still);
    seqduel(&words(&format!("eval {out}"))).assert().success();

    let suite = path("full-suite");
    let reproduce = format!("reproduce --profile smoke --claims distance-copy --out {suite}");
    fails(&mut full(4, &reproduce), 1, &["full-suite", "again"]);
}

/// Starts the program and waits until it has made `file`. The same command line started a second
/// time must fail with these phrases, while the first process goes on.
#[track_caller]
fn second_process_is_refused(line: &str, file: &str, phrases: &[&str]) {
    let mut first = std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(words(line))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let start = Instant::now();
    while !place(file).exists() {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(60), "{file} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
    refuses(line, 1, phrases);
    let ended = first.try_wait().expect("can be asked");
    assert!(ended.is_none(), "the first goes on");
    first.kill().expect("it runs");
    first.wait().expect("it ends");
}

#[test]
fn a_second_process_on_an_output_directory_is_refused() {
    let out = path("shared");
    let endless = TINY.replace("--steps 20", "--steps 1000000");
    second_process_is_refused(
        &format!("train {endless} --corpus {} --out {out}", text()),
        "shared/tokenizer.json",
        &["shared", "another seqduel"],
    );
    let out = path("shared-suite");
    second_process_is_refused(
        &format!("reproduce --profile quick --claims distance-copy --out {out}"),
        "shared-suite/suite.json",
        &["shared-suite", "another seqduel"],
    );
}

#[test]
fn directories_that_hold_no_results_are_refused() {
    let empty = path("no-results");
    fs::create_dir_all(&empty).expect("writable");
    for directory in [path("not-there"), empty] {
        refuses(
            &format!("report {directory}"),
            2,
            &[&directory, "reproduce"],
        );
        refuses(&format!("plot {directory}"), 2, &[&directory, "reproduce"]);
        refuses(
            &format!("compare {directory} {directory}"),
            2,
            &[&directory, "reproduce"],
        );
    }
    let foreign = path("foreign-results");
    fs::create_dir_all(&foreign).expect("writable");
    fs::write(place("foreign-results").join("suite.json"), "{\"a\": 1}").expect("writable");
    refuses(
        &format!("report {foreign}"),
        2,
        &["suite.json", "delete it"],
    );
}
