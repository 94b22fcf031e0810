//! Rows under a header as commands print them: a table for the terminal, CSV or Markdown.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::borrow::Cow;
use std::io::IsTerminal;

/// Text for a terminal: control characters other than line feeds and tabs are spelt out, as those in a
/// file of somebody else's could move the cursor, hide lines or change the window; and so are marks that
/// turn the direction of writing, by which a line could read as another.
pub fn printable(text: &str) -> Cow<'_, str> {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let acts = |c: char| c.is_control() && c != '\n' && c != '\t' || turns(c);
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

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For the terminal.
    #[default]
    Table,
    /// One JSON value.
    Json,
    /// Comma-separated, with a header.
    Csv,
    /// A Markdown table.
    Markdown,
}

/// What a table can use of the place it is printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal, where there is one.
    pub width: Option<u16>,
    /// Whether to colour.
    pub color: bool,
}

impl Look {
    /// For standard output as it is now: its width, and colour only on a terminal without `NO_COLOR`.
    pub fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let size = terminal_size::terminal_size().filter(|_| terminal);
        Self {
            width: size.map(|(width, _)| width.0),
            color: terminal && !plain,
        }
    }
}

/// Rows of text under a header.
#[derive(Debug, Clone)]
pub struct Sheet<'a> {
    /// Column names.
    pub header: Vec<&'a str>,
    /// Fields, as many in each row as there are column names.
    pub rows: Vec<Vec<String>>,
    /// The looks of rows with sentences in them; short fields need none.
    pub frame: Option<Frame>,
}

/// Looks of a table whose cells are wrapped to fit.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The column with the answer: coloured on a terminal, bold in Markdown.
    pub answer: usize,
    /// Which answers have a colour, and its ANSI code.
    pub colors: &'static [(&'static str, &'static str)],
    /// Least widths of the first columns.
    pub least: Vec<u16>,
    /// Width of a table that goes to a file or a pipe.
    pub width: u16,
    /// Narrower than this a table cannot be read; the terminal may then wrap it.
    pub narrowest: u16,
    /// What is said in place of a table without rows.
    pub nothing: &'static str,
    /// What stands below the table.
    pub notes: String,
}

/// The name of a column, and its field in the row of each thing.
pub type Column<'a, T> = (&'a str, fn(&T) -> String);

impl<'a> Sheet<'a> {
    /// A row for each thing.
    pub fn of<T>(things: &[T], columns: &[Column<'a, T>]) -> Self {
        let row = |thing: &T| columns.iter().map(|(_, field)| field(thing)).collect();
        Self {
            header: columns.iter().map(|(name, _)| *name).collect(),
            rows: things.iter().map(row).collect(),
            frame: None,
        }
    }

    /// The rows as CSV.
    ///
    /// # Errors
    /// If a row has not as many fields as there are column names.
    pub fn csv(&self) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// The rows as a Markdown table, in columns where they are short.
    pub fn markdown(&self) -> String {
        let Some(frame) = &self.frame else {
            return self.laid_out(presets::ASCII_MARKDOWN).trim_fmt();
        };
        let mut out = format!("| {} |\n", self.header.join(" | "));
        out += &format!("| {} |\n", vec!["---"; self.header.len()].join(" | "));
        for row in &self.rows {
            let cell = |(column, field): (usize, &String)| {
                let field = field.replace('|', "\\|").replace('\n', " ");
                match column == frame.answer {
                    true => format!("**{field}**"),
                    false => field,
                }
            };
            let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
            out += &format!("| {} |\n", cells.join(" | "));
        }
        out
    }

    /// The rows as a table for the terminal.
    pub fn table(&self, look: Look) -> String {
        let Some(frame) = &self.frame else {
            return self.laid_out(presets::NOTHING).trim_fmt();
        };
        if self.rows.is_empty() {
            return frame.nothing.to_owned() + "\n";
        }
        let width = look.width.unwrap_or(frame.width).max(frame.narrowest);
        let least = frame.least.iter();
        let mut table = self.laid_out(presets::UTF8_FULL_CONDENSED);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_constraints(least.map(|n| ColumnConstraint::LowerBoundary(Width::Fixed(*n))));
        let text = table.to_string();
        let lines = text.lines().map(|line| match look.color {
            true => frame.colored(line) + "\n",
            false => line.to_owned() + "\n",
        });
        lines
            .chain([printable(&frame.notes).into_owned()])
            .collect()
    }

    fn laid_out(&self, preset: &str) -> Table {
        let mut table = Table::new();
        table.load_preset(preset).set_header(&self.header);
        let cells = |row: &Vec<String>| {
            row.iter()
                .map(|cell| printable(cell).into_owned())
                .collect()
        };
        table.add_rows(self.rows.iter().map(cells).collect::<Vec<Vec<String>>>());
        table
    }
}

impl Frame {
    /// Colours the answer in a line of the table; the width seen stays the same.
    fn colored(&self, line: &str) -> String {
        let mut cells: Vec<String> = line.split('┆').map(str::to_owned).collect();
        if let Some(cell) = cells.get_mut(self.answer)
            && let Some((_, code)) = self.colors.iter().find(|(word, _)| *word == cell.trim())
        {
            *cell = format!("\u{1b}[1;{code}m{cell}\u{1b}[0m");
        }
        cells.join("┆")
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
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn the_only_control_sequences_of_a_table_are_its_own() {
        let sheet = Sheet {
            header: vec!["claim", "answer", "because"],
            rows: vec![vec!["a\u{1b}[2J".into(), "refuted".into(), "c".into()]],
            frame: Some(Frame {
                answer: 1,
                colors: &[("refuted", "31")],
                least: vec![],
                width: 60,
                narrowest: 20,
                nothing: "",
                notes: "b\u{7}".into(),
            }),
        };
        let look = |color| Look { width: None, color };
        let plain = sheet.table(look(false));
        assert!(
            !plain.contains(|c: char| c.is_control() && c != '\n'),
            "{plain:?}"
        );
        let colored = sheet.table(look(true));
        assert_eq!(colored.matches('\u{1b}').count(), 2, "{colored:?}");
        assert!(colored.contains("\u{1b}[1;31m refuted"), "{colored:?}");
        assert!(colored.contains("a\\u{1b}[2J"), "{colored:?}");
    }
}
