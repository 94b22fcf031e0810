//! What a training finds in the records of the runs it needs.

use crate::models::ModelOptions;
use crate::record::Record;
use crate::runs::expand::tests::{COPY, runs};
use crate::runs::needs::{Rate, Start, Weights};
use crate::runs::work::{Run, Training};
use crate::train::Keep;
use std::collections::BTreeMap;

/// The first run that counts, changed.
fn run(change: impl FnOnce(&mut Training)) -> Run {
    let mut run = runs(COPY, &[]).swap_remove(24);
    change(run.training_mut().unwrap());
    run
}

fn config(run: &Run) -> String {
    run.config("quick", &BTreeMap::new())
}

#[test]
fn the_rate_chosen_is_in_the_run_its_record_and_its_configuration() {
    let waiting = run(|_| ());
    let trials = |id: &str| -> Vec<Record> {
        let rate: f64 = id
            .split("rate")
            .nth(1)
            .unwrap()
            .split('-')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let value = Some(1.0 - rate);
        vec![Record {
            learning_rate: Some(rate),
            value,
            ..Record::default()
        }]
    };
    let ready = waiting.resolved(&trials).unwrap();
    assert_eq!(ready.record.learning_rate, Some(0.01));
    assert!(
        config(&ready).contains("learning-rate = 0.01\n"),
        "{}",
        config(&ready)
    );
    assert_ne!(config(&ready), config(&waiting));
    // Where it was found is no part of the configuration: its parents' digests are.
    let fixed = run(|training| {
        training.rate = Rate::Fixed;
        training.train.learning_rate = 0.01;
    });
    assert_eq!(config(&fixed), config(&ready));

    let diverged = |id: &str| {
        let all = trials(id).into_iter();
        all.map(|r| Record { value: None, ..r }).collect()
    };
    assert!(
        waiting
            .resolved(&diverged)
            .unwrap_err()
            .contains("diverged")
    );
}

#[test]
fn a_step_takes_the_median_time_measured_of_the_same_model() {
    let waiting = run(|training| {
        training.rate = Rate::Fixed;
        training.step_time = Some("measured".into());
        training.train.budget.steps = None;
        training.train.budget.seconds = Some(3.0);
    });
    let mine = |value: f64| Record {
        value: Some(value),
        repeat: Some(0),
        threads: Some(2),
        seed: None,
        ..waiting.record.clone()
    };
    let mut wider = mine(90.0);
    wider.width = Some(1 + wider.width.unwrap());
    let mut other = mine(91.0);
    other.model = "lstm".into();
    let mut variant = mine(92.0);
    variant.options = ModelOptions::default();
    variant
        .options
        .set("gates", crate::models::Value::parse("chrono"));
    let clipped = Record {
        clip: Some(0.5),
        ..mine(93.0)
    };
    let measured = vec![
        wider,
        mine(0.25),
        other,
        mine(0.5),
        variant,
        mine(0.375),
        clipped,
    ];
    let ready = waiting.resolved(&|_| measured.clone()).unwrap();
    let mut ready_training = ready.clone();
    let budget = ready_training.training_mut().unwrap().train.budget;
    assert_eq!(
        (budget.seconds, budget.step_seconds),
        (Some(3.0), Some(0.375))
    );
    assert_eq!(budget.planned_steps(1).map(|(steps, _)| steps), Some(8));
    assert!(
        config(&ready).contains("step-seconds = 0.375"),
        "{}",
        config(&ready)
    );
    let none = waiting.resolved(&|_| measured[..1].to_vec());
    assert!(none.unwrap_err().contains("measured holds no step time"));
}

#[test]
fn a_checkpoint_started_from_is_known_by_its_bytes_not_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let from = |name: &str| {
        let path = dir.path().join(name);
        run(|training| {
            training.rate = Rate::Fixed;
            training.train.learning_rate = 0.01;
            let sha256 = String::new();
            training.start = Start::From {
                weights: Weights::Checkpoint { path, sha256 },
                keep: Keep::Weights,
            };
        })
    };
    for (name, bytes) in [("a", "one"), ("b", "one"), ("c", "two")] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| {
        let ready = from(name).resolved(&|_| Vec::new()).unwrap();
        config(&ready)
    });
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert!(!a.contains(dir.path().to_str().unwrap()), "{a}");
    let missing = from("d").resolved(&|_| Vec::new()).unwrap_err();
    assert!(missing.contains("cannot read the checkpoint"), "{missing}");
}
