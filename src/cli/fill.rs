//! `seqduel fill`.

use super::open::Opened;
use super::{Format, Shared, UsageError, output};
use crate::data::tokenizer::Tokenizer;
use crate::generate::distribution;
use crate::models::{Input, Shape};
use anyhow::ensure;
use kernels::Tape;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What stands for a hidden token in a text.
const GAP: &str = "[MASK]";

/// Fill the gaps of a text with a model that was trained on gaps.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint file, or a directory with one
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Text in which every [MASK] is a gap of one token
    #[arg(value_name = "TEXT")]
    text: String,
    /// How many candidates to show for each gap
    #[arg(long, value_name = "K", default_value_t = 5)]
    top: usize,
}

#[derive(Serialize)]
struct Candidate {
    /// Which gap, from 1.
    gap: usize,
    /// Its place among the tokens, from 0.
    at: usize,
    token: String,
    id: u32,
    probability: f64,
}

/// All of it, as JSON.
#[derive(Serialize)]
struct Filled<'a> {
    /// Of the text, its gaps among them.
    tokens: &'a [u32],
    candidates: &'a [Candidate],
}

/// Prints the likeliest tokens of each gap.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    ensure!(args.top > 0, UsageError("--top 0: give at least 1".into()));
    let opened = Opened::read(&args.checkpoint)?;
    let mask = opened.mask()?;
    let mut tokens = Vec::new();
    let parts: Vec<&str> = args.text.split(GAP).collect();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            tokens.push(mask);
        }
        // A piece of BPE begins with the space before it: the gap's piece has it.
        let has_space = matches!(opened.tokenizer, Some(Tokenizer::Bpe(_)));
        let before_gap = i + 1 < parts.len() && has_space;
        let part = part
            .strip_suffix(' ')
            .filter(|_| before_gap)
            .unwrap_or(part);
        if !part.is_empty() {
            tokens.extend(opened.encode_text(part)?);
        }
    }
    let gaps: Vec<usize> = (0..tokens.len()).filter(|&i| tokens[i] == mask).collect();
    let none = UsageError(format!(
        "the text has no gap: write {GAP} where a token is hidden"
    ));
    ensure!(!gaps.is_empty(), none);
    opened
        .model
        .config()
        .check_length(tokens.len())
        .map_err(super::usage)?;
    let shape = Shape {
        batch: 1,
        seq_len: tokens.len(),
    };
    let logits = kernels::with_threads(shared.thread_count(), || {
        kernels::values(
            &opened
                .model
                .forward(&Input::tokens(tokens.clone(), shape), Tape::Off),
        )
    });
    let vocab = opened.model.config().vocab;
    let mut rows = Vec::new();
    for (gap, &at) in gaps.iter().enumerate() {
        let all = distribution(&logits[at * vocab..][..vocab], 1.0);
        let words = all.into_iter().filter(|c| c.id != mask);
        rows.extend(words.take(args.top).map(|c| Candidate {
            gap: gap + 1,
            at,
            token: opened.show(c.id),
            id: c.id,
            probability: c.probability,
        }));
    }
    let columns: &output::Columns<Candidate> = match shared.format {
        Format::Csv => &[
            ("gap", |row| row.gap.to_string()),
            ("token", |row| row.token.clone()),
            ("id", |row| row.id.to_string()),
            ("probability", |row| row.probability.to_string()),
        ],
        _ => &[
            ("gap", |row| row.gap.to_string()),
            ("token", |row| format!("{:?}", row.token)),
            ("id", |row| row.id.to_string()),
            ("probability", |row| format!("{:.4}", row.probability)),
        ],
    };
    let all = Filled {
        tokens: &tokens,
        candidates: &rows,
    };
    output::print_columns(shared.format, &rows, columns, &all)?;
    Ok(ExitCode::SUCCESS)
}
