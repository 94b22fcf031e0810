//! `seqduel list`: what there is to name in other commands.

use super::{Shared, output, usage};
use crate::claims::CLAIMS;
use crate::data::corpus::{self, CORPORA};
use crate::data::tasks::TASKS;
use crate::experiment::embedded;
use crate::models::MODELS;
use anyhow::anyhow;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to list.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind of thing
    pub what: What,
    /// Write the built-in experiments to this directory, for editing
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// Things with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Architectures.
    Models,
    /// Generated tasks.
    Tasks,
    /// Built-in experiments.
    Experiments,
    /// Claims with a verdict rule.
    Claims,
    /// Texts that can be fetched.
    Corpora,
}

/// Lists names with a line about each.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    if let Some(directory) = &args.export {
        if args.what != What::Experiments {
            return Err(usage(anyhow!(
                "--export writes experiments; use it with `list experiments`"
            )));
        }
        if shared.dry_run {
            eprintln!(
                "would write {} experiments to {}",
                embedded::EXPERIMENTS.len(),
                directory.display()
            );
            return Ok(ExitCode::SUCCESS);
        }
        let files = embedded::export(directory)?;
        let files: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        output::print(files.join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (header, rows) = match args.what {
        What::Models => (vec!["model", "what it is"], models()),
        What::Tasks => (vec!["task", "what it is", "parameters"], tasks()),
        What::Experiments => (vec!["experiment", "claim", "question"], experiments()?),
        What::Claims => (vec!["claim", "experiment", "what it says"], claims()),
        What::Corpora => (vec!["corpus", "cached", "what it is", "licence"], corpora()),
    };
    let value: Vec<BTreeMap<&str, &str>> = rows
        .iter()
        .map(|row| {
            header
                .iter()
                .copied()
                .zip(row.iter().map(String::as_str))
                .collect()
        })
        .collect();
    output::print_rows(shared.format, &header, &rows, &value)?;
    Ok(ExitCode::SUCCESS)
}

fn models() -> Vec<Vec<String>> {
    MODELS
        .iter()
        .map(|row| vec![row.name.into(), row.describes.into()])
        .collect()
}

fn tasks() -> Vec<Vec<String>> {
    TASKS
        .iter()
        .map(|row| {
            let parameters = row
                .parameters
                .iter()
                .map(|p| format!("{}={}", p.name, p.default));
            let parameters = parameters.collect::<Vec<_>>().join(" ");
            vec![row.name.into(), row.describes.into(), parameters]
        })
        .collect()
}

fn experiments() -> anyhow::Result<Vec<Vec<String>>> {
    let all = embedded::all().map_err(usage)?;
    let row = |e: crate::experiment::schema::Experiment| vec![e.id, e.claim, e.question];
    Ok(all
        .into_iter()
        .map(|loaded| row(loaded.experiment))
        .collect())
}

fn claims() -> Vec<Vec<String>> {
    let row = |c: &crate::claims::Claim| vec![c.id.into(), c.experiment.into(), c.claim.into()];
    CLAIMS.iter().map(row).collect()
}

fn corpora() -> Vec<Vec<String>> {
    CORPORA
        .iter()
        .map(|row| {
            let cached = match corpus::path(row.name) {
                Ok((_, true)) => "yes",
                Ok((_, false)) | Err(_) => "no",
            };
            vec![
                row.name.into(),
                cached.into(),
                row.describes.into(),
                row.licence.into(),
            ]
        })
        .collect()
}
