//! The tables of the report.

mod records;

pub use records::{models, throughput, tuning};

use super::axis::{exact, significant};
use super::figure::Figure;
use super::roofline;
use super::terminal;
use crate::claims::Verdict;
use crate::experiment::schema::PlotKind;
use crate::stats::Interval;

/// A table of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Column names; none for a list of facts.
    pub header: Vec<&'static str>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Whether a click on a column name sorts.
    pub sortable: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What is printed.
    pub text: String,
    /// Its CSS class, or none.
    pub class: &'static str,
    /// What it is sorted by, if not its text.
    pub key: Option<String>,
}

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        class: "",
        key: None,
    }
}

/// A number that is sorted by its value, however it is printed.
fn numeric(text: String, value: f64) -> Cell {
    Cell {
        text,
        class: "number",
        key: Some(format!("{value}")),
    }
}

pub(super) fn number(value: f64) -> Cell {
    numeric(significant(value), value)
}

/// `1.23 [1.1, 1.4]`.
pub(super) fn with_interval(value: f64, interval: Option<&Interval>) -> Cell {
    let text = match interval {
        Some(i) => format!(
            "{} [{}, {}]",
            significant(value),
            significant(i.low),
            significant(i.high)
        ),
        None => significant(value),
    };
    numeric(text, value)
}

/// The comparisons a verdict rests on.
pub fn evidence(verdict: Option<&Verdict>) -> Table {
    let evidence = verdict.map_or(&[][..], |v| &v.evidence);
    let rows = evidence.iter().map(|e| {
        vec![
            text(&e.label),
            with_interval(e.effect.estimate, Some(&e.effect)),
            text(&e.unit),
            number_in_full(e.margin),
            text(e.effect.n.to_string()),
            text(terminal::answer(e.answer)),
            text(if e.deciding { "" } else { "beside the verdict" }),
        ]
    });
    Table {
        header: vec![
            "comparison",
            "effect [interval]",
            "unit",
            "margin",
            "n",
            "answer",
            "",
        ],
        rows: rows.collect(),
        sortable: true,
    }
}

/// The estimates a plot shows; of curves the last one of each.
pub fn numbers(figure: &Figure) -> Table {
    if figure.kind == PlotKind::Roofline {
        return roofline::numbers(figure);
    }
    let x = match figure.kind {
        PlotKind::Lines => "at",
        PlotKind::Curves => "at its end",
        PlotKind::Bars | PlotKind::Roofline => "",
    };
    let mut rows = Vec::new();
    for panel in &figure.panels {
        let name = |label: &str| match &panel.title {
            Some(title) => text(format!("{label} ({title})")),
            None => text(label),
        };
        for series in &panel.series {
            let skip = if figure.kind == PlotKind::Curves {
                series.points.len().saturating_sub(1)
            } else {
                0
            };
            for point in series.points.iter().skip(skip) {
                let at = if x.is_empty() {
                    text("")
                } else {
                    number_in_full(point.x)
                };
                rows.push(vec![
                    name(&series.label),
                    at,
                    with_interval(point.value, point.interval.as_ref()),
                    text(point.sample.len().to_string()),
                ]);
            }
        }
        for floor in &panel.floors {
            for (at, level) in &floor.points {
                let at = if floor.points.len() > 1 {
                    number_in_full(*at)
                } else {
                    text("everywhere")
                };
                rows.push(vec![name(&floor.label), at, number(*level), text("")]);
            }
        }
    }
    Table {
        header: vec!["series", x, "value [95 % interval]", "n"],
        rows,
        sortable: true,
    }
}

fn number_in_full(value: f64) -> Cell {
    numeric(exact(value), value)
}
