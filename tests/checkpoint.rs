//! Training that is stopped and resumed, on any number of threads, gives the same bits; and what a
//! checkpoint file looks like.

mod common;
#[path = "checkpoint/files.rs"]
mod files;
#[path = "checkpoint/killed.rs"]
mod killed;

use common::{place, text};
use safetensors::tensor::{Dtype, SafeTensors};
use seqduel::data::tasks::{TaskSettings, TaskSource};
use seqduel::data::text::{Text, TextSource};
use seqduel::data::{Source, Split};
use seqduel::models::{self, ModelConfig};
use seqduel::train::{self, Budget, Evaluation, Point, Progress, Stop, TrainSettings, checkpoint};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const MODELS: [&str; 4] = ["elman", "lstm", "gru", "transformer"];
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

type MakeSource = fn() -> Box<dyn Source>;

const SOURCES: [(&str, MakeSource); 2] = [("task", task), ("text", words)];

fn config(model: &str, source: &dyn Source) -> ModelConfig {
    serde_json::from_value(serde_json::json!({
        "model": model, "vocab": source.vocab(), "width": 48, "layers": 2, "heads": 3,
        "seq-len": source.seq_len(), "positions": "learned", "forget-bias": 1.0,
    }))
    .expect("these are all the keys without a default")
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
    test: Evaluation,
}

/// Trains in `directory`, calling `watch` after every step.
fn session(
    name: &str,
    source: MakeSource,
    settings: &TrainSettings,
    directory: Option<&Path>,
    mut watch: impl FnMut(usize) -> ControlFlow<()> + Send,
) -> Trained {
    let mut source = source();
    // Built with a seed of its own in every session: all that counts has to be restored.
    let seed = settings.seed + directory.map_or(0, |d| d.join(checkpoint::FILE).exists() as u64);
    let mut model = models::build(&config(name, &*source), seed).expect("a model");
    let mut steps = Vec::new();
    let mut observe = |p: &Progress| {
        steps.push((p.step, p.train_loss.to_bits(), p.gradient_norm.to_bits()));
        watch(p.step)
    };
    let outcome = train::train(&mut *model, &mut *source, settings, directory, &mut observe);
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
    assert_eq!(resumed.stopped, Stop::Steps, "{what}");
    assert_eq!(resumed.tokens, whole.tokens, "{what}: tokens");
}

#[test]
fn resumed_training_gives_the_bits_of_uninterrupted_training() {
    for model in MODELS {
        for (kind, source) in SOURCES {
            let what = format!("{model} on {kind}");
            let whole = session(model, source, &settings(), None, go_on);
            assert_eq!(whole.steps.len(), STEPS, "{what}");
            assert_eq!(whole.curve.len(), 5, "{what}: 5, 10, 15, 20, 23");

            // Stopped by its observer after step 10, while a killed process' checkpoint of step 8
            // is put aside: both go on, on another number of threads.
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
            // What is finished stays as it is.
            let again = session(model, source, &settings(), Some(&stopped), go_on);
            same_end(&format!("{what}, finished"), &again, &whole, STEPS);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_twice_in_a_row() {
    for model in MODELS {
        for (kind, source) in SOURCES {
            // Long rows and many of them, so that there is work to share out.
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

/// Names and shapes of `torch.nn` modules of these sizes.
fn state_dict(model: &str, vocab: usize, seq_len: usize) -> BTreeMap<String, Vec<usize>> {
    let d = 48;
    let mut names = BTreeMap::new();
    let mut add = |name: String, shape: &[usize]| names.insert(name, shape.to_vec());
    add("embedding.weight".into(), &[vocab, d]);
    add("head.weight".into(), &[vocab, d]);
    add("head.bias".into(), &[vocab]);
    let gates = match model {
        "elman" => 1,
        "gru" => 3,
        _ => 4,
    };
    for k in 0..2 {
        if model == "transformer" {
            let linears = [
                ("attention.qkv", 3 * d, d),
                ("attention.out", d, d),
                ("mlp.fc1", 4 * d, d),
                ("mlp.fc2", d, 4 * d),
            ];
            for (name, rows, columns) in linears {
                add(format!("blocks.{k}.{name}.weight"), &[rows, columns]);
                add(format!("blocks.{k}.{name}.bias"), &[rows]);
            }
            for name in ["norm1", "norm2"] {
                add(format!("blocks.{k}.{name}.weight"), &[d]);
                add(format!("blocks.{k}.{name}.bias"), &[d]);
            }
        } else {
            add(format!("rnn.weight_ih_l{k}"), &[gates * d, d]);
            add(format!("rnn.weight_hh_l{k}"), &[gates * d, d]);
            add(format!("rnn.bias_ih_l{k}"), &[gates * d]);
            add(format!("rnn.bias_hh_l{k}"), &[gates * d]);
        }
    }
    if model == "transformer" {
        add("position.weight".into(), &[seq_len, d]);
        add("norm.weight".into(), &[d]);
        add("norm.bias".into(), &[d]);
    }
    names
}

#[test]
fn a_checkpoint_is_a_pytorch_state_dict_in_safetensors() {
    for model in MODELS {
        let directory = new_directory(&format!("names-{model}"));
        let file = directory.join(checkpoint::FILE);
        let mut unfinished = Vec::new();
        let trained = session(model, task, &settings(), Some(&directory), |step| {
            if step == 4 {
                unfinished = fs::read(&file).expect("step 4 was saved");
            }
            ControlFlow::Continue(())
        });
        let source = task();
        let expected = state_dict(model, source.vocab(), source.seq_len());
        let bytes = fs::read(&file).expect("the end was saved");
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let shapes: BTreeMap<String, Vec<usize>> = tensors
            .iter()
            .map(|(name, view)| (name.to_string(), view.shape().to_vec()))
            .collect();
        assert_eq!(shapes, expected, "{model}");
        assert!(tensors.iter().all(|(_, view)| view.dtype() == Dtype::F32));

        // Opening it gives the trained values back.
        let (opened, metadata) = checkpoint::load(&directory).expect("a checkpoint");
        let values: Vec<Vec<u32>> = (opened.parameters().iter())
            .map(|p| p.values().into_iter().map(f32::to_bits).collect())
            .collect();
        assert_eq!(values, trained.parameters, "{model}");
        assert_eq!(metadata.position.step, STEPS, "{model}");

        // Before the end the optimiser's moments stand beside them, under names of their own.
        let tensors = SafeTensors::deserialize(&unfinished).expect("safetensors");
        for (name, shape) in &expected {
            for name in [
                name.clone(),
                format!("optimizer.m.{name}"),
                format!("optimizer.v.{name}"),
            ] {
                let view = tensors.tensor(&name).expect("every tensor has its moments");
                assert_eq!(view.shape(), shape, "{model} {name}");
            }
        }
        assert_eq!(tensors.len(), 3 * expected.len(), "{model}");
    }
}
