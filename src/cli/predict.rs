//! `seqduel predict`.

use super::setup::Opened;
use super::{Format, Shared, UsageError, output};
use crate::generate::next_token_distribution;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the likeliest next tokens after a prompt, for one checkpoint or several side by side.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output directories of `train`, or checkpoint files in them
    #[arg(value_name = "CHECKPOINT", required = true)]
    checkpoints: Vec<PathBuf>,
    /// Text before the token; token numbers for a model trained on a task
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// How many tokens to show
    #[arg(long, value_name = "K", default_value_t = 10)]
    top: usize,
}

/// One checkpoint's answer.
#[derive(Serialize)]
struct Prediction {
    model: String,
    prompt: String,
    next: Vec<Next>,
}

#[derive(Serialize)]
struct Next {
    token: String,
    id: u32,
    probability: f64,
    logit: f32,
}

/// Prints a JSON object for each checkpoint, one a line, or one table.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    if args.top == 0 {
        return Err(UsageError("--top 0: give at least 1".into()).into());
    }
    let mut predictions = Vec::new();
    for path in &args.checkpoints {
        let opened = Opened::read(path)?;
        let prompt = opened.encode(&args.prompt)?;
        let mut decoder = opened.model.decoder();
        let all = kernels::with_threads(shared.thread_count(), || {
            next_token_distribution(&mut *decoder, &prompt)
        })?;
        let next = all.iter().take(args.top).map(|c| Next {
            token: opened.show(c.id),
            id: c.id,
            probability: c.probability,
            logit: c.logit,
        });
        predictions.push(Prediction {
            model: opened.model.config().model.clone(),
            prompt: args.prompt.clone(),
            next: next.collect(),
        });
    }
    if shared.format == Format::Json {
        for prediction in &predictions {
            output::print(serde_json::to_string(prediction)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Escaped, so that a space or a line break can be seen.
    let rows: Vec<Vec<String>> = predictions
        .iter()
        .zip(&args.checkpoints)
        .flat_map(|(prediction, path)| {
            prediction.next.iter().zip(1..).map(move |(next, rank)| {
                vec![
                    path.display().to_string(),
                    prediction.model.clone(),
                    rank.to_string(),
                    format!("{:?}", next.token),
                    next.id.to_string(),
                    format!("{:.4}", next.probability),
                    format!("{:.3}", next.logit),
                ]
            })
        })
        .collect();
    let header = [
        "checkpoint",
        "model",
        "rank",
        "token",
        "id",
        "probability",
        "logit",
    ];
    output::print_rows(shared.format, &header, &rows, &predictions)?;
    Ok(ExitCode::SUCCESS)
}
