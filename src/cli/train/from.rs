//! `train --from`: what a training takes over from the checkpoint it starts from, and what it may not
//! change.

use super::super::open::Opened;
use super::super::setup::{Data, FromSection, ModelSection, TrainConfig, open_data};
use super::super::{UsageError, usage};
use crate::data::DataSection;
use crate::data::tokenizer::{Tokenizer, TokenizerChoice};
use crate::train::{Adapt, Keep, TrainSettings, checkpoint, same_data};
use anyhow::{Context, ensure};
use std::fs;
use std::path::Path;

/// The configuration of the checkpoint's training: what the command line leaves out stays so.
pub(super) fn configuration(opened: &Opened, from: FromSection) -> TrainConfig {
    let every = TrainSettings::default().checkpoint_every; // an identity does not say
    TrainConfig {
        model: ModelSection::of(opened.model.config()),
        data: opened.data.clone().unwrap_or_default(),
        train: TrainSettings {
            checkpoint_every: every,
            ..opened.metadata.identity.settings.clone()
        },
        from: Some(from),
    }
}

/// Refuses what a training that starts from a checkpoint cannot have: another model, another
/// tokenizer, text after a task or a task after text, and the checkpoint's own directory.
pub(super) fn check(opened: &Opened, config: &TrainConfig, out: &Path) -> anyhow::Result<()> {
    let fits = config.train.adapt.check(&*opened.model);
    fits.map_err(UsageError)?;
    let own = (opened.file.parent()).and_then(|directory| fs::canonicalize(directory).ok());
    let itself = fs::canonicalize(out).is_ok_and(|out| Some(out) == own);
    let message = format!(
        "--out {}: is the directory of the checkpoint to start from, which would be lost; give \
         another directory",
        out.display()
    );
    ensure!(!itself, UsageError(message));

    let there = ModelSection::of(opened.model.config());
    let here = &config.model;
    let mut pairs = vec![
        ("model".to_owned(), there.model.clone(), here.model.clone()),
        (
            "width".into(),
            there.width.to_string(),
            here.width.to_string(),
        ),
        (
            "layers".into(),
            there.layers.to_string(),
            here.layers.to_string(),
        ),
        (
            "heads".into(),
            there.heads.to_string(),
            here.heads.to_string(),
        ),
    ];
    for (name, value) in here.options.iter() {
        let before = there
            .options
            .get(name)
            .map_or("none".into(), ToString::to_string);
        pairs.push((name.replace('_', "-"), before, value.to_string()));
    }
    if let Some(before) = tokenizer_choices(opened) {
        let here = config.data.tokenizer;
        let before = match before.contains(&here) {
            true => here,
            false => before[0],
        };
        pairs.push(("tokenizer".into(), before.to_string(), here.to_string()));
    }
    for (flag, before, now) in pairs {
        let message = format!(
            "--{flag} {now}: the checkpoint to start from has {flag} = {before}, which cannot \
             change; leave the flag out, or train a new model without --from"
        );
        ensure!(before == now, UsageError(message));
    }

    let (was, data) = (trained_on(opened), &config.data);
    if let (Some(corpus), None) = (&data.corpus, &opened.tokenizer) {
        return Err(usage(anyhow::anyhow!(
            "--corpus {corpus}: the checkpoint to start from has no tokenizer (it was trained on \
             {was}), so its vocabulary means nothing in a text; give --task, or train a new model \
             without --from"
        )));
    }
    if let (Some(task), Some(tokenizer)) = (&data.task, &opened.tokenizer) {
        return Err(usage(anyhow::anyhow!(
            "--task {}: the vocabulary of the checkpoint to start from is the {} tokens of a text \
             (it was trained on {was}); give --corpus, or train a new model without --from",
            task.name,
            tokenizer.vocab()
        )));
    }
    Ok(())
}

/// What its tokenizer may be called: as it was asked for, and by the tokens it has.
fn tokenizer_choices(opened: &Opened) -> Option<Vec<TokenizerChoice>> {
    let tokenizer = opened.tokenizer.as_ref()?;
    let has = match tokenizer {
        Tokenizer::Byte => Some(TokenizerChoice::Byte),
        Tokenizer::Char(_) => Some(TokenizerChoice::Char),
        Tokenizer::Bpe(_) => Some(TokenizerChoice::Bpe {
            vocab: tokenizer.vocab(),
        }),
        Tokenizer::Words { .. } => None,
    };
    let asked = opened.data.as_ref().map(|data| data.tokenizer);
    Some(asked.into_iter().chain(has).collect())
}

fn trained_on(opened: &Opened) -> String {
    let data = opened.data.as_ref().map(DataSection::to_string);
    data.unwrap_or_else(|| opened.metadata.data_in_words())
}

/// Opens the data with the checkpoint's tokenizer, refuses what its model cannot read, and settles
/// what is kept: everything where the data are the same, the weights where they are not.
pub(super) fn open(opened: &Opened, config: &mut TrainConfig) -> anyhow::Result<Data> {
    let seed = config.train.seed;
    let data = open_data(&config.data, seed, opened.tokenizer.clone())
        .with_context(|| format!("{} for {}", config.data, opened.file.display()))?;
    let model = opened.model.config();
    let spec = data.source.spec();
    let (have, want) = (spec.vocab, model.vocab);
    let message = format!(
        "{} has {have} tokens but the checkpoint to start from has vocab = {want}, which cannot \
         change; give data with the same vocabulary, or train a new model without --from",
        config.data
    );
    ensure!(have == want, UsageError(message));
    let longest = spec.longest;
    if let Some(limit) = model.longest().filter(|&limit| longest > limit) {
        return Err(usage(anyhow::anyhow!(
            "--seq-len {longest}: the {} to start from learned a table of {limit} positions, which \
             cannot grow; give at most {limit}, or start from one with rotary, alibi or sinusoidal \
             positions",
            model.model
        )));
    }
    let from = config.from.as_mut().expect("there is a checkpoint");
    let same = same_data(&*data.source, &opened.metadata);
    let message = format!(
        "--keep training: the checkpoint to start from was trained on other data ({}); only the \
         weights can be kept",
        trained_on(opened)
    );
    ensure!(
        same || from.keep != Some(Keep::Training),
        UsageError(message)
    );
    // The optimiser of other values has nothing to hand on.
    let all = [config.train.adapt, opened.metadata.identity.settings.adapt];
    let all = all.into_iter().all(Adapt::is_all);
    let message = format!(
        "--keep training: adapt = {} was trained there and adapt = {} is asked for here, so the moments of the \
         optimiser cannot be kept; keep the weights only",
        opened.metadata.identity.settings.adapt, config.train.adapt
    );
    ensure!(
        all || from.keep != Some(Keep::Training),
        UsageError(message)
    );
    from.keep = from.keep.or(Some(match same && all {
        true => Keep::Training,
        false => Keep::Weights,
    }));
    Ok(data)
}

/// One line about the start.
pub(super) fn describe(opened: &Opened, keep: Keep) -> anyhow::Result<String> {
    let kept = match keep {
        Keep::Weights => "the weights",
        Keep::Training if checkpoint::has_moments(&opened.file)? => {
            "the weights, the optimiser's moments and the data stream"
        }
        // As a suite's run leaves it.
        Keep::Training => {
            "the weights and the data stream (it holds no optimiser's moments: they start anew)"
        }
    };
    let position = &opened.metadata.position;
    Ok(format!(
        "starts from {}: {} after {} steps, {} tokens of {}; keeps {kept}",
        opened.file.display(),
        opened.model.config().model,
        position.step,
        position.tokens,
        trained_on(opened)
    ))
}
