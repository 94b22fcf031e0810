//! Plans that cannot be carried out are refused with the runs at fault.

use crate::campaign::plan::Plan;
use crate::campaign::testing::{Fixture, SMALL};
use crate::record::Record;
use crate::runs::grow::{Grow, Growing};
use crate::runs::needs::{Rate, Start, Weights};
use crate::runs::work::Run;
use crate::train::Keep;

/// The runs that count of two experiments, `p` and `q`, whose rates are fixed.
fn runs() -> Vec<Run> {
    let other = SMALL.replace("id = \"p\"", "id = \"q\"");
    let mut runs = Fixture::new(&[SMALL, &other], &[]).plan().runs;
    runs.retain(|run| !run.id.contains("-tune-"));
    for run in &mut runs {
        run.training_mut().unwrap().rate = Rate::Fixed;
    }
    runs
}

/// Lets a run start from another.
fn start(runs: &mut [Run], from: &str, run: &str) {
    let run = runs.iter_mut().find(|r| r.id == run).expect("planned");
    run.training_mut().unwrap().start = Start::From {
        weights: Weights::Run(from.into()),
        keep: Keep::Weights,
    };
}

#[track_caller]
fn refused(runs: Vec<Run>, phrases: &[&str]) {
    let Err(error) = Plan::new(runs, Vec::new(), Vec::new(), false) else {
        panic!("it was accepted");
    };
    let error = error.to_string();
    for phrase in phrases {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
}

#[test]
fn runs_may_need_runs_before_and_beside_them() {
    let mut all = runs();
    start(&mut all, "p-gru-seed8", "p-gru-seed7");
    start(&mut all, "p-gru-seed8", "p-elman-seed7");
    start(&mut all, "p-gru-seed7", "q-gru-seed7");
    Plan::new(all, Vec::new(), Vec::new(), false).unwrap();
}

#[test]
fn a_need_that_is_not_there_is_named() {
    let mut all = runs();
    start(&mut all, "p-lstm-seed7", "p-gru-seed7");
    refused(
        all,
        &["p-gru-seed7 needs the run p-lstm-seed7", "not in the plan"],
    );
}

#[test]
fn a_need_of_a_later_experiment_is_named() {
    let mut all = runs();
    start(&mut all, "q-gru-seed7", "p-gru-seed7");
    refused(all, &["q-gru-seed7", "comes later", "name q before p"]);
}

#[test]
fn runs_that_wait_for_each_other_are_named_in_turn() {
    let mut all = runs();
    start(&mut all, "p-gru-seed7", "p-elman-seed7");
    start(&mut all, "p-elman-seed7", "p-gru-seed8");
    start(&mut all, "p-gru-seed8", "p-gru-seed7");
    refused(
        all,
        &["p-gru-seed7 needs p-gru-seed8 needs p-elman-seed7 needs p-gru-seed7"],
    );
    let mut all = runs();
    start(&mut all, "p-gru-seed8", "p-gru-seed8");
    refused(all, &["p-gru-seed8 needs p-gru-seed8"]);
}

/// A part of a plan that adds nothing.
#[derive(Debug)]
struct Ended;

impl Grow for Ended {
    fn next(&self, _records: &[Record]) -> Vec<Run> {
        Vec::new()
    }
}

#[test]
fn growing_parts_are_checked_like_runs() {
    let part = |run: &str| Growing {
        id: "p-part".into(),
        experiment: "p".into(),
        runs: vec![run.into()],
        most: 1,
        rule: Box::new(Ended),
    };
    let plan = |runs: Vec<Run>, part: Growing| {
        let plan = Plan::new(runs, vec![part], Vec::new(), false);
        plan.map_err(|error| error.to_string())
    };
    let error = plan(runs(), part("p-lstm-seed7")).err().expect("unknown");
    assert!(
        error.contains("p-part needs the run p-lstm-seed7"),
        "{error}"
    );
    let mut all = runs();
    let waits = all[0].training_mut().unwrap();
    waits.rate = Rate::BestOf(vec!["p-part".into()]);
    let error = plan(all.clone(), part("p-gru-seed7"))
        .err()
        .expect("a circle");
    assert!(
        error.contains("p-gru-seed7 needs p-part needs p-gru-seed7"),
        "{error}"
    );
    plan(all, part("p-elman-seed7")).unwrap();
}

#[test]
fn two_runs_of_one_name_are_refused() {
    let mut all = runs();
    all.push(all[0].clone());
    refused(all, &["two runs are called p-gru-seed7"]);
}
