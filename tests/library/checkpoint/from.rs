//! Trainings that start from the checkpoint of another training.

use super::{
    SOURCES, STEPS, Trained, config, go_on, new_directory, session_from, settings, task, words,
};
use seqduel::models::{self, of_one_sequence};
use seqduel::train::checkpoint::{self, Metadata};
use seqduel::train::{
    self, Budget, Keep, Optimizer, OptimizerKind, Start, TrainError, TrainSettings,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Steps of a training that starts from one of [`STEPS`] steps.
const MORE: usize = 14;

/// A constant rate, so that going on is the same as never having stopped.
fn constant(steps: usize) -> TrainSettings {
    TrainSettings {
        budget: Budget::steps(steps),
        warmup_steps: 0,
        final_lr_ratio: 1.0,
        ..settings()
    }
}

fn from(checkpoint: &Path, keep: Keep) -> Start {
    Start::From {
        checkpoint: checkpoint.into(),
        keep,
    }
}

/// The directory of a training that ended, with or without the optimiser's moments.
fn parent(name: &str, model: &str, source: super::MakeSource, moments: bool) -> PathBuf {
    let directory = new_directory(name);
    let (whole, into) = (constant(STEPS), Some((&*directory, moments)));
    session_from(model, source, &whole, &Start::Fresh, into, go_on);
    directory
}

fn metadata(directory: &Path) -> Metadata {
    checkpoint::load(directory).expect("a checkpoint").1
}

/// Losses and gradient norms of each step, whatever its number.
fn losses(trained: &Trained) -> Vec<(u32, u32)> {
    trained.steps.iter().map(|&(_, a, b)| (a, b)).collect()
}

#[test]
fn a_longer_budget_gives_the_bits_of_one_training_that_never_stopped() {
    for model in of_one_sequence().map(|row| row.name) {
        for (kind, source) in SOURCES {
            let what = format!("{model}-{kind}");
            let straight = constant(STEPS + MORE);
            let straight = session_from(model, source, &straight, &Start::Fresh, None, go_on);
            let start = parent(&format!("longer-{what}"), model, source, true);
            let start = from(&start, Keep::Training);
            let more = session_from(model, source, &constant(MORE), &start, None, go_on);
            assert_eq!(losses(&more), losses(&straight)[STEPS..], "{what}");
            assert!(more.parameters == straight.parameters, "{what}");
        }
    }
}

#[test]
fn interrupted_it_goes_on_to_the_same_bits() {
    for keep in [Keep::Weights, Keep::Training] {
        for (kind, source) in SOURCES {
            let what = format!("{keep:?}-{kind}");
            let parent = parent(&format!("parent-{what}"), "lstm", source, true);
            let start = from(&parent, keep);
            let falling = TrainSettings {
                budget: Budget::steps(MORE),
                ..settings()
            };
            let whole = session_from("lstm", source, &falling, &start, None, go_on);
            let directory = new_directory(&format!("child-{what}"));
            let into = Some((&*directory, false));
            session_from("lstm", source, &falling, &start, into, |step| match step {
                6 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
            let resumed = session_from("lstm", source, &falling, &start, into, go_on);
            super::same_end(&what, &resumed, &whole, 6);
        }
    }
}

#[test]
fn weights_alone_start_with_a_new_optimiser_and_the_first_data() {
    let parent = parent("weights", "gru", task, true);
    let (mut model, _) = checkpoint::load(&parent).expect("a checkpoint");
    let falling = TrainSettings {
        budget: Budget::steps(MORE),
        ..settings()
    };
    let start = from(&parent, Keep::Weights);
    let mut source = task();
    let mut optimizer = Optimizer::new(&*model, &falling);
    let by_hand = (0..MORE).map(|step| {
        let batch = source.next_batch(falling.batch);
        let rate = train::learning_rate(&falling, step, MORE);
        let report = train::step(&mut *model, &batch, &mut optimizer, rate, falling.clip);
        (report.loss.to_bits(), report.gradient_norm.to_bits())
    });
    let child = session_from("gru", task, &falling, &start, None, go_on);
    assert_eq!(losses(&child), by_hand.collect::<Vec<_>>());
}

#[test]
fn an_identity_holds_its_parents_and_the_lineage_all_ancestors() {
    let grandparent = parent("grandparent", "gru", task, true);
    let child = |name: &str, of: &Path, keep: Keep| {
        let directory = new_directory(name);
        let (start, into) = (from(of, keep), Some((&*directory, true)));
        session_from("gru", task, &constant(MORE), &start, into, go_on);
        directory
    };
    let parent = child("parent", &grandparent, Keep::Training);
    let last = child("last", &parent, Keep::Weights);
    let [first, second, third] = [&grandparent, &parent, &last].map(|d| metadata(d));
    let kept = third.identity.parent.as_ref().expect("it has one");
    assert_eq!((&kept.hash, kept.keep), (&second.hash, Keep::Weights));
    assert_eq!(third.hash, third.identity.hash());
    let lineage: Vec<_> = third
        .lineage
        .iter()
        .map(|a| (&a.hash, a.keep, a.steps))
        .collect();
    assert_eq!(
        lineage,
        [
            (&first.hash, Keep::Training, STEPS),
            (&second.hash, Keep::Weights, MORE)
        ]
    );
    assert_eq!(second.position.inherited_steps, STEPS as u64);
    assert_eq!(third.position.inherited_steps, 0);
    // The same training after other ancestors is another training.
    let other = metadata(&child("other", &grandparent, Keep::Weights));
    assert_ne!(other.hash, third.hash);
    assert_ne!(other.hash, second.hash);
}

#[test]
fn without_moments_the_data_go_on_and_the_optimiser_starts_anew() {
    let parent = parent("no-moments", "gru", task, false);
    assert!(!checkpoint::has_moments(&parent).expect("a checkpoint"));
    let directory = new_directory("after-no-moments");
    let (start, into) = (from(&parent, Keep::Training), Some((&*directory, false)));
    session_from("gru", task, &constant(MORE), &start, into, go_on);
    let child = metadata(&directory);
    assert!(!child.identity.parent.expect("it has one").moments);
    assert_eq!(child.position.inherited_steps, 0);
    let drawn = child.position.cursor.expect("it trained").drawn;
    assert_eq!(drawn, (9 * (STEPS + MORE)) as u64);
}

/// Starts `model` from a checkpoint of a GRU on the task: must be refused before any step.
#[track_caller]
fn refused(
    model: &str,
    source: super::MakeSource,
    settings: &TrainSettings,
    start: &Start,
    phrases: &[&str],
) {
    let mut source = source();
    let mut model = models::build(&config(model, &*source), 0).expect("a model");
    let result = train::train(
        &mut *model,
        &mut *source,
        settings,
        start,
        None,
        &mut |_| panic!("no step may be taken"),
    );
    let error = match result {
        Err(TrainError::Refused(error)) => error,
        other => panic!("{other:?}"),
    };
    for phrase in phrases {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
}

#[test]
fn what_does_not_fit_its_start_is_refused() {
    let parent = parent("refusing", "gru", task, true);
    let keep = |keep| from(&parent, keep);
    let plain = constant(MORE);
    refused(
        "lstm",
        task,
        &plain,
        &keep(Keep::Weights),
        &["refusing", "model", "gru", "lstm"],
    );
    refused(
        "gru",
        words,
        &plain,
        &keep(Keep::Weights),
        &["vocab = 10 there"],
    );
    let rmsprop = TrainSettings {
        optimizer: OptimizerKind::Rmsprop,
        ..constant(MORE)
    };
    refused(
        "gru",
        task,
        &rmsprop,
        &keep(Keep::Training),
        &["AdamW there, RMSprop here"],
    );
    let other = || -> Box<dyn seqduel::data::Source> {
        let task = seqduel::data::tasks::TaskSettings::new("copy").with("delay", 8);
        let task = task.make().expect("a task");
        Box::new(seqduel::data::tasks::TaskSource::new(task, super::SEED))
    };
    refused(
        "gru",
        other,
        &plain,
        &keep(Keep::Training),
        &["other data", "weights only"],
    );
    session_from("gru", other, &plain, &keep(Keep::Weights), None, go_on);
}

#[test]
fn a_parent_that_was_trained_on_is_noticed() {
    let parent = new_directory("moving");
    let until = |last: usize| {
        session_from(
            "gru",
            task,
            &constant(STEPS),
            &Start::Fresh,
            Some((&parent, true)),
            |step| match step == last {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        )
    };
    until(5);
    let child = new_directory("of-moving");
    let start = from(&parent, Keep::Weights);
    session_from(
        "gru",
        task,
        &constant(MORE),
        &start,
        Some((&child, false)),
        go_on,
    );
    until(STEPS);
    let before = fs::read(child.join(checkpoint::FILE)).expect("there");
    let (mut source, embedded) = (task(), train::Embedded::default());
    let mut model = models::build(&config("gru", &*source), 0).expect("a model");
    let saving = train::Saving {
        directory: &child,
        embedded: &embedded,
        moments: false,
        metrics: false,
    };
    let error = train::train(
        &mut *model,
        &mut *source,
        &constant(MORE),
        &start,
        Some(&saving),
        &mut |_| panic!("no step may be taken"),
    );
    let error = error.expect_err("it started elsewhere").to_string();
    assert!(error.contains("parent.weights"), "{error}");
    assert!(before == fs::read(child.join(checkpoint::FILE)).expect("there"));
}
