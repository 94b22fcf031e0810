//! `seqduel reproduce`: the built-in experiments, their verdicts and the report.

use super::run::{Job, SuiteFlags};
use super::{Shared, UsageError, output, usage};
use crate::campaign::looks;
use crate::experiment::embedded;
use crate::experiment::parse::Loaded;
use crate::results::output::{read_manifest, read_results, read_verdicts};
use crate::runs::context::More;
use anyhow::bail;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// What to reproduce.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How much: smoke (about a minute), quick (under half an hour) or full (overnight)
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub profile: String,
    /// Only these claims, separated by commas [default: all of `list claims`]
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    pub claims: Vec<String>,
    /// In a finished directory: the next planned look of its undecided claims, and only that
    #[arg(long, conflicts_with = "published")]
    pub more: bool,
    /// Instead of the claims, numbers that others published, set beside ours (quick or full)
    #[arg(long, conflicts_with = "claims")]
    pub published: bool,
    /// Only these published numbers, by the names in the first column of their table
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "ID,ID",
        requires = "published"
    )]
    pub rows: Vec<String>,
    /// Named corpus or UTF-8 file for experiments on text [default: the first of `list corpora`;
    /// with --published, shakespeare]
    #[arg(long, value_name = "NAME|FILE")]
    pub corpus: Option<String>,
    #[command(flatten)]
    pub suite: SuiteFlags,
}

/// The text that published numbers are of.
const PUBLISHED_CORPUS: &str = "shakespeare";

/// Runs the experiments of the claims, or of the published numbers, or goes on where they were
/// interrupted.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    if args.published {
        return published(args, shared);
    }
    let mut loaded = embedded::all().map_err(usage)?;
    keep("claim", &args.claims, &mut loaded, |l| &l.experiment.claim)?;
    let mut job = Job {
        loaded,
        name: "claims".into(),
        profile: args.profile,
        sets: Vec::new(),
        corpus: args.corpus,
        expected: None,
        more: More::new(),
        flags: args.suite,
    };
    if args.more && !take_next_looks(&mut job)? {
        output::say("no undecided claim there has a planned look left");
        return Ok(ExitCode::SUCCESS);
    }
    job.run(shared)
}

/// Leaves of a job the experiments whose claim is undecided in its directory, with their next look;
/// whether there are any.
fn take_next_looks(job: &mut Job) -> anyhow::Result<bool> {
    let out = job.out();
    let (manifest, verdicts) = (read_manifest(&out)?, read_verdicts(&out)?);
    let (more, added) = looks::next(&manifest, &verdicts, &read_results(&out)?);
    job.loaded.retain(|l| added.contains(&l.experiment.id));
    job.more = more;
    Ok(!job.loaded.is_empty())
}

/// Keeps the things that are asked for by name, or all where none is; refuses an unknown name.
fn keep<T>(
    what: &str,
    asked: &[String],
    things: &mut Vec<T>,
    name: fn(&T) -> &String,
) -> anyhow::Result<()> {
    let known: Vec<String> = things.iter().map(|thing| name(thing).clone()).collect();
    if let Some(unknown) = asked.iter().find(|asked| !known.contains(asked)) {
        bail!(UsageError(format!(
            "--{what}s {unknown}: there is no such {what}; known {what}s: {}",
            known.join(", ")
        )));
    }
    things.retain(|thing| asked.is_empty() || asked.contains(name(thing)));
    Ok(())
}

fn published(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let mut expected = embedded::expected().map_err(usage)?;
    keep("row", &args.rows, &mut expected.rows, |row| &row.id)?;
    let needed: Vec<&str> = expected
        .rows
        .iter()
        .filter(|row| row.profiles.contains(&args.profile))
        .map(|row| row.experiment.as_str())
        .collect();
    if needed.is_empty() {
        let profiles = expected.rows.iter().flat_map(|row| row.profiles.clone());
        let profiles: BTreeSet<String> = profiles.collect();
        bail!(UsageError(format!(
            "--profile {}: no row asked for runs in it; rows run in {}",
            args.profile,
            Vec::from_iter(profiles).join(" and ")
        )));
    }
    let loaded: Vec<Loaded> = embedded::PUBLISHED
        .iter()
        .filter(|(id, _)| needed.contains(id))
        .filter_map(|(id, _)| embedded::find(id))
        .collect::<Result<_, _>>()
        .map_err(usage)?;
    Job {
        loaded,
        name: "published".into(),
        profile: args.profile,
        sets: Vec::new(),
        corpus: args.corpus.or(Some(PUBLISHED_CORPUS.into())),
        expected: Some(expected),
        more: More::new(),
        flags: args.suite,
    }
    .run(shared)
}
