//! `seqduel translate`.

use super::open::Opened;
use super::{Format, Shared, UsageError, output, usage};
use crate::data::Words;
use crate::files::write;
use crate::generate::beam::{Hypothesis, LengthPenalty};
use crate::generate::translate::{Choice, padded, translate};
use crate::models::{Content, Input, Model, Sequence, Shape};
use crate::report::alignment;
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Translate phrases with a model that was trained on phrases and their translations.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint file, or a directory with one: of `train` or of a suite's run
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Phrases; without any and without --file those of standard input, one a line
    #[arg(value_name = "PHRASE")]
    phrases: Vec<String>,
    /// UTF-8 file of phrases, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "phrases")]
    file: Option<PathBuf>,
    /// Hypotheses of the beam search; 1 takes the likeliest word every time
    #[arg(long, value_name = "K", default_value_t = 1)]
    beams: usize,
    /// How much longer translations are favoured: 0 not at all, 1 much
    #[arg(long, value_name = "ALPHA", default_value_t = 0.0)]
    length_penalty: f64,
    /// gnmt: log probability / ((5 + n) / 6)^ALPHA; power: / n^ALPHA
    #[arg(long, value_name = "FORM", default_value = "gnmt")]
    penalty_form: String,
    /// Draw what each word of the translation looked at in the source (of one phrase)
    #[arg(long, value_name = "FILE.svg|png")]
    attention: Option<PathBuf>,
}

/// A phrase and its translation.
#[derive(Serialize)]
struct Translated {
    phrase: String,
    translation: String,
    /// Tokens of the phrase.
    source: Vec<u32>,
    /// Tokens of the translation, without the end.
    tokens: Vec<u32>,
    log_probability: f64,
    score: f64,
}

impl Args {
    fn choice(&self, words: &Words) -> anyhow::Result<Choice> {
        let message = "--beams 0: give at least 1".into();
        ensure!(self.beams > 0, UsageError(message));
        let alpha = self.length_penalty;
        let message = format!("--length-penalty {alpha}: give 0 or a positive number");
        ensure!(alpha.is_finite() && alpha >= 0.0, UsageError(message));
        let penalty = match self.penalty_form.as_str() {
            _ if alpha == 0.0 => LengthPenalty::None,
            "gnmt" => LengthPenalty::Gnmt(alpha),
            "power" => LengthPenalty::Power(alpha),
            other => bail!(UsageError(format!(
                "--penalty-form {other}: use gnmt or power"
            ))),
        };
        Ok(Choice {
            beams: self.beams,
            penalty,
            ..Choice::greedy(words)
        })
    }

    fn phrases(&self) -> anyhow::Result<Vec<String>> {
        let text = match (&self.file, &self.phrases[..]) {
            (None, []) => {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.context("standard input").map_err(usage)?;
                text
            }
            (None, given) => return Ok(given.to_vec()),
            (Some(file), _) => {
                let read = std::fs::read_to_string(file);
                read.with_context(|| format!("--file {}", file.display()))
                    .map_err(usage)?
            }
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(lines.map(String::from).collect())
    }
}

/// Prints the translations, one a line; as JSON, CSV or Markdown with their log probabilities.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let opened = Opened::read(&args.checkpoint)?;
    let words = opened.words()?;
    let choice = args.choice(&words)?;
    let phrases = args.phrases()?;
    ensure!(
        !phrases.is_empty(),
        UsageError("there is nothing to translate: give a phrase, or --file FILE".into())
    );
    let mut sources = Vec::new();
    for phrase in &phrases {
        let tokens = words.tokens(phrase);
        ensure!(
            !tokens.is_empty(),
            UsageError(format!("`{phrase}` has no words"))
        );
        let unknown = words.unknown(phrase);
        if !unknown.is_empty() {
            tracing::warn!(
                "`{phrase}`: the model has never seen {}; it reads [UNKNOWN] there",
                unknown.join(", ")
            );
        }
        sources.push(tokens);
    }
    let found = kernels::with_threads(shared.thread_count(), || {
        translate(&mut *opened.model.decoder(), &words, &sources, &choice)
    })?;
    let best: Vec<Hypothesis> = found
        .into_iter()
        .filter_map(|all| all.into_iter().next())
        .collect();
    if let Some(file) = &args.attention {
        let one = UsageError("--attention draws one phrase: give one".into());
        ensure!(sources.len() == 1 && best.len() == 1, one);
        draw(file, &*opened.model, &words, &sources[0], &best[0].tokens)?;
    }
    let rows: Vec<Translated> = phrases
        .into_iter()
        .zip(sources)
        .zip(&best)
        .map(|((phrase, source), best)| Translated {
            phrase,
            translation: words.text(&best.tokens),
            source,
            tokens: best.tokens.clone(),
            log_probability: best.log_probability,
            score: best.score,
        })
        .collect();
    if shared.format == Format::Table {
        let lines: Vec<_> = rows.iter().map(|row| &row.translation[..]).collect();
        output::print(&(lines.join("\n") + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns: &output::Columns<Translated> = &[
        ("phrase", |row| row.phrase.clone()),
        ("translation", |row| row.translation.clone()),
        ("log_probability", |row| row.log_probability.to_string()),
        ("score", |row| row.score.to_string()),
    ];
    output::print_columns(shared.format, &rows, columns, &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Draws the alignment of one translation.
fn draw(
    file: &Path,
    model: &dyn Model,
    words: &Words,
    source: &[u32],
    translation: &[u32],
) -> anyhow::Result<()> {
    // What follows each position is what it looked for.
    let own: Vec<u32> = [&[Words::BEGIN], translation].concat();
    let shape = Shape {
        batch: 1,
        seq_len: own.len(),
    };
    let input = Input {
        source: (!words.in_one).then(|| padded(&[source])),
        own: Sequence::new(Content::Tokens(own), shape),
        ..Input::default()
    };
    let weights = input
        .source
        .is_some()
        .then(|| model.alignment(&input))
        .flatten();
    let weights = weights.with_context(|| {
        format!(
            "--attention: the {} of this checkpoint does not attend to its source; use one that does \
             (encoder-decoder, or a recurrent one with attention)",
            model.config().model
        )
    });
    let weights = weights.map_err(usage)?;
    let across: Vec<&str> = source.iter().map(|&token| words.word(token)).collect();
    let down = translation.iter().map(|&token| words.word(token));
    let down: Vec<&str> = down.chain(["(end)"]).collect();
    let scene = alignment::draw(&across, &down, &weights);
    match file.extension().and_then(|e| e.to_str()) {
        Some("svg") => write(file, scene.svg().as_bytes()),
        Some("png") => write(file, &scene.png()?),
        _ => bail!(UsageError(format!(
            "--attention {}: give a file that ends in .svg or .png",
            file.display()
        ))),
    }
}
