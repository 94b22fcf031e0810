//! `seqduel eval`.

use super::open::Opened;
use super::setup::{absolute, data_error, open_data};
use super::{Shared, UsageError, output, usage};
use crate::data::text::{Text, TextSource};
use crate::data::{DataSection, Misfit, Source, Split, check_sequences};
use crate::models::{Model, Shape, check_memory};
use crate::train::evaluate;
use anyhow::{bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Evaluate a checkpoint on held-out data: that of its training, or another corpus.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint file, or a directory with one: of `train` or of a suite's run
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Named corpus or UTF-8 text file instead of the training's own data; one that the model was not
    /// trained on is judged whole
    #[arg(long, value_name = "NAME|FILE")]
    corpus: Option<String>,
    /// validation or test
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: String,
    /// Largest number of sequences to evaluate on [default: 512; of another corpus all]
    #[arg(long, value_name = "N")]
    sequences: Option<usize>,
}

/// How good a model is on a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Which part of the data.
    pub split: &'static str,
    /// Mean nats over the scored positions; mean squared error where the answer is a number.
    pub loss: f64,
    /// Share of scored positions that are right.
    pub accuracy: f64,
    /// For text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_character: Option<f64>,
    /// Share of the sequences without a mistake.
    pub solved_fraction: f64,
    /// Scored positions.
    pub scored: usize,
    /// What a trivial answer reaches.
    pub floor_accuracy: f64,
    /// Its loss.
    pub floor_loss: f64,
}

impl Judged {
    /// For a table; empty where it has no meaning.
    pub fn bits_cell(&self) -> String {
        let bits = self.bits_per_character;
        bits.map_or(String::new(), |bits| format!("{bits:.4}"))
    }
}

/// Sequences judged at a time.
const JUDGED: usize = 16;

/// Evaluates on at most `sequences` sequences of a split.
pub fn judge(
    model: &dyn Model,
    source: &dyn Source,
    split: Split,
    sequences: usize,
    threads: usize,
) -> anyhow::Result<Judged> {
    let config = model.config();
    let spec = source.spec();
    spec.check(config).map_err(|error| match error {
        Misfit::Model(error) => usage(error),
        other => UsageError(format!(
            "the checkpoint does not fit the data: {other}; give the data it was trained on"
        ))
        .into(),
    })?;
    let (batch, seq_len) = (JUDGED, spec.longest);
    if source.text().is_none() {
        check_sequences(sequences, seq_len)
            .map_err(|problem| UsageError(format!("--sequences {sequences}: {problem}")))?;
    }
    let batches = source.evaluation(split, sequences, batch);
    let e = kernels::with_threads(threads, || evaluate(model, &batches));
    ensure!(e.scored > 0, "nothing to score: give --sequences above 0");
    let floor = source.floor();
    // A model that has merely learnt the wrong thing is not so wrong; NaN is not less either.
    ensure!(
        e.loss < 1e4 * floor.loss.max(1.0),
        "the loss on the {} sequences is {:.4}, where a trivial answer reaches {:.4}: not a number that \
         says anything; the training diverged, so train again with a lower learning rate",
        split.name(),
        e.loss,
        floor.loss
    );
    // Those of the windows judged: other parts of a split may have longer words.
    let characters = source.target_characters(&batches).filter(|&n| n > 0);
    let per_token = characters.map(|characters| characters as f64 / e.scored as f64);
    Ok(Judged {
        split: split.name(),
        loss: e.loss,
        accuracy: e.accuracy,
        bits_per_character: per_token.map(|c| e.loss / std::f64::consts::LN_2 / c),
        solved_fraction: e.solved_fraction,
        scored: e.scored,
        floor_accuracy: floor.accuracy,
        floor_loss: floor.loss,
    })
}

#[derive(Serialize)]
struct Row {
    model: String,
    #[serde(flatten)]
    judged: Judged,
}

/// Prints loss, accuracy and, for text, bits per character.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let split = match args.split.as_str() {
        "validation" => Split::Validation,
        "test" => Split::Test,
        other => bail!(UsageError(format!(
            "--split {other}: use validation or test"
        ))),
    };
    let none = UsageError("--sequences 0: give at least 1".into());
    ensure!(args.sequences != Some(0), none);
    let opened = Opened::read(&args.checkpoint)?;
    let seed = opened.metadata.identity.settings.seed;
    let mut data = match (opened.data, &args.corpus) {
        (Some(data), _) => data,
        (None, Some(_)) => DataSection {
            seq_len: opened.model.config().seq_len,
            ..DataSection::default()
        },
        (None, None) => bail!(UsageError(
            "no config.toml beside this checkpoint of an earlier version says what it was trained \
             on; give --corpus NAME|FILE"
                .into()
        )),
    };
    let mut other = false;
    if let Some(corpus) = args.corpus {
        let message = "--corpus: this checkpoint has no tokenizer; it was trained on a task, or an \
                       earlier version kept the tokenizer in tokenizer.json, which is missing";
        ensure!(opened.tokenizer.is_some(), UsageError(message.into()));
        let corpus = absolute(corpus);
        other = data.corpus.clone().map(absolute).as_ref() != Some(&corpus);
        (data.corpus, data.task) = (Some(corpus), None);
    }
    let (source, split_name): (Box<dyn Source>, _) = match (other, opened.tokenizer) {
        (true, Some(tokenizer)) => {
            let corpus = data.corpus.as_deref().unwrap_or_default();
            let text = Text::open_whole(corpus, tokenizer).map_err(data_error)?;
            // A text shorter than a window is one window.
            let most = text.tokens(Split::Test).len().saturating_sub(1).max(1);
            let seq_len = data.seq_len.min(most);
            let source = TextSource::new(Arc::new(text), seq_len, seed).map_err(data_error)?;
            (Box::new(source), "whole")
        }
        (_, tokenizer) => (open_data(&data, seed, tokenizer)?.source, split.name()),
    };
    let trained_on = opened.metadata.identity.text.as_deref();
    if !other && trained_on.is_some() && source.text() != trained_on {
        tracing::warn!(
            "{data} has changed since the training: parts of its {split_name} split may have been \
             trained on"
        );
    }
    let threads = shared.thread_count();
    let all = if other { usize::MAX } else { 512 };
    let (model, sequences) = (&*opened.model, args.sequences.unwrap_or(all));
    let (batch, seq_len) = (JUDGED, source.spec().longest);
    check_memory(model.config(), Shape { batch, seq_len })?;
    let judged = judge(model, &*source, split, sequences, threads)?;
    let row = Row {
        model: model.config().model.clone(),
        judged: Judged {
            split: split_name,
            ..judged
        },
    };
    let columns: &output::Columns<Row> = &[
        ("model", |row| row.model.clone()),
        ("split", |row| row.judged.split.into()),
        ("loss", |row| format!("{:.4}", row.judged.loss)),
        ("accuracy", |row| format!("{:.4}", row.judged.accuracy)),
        ("bits/char", |row| row.judged.bits_cell()),
        ("solved", |row| format!("{:.4}", row.judged.solved_fraction)),
        ("floor loss", |row| format!("{:.4}", row.judged.floor_loss)),
        ("floor accuracy", |row| {
            format!("{:.4}", row.judged.floor_accuracy)
        }),
    ];
    output::print_columns(shared.format, std::slice::from_ref(&row), columns, &row)?;
    Ok(ExitCode::SUCCESS)
}
