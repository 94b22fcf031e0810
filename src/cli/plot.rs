//! `seqduel plot`: redraws the plots of an output directory.

use super::{Shared, output, usage};
use crate::report::{self, source::Source};
use std::path::PathBuf;
use std::process::ExitCode;

/// Redraw the plots of a results directory from its files alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory that `reproduce` or `run` wrote
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes SVG and PNG of every plot and prints their paths.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let source = Source::open(&args.directory).map_err(usage)?;
    let paths = match shared.dry_run {
        true => report::planned(&source, &args.directory)?,
        false => report::plots(&args.directory)?,
    };
    if paths.is_empty() && !shared.quiet {
        output::say(format!(
            "nothing to draw: no plot of {} has records yet",
            args.directory.display()
        ));
    }
    let rows: Vec<_> = paths
        .iter()
        .map(|path| vec![path.display().to_string()])
        .collect();
    output::print_rows(shared.format, &["plot"], &rows, &paths)?;
    Ok(ExitCode::SUCCESS)
}
