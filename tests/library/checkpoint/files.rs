//! Checkpoint files that are damaged, foreign, or of another run.

use super::{config, go_on, new_directory, session, settings, task};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use seqduel::models;
use seqduel::train::{
    self, CheckpointError, Embedded, Saving, Start, TrainError, TrainSettings, checkpoint,
};
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A directory with the checkpoint of a finished GRU.
fn finished(name: &str) -> (PathBuf, PathBuf) {
    let directory = new_directory(name);
    session("gru", task, &settings(), Some(&directory), go_on);
    let file = directory.join(checkpoint::FILE);
    (directory, file)
}

/// The contents of the checkpoint file of a GRU whose training was interrupted.
fn unfinished(name: &str) -> Vec<u8> {
    let directory = new_directory(name);
    session("gru", task, &settings(), Some(&directory), |_| {
        ControlFlow::Break(())
    });
    fs::read(directory.join(checkpoint::FILE)).expect("an interrupted run is saved")
}

fn opening(file: &Path) -> String {
    let error = checkpoint::load(file)
        .err()
        .expect("must be refused")
        .to_string();
    let name = file.display().to_string();
    assert!(error.starts_with(&name), "{error} does not name {name}");
    error
}

/// Resumes training in `directory` with `settings`: this must fail and leave the file as it was.
fn resuming(directory: &Path, settings: &TrainSettings) -> CheckpointError {
    let file = directory.join(checkpoint::FILE);
    let before = fs::read(&file).expect("there is a file");
    let mut source = task();
    let mut model = models::build(&config("gru", &*source), 0).expect("a model");
    let result = train::train(
        &mut *model,
        &mut *source,
        settings,
        &Start::Fresh,
        Some(&Saving {
            directory,
            embedded: &Embedded::default(),
            moments: false,
        }),
        &mut |_| panic!("no step may be taken"),
    );
    assert_eq!(before, fs::read(&file).expect("still there"), "file kept");
    match result {
        Err(TrainError::Checkpoint(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn truncated_anywhere_is_refused_and_kept() {
    let whole = unfinished("whole");
    let directory = new_directory("truncated");
    let file = directory.join(checkpoint::FILE);
    for length in [0, 7, 8, 40, whole.len() / 3, whole.len() - 1] {
        fs::write(&file, &whole[..length]).expect("writable");
        let error = opening(&file);
        assert!(
            error.contains("truncated") && error.contains("train again"),
            "{error}"
        );
        let error = resuming(&directory, &settings());
        assert!(
            matches!(error, CheckpointError::Unreadable { .. }),
            "{error}"
        );
    }
    // Bytes after the end are damage as well.
    fs::write(&file, [&whole[..], b"more"].concat()).expect("writable");
    assert!(opening(&file).contains("train again"));
}

/// The checkpoint `bytes` with `change` applied to the name, shape and type of every tensor (`None`
/// leaves the tensor out), with the same metadata or without.
fn rewritten(
    bytes: &[u8],
    with_metadata: bool,
    change: impl Fn(&str, Vec<usize>, Dtype) -> Option<(String, Vec<usize>, Dtype)>,
) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(bytes).expect("safetensors");
    let (_, header) = SafeTensors::read_metadata(bytes).expect("safetensors");
    let metadata: Option<HashMap<String, String>> = header.metadata().clone();
    let views = tensors.iter().filter_map(|(name, view)| {
        let (name, shape, dtype) = change(name, view.shape().to_vec(), view.dtype())?;
        let view = TensorView::new(dtype, shape, view.data()).expect("as many bytes");
        Some((name, view))
    });
    safetensors::serialize(views, metadata.filter(|_| with_metadata)).expect("names differ")
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (directory, file) = finished("tensors");
    let whole = fs::read(&file).expect("there is a file");
    let refused = |bytes: Vec<u8>, phrases: &[&str]| {
        fs::write(&file, bytes).expect("writable");
        let error = opening(&file);
        for phrase in phrases {
            assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
        }
        resuming(&directory, &settings());
    };
    let same = |name: &str, shape, dtype| Some((name.to_string(), shape, dtype));
    // Rewriting without a change gives a valid checkpoint.
    fs::write(&file, rewritten(&whole, true, same)).expect("writable");
    checkpoint::load(&file).expect("nothing was changed");

    refused(
        rewritten(&whole, false, same),
        &["no `seqduel` metadata", "seqduel train"],
    );
    refused(
        rewritten(&whole, true, |name, shape, dtype| {
            same(name, shape, dtype).filter(|_| name != "rnn.weight_hh_l1")
        }),
        &["`rnn.weight_hh_l1` is missing", "train again"],
    );
    refused(
        rewritten(&whole, true, |name, mut shape, dtype| {
            if name == "head.weight" {
                shape.reverse();
            }
            same(name, shape, dtype)
        }),
        &["`head.weight` has shape [48, 10], expected [10, 48]"],
    );
    refused(
        rewritten(&whole, true, |name, shape, dtype| {
            let integers = name == "head.bias";
            same(name, shape, if integers { Dtype::I32 } else { dtype })
        }),
        &["`head.bias` holds I32, expected F32"],
    );
    refused(
        rewritten(&whole, true, |name, shape, dtype| {
            same(&name.replace("head.bias", "tail.bias"), shape, dtype)
        }),
        &["`head.bias` is missing"],
    );
}

#[test]
fn another_run_is_refused_with_the_keys_that_differ() {
    let (directory, _) = finished("another");
    let other = TrainSettings {
        learning_rate: 1e-3,
        ..settings()
    };
    let error = resuming(&directory, &other).to_string();
    for phrase in [
        "another",
        "settings.learning-rate 0.003 there, 0.001 here",
        "another output directory",
    ] {
        assert!(error.contains(phrase), "`{phrase}` is missing in: {error}");
    }
    // Threads and checkpoint intervals do not change results, so a run may go on with others.
    let same = TrainSettings {
        threads: 2,
        checkpoint_every: None,
        ..settings()
    };
    session("gru", task, &same, Some(&directory), go_on);
}
