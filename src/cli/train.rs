//! `seqduel train`.

mod directory;
mod from;

use self::directory::{prepare, train_error};
use super::eval::{Judged, judge};
use super::flags::OptionFlags;
use super::open::Opened;
use super::setup::{self, FromSection, TrainConfig, absolute, open_data};
use super::{DryRun, Shared, UsageError, check_count, output, usage};
use crate::campaign::interrupt;
use crate::data::tasks::TaskSettings;
use crate::data::tokenizer::TokenizerChoice;
use crate::data::{Objective, Split};
use crate::models;
use crate::train::{
    Adapt, Budget, Embedded, Keep, Progress, Saving, Schedule, Selection, Start, Stop, checkpoint,
    train,
};
use anyhow::ensure;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// Train one model on a text or a task. Flags override the file given with --config.
///
/// The output directory gets checkpoint.safetensors, tokenizer.json, config.toml and metrics.csv.
/// Repeating the command goes on where an interrupted run stopped.
///
/// With --from, training starts where another ended: on the same data for so many more steps, or on
/// another text. What is not given is as in that checkpoint; its model and vocabulary cannot change.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// elman, lstm, gru, mingru, minlstm, slstm, transformer: see `seqduel list models`
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Named corpus or UTF-8 text file
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "task")]
    corpus: Option<String>,
    /// UTF-8 file to learn to translate from: a sentence, a tab and its translation a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["task", "corpus", "masked"])]
    pairs: Option<String>,
    /// Task, with parameters after a colon: copy:delay=50
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Output directory
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// TOML with the sections [model], [data] and [train], as config.toml in an output directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Checkpoint to start from: a file, or a directory with one (of `train` or of a suite's run)
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "config")]
    from: Option<PathBuf>,
    /// Which weights are left and judged in the end: last, or best, those of the lowest validation loss
    /// (with --plateau 0.999 this is early stopping). And of the checkpoint of --from: weights, or
    /// training, its optimiser and data stream too, which needs the same data. Both after a comma
    /// [default: last; training on the same data, weights on other]
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = keep)]
    keep: Vec<Kept>,
    /// What is trained of the checkpoint of --from: all, head (the last map alone), or lora:RANK
    /// [default: all]
    #[arg(long, value_name = "WHAT", value_parser = Adapt::from_str)]
    adapt: Option<Adapt>,
    /// Train two thin matrices of this rank beside every map (LoRA), merged in the end: short for
    /// --adapt lora:RANK
    #[arg(long, value_name = "RANK", conflicts_with = "adapt")]
    lora: Option<usize>,
    /// byte, char, bpe or bpe:VOCAB [default: char]
    #[arg(long, value_name = "KIND")]
    tokenizer: Option<String>,
    /// Use only so many characters of the corpus
    #[arg(long, value_name = "N")]
    max_characters: Option<usize>,
    /// Ask for hidden tokens of the text instead of the next one
    #[arg(long)]
    masked: bool,
    /// Width of embedding and hidden layers [default: 128]
    #[arg(long, value_name = "D")]
    width: Option<usize>,
    /// Recurrent layers or transformer blocks [default: 2]
    #[arg(long, value_name = "L")]
    layers: Option<usize>,
    /// Attention heads [default: 4]
    #[arg(long, value_name = "H")]
    heads: Option<usize>,
    #[command(flatten)]
    options: OptionFlags,
    /// Tokens in a training window [default: 128]
    #[arg(long, value_name = "T")]
    seq_len: Option<usize>,
    /// Sequences in a batch [default: 32]
    #[arg(long, value_name = "B")]
    batch: Option<usize>,
    /// Budget in optimiser steps [default: 1000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Budget in tokens
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Budget in seconds of training
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Peak learning rate [default: 0.001]
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Steps of linear warm-up [default: 100]
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,
    /// How the rate falls then: cosine, or inverse-square-root [default: cosine]
    #[arg(long, value_name = "NAME", value_parser = schedule)]
    schedule: Option<Schedule>,
    /// Learning rate at the end over its peak [default: 0.1]
    #[arg(long, value_name = "X")]
    final_lr_ratio: Option<f64>,
    /// Share of every answer that training spreads over all tokens [default: 0]
    #[arg(long, value_name = "X")]
    label_smoothing: Option<f64>,
    /// Decoupled weight decay [default: 0.01]
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Largest global gradient norm; 0 does not clip [default: 1]
    #[arg(long, value_name = "X")]
    clip: Option<f32>,
    /// Steps between validations [default: 100]
    #[arg(long, value_name = "N")]
    validate_every: Option<usize>,
    /// Stop once validation accuracy exceeds this
    #[arg(long, value_name = "X")]
    stop_when_accuracy: Option<f64>,
    /// Stop once the last third of the steps has not brought the validation loss below this share of the
    /// lowest before, such as 0.98
    #[arg(long, value_name = "SHARE")]
    plateau: Option<f64>,
    /// Steps before which no plateau stops [default: 0]
    #[arg(long, value_name = "N")]
    least_steps: Option<usize>,
    /// Steps between checkpoints [default: 500]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<usize>,
    #[command(flatten)]
    dry: DryRun,
}

/// What `--keep` says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// Of the checkpoint started from.
    Start(Keep),
    /// Of this training.
    End(Selection),
}

fn keep(text: &str) -> Result<Kept, String> {
    match text {
        "weights" => Ok(Kept::Start(Keep::Weights)),
        "training" => Ok(Kept::Start(Keep::Training)),
        "last" => Ok(Kept::End(Selection::Last)),
        "best" => Ok(Kept::End(Selection::Best)),
        _ => Err(
            "use weights or training, of the checkpoint of --from; best or last, of this training"
                .into(),
        ),
    }
}

fn schedule(text: &str) -> Result<Schedule, String> {
    match text {
        "cosine" => Ok(Schedule::Cosine),
        "inverse-square-root" => Ok(Schedule::InverseSquareRoot),
        _ => Err("use cosine or inverse-square-root".into()),
    }
}

impl Args {
    /// What `--keep` says of the checkpoint started from, and of this training.
    fn kept(&self) -> anyhow::Result<(Option<Keep>, Option<Selection>)> {
        let (mut start, mut end) = (None, None);
        for kept in &self.keep {
            let twice = match *kept {
                Kept::Start(keep) => start.replace(keep).is_some(),
                Kept::End(selection) => end.replace(selection).is_some(),
            };
            let message = "--keep: weights and training, or best and last, exclude each other; give one of each at most";
            ensure!(!twice, UsageError(message.into()));
        }
        let message = "--keep weights or training: says what is kept of a checkpoint; give it with --from CHECKPOINT";
        let known = start.is_none() || self.from.is_some();
        ensure!(known, UsageError(message.into()));
        Ok((start, end))
    }

    /// The file or the checkpoint to start from, if there is one, with the flags on top.
    fn resolve(&self, shared: &Shared) -> anyhow::Result<(TrainConfig, Option<Opened>)> {
        fn put<T: Clone>(to: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                *to = value.clone();
            }
        }
        let (keep, select) = self.kept()?;
        let mut config = match &self.config {
            Some(file) => TrainConfig::read(file)?,
            None => TrainConfig::default(),
        };
        if let Some(path) = &self.from {
            let message = format!(
                "--from {}: is not UTF-8, so {} cannot name it; give a link to it with such a name",
                path.display(),
                setup::CONFIG
            );
            ensure!(path.to_str().is_some(), UsageError(message));
            config.from = Some(FromSection {
                checkpoint: checkpoint::locate(path),
                keep,
            });
        }
        let from = config.from.as_ref();
        let opened = from
            .map(|from| Opened::read(&from.checkpoint))
            .transpose()?;
        if let (Some(opened), Some(from), None) = (&opened, &config.from, &self.config) {
            config = from::configuration(opened, from.clone());
        }
        let (m, d, t) = (&mut config.model, &mut config.data, &mut config.train);
        put(&mut m.model, &self.model);
        put(&mut m.width, &self.width);
        put(&mut m.layers, &self.layers);
        put(&mut m.heads, &self.heads);
        for (name, value) in self.options.0.iter() {
            m.options.set(name, value.clone());
        }
        if let Some(corpus) = &self.corpus {
            if self.from.is_some() {
                // Of the text before.
                (d.skip_characters, d.max_characters, d.train_characters) = (None, None, None);
            }
            (d.corpus, d.pairs, d.task) = (Some(absolute(corpus.clone())), None, None);
        }
        if let Some(pairs) = &self.pairs {
            (d.corpus, d.pairs, d.task) = (None, Some(absolute(pairs.clone())), None);
        }
        if let Some(task) = &self.task {
            let task: TaskSettings = task.parse().map_err(usage)?;
            (d.corpus, d.pairs, d.task) = (None, None, Some(task));
        }
        if let Some(tokenizer) = &self.tokenizer {
            d.tokenizer = tokenizer.parse::<TokenizerChoice>().map_err(usage)?;
        }
        d.max_characters = self.max_characters.or(d.max_characters);
        if self.masked {
            d.objective = Objective::Masked;
        }
        put(&mut d.seq_len, &self.seq_len);
        put(&mut t.batch, &self.batch);
        if self.steps.is_some() || self.tokens.is_some() || self.seconds.is_some() {
            t.budget = Budget {
                steps: self.steps,
                tokens: self.tokens,
                seconds: self.seconds,
                step_seconds: None,
            };
        }
        put(&mut t.adapt, &self.adapt.or(self.lora.map(Adapt::Lora)));
        put(&mut t.select, &select);
        put(&mut t.learning_rate, &self.lr);
        put(&mut t.warmup_steps, &self.warmup);
        put(&mut t.final_lr_ratio, &self.final_lr_ratio);
        put(&mut t.schedule, &self.schedule);
        put(&mut t.label_smoothing, &self.label_smoothing);
        put(&mut t.weight_decay, &self.weight_decay);
        if let Some(clip) = self.clip {
            t.clip = Some(clip).filter(|&c| c != 0.0);
        }
        put(&mut t.validate_every, &self.validate_every);
        t.stop_when_accuracy = self.stop_when_accuracy.or(t.stop_when_accuracy);
        t.plateau = self.plateau.or(t.plateau);
        t.least_steps = self.least_steps.unwrap_or(t.least_steps);
        t.checkpoint_every = self.checkpoint_every.or(t.checkpoint_every);
        // A file's or checkpoint's seed, and a file's threads, hold where the flags are not given.
        if self.config.is_none() && opened.is_none() || shared.seed.is_some() {
            t.seed = shared.seed();
        }
        if self.config.is_none() || shared.threads.is_some() || t.threads == 0 {
            t.threads = shared.thread_count();
        }
        check_count("train.threads =", t.threads)?;
        let known: Vec<_> = models::MODELS.iter().map(|row| row.name).collect();
        let message = format!("no model: give --model with one of {}", known.join(", "));
        ensure!(!m.model.is_empty(), UsageError(message));
        let message = "max-characters = 0: use at least 1".into();
        ensure!(d.max_characters != Some(0), UsageError(message));
        models::row(&m.model)?;
        m.complete(d.seq_len)?;
        t.check().map_err(UsageError)?;
        let message = format!(
            "adapt = {}: leaves most of a model as it is; give the checkpoint of one with --from, or train all",
            t.adapt
        );
        ensure!(opened.is_some() || t.adapt.is_all(), UsageError(message));
        if let Some(opened) = &opened {
            from::check(opened, &config, &self.out)?;
        }
        Ok((config, opened))
    }
}

/// What is printed at the end.
#[derive(Serialize)]
struct Summary {
    model: String,
    parameters: usize,
    /// Those that training changed, or of the adapters beside them.
    trained_parameters: usize,
    steps: usize,
    /// The step whose weights are kept and judged.
    judged_step: usize,
    tokens: u64,
    seconds: f64,
    stopped_because: Stop,
    #[serde(flatten)]
    judged: Judged,
}

/// Trains, and prints how good the model is on the test split.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (mut config, opened) = args.resolve(shared)?;
    let mut data = match &opened {
        Some(opened) => from::open(opened, &mut config)?,
        None => open_data(&config.data, config.train.seed, None)?,
    };
    let model_config = match &opened {
        Some(opened) => opened.model.config().clone(),
        None => config.model_config(&*data.source)?,
    };
    let start = config
        .from
        .as_ref()
        .map_or(Start::Fresh, |from| Start::From {
            checkpoint: from.checkpoint.clone(),
            keep: from.keep.unwrap_or(Keep::Weights),
        });
    let described = match (&opened, &start) {
        (Some(opened), Start::From { keep, .. }) => Some(from::describe(opened, *keep)?),
        _ => None,
    };
    let parameters = models::parameter_count(&model_config)?;
    let shape = data.source.spec().shape(config.train.batch);
    models::check_memory(&model_config, shape)?;
    if args.dry.dry_run {
        let adapt = config.train.adapt;
        let trained = opened
            .as_ref()
            .filter(|_| !adapt.is_all())
            .map(|opened| adapt.parameters(&*opened.model));
        let trained = trained.map_or(String::new(), |n| {
            format!("{n} values (adapt = {adapt}) of a model of ")
        });
        let gib = models::training_bytes(&model_config, shape) as f64 / (1u64 << 30) as f64;
        output::print(format!(
            "# would train {trained}{parameters} parameters in about {gib:.2} GiB\n{}{}",
            described.map_or(String::new(), |line| format!("# {line}\n")),
            config.to_toml()?
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(line) = described {
        tracing::info!("{line}");
    }
    let _lock = prepare(&args.out, &mut config, &mut data, &model_config)?;
    let mut model = models::build(&model_config, config.train.seed)?;
    // The step under way is finished and a checkpoint written.
    interrupt::install();
    let mut observe = |progress: &Progress| {
        if !shared.quiet {
            report(progress);
        }
        match interrupt::requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let embedded = Embedded {
        tokenizer: data.tokenizer.clone(),
        data: config.data.clone(),
    };
    let saving = Saving {
        directory: &args.out,
        embedded: &embedded,
        moments: true,
        metrics: true,
    };
    let outcome = train(
        &mut *model,
        &mut *data.source,
        &config.train,
        &start,
        Some(&saving),
        &mut observe,
    )
    .map_err(train_error)?;
    ensure!(
        outcome.stopped_because != Stop::Interrupted,
        "interrupted after step {}; repeat the command to go on",
        outcome.steps
    );
    let threads = config.train.threads;
    let summary = Summary {
        model: model_config.model,
        parameters,
        trained_parameters: outcome.trained_parameters,
        steps: outcome.steps,
        judged_step: outcome.judged_step,
        tokens: outcome.tokens,
        seconds: outcome.seconds,
        stopped_because: outcome.stopped_because,
        judged: judge(&*model, &*data.source, Split::Test, 512, threads)?,
    };
    let columns: &output::Columns<Summary> = &[
        ("model", |row| row.model.clone()),
        ("parameters", |row| row.parameters.to_string()),
        ("trained", |row| row.trained_parameters.to_string()),
        ("steps", |row| row.steps.to_string()),
        ("seconds", |row| format!("{:.1}", row.seconds)),
        ("test loss", |row| format!("{:.4}", row.judged.loss)),
        ("accuracy", |row| format!("{:.4}", row.judged.accuracy)),
        ("bits/char", |row| row.judged.bits_cell()),
    ];
    output::print_columns(
        shared.format,
        std::slice::from_ref(&summary),
        columns,
        &summary,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn report(progress: &Progress) {
    let Some(validation) = &progress.validation else {
        return;
    };
    tracing::info!(
        "step {}/{}: train loss {:.4}, validation loss {:.4}, accuracy {:.4}, {:.0} tokens/s",
        progress.step,
        progress.steps_planned,
        progress.train_loss,
        validation.loss,
        validation.accuracy,
        progress.tokens as f64 / progress.seconds,
    );
}
