//! `seqduel eval`.

use super::open::Opened;
use super::setup::open_data;
use super::{Shared, UsageError, output, usage};
use crate::data::{DataSection, Misfit, Source, Split};
use crate::models::{Model, Shape, check_memory};
use crate::train::evaluate;
use anyhow::{bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Evaluate a checkpoint on held-out data: that of its training, or another corpus.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint file, or a directory with one: of `train` or of a suite's run
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Named corpus or UTF-8 text file instead of the training's own data
    #[arg(long, value_name = "NAME|FILE")]
    corpus: Option<String>,
    /// validation or test
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: String,
    /// Largest number of sequences to evaluate on
    #[arg(long, value_name = "N", default_value_t = 512)]
    sequences: usize,
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
    let (batch, seq_len) = (16, spec.longest);
    check_memory(config, Shape { batch, seq_len })?;
    let batches = source.evaluation(split, sequences, batch);
    let e = kernels::with_threads(threads, || evaluate(model, &batches));
    ensure!(e.scored > 0, "nothing to score: give --sequences above 0");
    let floor = source.floor();
    let characters = source.characters_per_token(split);
    Ok(Judged {
        split: split.name(),
        loss: e.loss,
        accuracy: e.accuracy,
        bits_per_character: characters.map(|c| e.loss / std::f64::consts::LN_2 / c),
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
    ensure!(args.sequences > 0, none);
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
    if let Some(corpus) = args.corpus {
        let message = "--corpus: this checkpoint has no tokenizer; it was trained on a task, or an \
                       earlier version kept the tokenizer in tokenizer.json, which is missing";
        ensure!(opened.tokenizer.is_some(), UsageError(message.into()));
        (data.corpus, data.task) = (Some(corpus), None);
    }
    let data = open_data(&data, seed, opened.tokenizer)?;
    let threads = shared.thread_count();
    let (model, sequences) = (&*opened.model, args.sequences);
    let row = Row {
        model: model.config().model.clone(),
        judged: judge(model, &*data.source, split, sequences, threads)?,
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
