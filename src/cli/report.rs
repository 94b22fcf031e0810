//! `seqduel report`: rebuilds plots and page of an output directory.

use super::{Format, Shared, output, usage};
use crate::report::{self, REPORT, source::Source, terminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Rebuild the report of a results directory from its files alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory that `reproduce` or `run` wrote
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes plots and page, then prints the verdicts.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let source = Source::open(&args.directory).map_err(usage)?;
    if !shared.dry_run {
        report::build(&args.directory)?;
    }
    let page = args.directory.join(REPORT);
    if !shared.quiet {
        eprintln!(
            "{} {}",
            if shared.dry_run {
                "would write"
            } else {
                "wrote"
            },
            page.display()
        );
    }
    match shared.format {
        Format::Table => output::print(terminal::verdict_table(
            &source.verdicts,
            terminal::Look::stdout(),
        ))?,
        Format::Json => output::print_json(&source.verdicts)?,
        Format::Csv => output::print(terminal::verdict_csv(&source.verdicts))?,
        Format::Markdown => output::print(terminal::verdict_markdown(&source.verdicts))?,
    }
    Ok(ExitCode::SUCCESS)
}
