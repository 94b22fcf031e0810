//! Writing results to stdout: text, JSON, and tables in the four formats.

pub use crate::report::sheet::printable;

use crate::report::sheet::{Format, Look, Sheet};
use anyhow::Context;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Writes a line to stderr, [`printable`].
pub fn say(text: impl AsRef<str>) {
    // Nothing is left to be done if stderr is gone.
    let _ = writeln!(std::io::stderr(), "{}", printable(text.as_ref()));
}

/// Writes `text` and a line break to stdout, to a terminal [`printable`]. A closed or full stdout is an
/// error, not a panic; the closed one ends the program quietly.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<()> {
    match std::io::stdout().is_terminal() {
        true => write(&printable(text.as_ref())),
        false => write(text.as_ref()),
    }
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Writes `value` as indented JSON to stdout.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(serde_json::to_string_pretty(value)?)
}

/// The columns of a table of things: a name, and the field of each thing.
pub type Columns<'a, T> = [(&'a str, fn(&T) -> String)];

/// [`print_rows`] with a row for each thing.
pub fn print_columns<T>(
    format: Format,
    things: &[T],
    columns: &Columns<T>,
    value: &impl Serialize,
) -> anyhow::Result<()> {
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row = |thing: &T| columns.iter().map(|(_, field)| field(thing)).collect();
    let rows: Vec<Vec<String>> = things.iter().map(row).collect();
    print_rows(format, &header, &rows, value)
}

/// Writes rows as a table, CSV or Markdown, and `value` where JSON is asked for.
pub fn print_rows(
    format: Format,
    header: &[&str],
    rows: &[Vec<String>],
    value: &impl Serialize,
) -> anyhow::Result<()> {
    let sheet = Sheet {
        header: header.to_vec(),
        rows: rows.to_vec(),
        frame: None,
    };
    print_sheet(format, &sheet, value)
}

/// Writes a sheet as a table, CSV or Markdown, and `value` where JSON is asked for.
pub fn print_sheet(format: Format, sheet: &Sheet, value: &impl Serialize) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(value),
        // Its cells are printable; the colours of answers are its own.
        Format::Table => write(&sheet.table(Look::stdout())),
        Format::Markdown => print(sheet.markdown()),
        Format::Csv => print(sheet.csv()?),
    }
}
