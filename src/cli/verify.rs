//! `seqduel verify`: trainings of a results directory, done again and compared to the last bit.

use super::{Shared, UsageError, output, usage};
use crate::campaign::verify::{Request, Verification, Verified, verify};
use crate::results::output::OutputError;
use crate::runs::progress::duration;
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run trainings of a results directory again, and compare every trained value with the recorded one
/// bit for bit. Nothing is written there; `--seed` decides which runs are drawn.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory that `reproduce` or `run` wrote; suite.json and results.csv.gz are enough
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Runs to draw, spread over claims and models
    #[arg(long, value_name = "N", default_value_t = 14, conflicts_with = "all")]
    runs: usize,
    /// The longest that a drawn run may have taken: 30s, 5m, 1.5h [default: 5m; with --all, any]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    within: Option<f64>,
    /// Every run, not a draw
    #[arg(long)]
    all: bool,
    /// The text of experiments on text, if it was a file [default: as recorded]
    #[arg(long, value_name = "NAME|FILE")]
    corpus: Option<String>,
}

/// `--within` where it is not given.
const WITHIN: f64 = 300.0;
/// Values told of one run, and runs left out that are named; JSON has all.
const VALUES: usize = 3;
const NAMED: usize = 10;

/// Seconds in a time with its unit; without one it is seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let units = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("", 1.0)];
    let mut read = units.iter().filter_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * seconds)
    });
    let time = read.find(|time| time.is_finite() && *time >= 0.0);
    time.ok_or_else(|| "give a time such as 30s, 5m or 1.5h".into())
}

/// Draws, runs, compares and prints; exit code 1 if anything differs.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    if args.runs == 0 {
        bail!(UsageError("--runs 0: give at least 1, or --all".into()));
    }
    let request = Request {
        runs: (!args.all).then_some(args.runs),
        seed: shared.seed(),
        within: args.within.or((!args.all).then_some(WITHIN)),
        corpus: args.corpus,
        threads: shared.thread_count(),
        quiet: shared.quiet,
    };
    let found = verify(directory, &request).map_err(|error| match error.is::<OutputError>() {
        true => usage(error),
        false => error,
    })?;
    if found.runs.is_empty() && !found.interrupted {
        say_left_out(&found);
        bail!(UsageError(nothing(&found, &request, &args.directory)));
    }
    let columns: &output::Columns<Verified> = &[
        ("run", |v| v.run.clone()),
        ("claim", |v| v.claim.clone()),
        ("model", |v| v.model.clone()),
        ("seed", |v| v.seed.map_or(String::new(), |s| s.to_string())),
        ("compared", |v| v.compared.to_string()),
        ("seconds", |v| format!("{:.1}", v.seconds)),
        ("result", result),
    ];
    output::print_columns(shared.format, &found.runs, columns, &found)?;
    let differing: Vec<&Verified> = found.runs.iter().filter(|v| !v.equal()).collect();
    differing.iter().for_each(|run| say_differing(run));
    if !differing.is_empty() && found.circumstances.is_empty() {
        output::say("version, machine and settings are those of the directory");
    }
    if !differing.is_empty() || !shared.quiet {
        for circumstance in &found.circumstances {
            output::say(format!("differs since: {circumstance}"));
        }
    }
    say_left_out(&found);
    if !shared.quiet {
        output::say(format!(
            "{} of {} runs equal to the last bit, drawn from {} trained runs of {}",
            found.runs.len() - differing.len(),
            found.runs.len(),
            found.trained,
            directory.display()
        ));
    }
    if found.interrupted {
        output::say("interrupted: not all drawn runs were done");
    }
    let well = differing.is_empty() && !found.interrupted;
    Ok(ExitCode::from(u8::from(!well)))
}

fn result(run: &Verified) -> String {
    match (&run.failed, run.differences.len()) {
        (Some(_), _) => "failed".into(),
        (None, 0) => "equal".into(),
        (None, n) => format!("{n} differ"),
    }
}

fn say_differing(run: &Verified) {
    if let Some(reason) = &run.failed {
        output::say(format!("{}: failed now: {reason}", run.run));
    }
    for difference in run.differences.iter().take(VALUES) {
        output::say(format!("{}: {difference}", run.run));
    }
    if let more @ 1.. = run.differences.len().saturating_sub(VALUES) {
        output::say(format!("{}: and {more} more (--format json)", run.run));
    }
}

/// Names and counts the runs that were not drawn from.
fn say_left_out(found: &Verification) {
    let long = found.too_long.iter();
    let long = long.map(|left| format!("{}: {}", left.run, duration(left.seconds)));
    say_list("too long", long);
    let cannot = found.not_verifiable.iter();
    let cannot = cannot.map(|left| format!("{}: {}", left.run, left.reason));
    say_list("cannot be verified", cannot);
}

fn say_list(what: &str, lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    if count > 0 {
        output::say(format!("{what}, {count} runs:"));
    }
    lines
        .take(NAMED)
        .for_each(|line| output::say(format!("  {line}")));
    if count > NAMED {
        output::say(format!("  and {} more (--format json)", count - NAMED));
    }
}

/// Why no run was done, and what to do.
fn nothing(found: &Verification, request: &Request, directory: &std::path::Path) -> String {
    let (trained, directory) = (found.trained, directory.display());
    if trained == 0 {
        return format!(
            "{directory} holds no finished training; give a directory where `seqduel reproduce` or \
             `run` has trained models"
        );
    }
    let shortest = found.too_long.iter().map(|left| left.seconds);
    match shortest.min_by(f64::total_cmp) {
        Some(shortest) => format!(
            "{} of the {trained} trained runs of {directory} are too long for --within {} s, and no \
             other is left; the shortest takes {shortest:.2} s: give a longer --within",
            found.too_long.len(),
            request.within.unwrap_or_default()
        ),
        None => format!("none of the {trained} trained runs of {directory} can be verified"),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("0s"), Ok(0.0));
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("5m"), Ok(300.0));
        assert_eq!(seconds("1.5h"), Ok(5400.0));
        for wrong in ["", "m", "-1s", "NaN", "infh", "5 d", "1e400"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
