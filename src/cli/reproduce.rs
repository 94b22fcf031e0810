//! `seqduel reproduce`: the built-in experiments, their verdicts and the report.

use super::run::Job;
use super::{Shared, usage};
use crate::suite::embedded;
use anyhow::anyhow;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to reproduce.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How much: smoke (under a minute), quick (under 15 minutes) or full (overnight)
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub profile: String,
    /// Only these claims, separated by commas [default: all of `list claims`]
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    pub claims: Vec<String>,
    /// Named corpus or UTF-8 file for experiments on text [default: the first of `list corpora`]
    #[arg(long, value_name = "NAME|FILE")]
    pub corpus: Option<String>,
    /// Output directory [default: results/claims-<profile>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Runs the experiments of the claims, or goes on where they were interrupted.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let mut loaded = embedded::all().map_err(usage)?;
    let known: Vec<String> = loaded.iter().map(|l| l.experiment.claim.clone()).collect();
    if let Some(unknown) = args.claims.iter().find(|claim| !known.contains(claim)) {
        return Err(usage(anyhow!(
            "--claims {unknown}: there is no such claim; known claims: {}",
            known.join(", ")
        )));
    }
    if !args.claims.is_empty() {
        loaded.retain(|l| args.claims.contains(&l.experiment.claim));
    }
    Job {
        loaded,
        name: "claims".into(),
        profile: args.profile,
        sets: Vec::new(),
        corpus: args.corpus,
        out: args.out,
    }
    .run(shared)
}
