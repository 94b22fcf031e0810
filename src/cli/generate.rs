//! `seqduel generate`.

use super::open::Opened;
use super::{Format, Shared, UsageError, output};
use crate::generate::{Sampling, generate};
use anyhow::ensure;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Continue a prompt, token by token, with recurrent state or key/value cache.
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

/// Prints the prompt and its continuation as it comes, or both as JSON.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let sampling = args.sampling()?;
    let opened = Opened::read(&args.checkpoint)?;
    let prompt = opened.encode(&args.prompt)?;
    let bytes = |tokens: &[u32]| match &opened.tokenizer {
        Some(tokenizer) => tokenizer.decode_bytes(tokens),
        None => tokens
            .iter()
            .flat_map(|t| format!(" {t}").into_bytes())
            .collect(),
    };
    let stream = shared.format != Format::Json;
    let mut written = Ok(());
    let mut show = |bytes: &[u8]| {
        let mut out = std::io::stdout().lock();
        written = out.write_all(bytes).and_then(|()| out.flush());
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let mut tokens = Vec::new();
    if !stream || show(args.prompt.as_bytes()).is_continue() {
        let mut decoder = opened.model.decoder();
        let mut rng = ChaCha8Rng::seed_from_u64(shared.seed);
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
