//! Writing results to stdout: text, JSON, and tables in the four formats.

use crate::report::sheet::{Format, Look, Sheet};
use anyhow::Context;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal, Write};

/// Text for a terminal: control characters other than line feeds and tabs are spelt out, as those in a
/// file of somebody else's could move the cursor, hide lines or change the window.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
    match text.contains(acts) {
        false => Cow::Borrowed(text),
        true => {
            let spell = |c: char| match acts(c) {
                true => c.escape_unicode().to_string(),
                false => c.to_string(),
            };
            Cow::Owned(text.chars().map(spell).collect())
        }
    }
}

/// Writes a line to stderr, [`printable`].
pub fn say(text: impl AsRef<str>) {
    // Nothing is left to be done if stderr is gone.
    let _ = writeln!(std::io::stderr(), "{}", printable(text.as_ref()));
}

/// Writes `text` and a line break to stdout, to a terminal [`printable`]. A closed or full stdout is an error, not a panic;
/// the closed one ends the program quietly.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let text = match out.is_terminal() {
        true => printable(text.as_ref()),
        false => Cow::Borrowed(text.as_ref()),
    };
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
        Format::Table => print(sheet.table(Look::stdout())),
        Format::Markdown => print(sheet.markdown()),
        Format::Csv => print(sheet.csv()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelt_out() {
        assert_eq!(printable("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(
            printable("a\u{1b}[2Jb\u{7}\r\u{9b}"),
            "a\\u{1b}[2Jb\\u{7}\\u{d}\\u{9b}"
        );
    }
}
