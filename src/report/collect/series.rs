//! The series of a panel: one per model or variant, with its style, estimates and marks.

use super::bins::Bins;
use super::estimates::{estimates, medians, medians_by_x, runs};
use super::roofline;
use crate::experiment::schema::{PlotKind, PlotSpec, PublishedSpec};
use crate::models::{OptionRow, Values};
use crate::report::figure::{Estimate, Panel, Series};
use crate::report::palette;
use crate::report::source::Row;
use std::collections::BTreeMap;

/// The series of the rows of one panel, in order of models and variants. `marked` are the records of
/// each of the specification's marks, in all panels; `inside` says which belong to this one.
pub(super) fn series(
    spec: &PlotSpec,
    rows: &[&Row],
    longest: usize,
    bins: Option<Bins>,
    marked: &[Vec<Row>],
    inside: &dyn Fn(&Row) -> bool,
) -> Vec<Series> {
    let key = |row: &Row| row.key(spec.series.iter().map(String::as_str));
    let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, rows)| (palette::rank(rows[0].get("model")), variant(spec, key)));
    let roofs = roofline::roofs(rows);
    let mut previous = ("", 0);
    let mut all = Vec::new();
    for (fields, rows) in groups {
        let model = rows[0].get("model");
        let order = match previous {
            (same, order) if same == model => order + 1,
            _ => 0,
        };
        previous = (model, order);
        let labels = spec.series.iter().zip(&fields);
        let label: Vec<_> = labels
            .filter_map(|(column, value)| palette::factor_label(column, value))
            .collect();
        let (points, runs, operations) = match spec.kind {
            PlotKind::Roofline => {
                let (steps, operations) = roofline::places(&rows, roofs);
                (steps, Vec::new(), operations)
            }
            PlotKind::Curves => {
                let runs = runs(&rows, longest);
                (medians(&runs), runs, Vec::new())
            }
            _ => match bins {
                Some(bins) => (bins.estimates(spec, &rows), Vec::new(), Vec::new()),
                None => (estimates(spec, &rows), Vec::new(), Vec::new()),
            },
        };
        // Where the marks of one metric stand: the median at each x.
        let marks = |rows: &Vec<Row>| {
            let mine = rows.iter().filter(|row| inside(row) && key(row) == fields);
            medians_by_x(mine.filter_map(|row| Some((row.number("x")?, row.value))))
        };
        if spec.kind != PlotKind::Roofline || !points.is_empty() {
            all.push(Series {
                label: match label.is_empty() {
                    true => palette::name(model).into(),
                    false => label.join(", "),
                },
                style: palette::style(model, variant(spec, &fields).unwrap_or(order)),
                points,
                binned: bins.is_some(),
                runs,
                operations,
                marks: marked.iter().map(marks).collect(),
            });
        }
    }
    all
}

/// The panel of what others published: grey lines through hollow marks.
pub(super) fn published(spec: &PublishedSpec) -> Panel {
    let series = |(i, (name, points)): (usize, (&String, &Vec<[f64; 2]>))| Series {
        label: name.clone(),
        style: palette::of_others(i),
        points: points
            .iter()
            .map(|p| Estimate::single(p[0], p[1]))
            .collect(),
        binned: false,
        runs: Vec::new(),
        operations: Vec::new(),
        marks: Vec::new(),
    };
    Panel {
        title: Some(spec.title.clone()),
        series: spec.points.iter().enumerate().map(series).collect(),
        floors: Vec::new(),
        roofs: None,
    }
}

/// The number of a variant, so that it has the same dash in every plot; `None` if the series differ
/// in a column without numbered variants.
fn variant(spec: &PlotSpec, key: &[String]) -> Option<usize> {
    let known = |(column, value): (&String, &String)| match (column.as_str(), value) {
        ("model", _) => Some(0),
        (column, value) => match OptionRow::find(column)?.values {
            Values::Names(names) => Some(names.iter().position(|n| n == value).unwrap_or(0)),
            _ => None,
        },
    };
    spec.series.iter().zip(key).map(known).sum()
}
