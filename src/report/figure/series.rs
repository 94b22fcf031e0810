//! The series of a panel: one a model or variant, with its style, estimates and marks.

use super::Series;
use super::estimates::{estimates, medians, runs};
use crate::experiment::schema::{PlotKind, PlotSpec};
use crate::models::{OptionRow, Values};
use crate::report::palette;
use crate::report::roofline::{self, Roofs};
use crate::report::source::Row;
use crate::stats::median;
use std::collections::BTreeMap;

/// The series of the rows of one panel, in order of models and variants.
pub(super) fn series(
    spec: &PlotSpec,
    rows: &[&(Row, f64)],
    longest: usize,
    marked: &[Vec<(Row, f64)>],
    inside: &dyn Fn(&Row) -> bool,
) -> Vec<Series> {
    let mut groups: BTreeMap<Vec<String>, Vec<&(Row, f64)>> = BTreeMap::new();
    for row in rows {
        let key = spec
            .series
            .iter()
            .map(|column| row.0.get(column).to_string())
            .collect();
        groups.entry(key).or_default().push(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, rows)| (palette::rank(rows[0].0.get("model")), variant(spec, key)));
    let roofs = Roofs::of(rows);
    let mut previous = (String::new(), 0);
    groups
        .into_iter()
        .map(|(key, rows)| {
            let model = rows[0].0.get("model").to_string();
            let order = if previous.0 == model {
                previous.1 + 1
            } else {
                0
            };
            previous = (model.clone(), order);
            let labels = spec.series.iter().zip(&key);
            let label: Vec<_> = labels
                .filter_map(|(c, v)| palette::factor_label(c, v))
                .collect();
            let runs = if spec.kind == PlotKind::Curves {
                runs(&rows, longest)
            } else {
                Vec::new()
            };
            let (points, operations) = match spec.kind {
                PlotKind::Roofline => roofline::places(&rows, roofs),
                PlotKind::Curves => (medians(&runs), Vec::new()),
                _ => (estimates(spec, &rows), Vec::new()),
            };
            Series {
                label: if label.is_empty() {
                    palette::name(&model).into()
                } else {
                    label.join(", ")
                },
                style: palette::style(&model, variant(spec, &key).unwrap_or(order)),
                points,
                runs,
                operations,
                marks: marked
                    .iter()
                    .map(|rows| marks(spec, rows, &key, inside))
                    .collect(),
            }
        })
        .filter(|series| spec.kind != PlotKind::Roofline || !series.points.is_empty())
        .collect()
}

/// Where the marks of one series and metric stand: the median at each abscissa.
fn marks(
    spec: &PlotSpec,
    rows: &[(Row, f64)],
    key: &[String],
    inside: &dyn Fn(&Row) -> bool,
) -> Vec<(f64, f64)> {
    let same = |row: &Row| {
        spec.series
            .iter()
            .zip(key)
            .all(|(column, v)| row.get(column) == v)
    };
    let of_series = rows.iter().filter(|(row, _)| inside(row) && same(row));
    let mut places: Vec<(f64, f64)> = of_series
        .filter_map(|(row, value)| Some((row.get("x").parse().ok()?, *value)))
        .collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = places.chunk_by(|a, b| a.0 == b.0);
    groups
        .map(|group| {
            (
                group[0].0,
                median(&group.iter().map(|p| p.1).collect::<Vec<_>>()),
            )
        })
        .collect()
}

/// The same variant has the same dash in every plot; `None` if the series differ in something else.
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
