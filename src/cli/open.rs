//! A checkpoint and what it says of itself: what `eval`, `generate`, `predict` and `train --from` open.

use super::setup::{CONFIG, TOKENIZER, TrainConfig, data_error};
use super::{UsageError, usage};
use crate::data::tokenizer::Tokenizer;
use crate::data::{DataSection, Objective, Words};
use crate::models::{Model, Output};
use crate::train::Embedded;
use crate::train::checkpoint::{self, Metadata};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};

/// A checkpoint, opened.
pub struct Opened {
    /// The file.
    pub file: PathBuf,
    /// The trained model.
    pub model: Box<dyn Model>,
    /// Of its training.
    pub metadata: Metadata,
    /// Its tokenizer, if it was trained on text.
    pub tokenizer: Option<Tokenizer>,
    /// What it was trained on; not known of a file of an earlier version that stands alone.
    pub data: Option<DataSection>,
}

impl Opened {
    /// Opens the checkpoint at `path`, a file or a directory with one.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = checkpoint::locate(path);
        let missing = UsageError(format!(
            "there is no checkpoint {}; give the output directory of `seqduel train`, that of a \
             suite's run (runs/ID in its results), or the checkpoint file in it",
            file.display()
        ));
        ensure!(file.exists(), missing);
        // A checkpoint that cannot be opened is a mistake in the command.
        let (model, metadata) =
            checkpoint::load(&file).map_err(|error| usage(anyhow::Error::new(error)))?;
        let (tokenizer, data) = match &metadata.embedded {
            Some(Embedded { tokenizer, data }) => (tokenizer.clone(), Some(data.clone())),
            None => beside(&file, &*model)?,
        };
        Ok(Opened {
            file,
            model,
            metadata,
            tokenizer,
            data,
        })
    }

    /// Tokens of a prompt: text, or token numbers where the model was trained on a task. Refused
    /// where the model says numbers: there is no next token.
    pub fn encode(&self, prompt: &str) -> anyhow::Result<Vec<u32>> {
        let numbers = UsageError(
            "this checkpoint's model reads numbers and says a number, not tokens, so it cannot \
             continue a prompt; use `seqduel eval` to see how good it is"
                .into(),
        );
        ensure!(self.model.config().output == Output::Tokens, numbers);
        let source = UsageError(
            "this checkpoint's model reads a source beside the sequence it continues, so a prompt \
             alone means nothing to it; use `seqduel translate`, or `seqduel eval` to see how good it is"
                .into(),
        );
        ensure!(self.model.config().source.is_none(), source);
        let tokens = match &self.tokenizer {
            Some(tokenizer) => tokenizer
                .encode(prompt)
                .map_err(data_error)
                .context("--prompt")
                .map_err(usage)?,
            None => token_numbers(prompt, self.model.config().vocab)?,
        };
        let both = UsageError(
            "this checkpoint's model sees both sides of a position and cannot say what comes next; use \
             `seqduel fill`, or `seqduel generate`"
                .into(),
        );
        ensure!(!self.model.config().sees_both(), both);
        let empty = UsageError("--prompt is empty: give at least one character".into());
        ensure!(!tokens.is_empty(), empty);
        if let Some(limit) = self.model.config().longest().filter(|&t| tokens.len() > t) {
            tracing::warn!(
                "--prompt has {} tokens and the model learned {limit} positions: only its last tokens \
                 are read",
                tokens.len()
            );
        }
        Ok(tokens)
    }

    /// The token that hides another, of a checkpoint that was trained on gaps.
    pub fn mask(&self) -> anyhow::Result<u32> {
        let gaps = self.data.as_ref().map(|data| data.objective) == Some(Objective::Masked);
        let other = UsageError(
            "this checkpoint's model was not trained on gaps; train one with `seqduel train --model bert \
             --corpus kjv --tokenizer bpe --masked --out DIR`"
                .into(),
        );
        ensure!(gaps, other);
        Ok(self.model.config().vocab as u32 - 1)
    }

    /// Tokens of a text.
    pub fn encode_text(&self, text: &str) -> anyhow::Result<Vec<u32>> {
        let tokenizer = self
            .tokenizer
            .as_ref()
            .context("a model of text has a tokenizer")?;
        tokenizer.encode(text).map_err(data_error)
    }

    /// How tokens are words, of a checkpoint that was trained on phrases and their translations.
    pub fn words(&self) -> anyhow::Result<Words> {
        let config = self.model.config();
        if let (Some(Tokenizer::Words { words }), Some(source)) = (&self.tokenizer, config.source) {
            let longest = [source, config.seq_len - 1];
            return Ok(Words::of_all(words.clone(), false, longest));
        }
        let task = self.data.as_ref().and_then(|data| data.task.as_ref());
        let words = match task {
            Some(task) => task.make().map_err(data_error)?.words(),
            None => None,
        };
        let other = || {
            UsageError(
                "this checkpoint's model was not trained on phrases and their translations; train one \
                 with `seqduel train --model gru-encoder-decoder --task phrases --out DIR`"
                    .into(),
            )
        };
        Ok(words.ok_or_else(other)?)
    }

    /// A token as text.
    pub fn show(&self, token: u32) -> String {
        match &self.tokenizer {
            Some(tokenizer) => tokenizer.show(token),
            None => token.to_string(),
        }
    }
}

/// Tokenizer and data of a checkpoint of an earlier version, which kept them in files beside it.
fn beside(
    file: &Path,
    model: &dyn Model,
) -> anyhow::Result<(Option<Tokenizer>, Option<DataSection>)> {
    let beside = |name: &str| Some(file.with_file_name(name)).filter(|file| file.exists());
    let config = beside(CONFIG).map(|file| TrainConfig::read(&file));
    let data = config.transpose()?.map(|config| config.data);
    let Some(file) = beside(TOKENIZER) else {
        return Ok((None, data));
    };
    let tokenizer = Tokenizer::load(&file)?;
    let (have, want) = (tokenizer.vocab(), model.config().vocab);
    let other = UsageError(format!(
        "{}: has {have} tokens but the checkpoint's model has vocab = {want}; copy the file that \
         belongs to the checkpoint",
        file.display()
    ));
    ensure!(have == want, other);
    Ok((Some(tokenizer), data))
}

fn token_numbers(prompt: &str, vocab: usize) -> anyhow::Result<Vec<u32>> {
    let number = |word: &str| {
        let id = word.parse::<u32>().ok().filter(|&id| (id as usize) < vocab);
        id.ok_or_else(|| {
            UsageError(format!(
                "--prompt: `{word}` is no token number below {vocab}; this checkpoint has no \
                 tokenizer, so the prompt is token numbers with spaces between"
            ))
            .into()
        })
    };
    prompt.split_whitespace().map(number).collect()
}
