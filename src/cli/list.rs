//! `seqduel list`: the names that other commands take.

use super::{DryRun, Shared, output, usage};
use crate::claims::CLAIMS;
use crate::data::corpus::{self, CORPORA, Corpus};
use crate::data::tasks::{TASKS, TaskRow};
use crate::experiment::embedded;
use crate::models::{MODELS, OPTIONS};
use crate::report::sheet::Sheet;
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
    #[command(flatten)]
    dry: DryRun,
}

/// Things with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Architectures.
    Models,
    /// What may be chosen of a model besides its sizes.
    Options,
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
        if args.dry.dry_run {
            output::say(format!(
                "would write {} experiments to {}",
                embedded::EXPERIMENTS.len(),
                directory.display()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let files = embedded::export(directory)?;
        let files = files.iter().map(|file| file.display().to_string());
        output::print(files.collect::<Vec<_>>().join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let sheet = match args.what {
        What::Models => Sheet::of(
            MODELS,
            &[
                ("model", |row| row.name.into()),
                ("what it is", |row| row.describes.into()),
                ("options by default", |row| {
                    let each = row.preset.iter();
                    let each = each.map(|(option, value)| format!("{option}={value}"));
                    each.collect::<Vec<_>>().join(" ")
                }),
            ],
        ),
        What::Options => Sheet::of(
            OPTIONS,
            &[
                ("option", |row| row.key()),
                ("what it is", |row| row.describes.into()),
                ("models", |row| row.takers()),
                ("values", |row| row.values.remedy()),
                ("changes parameters", |row| {
                    row.changes_parameters.to_string()
                }),
            ],
        ),
        What::Tasks => Sheet::of(
            TASKS,
            &[
                ("task", |row| row.name.into()),
                ("what it is", |row| row.describes.into()),
                ("parameters", parameters),
            ],
        ),
        What::Experiments => Sheet::of(
            &embedded::all().map_err(usage)?,
            &[
                ("experiment", |loaded| loaded.experiment.id.clone()),
                ("claim", |loaded| loaded.experiment.claim.clone()),
                ("question", |loaded| loaded.experiment.question.clone()),
            ],
        ),
        What::Claims => Sheet::of(
            CLAIMS,
            &[
                ("claim", |row| row.id.into()),
                ("experiment", |row| row.id.into()),
                ("what it says", |row| row.claim.into()),
            ],
        ),
        What::Corpora => Sheet::of(
            CORPORA,
            &[
                ("corpus", |row| row.name.into()),
                ("cached", cached),
                ("what it is", |row| row.describes.into()),
                ("licence", |row| row.licence.into()),
            ],
        ),
    };
    let object = |row: &Vec<String>| -> BTreeMap<&str, String> {
        sheet
            .header
            .iter()
            .copied()
            .zip(row.iter().cloned())
            .collect()
    };
    let value: Vec<_> = sheet.rows.iter().map(object).collect();
    output::print_sheet(shared.format, &sheet, &value)?;
    Ok(ExitCode::SUCCESS)
}

/// The parameters of a task with their defaults.
fn parameters(task: &TaskRow) -> String {
    let parameters = task.parameters.iter();
    let defaults = parameters.map(|p| format!("{}={}", p.name, p.default));
    defaults.collect::<Vec<_>>().join(" ")
}

/// Whether the text of a corpus is already on this machine.
fn cached(row: &Corpus) -> String {
    match corpus::path(row.name) {
        Ok((_, true)) => "yes".into(),
        Ok((_, false)) | Err(_) => "no".into(),
    }
}
