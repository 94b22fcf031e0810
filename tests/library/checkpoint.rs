//! Training that is stopped and resumed, on any number of threads, gives the same bits.

mod adapt;
mod files;
mod from;
mod state_dict;

use crate::common::{place, text};
use seqduel::data::tasks::{TaskSettings, TaskSource};
use seqduel::data::text::{Text, TextSource};
use seqduel::data::{MaskedSource, Source, Split};
use seqduel::models::{self, MODELS, ModelConfig};
use seqduel::train::{
    self, Budget, Embedded, Evaluation, Point, Progress, Saving, Start, Stop, TrainSettings,
    checkpoint,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const SEED: u64 = 5;
const STEPS: usize = 23;

fn task() -> Box<dyn Source> {
    let task = TaskSettings::new("copy").with("delay", 7);
    Box::new(TaskSource::new(task.make().expect("a task"), SEED))
}

fn words() -> Box<dyn Source> {
    let characters = "char".parse().expect("a tokenizer");
    let text = Text::open(text(), characters, None).expect("a text");
    Box::new(TextSource::new(Arc::new(text), 33, SEED).expect("a window"))
}

fn phrases() -> Box<dyn Source> {
    let task = TaskSettings::new("phrases").with("digits", 2);
    Box::new(TaskSource::new(task.make().expect("a task"), SEED))
}

fn gaps() -> Box<dyn Source> {
    let characters = "char".parse().expect("a tokenizer");
    let text = Text::open(text(), characters, None).expect("a text");
    let windows = TextSource::new(Arc::new(text), 33, SEED).expect("a window");
    Box::new(MaskedSource::new(windows, SEED))
}

type MakeSource = fn() -> Box<dyn Source>;

const SOURCES: [(&str, MakeSource); 2] = [("task", task), ("text", words)];

/// Every model with the data that suit it.
fn cases() -> impl Iterator<Item = (&'static str, &'static str, MakeSource)> {
    MODELS.iter().flat_map(|row| {
        let all: &[(&str, MakeSource)] = match (row.reads_source, row.sees_both) {
            (true, _) => &[("phrases", phrases)],
            (_, true) => &[("gaps", gaps)],
            _ => &SOURCES,
        };
        all.iter().map(|&(kind, source)| (row.name, kind, source))
    })
}

fn config(model: &str, source: &dyn Source) -> ModelConfig {
    ModelConfig {
        heads: 3,
        forget_bias: 1.0,
        source: source.spec().source,
        ..ModelConfig::new(model, source.spec().vocab, 48, 2, source.spec().seq_len)
    }
}

fn settings() -> TrainSettings {
    TrainSettings {
        batch: 9,
        budget: Budget::steps(STEPS),
        learning_rate: 3e-3,
        warmup_steps: 4,
        validate_every: 5,
        validation_sequences: 20,
        checkpoint_every: Some(4),
        seed: SEED,
        ..TrainSettings::default()
    }
}

/// Everything a session of training leaves, timings aside, floats by their bits.
#[derive(Debug, PartialEq)]
struct Trained {
    /// Step, loss and gradient norm of each step of this session.
    steps: Vec<(usize, u32, u32)>,
    stopped: Stop,
    tokens: u64,
    curve: Vec<Point>,
    parameters: Vec<Vec<u32>>,
    /// The step whose weights these are.
    judged_step: usize,
    trained_parameters: usize,
    test: Evaluation,
}

/// Trains in `directory`, calling `watch` after every step.
fn session(
    name: &str,
    source: MakeSource,
    settings: &TrainSettings,
    directory: Option<&Path>,
    watch: impl FnMut(usize) -> ControlFlow<()> + Send,
) -> Trained {
    let directory = directory.map(|directory| (directory, false));
    session_from(name, source, settings, &Start::Fresh, directory, watch)
}

/// The same from any start; beside the directory stands whether moments are kept at the end.
fn session_from(
    name: &str,
    source: MakeSource,
    settings: &TrainSettings,
    start: &Start,
    directory: Option<(&Path, bool)>,
    mut watch: impl FnMut(usize) -> ControlFlow<()> + Send,
) -> Trained {
    let mut source = source();
    // Each session starts from other initial values, so everything has to come from the checkpoint.
    let seed =
        settings.seed + directory.map_or(0, |(d, _)| d.join(checkpoint::FILE).exists() as u64);
    let mut model = models::build(&config(name, &*source), seed).expect("a model");
    let mut steps = Vec::new();
    let mut observe = |p: &Progress| {
        steps.push((p.step, p.train_loss.to_bits(), p.gradient_norm.to_bits()));
        watch(p.step)
    };
    let embedded = Embedded::default();
    let saving = directory.map(|(directory, moments)| Saving {
        directory,
        embedded: &embedded,
        moments,
        metrics: false,
    });
    let (model_, source_) = (&mut *model, &mut *source);
    let outcome = train::train(
        model_,
        source_,
        settings,
        start,
        saving.as_ref(),
        &mut observe,
    );
    let outcome = outcome.expect("training goes well");
    let untimed = |point: &Point| Point {
        seconds: 0.0,
        ..point.clone()
    };
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    Trained {
        steps,
        stopped: outcome.stopped_because,
        tokens: outcome.tokens,
        curve: outcome.curve.iter().map(untimed).collect(),
        judged_step: outcome.judged_step,
        trained_parameters: outcome.trained_parameters,
        parameters: model
            .parameters()
            .iter()
            .map(|p| bits(p.values()))
            .collect(),
        test: train::evaluate(&*model, &source.evaluation(Split::Test, 20, 9)),
    }
}

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn new_directory(name: &str) -> std::path::PathBuf {
    let directory = place(name);
    fs::create_dir_all(&directory).expect("the scratch directory can be written");
    directory
}

/// Demands that a session begun after `done` steps ended as `whole` did.
#[track_caller]
fn same_end(what: &str, resumed: &Trained, whole: &Trained, done: usize) {
    assert_eq!(resumed.steps, whole.steps[done..], "{what}: losses");
    assert_eq!(resumed.parameters, whole.parameters, "{what}: parameters");
    assert_eq!(resumed.curve, whole.curve, "{what}: learning curve");
    assert_eq!(resumed.test, whole.test, "{what}: test");
    assert_eq!(resumed.stopped, whole.stopped, "{what}");
    assert_eq!(resumed.tokens, whole.tokens, "{what}: tokens");
}

#[test]
fn resumed_training_gives_the_bits_of_uninterrupted_training() {
    for (model, kind, source) in cases() {
        let what = format!("{model} on {kind}");
        let whole = session(model, source, &settings(), None, go_on);
        assert_eq!(whole.stopped, Stop::Steps, "{what}");
        assert_eq!(whole.steps.len(), STEPS, "{what}");
        assert_eq!(whole.curve.len(), 5, "{what}: 5, 10, 15, 20, 23");

        // One session is stopped by its observer after step 10. The checkpoint of step 8, which
        // a killed process would have left, is put aside. Both go on with two threads.
        let stopped = new_directory(&format!("stopped-{model}-{kind}"));
        let killed = new_directory(&format!("killed-{model}-{kind}"));
        let first = session(model, source, &settings(), Some(&stopped), |step| {
            if step < 10 {
                return ControlFlow::Continue(());
            }
            let copy = killed.join(checkpoint::FILE);
            fs::copy(stopped.join(checkpoint::FILE), copy).expect("step 8 was saved");
            ControlFlow::Break(())
        });
        assert_eq!(first.stopped, Stop::Interrupted, "{what}");
        assert_eq!(first.steps, whole.steps[..10], "{what}");
        let two = TrainSettings {
            threads: 2,
            ..settings()
        };
        let resumed = session(model, source, &two, Some(&stopped), go_on);
        same_end(&format!("{what}, stopped"), &resumed, &whole, 10);
        let resumed = session(model, source, &two, Some(&killed), go_on);
        same_end(&format!("{what}, killed"), &resumed, &whole, 8);
        // A finished run stays as it is.
        let again = session(model, source, &settings(), Some(&stopped), go_on);
        same_end(&format!("{what}, finished"), &again, &whole, STEPS);
    }
}

/// With the step's time recorded, a budget in seconds is a number of steps, whatever the clock says.
#[test]
fn runs_of_equal_seconds_are_equal_to_the_bit_when_interrupted_too() {
    let seconds = |seconds: f64, step_seconds: Option<f64>| TrainSettings {
        budget: Budget {
            seconds: Some(seconds),
            step_seconds,
            ..Budget::default()
        },
        ..settings()
    };
    let measured = seconds(2.3, Some(0.1));
    for (kind, source) in SOURCES {
        let whole = session("gru", source, &measured, None, go_on);
        assert_eq!((whole.steps.len(), whole.stopped), (STEPS, Stop::Seconds));
        let slow = |_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            ControlFlow::Continue(())
        };
        assert!(
            whole == session("gru", source, &measured, None, slow),
            "{kind}"
        );
        let in_steps = session("gru", source, &settings(), None, go_on);
        assert_eq!(whole.steps, in_steps.steps, "{kind}");
        assert_eq!(whole.curve, in_steps.curve, "{kind}");

        let stopped = new_directory(&format!("seconds-{kind}"));
        session(
            "gru",
            source,
            &measured,
            Some(&stopped),
            |step| match step {
                9 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            },
        );
        let resumed = session("gru", source, &measured, Some(&stopped), go_on);
        same_end(kind, &resumed, &whole, 9);
    }
    // Without it there is no number of steps.
    let mut source = task();
    let mut model = models::build(&config("gru", &*source), 0).expect("a model");
    let unmeasured = seconds(2.3, None);
    let refused = train::train(
        &mut *model,
        &mut *source,
        &unmeasured,
        &Start::Fresh,
        None,
        &mut |_| panic!("no step may be taken"),
    );
    let refused = refused.expect_err("must be refused").to_string();
    assert!(
        refused.contains("seconds = 2.3 without step-seconds"),
        "{refused}"
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bits_twice_in_a_row() {
    for (model, kind, source) in cases() {
        // Many long sequences, so that there is work for several threads.
        let on = |threads: usize| {
            let settings = TrainSettings {
                batch: 64,
                budget: Budget::steps(6),
                threads,
                ..settings()
            };
            session(model, source, &settings, None, go_on)
        };
        let one = on(1);
        for threads in [1, 2, 3, 2] {
            assert!(one == on(threads), "{model} on {kind}, {threads} threads");
        }
    }
}

#[test]
fn another_seed_gives_other_bits() {
    let first = session("gru", task, &settings(), None, go_on);
    let other = TrainSettings {
        seed: SEED + 1,
        ..settings()
    };
    let second = session("gru", task, &other, None, go_on);
    assert_ne!(first.steps, second.steps);
    assert_ne!(first.parameters, second.parameters);
}
