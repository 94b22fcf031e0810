//! `seqduel compare`: two output directories side by side.

use super::{Format, Shared, output, usage};
use crate::report::compare::{Change, compare};
use crate::report::number::significant;
use crate::report::{source::Source, verdicts};
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare two results directories: every measurement both have, and every verdict.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory compared against
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The directory that may have changed
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Compare this metric instead of those the plots show; may be repeated
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// Only measurements whose 95 % interval leaves out "no change"
    #[arg(long)]
    changed: bool,
}

/// Prints changes of measurements, then of verdicts; differing machines and settings go to stderr.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let before = Source::open(&args.before).map_err(usage)?;
    let after = Source::open(&args.after).map_err(usage)?;
    let mut found = compare(&before, &after, &args.metric).map_err(usage)?;
    if args.changed {
        found.changes.retain(|change| change.differs == Some(true));
    }
    if shared.format != Format::Json {
        for difference in &found.differences {
            output::say(format!("differs: {difference}"));
        }
    }
    let header = [
        "experiment",
        "what",
        "metric",
        "before",
        "after",
        "change",
        "interval",
        "verdict",
    ];
    let mut rows: Vec<Vec<String>> = found.changes.iter().map(row).collect();
    for change in &found.verdicts {
        let word = |answer: Option<_>| answer.map_or("not judged", verdicts::answer);
        let verdict = match change.before == change.after {
            true => "same",
            false => "changed",
        };
        let (before, after) = (word(change.before), word(change.after));
        let cells = [&change.claim, "verdict", "", before, after, "", "", verdict];
        rows.push(cells.map(str::to_owned).to_vec());
    }
    output::print_rows(shared.format, &header, &rows, &found)?;
    Ok(ExitCode::SUCCESS)
}

fn row(change: &Change) -> Vec<String> {
    let sign = if change.kind == "ratio" { "\u{d7}" } else { "" };
    let signed = |v: f64| match sign {
        "" if v > 0.0 => format!("+{}", significant(v)),
        _ => format!("{sign}{}", significant(v)),
    };
    let interval = change.interval.map_or(String::new(), |i| {
        format!("[{}, {}]", signed(i.low), signed(i.high))
    });
    let verdict = match change.differs {
        Some(true) => "changed",
        Some(false) => "same",
        None => "one value each",
    };
    vec![
        change.experiment.clone(),
        change.what.clone(),
        change.metric.clone(),
        significant(change.before),
        significant(change.after),
        signed(change.change),
        interval,
        verdict.into(),
    ]
}
