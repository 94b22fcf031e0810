//! Suites of timings: launches in rounds, resumed, and in the order of the plan whatever the order in
//! which they were made.

use super::testing::{Fixture, SMALL, TIMINGS};
use crate::record::Record;
use crate::results::output::{LOG, RECORDS, STATUS, read_results};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

fn ids(fixture: &Fixture) -> Vec<String> {
    fixture.plan().runs.into_iter().map(|run| run.id).collect()
}

/// When a run ended.
fn ended(fixture: &Fixture, run: &str) -> SystemTime {
    let status = fs::metadata(fixture.of(run).join(STATUS));
    status.and_then(|m| m.modified()).expect("finished")
}

fn records(fixture: &Fixture) -> Vec<Record> {
    read_results(&fixture.suite.out).expect("there are results")
}

#[test]
fn every_launch_records_one_time_a_model_and_the_first_what_is_counted() {
    let it = Fixture::new(&[TIMINGS], &[]);
    let summary = it.run(it.plan());
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    let records = records(&it);
    for t in [8, 16] {
        for metric in ["step_seconds", "tokens_per_second"] {
            for model in ["gru", "transformer"] {
                let here = records
                    .iter()
                    .filter(|r| r.metric == metric && r.model == model && r.seq_len == Some(t));
                let found: Vec<(&str, usize)> = here
                    .map(|r| (r.run.as_str(), r.repeat.expect("a launch")))
                    .collect();
                let expected = [0, 1, 2].map(|k| (format!("q-seq-len{t}-launch{k}"), k));
                let expected: Vec<_> = expected.iter().map(|(id, k)| (id.as_str(), *k)).collect();
                assert_eq!(found, expected, "{metric} {model}");
            }
        }
        for metric in [
            "flops_per_step",
            "span_flops",
            "peak_flops",
            "share_of_peak",
        ] {
            let here = records
                .iter()
                .filter(|r| r.metric == metric && r.seq_len == Some(t));
            let runs: Vec<&str> = here.map(|r| r.run.as_str()).collect();
            let expected = vec![format!("q-seq-len{t}-launch0"); 2];
            assert_eq!(runs, expected, "{metric}");
        }
    }
}

#[test]
fn launches_of_a_point_are_spread_and_results_keep_the_order_of_the_plan() {
    let it = Fixture::new(&[TIMINGS, SMALL], &[]);
    it.run(it.plan());
    let all = ids(&it);
    let mut runs: Vec<String> = records(&it).into_iter().map(|r| r.run).collect();
    runs.dedup();
    assert_eq!(runs, all, "in the order of the plan");
    // Round after round, and what is trained between the first and the last.
    let of_round = |k: usize| {
        let id = format!("-launch{k}");
        let runs = all.iter().filter(move |run| run.ends_with(&id));
        runs.map(|run| ended(&it, run)).collect::<Vec<_>>()
    };
    let trained = all.iter().filter(|run| run.starts_with("p-"));
    let trained: Vec<SystemTime> = trained.map(|run| ended(&it, run)).collect();
    let before = |a: &[SystemTime], b: &[SystemTime]| a.iter().max() < b.iter().min();
    assert!(before(&of_round(0), &of_round(1)) && before(&of_round(1), &of_round(2)));
    assert!(before(&of_round(0), &trained) && before(&trained, &of_round(2)));
}

#[test]
fn a_suite_that_is_resumed_has_every_launch_once() {
    let it = Fixture::new(&[TIMINGS], &[]);
    it.run(it.plan());
    let (all, first) = (ids(&it), records(&it));
    let before: Vec<SystemTime> = all.iter().map(|run| ended(&it, run)).collect();
    // Some were not made, one was being made.
    fs::remove_dir_all(it.of(&all[1])).unwrap();
    fs::remove_file(it.of(&all[3]).join(STATUS)).unwrap();
    it.run(it.plan());
    for (i, run) in all.iter().enumerate() {
        let again = ended(&it, run) != before[i];
        assert_eq!(again, [1, 3].contains(&i), "{run}");
    }
    let facts = |records: Vec<Record>| {
        let facts = records
            .into_iter()
            .map(|r| (r.run, r.model, r.repeat, r.metric));
        facts.filter(|r| r.3 == "step_seconds").collect::<Vec<_>>()
    };
    assert_eq!(facts(records(&it)), facts(first));
}

/// A program that does this instead of what it is asked to.
#[cfg(unix)]
fn program(directory: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = directory.join("program");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[cfg(unix)]
#[test]
fn a_process_that_ends_badly_is_reported_and_made_again() {
    let scratch = tempfile::tempdir().unwrap();
    let mut it = Fixture::new(&[TIMINGS], &["settings.launches=1", "sweep.seq_len=[8]"]);
    for (script, phrases) in [
        (
            "echo some words >&2; echo the last >&2; exit 3",
            vec![
                "exit status: 3",
                "some words / the last",
                "same command again",
            ],
        ),
        ("kill -9 $$", vec!["signal: 9", "said nothing", "memory"]),
        ("exit 0", vec!["0 records"]),
        ("echo metric,wrong", vec!["no column", "wrong"]),
        (
            "echo run,metric; echo other,step_seconds",
            vec!["1 records, not those"],
        ),
    ] {
        it.suite.program = Some(program(scratch.path(), script));
        let summary = it.run(it.plan());
        assert_eq!(summary.failed.len(), 1, "{script}");
        let (run, reason) = &summary.failed[0];
        assert_eq!(run, "q-seq-len8-launch0");
        for phrase in phrases {
            assert!(reason.contains(phrase), "{script}: {phrase}: {reason}");
        }
        assert!(!it.of(run).join(RECORDS).exists(), "nothing half-written");
    }
    it.suite.program = Some(scratch.path().join("none"));
    let summary = it.run(it.plan());
    assert!(summary.failed[0].1.contains("cannot start"), "{summary:?}");
    it.suite.program = None;
    assert!(it.run(it.plan()).failed.is_empty());
}

#[cfg(unix)]
#[test]
fn a_disturbed_launch_is_made_again_twice_and_then_marked() {
    let scratch = tempfile::tempdir().unwrap();
    let mut it = Fixture::new(&[TIMINGS], &["settings.launches=1", "sweep.seq_len=[8]"]);
    let count = scratch.path().join("count");
    // Disturbed as often as the file that it is given says.
    let script = |times: usize| {
        format!(
            "echo x >> {0}\n[ $(wc -l < {0}) -le {times} ] && echo 'disturbed: by a cat' >&2\n\
             echo run,metric,value; echo q-seq-len8-launch0,step_seconds,0.5",
            count.display()
        )
    };
    for (times, made, marked) in [(0, 1, false), (1, 2, false), (2, 3, false), (9, 3, true)] {
        let _ = fs::remove_file(&count);
        let _ = fs::remove_dir_all(&it.suite.out);
        it.suite.program = Some(program(scratch.path(), &script(times)));
        assert!(it.run(it.plan()).failed.is_empty());
        let tries = fs::read_to_string(&count).unwrap().lines().count();
        assert_eq!(tries, made);
        let log = fs::read_to_string(it.of("q-seq-len8-launch0").join(LOG)).unwrap();
        assert_eq!(log.matches("it is timed again").count(), made - 1, "{log}");
        assert_eq!(log.contains("by a cat (it is marked)"), marked, "{log}");
    }
}
