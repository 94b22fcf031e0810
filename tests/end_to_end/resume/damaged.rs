//! A results directory with damaged files: what is damaged is made again, the rest is kept.

use super::{files, finish, line, rows, whole};
use crate::common::{path, place};
use crate::program::{fails, seqduel};
use std::fs;
use std::path::{Path, PathBuf};

/// A copy of the undisturbed directory.
fn copy(name: &str) -> PathBuf {
    let (from, to) = (&whole().0, place(name));
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("found there"));
        fs::create_dir_all(target.parent().expect("a file is in a directory")).expect("writable");
        fs::copy(&file, target).expect("readable");
    }
    to
}

fn cut(file: &Path, length: impl Fn(&[u8]) -> usize) {
    let bytes = fs::read(file).expect("there");
    fs::write(file, &bytes[..length(&bytes)]).expect("writable");
}

/// Where the last line but one ends: cut here, the table is well formed but has a row too few.
fn without_last_row(bytes: &[u8]) -> usize {
    let body = &bytes[..bytes.len() - 1];
    1 + body.iter().rposition(|&b| b == b'\n').expect("many rows")
}

#[test]
fn damaged_runs_are_made_again_and_the_others_kept() {
    let directory = copy("damaged");
    let run = |name: &str| directory.join("runs").join(name);
    let untouched = run("small-copy-delay9-gru-seed1");
    let before = files(&untouched).into_iter().map(|file| {
        let written = fs::metadata(&file).and_then(|m| m.modified());
        (file, written.expect("it has a time"))
    });
    let before: Vec<_> = before.collect();

    cut(
        &run("small-copy-delay3-gru-seed0").join("status.json"),
        |b| b.len() / 2,
    );
    cut(
        &run("small-copy-delay3-gru-seed1").join("status.json"),
        |_| 0,
    );
    cut(
        &run("small-copy-delay9-gru-seed0").join("records.csv"),
        |b| b.len() / 2,
    );
    cut(
        &run("small-copy-delay3-transformer-rotary-seed0").join("records.csv"),
        without_last_row,
    );
    // A trial of a learning rate: which rate is chosen depends on it.
    cut(
        &run("small-copy-tune-delay3-gru-rate0.01-seed1000000").join("records.csv"),
        without_last_row,
    );
    fs::remove_file(run("small-words-lstm-seed0").join("records.csv")).expect("there");
    // Killed during training, with a truncated checkpoint.
    let killed = run("small-words-elman-seed1");
    fs::remove_file(killed.join("status.json")).expect("there");
    cut(&killed.join("checkpoint.safetensors"), |b| b.len() / 2);
    // Killed while it wrote its status.
    let writing = run("small-words-baselines");
    fs::remove_file(writing.join("status.json")).expect("there");
    fs::write(writing.join("status.json.partial"), "{\"sta").expect("writable");
    fs::remove_dir_all(run("small-words-elman-seed0")).expect("there");
    for name in ["results.csv.gz", "verdicts.json", "report.html"] {
        cut(&directory.join(name), |b| b.len() / 3);
    }

    finish(&line(&path("damaged")));
    assert_eq!(rows(&directory), rows(&whole().0));
    for (file, written) in before {
        let now = fs::metadata(&file).and_then(|m| m.modified());
        assert_eq!(now.expect("kept"), written, "{} changed", file.display());
    }
    let verdicts = |d: &Path| fs::read(d.join("verdicts.json")).expect("there");
    assert!(verdicts(&directory) == verdicts(&whole().0));
    let log = fs::read_to_string(killed.join("log.txt")).expect("there");
    assert!(log.contains("starts from the beginning"), "{log}");
}

#[test]
fn a_damaged_manifest_is_refused_and_its_remedy_works() {
    let directory = copy("manifest");
    let manifest = directory.join("suite.json");
    cut(&manifest, |b| b.len() / 2);
    let before: Vec<_> = files(&directory).into_iter().map(fs::read).collect();
    fails(
        &mut seqduel(&line(&path("manifest"))),
        1,
        &["suite.json", "delete it", "same command again"],
    );
    let after: Vec<_> = files(&directory).into_iter().map(fs::read).collect();
    let bytes = |all: Vec<std::io::Result<Vec<u8>>>| -> Vec<Vec<u8>> {
        all.into_iter().map(|b| b.expect("readable")).collect()
    };
    // All files but the lock, which names the last process.
    let same = bytes(before)
        .into_iter()
        .zip(bytes(after))
        .filter(|(a, b)| a == b);
    assert_eq!(same.count(), files(&directory).len() - 1);
    fs::remove_file(&manifest).expect("there");
    finish(&line(&path("manifest")));
    assert_eq!(rows(&directory), rows(&whole().0));
}
