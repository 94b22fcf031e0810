//! Trainings of a part of a model: adapters and heads, and the weights of the best validation.

use super::{
    STEPS, Trained, config, go_on, new_directory, same_end, session_from, settings, task, words,
};
use safetensors::SafeTensors;
use seqduel::data::Split;
use seqduel::models::{self, Model, of_one_sequence};
use seqduel::train::checkpoint::{self, FILE};
use seqduel::train::{self, Adapt, Budget, Keep, Optimizer, Selection, Start, TrainSettings};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Steps of the training of a part.
const MORE: usize = 14;

/// The tensors of a checkpoint by name, with their shapes.
fn tensors(directory: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(directory.join(FILE)).expect("a checkpoint");
    let all = SafeTensors::deserialize(&bytes).expect("safetensors");
    let values = |bytes: &[u8]| -> Vec<f32> {
        let all = bytes.chunks_exact(4);
        all.map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
            .collect()
    };
    let all = all.tensors().into_iter();
    all.map(|(name, view)| (name, (view.shape().to_vec(), values(view.data()))))
        .collect()
}

fn pretrained(name: &str, model: &str, source: super::MakeSource) -> PathBuf {
    let directory = new_directory(name);
    let into = Some((&*directory, true));
    session_from(model, source, &settings(), &Start::Fresh, into, go_on);
    directory
}

fn from(checkpoint: &Path) -> Start {
    Start::From {
        checkpoint: checkpoint.into(),
        keep: Keep::Weights,
    }
}

fn adapting(adapt: Adapt) -> TrainSettings {
    TrainSettings {
        budget: Budget::steps(MORE),
        adapt,
        ..settings()
    }
}

/// Trains a part of what was pretrained, in a new directory.
fn adapted(name: &str, model: &str, parent: &Path, adapt: Adapt) -> (Trained, PathBuf) {
    let directory = new_directory(name);
    let into = Some((&*directory, false));
    let trained = session_from(model, task, &adapting(adapt), &from(parent), into, go_on);
    (trained, directory)
}

#[test]
fn what_is_not_trained_keeps_its_bits_and_the_rest_moves() {
    for model in of_one_sequence().map(|row| row.name) {
        let parent = pretrained(&format!("frozen-{model}"), model, task);
        let before = tensors(&parent);
        let has_head = before.contains_key("head.weight"); // or it is the embedding
        let head = has_head.then_some(Adapt::Head);
        for adapt in head.into_iter().chain([Adapt::Lora(2)]) {
            let name = format!("frozen-{model}-{adapt}").replace(':', "-");
            let (trained, directory) = adapted(&name, model, &parent, adapt);
            let after = tensors(&directory);
            let mut counted = 0;
            for (name, (shape, values)) in &after {
                let Some((_, was)) = before.get(name) else {
                    continue; // of the adapter
                };
                let adapter = after.get(&format!("optimizer.lora.b.{name}"));
                let expected = match adapt {
                    Adapt::Head => name.starts_with("head."),
                    _ => adapter.is_some(),
                };
                assert_eq!(was != values, expected, "{model} {adapt} {name}");
                counted += match (expected, adapt) {
                    (false, _) => 0,
                    (true, Adapt::Head) => values.len(),
                    (true, _) => 2 * shape.iter().sum::<usize>(),
                };
            }
            assert_eq!(trained.trained_parameters, counted, "{model} {adapt}");
        }
    }
}

/// y = W′x against y = Wx + 2·B·(Ax), as two separate ways would compute it.
#[test]
fn merged_adapters_are_adapters_beside_the_frozen_weights() {
    for model in ["transformer", "gru", "lstm"] {
        let parent = pretrained(&format!("merged-{model}"), model, task);
        let (_, directory) = adapted(&format!("merged-{model}-4"), model, &parent, Adapt::Lora(4));
        let (before, after) = (tensors(&parent), tensors(&directory));
        let mut maps = 0;
        for (name, (shape, merged)) in &after {
            let part = |kind: &str| after.get(&format!("optimizer.lora.{kind}.{name}"));
            let (Some((of_a, a)), Some((of_b, b))) = (part("a"), part("b")) else {
                continue;
            };
            let (out, input) = (shape[0], shape[1]);
            assert_eq!((&of_a[..], &of_b[..]), (&[4, input][..], &[out, 4][..]));
            assert!(b.iter().any(|v| *v != 0.0), "{model} {name}: not trained");
            let x: Vec<f32> = (0..input)
                .map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0)
                .collect();
            let times = |m: &[f32], x: &[f32]| -> Vec<f32> {
                let row = |row: &[f32]| row.iter().zip(x).map(|(m, x)| m * x).sum();
                m.chunks(x.len()).map(row).collect()
            };
            let frozen = times(&before[name].1, &x);
            let beside = times(b, &times(a, &x));
            for (i, y) in times(merged, &x).iter().enumerate() {
                let both = frozen[i] + 2.0 * beside[i];
                assert!((y - both).abs() < 1e-5, "{model} {name} {i}: {y} {both}");
            }
            maps += 1;
        }
        assert!(maps >= 4, "{model}: {maps}");
    }
}

/// After the first step from zeros of B, the loss falls along the gradient as finite differences say: a step of
/// plain size in the direction of dB.
#[test]
fn the_loss_falls_as_the_gradients_of_adapters_say() {
    for model in ["transformer", "gru", "lstm"] {
        let mut source = task();
        let mut built = models::build(&config(model, &*source), 1).expect("a model");
        let batch = source.next_batch(9);
        let before = loss_of(&*built, &batch);
        let settings = TrainSettings {
            weight_decay: 0.0,
            ..adapting(Adapt::Lora(4))
        };
        let mut optimizer = Optimizer::new(&*built, &settings);
        let rate = 1e-3;
        let report = train::step(&mut *built, &batch, &mut optimizer, rate, None);
        assert!((report.loss - before).abs() < 1e-6);
        // Adam's first step has the size of the rate in every value: the loss falls by rate · Σ|dB|, which is
        // at least rate · ‖dB‖.
        let fell = f64::from(before - loss_of(&*built, &batch));
        let least = rate * f64::from(report.gradient_norm);
        assert!(fell > 0.9 * least, "{model}: fell {fell}, at least {least}");
    }
}

fn loss_of(model: &dyn Model, batch: &seqduel::data::Batch) -> f32 {
    kernels::values(&train::loss(model, batch, &batch.mask))[0]
}

fn breaks_at(last: usize) -> impl FnMut(usize) -> ControlFlow<()> + Send {
    move |step| match step == last {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

#[test]
fn interrupted_adapters_go_on_to_the_same_bits() {
    for model in ["lstm", "transformer"] {
        for adapt in [Adapt::Lora(3), Adapt::Head] {
            for select in [Selection::Last, Selection::Best] {
                let what = format!("resumed-{model}-{adapt}-{select:?}").replace(':', "-");
                let parent = pretrained(&format!("parent-{what}"), model, words);
                let settings = TrainSettings {
                    select,
                    ..adapting(adapt)
                };
                let start = from(&parent);
                let whole = session_from(model, words, &settings, &start, None, go_on);
                let directory = new_directory(&what);
                let into = Some((&*directory, false));
                session_from(model, words, &settings, &start, into, breaks_at(6));
                let resumed = session_from(model, words, &settings, &start, into, go_on);
                same_end(&what, &resumed, &whole, 6);
                assert_eq!(resumed.judged_step, whole.judged_step, "{what}");
                // What is there in the end is reported without another step.
                let again = session_from(model, words, &settings, &start, into, go_on);
                assert_eq!(again.parameters, whole.parameters, "{what}");
                assert_eq!(again.judged_step, whole.judged_step, "{what}");
            }
        }
    }
}

/// A rate that makes it worse from some step on: the weights left are those of the lowest loss of the curve.
#[test]
fn the_best_weights_are_those_of_the_lowest_validation_loss() {
    let settings = |select| TrainSettings {
        learning_rate: 0.5,
        final_lr_ratio: 1.0,
        validate_every: 1,
        select,
        ..settings()
    };
    let none = &Start::Fresh;
    let last = session_from("gru", words, &settings(Selection::Last), none, None, go_on);
    let directory = new_directory("best");
    let into = Some((&*directory, true));
    let best = session_from("gru", words, &settings(Selection::Best), none, into, go_on);
    assert_eq!((last.judged_step, &last.curve), (STEPS, &best.curve));
    let lowest = best.curve.iter().min_by(|a, b| {
        a.validation_loss
            .partial_cmp(&b.validation_loss)
            .expect("numbers")
    });
    let lowest = lowest.expect("it validated");
    assert_eq!(best.judged_step, lowest.step);
    assert!(lowest.step < STEPS, "the rate is too low to spoil anything");
    assert_ne!(best.parameters, last.parameters);
    let (model, metadata) = checkpoint::load(&directory).expect("a checkpoint");
    let validation = words().evaluation(Split::Validation, 20, 9);
    let loss = train::evaluate(&*model, &validation).loss;
    assert_eq!(Some(loss), lowest.validation_loss);
    assert_eq!(
        metadata.position.best.map(|b| (b.step, b.loss)),
        Some((lowest.step, loss))
    );
    assert!(
        !checkpoint::has_moments(&directory).expect("a checkpoint"),
        "of another step"
    );
    let names = tensors(&directory).into_keys();
    assert!(names.into_iter().all(|name| !name.contains("optimizer")));
}

#[test]
fn parts_that_cannot_be_trained_are_refused() {
    let parent = pretrained("refusing-parts", "gru", task);
    let refused = |start: &Start, adapt: Adapt, phrases: &[&str]| {
        let mut source = task();
        let mut model = models::build(&config("gru", &*source), 0).expect("a model");
        let settings = adapting(adapt);
        let never = &mut |_: &_| panic!("no step may be taken");
        let result = train::train(&mut *model, &mut *source, &settings, start, None, never);
        let error = result.expect_err("refused").to_string();
        for phrase in phrases {
            assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
        }
    };
    refused(&Start::Fresh, Adapt::Head, &["adapt = head", "checkpoint"]);
    let weights = from(&parent);
    refused(
        &weights,
        Adapt::Lora(11),
        &["head.weight", "at most lora:10"],
    );
    let training = Start::From {
        checkpoint: parent,
        keep: Keep::Training,
    };
    refused(
        &training,
        Adapt::Lora(2),
        &["adapt = lora:2", "weights only"],
    );
}

#[test]
fn adapters_do_not_depend_on_the_number_of_threads() {
    let parent = pretrained("threads-lora", "transformer", task);
    let mut all = [1, 3].map(|threads| {
        let settings = TrainSettings {
            threads,
            ..adapting(Adapt::Lora(4))
        };
        session_from("transformer", task, &settings, &from(&parent), None, go_on)
    });
    let [one, three] = &mut all;
    assert_eq!(one, three);
}

#[test]
fn an_adapter_is_part_of_the_identity_and_the_lineage() {
    let parent = pretrained("identity-lora", "gru", task);
    let (_, directory) = adapted("identity-lora-2", "gru", &parent, Adapt::Lora(2));
    let (_, metadata) = checkpoint::load(&directory).expect("a checkpoint");
    assert_eq!(metadata.identity.settings.adapt, Adapt::Lora(2));
    assert_eq!(metadata.lineage.len(), 1);
    assert_eq!(metadata.hash, metadata.identity.hash());
}
