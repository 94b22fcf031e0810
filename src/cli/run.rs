//! `seqduel run`: experiments from files, or built-in ones by name.

use super::{DryRun, Shared, UsageError, check_count, output, usage};
use crate::campaign::BadCorpus;
use crate::campaign::OtherSettings;
use crate::campaign::listing::{Left, listing};
use crate::campaign::plan::{self, Plan, Suite, Summary};
use crate::campaign::runner;
use crate::claims::published::Expected;
use crate::data::corpus::CORPORA;
use crate::experiment::embedded;
use crate::experiment::parse::{Loaded, load_file};
use crate::files::ConfigError;
use crate::report::{published, sheet::Sheet, verdicts};
use crate::results::output::{Skipped, read_manifest};
use crate::runs::context::More;
use crate::runs::progress::span;
use crate::runs::texts::Texts;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Experiment files, or names of built-in experiments
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// How much: a profile of the experiments, usually smoke, quick or full
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub profile: String,
    /// Replace a value of the profile, such as settings.steps=100 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Named corpus or UTF-8 file for experiments on text [default: the first of `list corpora`]
    #[arg(long, value_name = "NAME|FILE")]
    pub corpus: Option<String>,
    #[command(flatten)]
    pub suite: SuiteFlags,
}

/// Flags of what carries out whole suites.
#[derive(Debug, Clone, clap::Args)]
pub struct SuiteFlags {
    /// Output directory [default: results/WHAT-PROFILE; WHAT is claims, published or the experiments]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs carried out side by side, where they are not timed [default: as many as threads]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    #[command(flatten)]
    pub dry: DryRun,
    /// Begin no run that would not end within this time (90s, 20m, 1h 30m), then judge what there is; the
    /// same command goes on
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub within: Option<Duration>,
    /// Keep the trained weights of every run, as runs/<run>/checkpoint.safetensors
    #[arg(long)]
    pub keep_weights: bool,
}

/// Runs the experiments, or continues where they were interrupted.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let load = |name: &PathBuf| match name.to_str().and_then(embedded::find) {
        Some(built_in) if !name.exists() => built_in,
        _ => load_file(name),
    };
    let loaded: Vec<Loaded> = args
        .experiments
        .iter()
        .map(load)
        .collect::<Result<_, _>>()
        .map_err(usage)?;
    let ids: Vec<&str> = loaded.iter().map(|l| l.experiment.id.as_str()).collect();
    if let Some(i) = (1..ids.len()).find(|&i| ids[..i].contains(&ids[i])) {
        return Err(usage(anyhow::anyhow!(
            "{}: experiment {} is given twice; give each its own id",
            loaded[i].file,
            ids[i]
        )));
    }
    let name = ids.join("-");
    Job {
        loaded,
        name,
        profile: args.profile,
        sets: args.set,
        corpus: args.corpus,
        expected: None,
        more: More::new(),
        flags: args.suite,
    }
    .run(shared)
}

/// What `run` and `reproduce` do once they know which experiments.
pub(super) struct Job {
    pub loaded: Vec<Loaded>,
    pub name: String,
    pub profile: String,
    pub sets: Vec<String>,
    pub corpus: Option<String>,
    pub expected: Option<Expected>,
    pub more: More,
    pub flags: SuiteFlags,
}

impl Job {
    /// Where the results go.
    pub(super) fn out(&self) -> PathBuf {
        let default = format!("results/{}-{}", self.name, self.profile);
        self.flags.out.clone().unwrap_or(default.into())
    }

    /// Resolves, plans, carries out and prints the verdicts.
    pub(super) fn run(self, shared: &Shared) -> anyhow::Result<ExitCode> {
        check_count("--jobs", self.flags.jobs.unwrap_or(1))?;
        let (seed, most) = (shared.seed(), i64::MAX as u64);
        let message =
            format!("--seed {seed}: the seeds of a suite count up from it; give at most {most}");
        ensure!(seed <= most, UsageError(message));
        let experiments = self
            .loaded
            .iter()
            .map(|loaded| loaded.resolve(&self.profile, &self.sets))
            .collect::<Result<Vec<_>, _>>()
            .map_err(usage)?;
        let default_corpus = CORPORA.first().map_or("", |corpus| corpus.name);
        let threads = shared.thread_count();
        let program = std::env::current_exe()
            .context("cannot tell where this program is, which timings start again")?;
        let out = self.out();
        // A directory keeps the looks it has taken.
        let mut more = read_manifest(&out).map_or(More::new(), |manifest| manifest.looks);
        more.extend(self.more.clone());
        let suite = Suite {
            name: self.name.clone(),
            profile: self.profile.clone(),
            experiments,
            seed: shared.seed(),
            threads,
            jobs: self.flags.jobs.unwrap_or(threads),
            corpus: self.corpus.clone().unwrap_or(default_corpus.into()),
            expected: self.expected.clone(),
            out,
            within: self.flags.within.map(|limit| limit.as_secs_f64()),
            more,
            keep_weights: self.flags.keep_weights,
            command: command(),
            quiet: shared.quiet,
            program: Some(program),
        };
        let texts = Texts::new(&suite.corpus);
        let plan = plan::plan(&suite, &texts, |experiment, key| {
            let file = self
                .loaded
                .iter()
                .find(|l| l.experiment.id == experiment.id);
            file.map_or(String::new(), |l| {
                l.place_of(key, &self.profile, &self.sets)
            })
        })
        .map_err(mark_usage)?;
        if self.flags.dry.dry_run {
            return dry_run(&suite, plan, shared);
        }
        say_skipped(&plan.skipped);
        let summary = runner::run(&suite, plan, &texts).map_err(mark_usage)?;
        report(&suite, &summary, shared)
    }
}

/// Configuration mistakes end with exit code 2, everything else with 1.
fn mark_usage(error: anyhow::Error) -> anyhow::Error {
    let configuration =
        error.is::<ConfigError>() || error.is::<OtherSettings>() || error.is::<BadCorpus>();
    if configuration { usage(error) } else { error }
}

/// The command line as typed, but without directories, since it is published with the results.
fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| {
        let path = Path::new(&argument);
        let shown = match path.is_absolute() {
            true => path.file_name().unwrap_or_default(),
            false => &argument,
        };
        quoted(&shown.to_string_lossy())
    });
    std::iter::once("seqduel".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it back: what it would act on stands in quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Says which experiments cannot run, and why.
fn say_skipped(all: &[Skipped]) {
    for skipped in all {
        output::say(format!(
            "{} cannot run: {}\n  {}",
            skipped.experiment, skipped.reason, skipped.remedy
        ));
    }
}

fn dry_run(suite: &Suite, plan: Plan, shared: &Shared) -> anyhow::Result<ExitCode> {
    let skipped = plan.skipped.clone();
    let (value, left) = listing(suite, plan);
    let sheet = Sheet::of(
        &value,
        &[
            ("run", |row| row.run.clone()),
            ("what", |row| row.what.into()),
            ("state", |row| if row.done { "done" } else { "" }.into()),
            ("seconds (estimated)", |row| {
                format!("{:.1}", row.estimated_seconds)
            }),
        ],
    );
    output::print_sheet(shared.format, &sheet, &value)?;
    say_skipped(&skipped);
    output::say(format!(
        "{} of {} runs to do, {}, into {}",
        left.runs,
        value.len(),
        in_words(&left),
        suite.out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// How long it will take, with the runs that searches may add.
fn in_words(left: &Left) -> String {
    let time = span(left.seconds, left.seconds + left.more_seconds);
    match left.more {
        0 => format!("about {time}"),
        more => format!("and up to {more} more, about {time}"),
    }
}

fn report(suite: &Suite, summary: &Summary, shared: &Shared) -> anyhow::Result<ExitCode> {
    if summary.interrupted {
        output::say(format!(
            "interrupted; finished runs are kept in {}: run the same command again to go on",
            suite.out.display()
        ));
        return Ok(ExitCode::FAILURE);
    }
    let (format, verdicts, published) = (shared.format, &summary.verdicts, &summary.published);
    match suite.expected {
        Some(_) => output::print_sheet(format, &published::sheet(published, format), published)?,
        None => output::print_sheet(format, &verdicts::sheet(verdicts, format), verdicts)?,
    }
    if summary.limited {
        output::say(
            "stopped at the limit: run the same command again, with or without --within, to go on",
        );
    }
    for (run, reason) in &summary.failed {
        output::say(format!("failed: {run}: {reason}"));
    }
    for skipped in &summary.skipped {
        output::say(format!(
            "not run: {}: {}\n  {}",
            skipped.experiment, skipped.reason, skipped.remedy
        ));
    }
    output::say(format!(
        "report: {}",
        suite.out.join("report.html").display()
    ));
    Ok(
        match summary.failed.is_empty() && summary.skipped.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("settings.steps=20"), "settings.steps=20");
        assert_eq!(quoted("a b;$(touch x)"), "'a b;$(touch x)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
