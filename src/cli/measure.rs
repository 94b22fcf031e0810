//! `seqduel measure`.

use super::Shared;
use std::process::ExitCode;

/// To come.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// To come.
pub fn run(_args: Args, _shared: &Shared) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`seqduel measure` is not built yet")
}
