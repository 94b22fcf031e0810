//! `seqduel predict`.

use super::open::Opened;
use super::{Format, Shared, UsageError, output};
use crate::generate::next_token_distribution;
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the likeliest next tokens after a prompt, for one checkpoint or several side by side.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint files, or directories with one: of `train` or of a suite's run
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
    ensure!(args.top > 0, UsageError("--top 0: give at least 1".into()));
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
    type Row<'a> = (&'a PathBuf, &'a Prediction, &'a Next, usize);
    let rows: Vec<Row> = (args.checkpoints.iter().zip(&predictions))
        .flat_map(|(path, of)| {
            of.next
                .iter()
                .zip(1..)
                .map(move |(n, rank)| (path, of, n, rank))
        })
        .collect();
    let columns: &output::Columns<Row> = &[
        ("checkpoint", |row| row.0.display().to_string()),
        ("model", |row| row.1.model.clone()),
        ("rank", |row| row.3.to_string()),
        // Escaped, so that a space or a line break can be seen.
        ("token", |row| format!("{:?}", row.2.token)),
        ("id", |row| row.2.id.to_string()),
        ("probability", |row| format!("{:.4}", row.2.probability)),
        ("logit", |row| format!("{:.3}", row.2.logit)),
    ];
    output::print_columns(shared.format, &rows, columns, &predictions)?;
    Ok(ExitCode::SUCCESS)
}
