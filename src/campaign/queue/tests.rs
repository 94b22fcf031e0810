//! What can begin when, and how the plan grows.

use super::*;
use crate::campaign::testing::{Fixture, SMALL, timed};
use crate::results::directory::Directory;
use crate::runs::work::Work;

/// The queue of a suite over its directory.
fn queue<'a>(fixture: &'a Fixture, files: &'a Finished) -> Queue<'a> {
    Queue::new(&fixture.suite, fixture.plan(), files)
}

/// Ends a run well, with one record of this value, and writes it as a suite does.
fn finish(queue: &mut Queue, directory: &Directory, ready: &Ready, value: Option<f64>) {
    let (run, config) = (&ready.run, &ready.config);
    directory.start(&run.id, config).unwrap();
    let record = run.record("tuning_validation_loss", None, value);
    directory.finish(&run.id, config, &[record], 0.1).unwrap();
    queue.end(ready, true);
}

/// Carries out everything; a run's value depends on its rate. Returns the ids in the order in which
/// they began.
fn carry_out(
    queue: &mut Queue,
    directory: &Directory,
    loss: impl Fn(f64) -> Option<f64>,
) -> Vec<String> {
    let mut began = Vec::new();
    while let Some(ready) = queue.next(&of("p")) {
        let value = loss(ready.run.record.learning_rate.expect("resolved"));
        finish(queue, directory, &ready, value);
        began.push(ready.run.id);
    }
    began
}

/// What the experiment of that name trains.
fn of(experiment: &str) -> Part {
    Part::Experiment(experiment.into())
}

fn best_at(best: f64) -> impl Fn(f64) -> Option<f64> {
    move |rate: f64| Some((rate / best).ln().abs())
}

fn names(queue: &Queue) -> Vec<String> {
    queue.runs().map(|run| run.id.clone()).collect()
}

#[test]
fn runs_that_count_begin_when_their_own_search_has_ended() {
    let fixture = Fixture::new(&[SMALL], &[]);
    let directory = Directory::open(&fixture.suite.out).unwrap();
    let mut queue = queue(&fixture, &directory);
    assert_eq!(queue.left().runs, 2 * 2 + 2 * 2);
    let mut running = Vec::new();
    while let Some(ready) = queue.next(&of("p")) {
        running.push(ready);
    }
    let ids: Vec<&str> = running.iter().map(|ready| ready.run.id.as_str()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(ids.iter().all(|id| id.contains("-tune-")), "{ids:?}");
    // One search ends, the other does not.
    for ready in running.iter().filter(|r| r.run.id.contains("elman")) {
        assert!(queue.next(&of("p")).is_none());
        let value = ready.run.record.learning_rate;
        finish(&mut queue, &directory, ready, value);
    }
    let [first, second] =
        [queue.next(&of("p")), queue.next(&of("p"))].map(|ready| ready.expect("two seeds"));
    assert!(queue.next(&of("p")).is_none());
    assert_eq!(first.run.id, "p-elman-seed7");
    assert_eq!(second.run.id, "p-elman-seed8");
    assert_eq!(
        first.run.record.learning_rate,
        Some(1e-5),
        "the smaller loss"
    );
    let Work::Train(training) = &first.run.work else {
        panic!("it trains");
    };
    assert_eq!(training.train.learning_rate, 1e-5);
    assert!(
        first
            .config
            .contains("[needs]\n\"p-tune-elman-rate0.00001-seed1000007\" = ")
    );
}

#[test]
fn the_longest_run_that_can_begin_is_first() {
    let fixture = Fixture::new(&[SMALL], &[]);
    let mut plan = fixture.plan();
    let last = plan.runs.iter_mut().rfind(|run| run.id.contains("-tune-"));
    last.unwrap().training_mut().unwrap().train.budget.steps = Some(1000);
    let files = Finished::new(&fixture.suite.out);
    let mut queue = Queue::new(&fixture.suite, plan, &files);
    assert_eq!(
        queue.next(&of("p")).unwrap().run.id,
        "p-tune-elman-rate0.00002-seed1000007"
    );
    assert_eq!(
        queue.next(&of("p")).unwrap().run.id,
        "p-tune-gru-rate0.00001-seed1000007"
    );
}

#[test]
fn a_run_that_must_be_alone_is_alone() {
    let other = timed().replace("id = \"p\"", "id = \"q\"");
    let fixture = Fixture::new(&[&timed(), &other], &[]);
    let files = Finished::new(&fixture.suite.out);
    let mut queue = queue(&fixture, &files);
    let alone = queue.next(&of("p")).unwrap();
    assert_eq!(alone.run.id, "p-equal-seconds-step-time");
    assert!(queue.next(&of("p")).is_none() && queue.next(&of("q")).is_none());
    queue.give_back(alone);
    let alone = queue.next(&of("p")).unwrap();
    queue.end(&alone, false);
    let beside =
        [queue.next(&of("p")), queue.next(&of("p"))].map(|ready| ready.expect("side by side"));
    // It waits until nothing runs, and nothing else of its experiment begins meanwhile.
    assert!(queue.next(&of("q")).is_none());
    queue.end(&beside[0], true);
    assert!(queue.next(&of("q")).is_none());
    queue.end(&beside[1], true);
    assert!(queue.next(&of("q")).unwrap().run.alone());
}

#[test]
fn a_run_that_fails_takes_along_what_needs_it_and_is_named() {
    for set in ["tune.extend=0", "tune.extend=3"] {
        let fixture = Fixture::new(&[SMALL], &[set]);
        let directory = Directory::open(&fixture.suite.out).unwrap();
        let mut queue = queue(&fixture, &directory);
        let trials: Vec<Ready> = (0..4).map(|_| queue.next(&of("p")).unwrap()).collect();
        assert!(queue.hopeless().is_empty());
        for ready in &trials {
            match ready.run.id.as_str() {
                "p-tune-gru-rate0.00002-seed1000007" => queue.end(ready, false),
                _ => finish(&mut queue, &directory, ready, Some(1.0)),
            }
        }
        let hopeless = queue.hopeless();
        let ids: Vec<&str> = hopeless.iter().map(|(r, _)| r.run.id.as_str()).collect();
        assert_eq!(ids, ["p-gru-seed7", "p-gru-seed8"]);
        for (_, reason) in &hopeless {
            assert_eq!(
                reason,
                "it needs p-tune-gru-rate0.00002-seed1000007, which failed"
            );
        }
        assert!(queue.hopeless().is_empty(), "told of once");
        assert!(queue.next(&of("p")).unwrap().run.id.contains("elman"));
    }
}

#[test]
fn a_search_in_which_all_diverge_ends_with_what_to_do() {
    let fixture = Fixture::new(&[SMALL], &[]);
    let directory = Directory::open(&fixture.suite.out).unwrap();
    let mut queue = queue(&fixture, &directory);
    carry_out(&mut queue, &directory, |_| None);
    let hopeless = queue.hopeless();
    assert_eq!(hopeless.len(), 4);
    assert!(
        hopeless[0]
            .1
            .contains("add smaller ones to tune.learning_rates")
    );
    assert!(!queue.is_open(None));
}

#[test]
fn a_plan_grows_outward_up_to_its_bound_and_is_the_same_from_files() {
    for (best, expected, chosen) in [
        // To the right until one is worse; up to the bound; to the left; and where the best of two
        // turns out to be inside.
        (4e-5, vec!["0.00004", "0.00008"], 4e-5),
        (1.0, vec!["0.00004", "0.00008", "0.00016"], 1.6e-4),
        (5e-6, vec!["0.000005", "0.0000025"], 5e-6),
        (1.4e-5, vec!["0.000005"], 1e-5),
    ] {
        let sets = ["tune.extend=3", "tune.learning_rates=[1e-5, 2e-5]"];
        let fixture = Fixture::new(&[SMALL], &sets);
        let directory = Directory::open(&fixture.suite.out).unwrap();
        let mut queue = queue(&fixture, &directory);
        let left = queue.left();
        assert_eq!((left.runs, left.more), (8, 2 * 3));
        assert!(left.more_seconds > 0.0 && left.more_seconds < 3.0 * left.seconds);
        let loss = best_at(best);
        let began = carry_out(&mut queue, &directory, &loss);
        let trial = |rate: &&str| format!("p-tune-gru-rate{rate}-seed1000007");
        let grown: Vec<String> = expected.iter().map(trial).collect();
        let all = names(&queue);
        // They stand after their own search, before anything else.
        let mut with: Vec<String> = all[..2].to_vec();
        with.extend(grown.iter().cloned());
        assert_eq!(all[..2 + grown.len()], with, "best at {best}");
        assert!(all[2 + grown.len()].starts_with("p-tune-elman-rate0.00001"));
        assert!(began.iter().all(|id| all.contains(id)) && began.len() == all.len());
        assert_eq!(queue.left(), Left::default());
        let counts = queue.runs().find(|run| run.id == "p-gru-seed7").unwrap();
        let config = std::fs::read_to_string(directory.of(&counts.id).join("config.toml")).unwrap();
        assert!(
            config.contains(&format!("learning-rate = {chosen:?}\n"))
                || config.contains(&format!("learning-rate = {chosen}\n")),
            "best at {best}: {config}"
        );
        assert!(config.contains("[needs]\np-tune-gru = "), "{config}");

        // From the files alone: the same plan, all of it done.
        let again = Queue::new(&fixture.suite, fixture.plan(), &directory);
        assert_eq!(names(&again), all);
        assert!(!again.is_open(None));
        // And from a part of them, with the rest made again.
        for run in all.iter().skip(1).step_by(2) {
            std::fs::remove_dir_all(directory.of(run)).unwrap();
        }
        let mut partly = Queue::new(&fixture.suite, fixture.plan(), &directory);
        assert!(partly.is_open(None));
        carry_out(&mut partly, &directory, &loss);
        assert_eq!(names(&partly), all);
    }
}
