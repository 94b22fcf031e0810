//! Writing results to stdout: text, JSON, and tables in the four formats.

use super::Format;
use anyhow::Context;
use serde::Serialize;
use std::io::Write;

/// Writes `text` and a line break to stdout. A closed or full stdout is an error, not a panic;
/// the closed one ends the program quietly.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let text = text.as_ref();
    out.write_all(text.as_bytes())
        .and_then(|()| {
            if text.ends_with('\n') {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        })
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
    match format {
        Format::Json => print_json(value),
        Format::Table => print(table(header, rows, comfy_table::presets::NOTHING)),
        Format::Markdown => print(table(header, rows, comfy_table::presets::ASCII_MARKDOWN)),
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(header)?;
            for row in rows {
                writer.write_record(row)?;
            }
            print(String::from_utf8_lossy(&writer.into_inner()?))
        }
    }
}

fn table(header: &[&str], rows: &[Vec<String>], preset: &str) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(preset).set_header(header).add_rows(rows);
    table.trim_fmt()
}
