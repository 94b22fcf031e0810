//! `seqduel launch`: one launch of a timing, started by suites; not for people.

use crate::runs::launch;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The `config.toml` of a run of timings
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
}

/// Measures, and prints the records.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    launch::serve(&args.config)?;
    Ok(ExitCode::SUCCESS)
}
