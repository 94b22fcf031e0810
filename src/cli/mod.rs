//! The command line: one file a subcommand, each with its `Args` and its `run`.
//!
//! Data goes to stdout through [`output::print`], progress and logs to stderr. Exit code 0, 1 (a
//! run failed or a check did not hold), 2 (usage or configuration).

use crate::measure::machine::cores;
use anyhow::ensure;
use clap::builder::ValueParser;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

mod compare;
mod completions;
mod corpus;
mod doctor;
mod error;
mod eval;
mod fill;
mod flags;
mod generate;
mod launch;
mod list;
mod measure;
mod open;
pub mod output;
mod plot;
mod predict;
mod report;
mod reproduce;
mod run;
pub mod setup;
mod train;
mod translate;
mod verify;
mod work_span;

pub use crate::report::sheet::Format;
pub use error::{UsageError, usage};

/// Recurrence against attention, measured on your own machine.
#[derive(Debug, Parser)]
#[command(
    name = "seqduel",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags every subcommand understands.
    #[command(flatten)]
    pub shared: Shared,
}

/// Flags every subcommand understands.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Shared options")]
pub struct Shared {
    /// Worker threads of one run [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of everything random [default: 0]
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// No progress, only warnings
    #[arg(long, global = true)]
    pub quiet: bool,
}

impl Shared {
    /// Threads to use: `--threads`, or all cores.
    pub fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(cores)
    }

    /// `--seed`, or 0.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }
}

/// A flag of the commands that take long or write files.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DryRun {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Refuses a number of threads or jobs that this machine cannot serve; `name` says where it was given.
pub(crate) fn check_count(name: &str, n: usize) -> anyhow::Result<()> {
    let cores = cores();
    ensure!(n > 0, UsageError(format!("{name} 0: give at least 1")));
    let too_many = UsageError(format!(
        "{name} {n}: this machine has {cores} cores; more would only wait for each other and spoil \
         every timing. Give at most {cores}"
    ));
    ensure!(n <= cores, too_many);
    Ok(())
}

/// The subcommands.
#[derive(Debug, Subcommand)]
// Parsed once; boxing the larger argument lists would only hide them.
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// Measure and train every model, judge the claims, write plots and the report
    Reproduce(reproduce::Args),
    /// Run experiments from TOML files
    Run(run::Args),
    /// Time one model: training step, forward pass or decoding
    Measure(measure::Args),
    /// Work, span and predicted speed-up of one model's step, beside the clock
    WorkSpan(work_span::Args),
    /// Train one model on a text or a task
    Train(train::Args),
    /// Evaluate a checkpoint on held-out data
    Eval(eval::Args),
    /// Continue a prompt
    Generate(generate::Args),
    /// Show the likeliest next tokens after a prompt
    Predict(predict::Args),
    /// Fill the gaps of a text
    Fill(fill::Args),
    /// Translate phrases
    Translate(translate::Args),
    /// List models, tasks, experiments, claims or corpora
    List(list::Args),
    /// Rebuild the report of a results directory
    Report(report::Args),
    /// Redraw the plots of a results directory
    Plot(plot::Args),
    /// Compare two results directories
    Compare(compare::Args),
    /// Run trainings of a results directory again and compare them to the last bit
    Verify(verify::Args),
    /// Fetch, list or locate corpora
    Corpus(corpus::Args),
    /// Look at the machine and say what may be wrong
    Doctor(doctor::Args),
    /// Time one launch of a suite's timing
    #[command(hide = true)]
    Launch(launch::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// The command line. A negative number after an option is its value, so that the message names the
/// option that cannot take it.
fn command() -> clap::Command {
    fn negative(command: clap::Command) -> clap::Command {
        command
            .mut_args(|argument| {
                let value = argument.get_action().takes_values() && !argument.is_positional();
                argument.allow_negative_numbers(value)
            })
            .mut_subcommands(negative)
    }
    negative(Cli::command())
}

/// Names the arguments that are no text but must be; clap says only that there are some. Paths may be
/// any bytes.
fn not_unicode(
    command: &clap::Command,
    arguments: impl Iterator<Item = OsString>,
) -> Option<String> {
    let (mut within, mut flag, mut named) = (command.clone(), None::<String>, Vec::new());
    for argument in arguments {
        let shown = argument.to_string_lossy();
        let split = shown.strip_prefix("--").and_then(|f| f.split_once('='));
        let (name, value) = match split {
            Some((name, value)) => (Some(name.to_string()), value),
            None => (flag.take(), &*shown),
        };
        if argument.to_str().is_none() {
            let paths = ValueParser::path_buf().type_id();
            let is_path = |a: &clap::Arg| a.get_value_parser().type_id() == paths;
            let of_flag = |a: &&clap::Arg| a.get_long() == name.as_deref();
            let mut known = within.get_arguments();
            let path = match &name {
                Some(_) => known.find(of_flag).is_some_and(is_path),
                None => known.any(|a| a.is_positional() && is_path(a)),
            };
            let flag = name.map_or(String::new(), |name| format!("--{name} "));
            let problem =
                format!("{flag}{value:?} is not UTF-8, and only paths of files may be that");
            named.extend((!path).then_some(problem));
        } else if let Some(name) = argument.to_str().and_then(|a| a.strip_prefix("--")) {
            flag = Some(name.to_string()).filter(|name| !name.contains('='));
        } else if let Some(sub) = within.find_subcommand(&argument) {
            within = sub.clone();
        }
    }
    let remedy = "; give a name of letters (of a text: a copy or a link with such a name)";
    (!named.is_empty()).then(|| named.join("; ") + remedy)
}

/// Parses the command line, runs it, and turns any error into one message and an exit code.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(message) if message.kind() == clap::error::ErrorKind::InvalidUtf8 => {
            let named = not_unicode(&command(), std::env::args_os().skip(1));
            return error::report(&UsageError(named.unwrap_or(message.to_string())).into());
        }
        Err(message) => {
            // Help and version are "errors" of clap that go to stdout with code 0.
            let _ = message.print();
            return ExitCode::from(message.exit_code() as u8);
        }
    };
    start_log(cli.shared.quiet);
    dispatch(cli).unwrap_or_else(|error| error::report(&error))
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let shared = &cli.shared;
    check_count("--threads", shared.threads.unwrap_or(1))?;
    match cli.command {
        Command::Reproduce(args) => reproduce::run(args, shared),
        Command::Run(args) => run::run(args, shared),
        Command::Measure(args) => measure::run(args, shared),
        Command::WorkSpan(args) => work_span::run(args, shared),
        Command::Train(args) => train::run(args, shared),
        Command::Eval(args) => eval::run(args, shared),
        Command::Generate(args) => generate::run(args, shared),
        Command::Predict(args) => predict::run(args, shared),
        Command::Fill(args) => fill::run(args, shared),
        Command::Translate(args) => translate::run(args, shared),
        Command::List(args) => list::run(args, shared),
        Command::Report(args) => report::run(args, shared),
        Command::Plot(args) => plot::run(args, shared),
        Command::Compare(args) => compare::run(args, shared),
        Command::Verify(args) => verify::run(args, shared),
        Command::Corpus(args) => corpus::run(args, shared),
        Command::Doctor(args) => doctor::run(args, shared),
        Command::Launch(args) => launch::run(args),
        Command::Completions(args) => completions::run(args, shared),
    }
}

/// Logs to stderr; `SEQDUEL_LOG` (for example `debug`) overrides the level.
fn start_log(quiet: bool) {
    use tracing_subscriber::EnvFilter;
    let level = if quiet { "warn" } else { "info" };
    let filter = EnvFilter::try_from_env("SEQDUEL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // Fails only if a subscriber is already there, as in a test that calls this twice.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
