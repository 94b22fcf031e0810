//! Locks, atomic writes, and which runs count as finished.

use super::*;
use flate2::{Compression, write::GzEncoder};

const RUN: &str = "small-copy-gru-seed7";

fn records(run: &str) -> Vec<Record> {
    (0..3)
        .map(|i| Record {
            run: run.into(),
            metric: "test_loss".into(),
            value: Some(i as f64 / 3.0),
            ..Record::default()
        })
        .collect()
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let first = Directory::open(&out).unwrap();
    let Err(error) = Directory::open(&out) else {
        panic!("two users");
    };
    let error = error.to_string();
    let pid = std::process::id().to_string();
    for phrase in ["out is in use", "another seqduel", &pid, "--out"] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    Directory::open(&dir.path().join("other")).unwrap();
    drop(first);
    // What a dead process left is no obstacle.
    assert!(out.join(LOCK).exists());
    std::fs::write(out.join(LOCK), "999999999999").unwrap();
    let _second = Directory::open(&out).unwrap();
    assert_eq!(std::fs::read_to_string(out.join(LOCK)).unwrap(), pid);
}

#[test]
fn a_run_is_done_with_its_configuration_and_whole_records_only() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    let at = |name: &str| directory.of(RUN).join(name);
    let collected = || directory.collect([RUN]).unwrap().len();
    assert!(!directory.is_done(RUN, "a = 1"));

    directory.start(RUN, "a = 1").unwrap();
    assert!(!directory.is_done(RUN, "a = 1"));
    directory.fail(RUN, "a = 1", "too bad", 0.5).unwrap();
    assert!(!directory.is_done(RUN, "a = 1"));
    assert_eq!(collected(), 0);
    let status: Status = read_json(&at(STATUS)).unwrap();
    assert_eq!(status.reason.as_deref(), Some("too bad"));

    let all = records(RUN);
    directory.start(RUN, "a = 1").unwrap();
    assert!(!at(STATUS).exists(), "a status from before goes first");
    directory.finish(RUN, "a = 1", &all, 0.5).unwrap();
    assert!(directory.is_done(RUN, "a = 1"));
    assert!(!directory.is_done(RUN, "a = 2"));
    assert_eq!(directory.records(RUN).unwrap(), all);
    assert_eq!(collected(), 3);

    let whole = std::fs::read(at(RECORDS)).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|&b| b == b'\n');
    for length in [0, 5, whole.len() - 3, last_line.unwrap() + 1] {
        std::fs::write(at(RECORDS), &whole[..length]).unwrap();
        assert!(!directory.is_done(RUN, "a = 1"), "{length} bytes");
        assert_eq!(collected(), 0, "{length} bytes");
    }
    std::fs::remove_file(at(RECORDS)).unwrap();
    assert!(!directory.is_done(RUN, "a = 1"));
    std::fs::write(at(RECORDS), &whole).unwrap();
    assert!(directory.is_done(RUN, "a = 1"));

    let status = std::fs::read(at(STATUS)).unwrap();
    for length in [0, 1, status.len() / 2] {
        std::fs::write(at(STATUS), &status[..length]).unwrap();
        assert!(!directory.is_done(RUN, "a = 1"), "{length} bytes");
        assert_eq!(collected(), 0, "{length} bytes");
    }
}

#[test]
fn results_stand_in_the_order_asked_for_under_their_header() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    assert_eq!(directory.collect([]).unwrap(), []);
    let empty = String::from_utf8(read_csv(&dir.path().join(RESULTS)).unwrap()).unwrap();
    assert_eq!(empty.trim(), Record::columns().join(","));

    for run in ["a", "b", "c"] {
        directory.start(run, "").unwrap();
        directory.finish(run, "", &records(run), 0.1).unwrap();
    }
    let collected = directory.collect(["c", "a", "never run", "b"]).unwrap();
    assert_eq!(read_results(dir.path()).unwrap(), collected);
    let runs: Vec<&str> = collected.iter().step_by(3).map(|r| &*r.run).collect();
    assert_eq!(runs, ["c", "a", "b"]);
}

#[test]
fn what_killed_processes_left_half_written_is_swept_away() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join(RUNS).join(RUN);
    std::fs::create_dir_all(&run).unwrap();
    let left = [dir.path(), &run].map(|place| place.join(".seqduel-x4Kq"));
    left.iter()
        .for_each(|file| std::fs::write(file, "half of someth").unwrap());
    Directory::open(dir.path()).unwrap();
    assert!(left.iter().all(|file| !file.exists()));
}

#[test]
fn a_file_that_cannot_be_written_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("file.csv");
    std::fs::create_dir(&taken).unwrap();
    let error = write(&taken, b"never").unwrap_err().to_string();
    assert!(
        error.contains("file.csv") && error.contains("again"),
        "{error}"
    );
}

#[test]
fn values_that_cannot_be_are_refused_where_they_stand() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(RESULTS);
    for (value, right) in [
        ("0.25", true),
        ("1.5", false),
        ("-0.25", false),
        ("inf", false),
    ] {
        let rows = format!("run,metric,value\nr,test_loss,-3.5\nr,test_accuracy,{value}\n");
        std::fs::write(&path, rows).unwrap();
        match read_records(&path) {
            Ok(records) => assert!(right && records.len() == 2, "{value}"),
            Err(error) => {
                let message = error.to_string();
                let place = format!("line 3, column value: {value} is no test_accuracy");
                assert!(!right && message.contains(&place), "{message}");
            }
        }
    }
}

#[test]
fn results_are_packed_to_the_same_bytes_and_those_of_earlier_versions_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    directory.start(RUN, "").unwrap();
    directory.finish(RUN, "", &records(RUN), 0.1).unwrap();
    let (packed, plain) = (dir.path().join(RESULTS), dir.path().join(PLAIN_RESULTS));
    let collected = directory.collect([RUN]).unwrap();
    let bytes = std::fs::read(&packed).unwrap();
    // RFC 1952: magic, deflate, no flags (no name), no time.
    assert_eq!(bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    directory.collect([RUN]).unwrap();
    assert_eq!(std::fs::read(&packed).unwrap(), bytes);

    // An earlier version's file is read where there is only that, and goes when it is out of date.
    std::fs::remove_file(&packed).unwrap();
    std::fs::write(&plain, csv_of(&collected).unwrap()).unwrap();
    assert_eq!(read_results(dir.path()).unwrap(), collected);
    assert_eq!(directory.collect([]).unwrap(), []);
    assert!(!plain.exists());
    assert_eq!(read_results(dir.path()).unwrap(), []);
}

#[test]
fn packed_results_that_are_cut_changed_or_endless_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(RESULTS);
    let whole = packed_csv_of(&records(RUN)).unwrap();
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read_results(dir.path()).unwrap_err().to_string()
    };
    for length in [2, 11, whole.len() / 2, whole.len() - 1] {
        let said = message(&whole[..length]);
        assert!(
            said.contains("results.csv.gz") && said.contains("delete it"),
            "{said}"
        );
    }
    let mut changed = whole.clone();
    let middle = changed.len() - 6; // in the sum of what is packed
    changed[middle] ^= 1;
    message(&changed);
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![b'a'; 1 << 20];
    (0..513).for_each(|_| bomb.write_all(&block).unwrap());
    let said = message(&bomb.finish().unwrap());
    assert!(said.contains("unpacks to more than 512 MiB"), "{said}");
}
