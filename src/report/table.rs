//! A table of the page, and the cells it is made of.

use super::number::{exact, significant};
use crate::stats::Interval;

/// A table of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Column names; empty for a list of facts.
    pub header: Vec<&'static str>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Whether a click on a column name sorts.
    pub sortable: bool,
}

/// The name of a column, and its cell in the row of each thing.
pub type Column<'a, T> = (&'static str, &'a dyn Fn(&T) -> Cell);

impl Table {
    /// A sortable table with a row for each thing.
    pub fn of<T>(things: &[T], columns: &[Column<T>]) -> Self {
        let row = |thing: &T| columns.iter().map(|(_, cell)| cell(thing)).collect();
        Self {
            header: columns.iter().map(|(name, _)| *name).collect(),
            rows: things.iter().map(row).collect(),
            sortable: true,
        }
    }
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What is printed.
    pub text: String,
    /// Its CSS class, or empty. A cell with one is sorted by its first number, others by their text.
    pub class: &'static str,
}

/// A cell that is sorted by its text.
pub fn text(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        class: "",
    }
}

/// A text that is sorted by the number in it.
pub fn numeric(text: String) -> Cell {
    Cell {
        text,
        class: "number",
    }
}

/// A number with three significant digits.
pub fn number(value: f64) -> Cell {
    numeric(significant(value))
}

/// A number in full.
pub fn number_in_full(value: f64) -> Cell {
    numeric(exact(value))
}

/// `1.23 [1.1, 1.4]`.
pub fn with_interval(value: f64, interval: Option<&Interval>) -> Cell {
    let mut text = significant(value);
    if let Some(i) = interval {
        text += &format!(" [{}, {}]", significant(i.low), significant(i.high));
    }
    numeric(text)
}
