//! `seqduel corpus`: fetch, list and find the named corpora.

use super::{DryRun, Shared, output};
use crate::data::corpus::{self, CORPORA, Corpus, DEFAULT};
use anyhow::Context;
use serde::Serialize;
use std::process::ExitCode;

/// Flags of `seqduel corpus`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch corpora into the cache, check them, and print their paths
    Fetch {
        /// Names from `seqduel corpus list`
        #[arg(default_value = DEFAULT, value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        dry: DryRun,
    },
    /// List the named corpora and whether they are cached
    List,
    /// Print the path of a cached corpus; exit code 1 if it is not cached
    Path {
        /// A name from `seqduel corpus list`
        #[arg(default_value = DEFAULT)]
        name: String,
    },
}

/// Runs `seqduel corpus`.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Fetch { names, dry } => fetch(&names, dry)?,
        Action::List => list(shared)?,
        Action::Path { name } => {
            let (path, cached) = corpus::path(&name)?;
            if !cached {
                anyhow::bail!("corpus `{name}` is not cached; type\n  seqduel corpus fetch {name}");
            }
            output::print(path.display().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Names are all looked up before the first is fetched.
fn fetch(names: &[String], dry: DryRun) -> anyhow::Result<()> {
    for name in names {
        corpus::path(name)?;
    }
    for name in names {
        let (path, cached) = corpus::path(name)?;
        if !cached {
            let row = corpus::named(name).context("looked up above")?;
            tracing::info!("fetching {name}: {}", row.origin.describe());
        }
        let path = if dry.dry_run {
            path
        } else {
            corpus::fetch(name)?
        };
        output::print(path.display().to_string())?;
    }
    Ok(())
}

/// A row of the table, and where its text is.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    corpus: &'static Corpus,
    cached: bool,
    path: String,
}

/// Prints the table of corpora.
fn list(shared: &Shared) -> anyhow::Result<()> {
    let row = |corpus: &'static Corpus| {
        let (path, cached) = corpus::path(corpus.name)?;
        let path = path.display().to_string();
        Ok(Row {
            corpus,
            cached,
            path,
        })
    };
    let rows = CORPORA.iter().map(row);
    let rows = rows.collect::<anyhow::Result<Vec<Row>>>()?;
    let columns: &output::Columns<Row> = &[
        ("name", |row| row.corpus.name.into()),
        ("cached", |row| if row.cached { "yes" } else { "no" }.into()),
        ("bytes", |row| row.corpus.bytes.to_string()),
        ("describes", |row| row.corpus.describes.into()),
        ("licence", |row| row.corpus.licence.into()),
        ("origin", |row| row.corpus.origin.describe()),
    ];
    output::print_columns(shared.format, &rows, columns, &rows)
}
