//! The output directory of `train`: locked, checked to be of the same run, and filled.

use super::super::setup::{CONFIG, Data, TOKENIZER, TrainConfig, absolute};
use super::super::{UsageError, usage};
use crate::data::tokenizer::Tokenizer;
use crate::files;
use crate::models::ModelConfig;
use crate::train::{CheckpointError, TrainError, checkpoint, step_seconds};
use anyhow::{Context, ensure};
use std::fs;
use std::path::Path;

/// A mistake of the user, unless it is the file system or the training itself that fails.
pub(super) fn train_error(error: TrainError) -> anyhow::Error {
    match error {
        TrainError::Refused(_)
        | TrainError::Misfit(_)
        | TrainError::Model(_)
        | TrainError::Checkpoint(CheckpointError::OtherRun { .. }) => usage(error),
        other => other.into(),
    }
}

/// Creates and locks the output directory and writes what does not change while training; refuses
/// the directory of another run. A budget in seconds gets the step time that is written there, or
/// one measured now: a run that goes on has the number of steps it began with.
pub(super) fn prepare(
    out: &Path,
    config: &mut TrainConfig,
    data: &mut Data,
    model: &ModelConfig,
) -> anyhow::Result<fs::File> {
    let failed = |what: &str| format!("--out {}: cannot {what}", out.display());
    fs::create_dir_all(out).with_context(|| failed("create the directory"))?;
    let lock = fs::File::create(out.join(".lock")).with_context(|| failed("write into it"))?;
    files::lock(&lock).with_context(|| failed("lock it"))?;
    let file = out.join(CONFIG);
    if file.exists() {
        let there = TrainConfig::read(&file)?;
        let untimed = UsageError(format!(
            "--out {}: holds a run of an earlier version, which read the clock for its budget of \
             seconds and so cannot go on to the same results; give another directory",
            out.display()
        ));
        let trained = out.join(checkpoint::FILE).exists();
        ensure!(
            !there.train.budget.lacks_step_seconds() || !trained,
            untimed
        );
        if config.train.budget.lacks_step_seconds() {
            config.train.budget.step_seconds = there.train.budget.step_seconds;
        }
        let value = |config| serde_json::to_value(comparable(config));
        let other = files::differences(&value(&there)?, &value(config)?);
        let named: Vec<_> = other
            .iter()
            .map(|(key, before, now)| format!("{key} = {before} before, {now} now"))
            .collect();
        let refused = UsageError(format!(
            "--out {}: holds a run with other settings ({}; see {CONFIG}); give the same settings \
             to go on, or another directory",
            out.display(),
            named.join(", ")
        ));
        ensure!(other.is_empty(), refused);
    }
    let tokenizer_file = out.join(TOKENIZER);
    if let Some(tokenizer) = &data.tokenizer {
        // The checkpoint there means its tokens by it: a corpus that was edited has other ones.
        let same = !tokenizer_file.exists() || Tokenizer::load(&tokenizer_file)? == *tokenizer;
        let other = UsageError(format!(
            "--out {}: holds a run on another text (see {TOKENIZER}); give the same text to go \
             on, or another directory",
            out.display()
        ));
        ensure!(same, other);
        tokenizer.save(&tokenizer_file)?;
    }
    if config.train.budget.lacks_step_seconds() {
        let step = step_seconds(model, &mut *data.source, &config.train).map_err(train_error)?;
        config.train.budget.step_seconds = Some(step);
    }
    files::write(&file, config.to_toml()?.as_bytes())?;
    Ok(lock)
}

/// Without what changes no result.
fn comparable(config: &TrainConfig) -> TrainConfig {
    let mut config = config.clone();
    config.data.corpus = config.data.corpus.map(absolute);
    config.data.pairs = config.data.pairs.map(absolute);
    config.train.threads = 1;
    config.train.checkpoint_every = None;
    config
}
