//! `seqduel report`: rebuilds plots and page of an output directory.

use super::{DryRun, Shared, output, usage};
use crate::claims::{ALPHA, consistency::contradictions};
use crate::report::{self, REPORT, source::Source, verdicts};
use std::path::PathBuf;
use std::process::ExitCode;

/// Rebuild the report of a results directory from its files alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory that `reproduce` or `run` wrote
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    dry: DryRun,
}

/// Writes plots and page, then prints the verdicts.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let source = Source::open(&args.directory).map_err(usage)?;
    if !args.dry.dry_run {
        report::build(&args.directory)?;
    }
    let page = args.directory.join(REPORT);
    if !shared.quiet {
        let wrote = if args.dry.dry_run {
            "would write"
        } else {
            "wrote"
        };
        output::say(format!("{wrote} {}", page.display()));
    }
    let fixed: Vec<_> = source
        .manifest
        .experiments
        .iter()
        .map(|e| e.fixed())
        .collect();
    for contradiction in contradictions(&source.records, &fixed, ALPHA) {
        output::say(format!("warning: {contradiction}"));
    }
    let verdicts = &source.verdicts;
    output::print_sheet(
        shared.format,
        &verdicts::sheet(verdicts, shared.format),
        verdicts,
    )?;
    Ok(ExitCode::SUCCESS)
}
