//! `seqduel generate`.

use super::open::Opened;
use super::{Format, Shared, UsageError, output};
use crate::generate::mask_predict::mask_predict;
use crate::generate::{Sampling, generate};
use crate::models::{Model, Shape, available_bytes, check_memory};
use anyhow::ensure;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Continue a prompt, token by token with recurrent state or key/value cache; a model that fills gaps, all
/// at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint file, or a directory with one: of `train` or of a suite's run
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Text to continue; token numbers for a model trained on a task
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// Tokens to generate
    #[arg(long, value_name = "N", default_value_t = 200)]
    tokens: usize,
    /// Divides the logits; 0 always takes the likeliest token
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    temperature: f32,
    /// Draw from the K likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the fewest tokens whose probabilities add up to P
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Of a model that was trained on gaps: passes over the text in which its gaps are filled, all at once
    /// or, with as many as tokens, one by one
    #[arg(long, value_name = "N", default_value_t = 4)]
    passes: usize,
}

impl Args {
    fn sampling(&self) -> anyhow::Result<Sampling> {
        let (temperature, p) = (self.temperature, self.top_p.unwrap_or(1.0));
        let message = format!("--temperature {temperature}: give 0 or a positive number");
        let right = temperature.is_finite() && temperature >= 0.0;
        ensure!(right, UsageError(message));
        let message = "--top-k 0: give at least 1".into();
        ensure!(self.top_k != Some(0), UsageError(message));
        let message = format!("--top-p {p}: give a number above 0 and up to 1");
        ensure!(p > 0.0 && p <= 1.0, UsageError(message));
        Ok(Sampling {
            temperature,
            top_k: self.top_k,
            top_p: self.top_p,
        })
    }
}

#[derive(Serialize)]
struct Generated {
    model: String,
    prompt: String,
    text: String,
    tokens: Vec<u32>,
}

/// Refuses a continuation whose keys and values would not fit into the memory.
fn check_state(model: &dyn Model, prompt: usize, tokens: usize) -> anyhow::Result<()> {
    let context = prompt.saturating_add(tokens);
    let context = model.config().longest().map_or(context, |t| t.min(context));
    // More than any machine has, whatever the model: sizes stay in range.
    let needed = model.state_bytes(context.min(1 << 32)) as u64;
    let message = format!(
        "--tokens {tokens}: the keys and values of so many take {:.1} GiB; give fewer",
        needed as f64 / (1u64 << 30) as f64
    );
    ensure!(needed <= available_bytes(), UsageError(message));
    Ok(())
}

/// Standard output as bytes come, which may end within a character; to a terminal, what could act on it
/// is spelt out.
#[derive(Default)]
struct Screen {
    /// The start of a character.
    held: Vec<u8>,
}

impl Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if !out.is_terminal() {
            return out.write_all(bytes).and_then(|()| out.flush());
        }
        self.held.extend(bytes);
        let whole = match std::str::from_utf8(&self.held) {
            // The end may be the start of a character still to come; other errors are no characters.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.held.len(),
        };
        let text: Vec<u8> = self.held.drain(..whole).collect();
        let text = String::from_utf8_lossy(&text);
        out.write_all(output::printable(&text).as_bytes())?;
        out.flush()
    }
}

/// A continuation by a model that fills gaps: the prompt is followed by as many as tokens are asked for.
fn filled(
    opened: &Opened,
    prompt: &[u32],
    args: &Args,
    sampling: &Sampling,
    shared: &Shared,
) -> anyhow::Result<Vec<u32>> {
    let mask = opened.mask()?;
    let (model, all) = (&*opened.model, prompt.len().saturating_add(args.tokens));
    model.config().check_length(all).map_err(super::usage)?;
    let shape = Shape {
        batch: 1,
        seq_len: all,
    };
    check_memory(model.config(), shape).map_err(super::usage)?;
    let mut tokens = prompt.to_vec();
    tokens.resize(all, mask);
    let mut rng = ChaCha8Rng::seed_from_u64(shared.seed());
    kernels::with_threads(shared.thread_count(), || {
        mask_predict(model, mask, &mut tokens, args.passes, sampling, &mut rng)
    })?;
    Ok(tokens.split_off(prompt.len()))
}

/// Prints the prompt and its continuation as it comes, or both as JSON.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let sampling = args.sampling()?;
    let wrong = UsageError("--format: a text is printed as it is, or with --format json".into());
    ensure!(matches!(shared.format, Format::Table | Format::Json), wrong);
    let opened = Opened::read(&args.checkpoint)?;
    ensure!(
        args.passes > 0,
        UsageError("--passes 0: give at least 1".into())
    );
    let fills = opened.model.config().sees_both();
    let prompt = match fills {
        true => opened.encode_text(&args.prompt)?,
        false => opened.encode(&args.prompt)?,
    };
    check_state(&*opened.model, prompt.len(), args.tokens)?;
    let bytes = |tokens: &[u32]| match &opened.tokenizer {
        Some(tokenizer) => tokenizer.decode_bytes(tokens),
        None => tokens
            .iter()
            .flat_map(|t| format!(" {t}").into_bytes())
            .collect(),
    };
    let stream = shared.format != Format::Json;
    let mut written = Ok(());
    let mut screen = Screen::default();
    let mut show = |bytes: &[u8]| {
        written = screen.write(bytes);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let mut tokens = Vec::new();
    if fills {
        tokens = filled(&opened, &prompt, &args, &sampling, shared)?;
        if stream && show(args.prompt.as_bytes()).is_continue() {
            let _ = show(&bytes(&tokens));
        }
    } else if !stream || show(args.prompt.as_bytes()).is_continue() {
        let mut decoder = opened.model.decoder();
        let mut rng = ChaCha8Rng::seed_from_u64(shared.seed());
        let mut on_token = |token| match stream {
            true => show(&bytes(&[token])),
            false => ControlFlow::Continue(()),
        };
        tokens = kernels::with_threads(shared.thread_count(), || {
            let count = args.tokens;
            generate(
                &mut *decoder,
                &prompt,
                count,
                &sampling,
                &mut rng,
                &mut on_token,
            )
        })?;
    }
    written?;
    if stream {
        output::print("")?;
    } else {
        output::print_json(&Generated {
            model: opened.model.config().model.clone(),
            prompt: args.prompt,
            text: String::from_utf8_lossy(&bytes(&tokens)).into_owned(),
            tokens,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
