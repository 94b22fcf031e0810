//! Whole suites: runs that need runs, plans that grow, budgets in seconds, and all of them resumed.

use super::plan::Plan;
use super::testing::{Fixture, SMALL, copy, timed};
use crate::record::Record;
use crate::results::output::{CONFIG, LOG, RECORDS, STATUS, read_manifest, read_records};
use crate::runs::needs::{Rate, Start, Weights};
use crate::runs::work::{Run, Work};
use crate::train::{Keep, checkpoint};
use std::fs;

/// A pretraining, and a training that starts from its weights, in this order.
const TWO: [&str; 2] = ["p-gru-seed7", "p-gru-seed8"];

/// The plan of [`TWO`], with steps of the first and what the second keeps.
fn two(fixture: &Fixture, steps: usize, keep: Option<Keep>) -> Plan {
    let mut runs = fixture.plan().runs;
    runs.retain(|run| TWO.contains(&run.id.as_str()));
    let of = |run: &mut Run| {
        let training = run.training_mut().expect("it trains");
        training.rate = Rate::Fixed;
        training.train.learning_rate = 1e-2;
        // To keep more than weights the data must be the same.
        training.train.seed = 7;
    };
    runs.iter_mut().for_each(of);
    runs[0].training_mut().unwrap().train.budget.steps = Some(steps);
    if let Some(keep) = keep {
        let weights = Weights::Run(TWO[0].into());
        runs[1].training_mut().unwrap().start = Start::From { weights, keep };
    }
    Plan::new(runs, Vec::new(), Vec::new(), false).expect("in order")
}

fn fixture() -> Fixture {
    Fixture::new(&[SMALL], &[])
}

fn of_run(records: &[Record], run: &str) -> Vec<Record> {
    records.iter().filter(|r| r.run == run).cloned().collect()
}

/// When each run was last carried out.
fn ended(fixture: &Fixture) -> Vec<std::time::SystemTime> {
    let at = |run: &str| {
        let status = fs::metadata(fixture.of(run).join(STATUS));
        status.and_then(|m| m.modified()).expect("finished")
    };
    TWO.map(at).to_vec()
}

#[test]
fn a_training_starts_from_another_and_goes_on_after_an_interruption() {
    let whole = fixture();
    let summary = whole.run(two(&whole, 12, Some(Keep::Weights)));
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    let results = whole.results();
    // The weights that were needed are there, and no others.
    let [parent, child] = TWO.map(|run| checkpoint::locate(&whole.of(run)));
    assert!(parent.exists() && !child.exists());
    let fresh = fixture();
    fresh.run(two(&fresh, 12, None));
    let without = fresh.results();
    assert_eq!(of_run(&results, TWO[0]), of_run(&without, TWO[0]));
    assert_ne!(of_run(&results, TWO[1]), of_run(&without, TWO[1]));
    assert!(!checkpoint::locate(&fresh.of(TWO[0])).exists());

    // Interrupted in the child after its first step.
    let interrupted = fixture();
    copy(&whole.of(TWO[0]), &interrupted.of(TWO[0]));
    interrupted.interrupt(two(&interrupted, 12, Some(Keep::Weights)), TWO[1]);
    let (_, saved) = checkpoint::load(&interrupted.of(TWO[1])).expect("a checkpoint");
    assert_eq!((saved.position.step, saved.lineage.len()), (1, 1));
    interrupted.run(two(&interrupted, 12, Some(Keep::Weights)));
    assert_eq!(interrupted.results(), results);
}

#[test]
fn what_is_done_stays_and_a_changed_parent_makes_its_child_again() {
    let it = fixture();
    it.run(two(&it, 12, Some(Keep::Weights)));
    let (first, results) = (ended(&it), it.results());
    it.run(two(&it, 12, Some(Keep::Weights)));
    assert_eq!(ended(&it), first, "nothing to do");
    // Lost weights are made again; the child, whose results they gave, stays.
    fs::remove_file(checkpoint::locate(&it.of(TWO[0]))).unwrap();
    it.run(two(&it, 12, Some(Keep::Weights)));
    let second = ended(&it);
    assert!(second[0] > first[0] && second[1] == first[1]);
    assert_eq!(it.results(), results);
    // Moments too.
    it.run(two(&it, 12, Some(Keep::Training)));
    let third = ended(&it);
    assert!(third[0] > second[0] && third[1] > second[1]);
    assert_ne!(of_run(&it.results(), TWO[1]), of_run(&results, TWO[1]));
    it.run(two(&it, 12, Some(Keep::Training)));
    assert_eq!(ended(&it), third);
    // Another parent, another child.
    let config = |run: &str| fs::read_to_string(it.of(run).join(CONFIG)).unwrap();
    let before = config(TWO[1]);
    it.run(two(&it, 16, Some(Keep::Weights)));
    let fourth = ended(&it);
    assert!(fourth[0] > third[0] && fourth[1] > third[1]);
    assert_ne!(config(TWO[1]), before);
    assert!(config(TWO[1]).contains("[needs]\np-gru-seed7 = "));
    assert_ne!(of_run(&it.results(), TWO[1]), of_run(&results, TWO[1]));
}

#[test]
fn a_failed_parent_fails_its_child_and_both_succeed_when_it_is_mended() {
    let it = fixture();
    let broken = || {
        let mut plan = two(&it, 12, Some(Keep::Weights));
        // No training can use it.
        plan.runs[0].training_mut().unwrap().train.learning_rate = -1.0;
        plan
    };
    let summary = it.run(broken());
    let failed: Vec<&str> = summary.failed.iter().map(|(run, _)| run.as_str()).collect();
    assert_eq!(failed, TWO);
    assert!(summary.failed[0].1.contains("learning-rate"));
    assert_eq!(summary.failed[1].1, "it needs p-gru-seed7, which failed");
    let status = fs::read_to_string(it.of(TWO[1]).join(STATUS)).unwrap();
    assert!(
        status.contains("it needs p-gru-seed7, which failed"),
        "{status}"
    );
    let summary = it.run(two(&it, 12, Some(Keep::Weights)));
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
}

#[test]
fn weights_are_kept_where_the_user_wants_them() {
    let mut it = Fixture::new(&[SMALL], &["settings.seeds=1"]);
    it.suite.keep_weights = true;
    it.run(it.plan());
    let kept = |run: &str| checkpoint::locate(&it.of(run)).exists();
    assert!(kept("p-gru-seed7") && kept("p-elman-seed7"));
    assert!(!kept("p-tune-gru-rate0.00001-seed1000007"));
    let (model, metadata) = checkpoint::load(&it.of("p-gru-seed7")).expect("whole");
    assert_eq!(model.config().model, "gru");
    let data = metadata.embedded.expect("all it needs").data;
    assert_eq!(data.task.expect("a task").name, "copy");
    // Without, and once they were there, they are not asked for again.
    let results = it.results();
    it.suite.keep_weights = false;
    it.run(it.plan());
    assert_eq!(it.results(), results);
}

#[test]
fn a_search_extends_outward_and_ends_the_same_from_any_part_of_it() {
    for (rates, grown, log) in [
        // Far too small rates: up to the bound, where the best is still at the edge.
        (
            "tune.learning_rates=[1e-5, 2e-5]",
            vec!["0.00004", "0.00008"],
            "learning rate 0.00008, best of 4, the largest: a larger one may be better",
        ),
        // Far too large ones.
        (
            "tune.learning_rates=[4.0, 8.0]",
            vec!["2", "1"],
            "learning rate 1, best of 4, the smallest: a smaller one may be better",
        ),
    ] {
        let sets = [rates, "tune.extend=2", "settings.seeds=1"];
        let whole = Fixture::new(&[SMALL], &sets);
        let summary = whole.run(whole.plan());
        assert!(summary.failed.is_empty(), "{:?}", summary.failed);
        let results = whole.results();
        let trials: Vec<String> = grown
            .iter()
            .map(|rate| format!("p-tune-gru-rate{rate}-seed1000007"))
            .collect();
        // In the manifest and in the results, after the trials of the grid.
        let planned = read_manifest(&whole.suite.out).unwrap().plan;
        assert_eq!(planned["p"].runs[2..4], trials);
        assert_eq!(planned["p"].runs.len(), 2 * (2 + 2) + 2);
        for trial in &trials {
            let records = of_run(&results, trial);
            assert_eq!(records.len(), 1, "{trial}");
            assert_eq!(records[0].metric, "tuning_validation_loss");
        }
        let said = fs::read_to_string(whole.of("p-gru-seed7").join(LOG)).unwrap();
        assert!(said.contains(log), "{said}");

        // A suite that ended anywhere: in its second addition, or before the first.
        for kept in [3, 2] {
            let part = Fixture::new(&[SMALL], &sets);
            for run in &planned["p"].runs[..kept] {
                copy(&whole.of(run), &part.of(run));
            }
            part.run(part.plan());
            assert_eq!(part.results(), results);
            assert_eq!(read_manifest(&part.suite.out).unwrap().plan, planned);
        }
    }
}

#[test]
fn equal_step_times_give_equal_bits_also_after_an_interruption() {
    const MEASURED: &str = "p-equal-seconds-step-time";
    let whole = Fixture::new(&[&timed()], &[]);
    let summary = whole.run(whole.plan());
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    let results = whole.results();
    let seconds: Vec<&Record> = results
        .iter()
        .filter(|r| r.equal.as_deref() == Some("seconds") && r.metric == "tokens_seen")
        .collect();
    assert_eq!(seconds.len(), 2 * 2);
    // As many steps as the measured time allows.
    let plan = whole.plan();
    let measured = read_records(&whole.of(MEASURED).join(RECORDS)).unwrap();
    assert_eq!(measured.len(), 3 * 2, "three rounds, two models");
    assert!(
        measured
            .iter()
            .all(|r| r.metric == "step_seconds" && r.threads == Some(2))
    );
    for record in seconds {
        let run = plan.runs.iter().find(|run| run.id == record.run).unwrap();
        let run = run.resolved(&|_| measured.clone()).unwrap();
        let Work::Train(training) = &run.work else {
            panic!("it trains");
        };
        let budget = training.train.budget;
        let steps = (0.05 / budget.step_seconds.unwrap()).ceil();
        assert!(steps >= 1.0);
        let tokens = steps * (4 * training.data.seq_len()) as f64;
        assert_eq!(record.value, Some(tokens));
    }

    // Another suite with the same step times: one job, nothing else the same.
    let mut again = Fixture::new(&[&timed()], &[]);
    again.suite.jobs = 1;
    copy(&whole.of(MEASURED), &again.of(MEASURED));
    again.run(again.plan());
    assert_eq!(again.results(), results);
    // And one that was interrupted in a training of seconds.
    let interrupted = Fixture::new(&[&timed()], &[]);
    copy(&whole.of(MEASURED), &interrupted.of(MEASURED));
    let run = "p-equal-seconds-gru-seed7";
    interrupted.interrupt(interrupted.plan(), run);
    let (_, saved) = checkpoint::load(&interrupted.of(run)).expect("a checkpoint");
    assert_eq!(saved.position.step, 1);
    interrupted.run(interrupted.plan());
    assert_eq!(interrupted.results(), results);
}

#[test]
fn a_directory_that_grows_to_a_larger_suite_is_made_again_by_its_command() {
    let other = SMALL.replacen("id = \"p\"", "id = \"q\"", 1);
    let both = Fixture::new(&[SMALL, &other], &[]).suite.experiments;
    let mut it = Fixture::new(&[SMALL], &[]);
    let mut command_after = |command: &str, experiments: &[_]| {
        it.suite.command = command.into();
        it.suite.experiments = experiments.to_vec();
        it.run(it.plan());
        read_manifest(&it.suite.out).expect("there is one").command
    };
    assert_eq!(command_after("one", &both[..1]), "one");
    assert_eq!(command_after("both", &both), "both");
    assert_eq!(command_after("a part again", &both[1..]), "both");
}
