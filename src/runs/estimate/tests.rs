//! How estimates follow from budgets, sizes and threads.

use super::*;
use crate::runs::expand::tests::{COPY, SPEED, runs};
use crate::runs::work::Work;

/// Estimated seconds above the fixed cost.
fn work(run: &Run, threads: usize) -> f64 {
    run.work.kind().seconds(threads)
}

fn counts(run: &Run) -> bool {
    matches!(&run.work, Work::Train(training) if !training.trial)
}

/// The first run that counts, at one delay and batch.
fn training(sets: &[&str]) -> Run {
    let mut all: Vec<&str> = vec!["sweep.parameters.delay=[30]"];
    all.extend(sets);
    let mut runs = runs(COPY, &all);
    runs.retain(counts);
    runs.swap_remove(0)
}

#[track_caller]
fn assert_ratio(a: f64, b: f64, ratio: f64) {
    assert!(
        (a / b / ratio - 1.0).abs() < 1e-9,
        "{a} / {b} is not {ratio}"
    );
}

#[test]
fn training_grows_with_steps_batch_and_length_and_shrinks_with_threads() {
    let base = training(&[]);
    assert!(work(&base, 1) > 0.0);
    let longer = training(&["settings.steps=300"]);
    assert_ratio(work(&longer, 1), work(&base, 1), 3.0);
    let larger = training(&["sweep.batch=[40]"]);
    assert_ratio(work(&larger, 1), work(&base, 1), 10.0);
    assert_ratio(work(&base, 1), work(&base, 2), 2.0);
    let wider = training(&["settings.width=128"]);
    assert!(work(&wider, 1) > 3.0 * work(&base, 1));
}

#[test]
fn attention_adds_its_scores() {
    let of = |name: &str| {
        let delay = "sweep.parameters.delay=[1000]";
        let mut runs = runs(COPY, &[delay, "settings.width=64"]);
        runs.retain(|run| counts(run) && run.record.model == name);
        let run = runs.swap_remove(0);
        work(&run, 1) / run.record.parameters.unwrap() as f64
    };
    // At equal parameters, a context of 1020 tokens costs a transformer as much again.
    assert!(of("transformer") > 1.5 * of("lstm"));
}

#[test]
fn timings_take_the_seconds_they_are_given() {
    let of = |sets: &[&str]| work(&runs(SPEED, sets)[1], 2);
    // Two models at two thread counts, half a second each, and some steps before the clock counts.
    let base = of(&[]);
    assert!((2.0..3.0).contains(&base), "{base}");
    assert!((of(&["settings.seconds_per_model=3"]) - base - 10.0).abs() < 1e-9);
    // Steps that take longer than that are repeated nevertheless.
    let few = of(&["settings.seconds_per_model=1e-3"]);
    let many = of(&["settings.seconds_per_model=1e-3", "settings.repeats=300"]);
    assert!(many > 20.0 * few, "{many} {few}");
    // What is counted is counted in the first launch.
    assert!(work(&runs(SPEED, &[])[0], 2) > base);
}

#[test]
fn a_step_takes_as_long_as_its_work() {
    let step = |sets: &[&str]| {
        let mut all = vec!["settings.repeats=1000", "settings.seconds_per_model=1e-3"];
        all.extend(sets);
        work(&runs(SPEED, &all)[1], 2)
    };
    let base = step(&["settings.width=256"]);
    assert!(step(&["settings.width=512"]) > 3.0 * base);
    assert!(step(&["settings.width=256", "sweep.seq_len=[128]"]) > base);
    let longer = step(&["settings.width=256", "settings.tokens_per_batch=4096"]);
    assert!(longer > 3.0 * base, "{longer} {base}");
}

#[test]
fn training_counts_the_steps_that_are_expected_of_it() {
    let base = training(&["settings.steps=300"]);
    let mut early = base.clone();
    let expecting = |run: &mut Run, steps| {
        run.training_mut().expect("a training").expected_steps = Some(steps);
    };
    expecting(&mut early, 75);
    assert_ratio(work(&early, 1), work(&base, 1), 0.25);
    // Its budget is the most.
    expecting(&mut early, 1000);
    assert_ratio(work(&early, 1), work(&base, 1), 1.0);
}
