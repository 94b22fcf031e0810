//! What a `[[plot]]` of an experiment may say.

use crate::record::{ColumnValue, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One plot of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlotSpec {
    /// File name without extension.
    pub file: String,
    /// Title over the plot.
    pub title: String,
    /// How the records become marks.
    pub kind: PlotKind,
    /// Metric on the ordinate.
    pub metric: String,
    /// Record column on the abscissa, or `x` for the record's own abscissa.
    pub x: String,
    /// Label of the abscissa, with unit.
    pub x_label: String,
    /// Label of the ordinate, with unit.
    pub y_label: String,
    /// Scale of the abscissa.
    #[serde(default)]
    pub x_scale: Scale,
    /// Scale of the ordinate.
    #[serde(default)]
    pub y_scale: Scale,
    /// Ends of the ordinate; from the data if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_range: Option<[f64; 2]>,
    /// Record columns whose values name a series.
    pub series: Vec<String>,
    /// Record columns with one panel for each of their values that occur together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facet: Vec<String>,
    /// Only records where these columns have these values.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<String, ColumnValue>,
    /// Metric drawn as a dotted line: the trivial floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Baseline models drawn as horizontal lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<String>,
    /// Further metrics of the same series, drawn as single marks on the same axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkSpec>,
    /// What others published, drawn in a panel of its own on the same axes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedSpec>,
}

/// Published points beside ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSpec {
    /// Title of the panel.
    pub title: String,
    /// Whose they are, and under which settings, for the caption.
    pub source: String,
    /// By name, the points: abscissa and value.
    pub points: BTreeMap<String, Vec<[f64; 2]>>,
}

/// A metric drawn as single marks, at the records' own abscissa `x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// The metric.
    pub metric: String,
    /// What it is, for the legend.
    pub label: String,
}

impl PlotSpec {
    /// Whether the filter lets records with these factors through, so far as they are known: an
    /// empty column may still get the value asked for.
    pub fn may_show(&self, record: &Record) -> bool {
        self.filter.iter().all(|(column, wanted)| {
            let field = record.get(column);
            field.is_empty() || wanted.matches(&field)
        })
    }
}

/// How records become marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlotKind {
    /// One point with interval per value of a factor, joined.
    Lines,
    /// The course of a metric within each run: band over runs, faint single runs.
    Curves,
    /// One bar with interval per series.
    Bars,
    /// FLOP/s against FLOPs per byte under the machine's roofs: a large mark a training step, a small
    /// one for each of its operations. Runs that such a plot may show time their operations too.
    /// Metric is `operation_seconds`; `x` and the scales are not used.
    Roofline,
}

/// Scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Equal steps.
    #[default]
    Linear,
    /// Powers of two.
    Log2,
    /// Powers of ten.
    Log10,
}
