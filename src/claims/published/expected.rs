//! The expected-values file and its checks. Every table refuses unknown keys.

use super::select::Selection;
use crate::files::{ConfigError, place};
use crate::record::Record;
use crate::record::metrics;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The published numbers, in the order of the table.
    #[serde(rename = "row")]
    pub rows: Vec<ExpectedRow>,
}

/// One published number, and the records of ours it is compared with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRow {
    /// Name of the row.
    pub id: String,
    /// Author, year, table or figure.
    pub source: String,
    /// Task and size.
    pub task: String,
    /// Settings in words.
    pub settings: String,
    /// The value as printed there, with its unit.
    pub published: String,
    /// The value as a number, where `within` compares with it.
    pub value: Option<f64>,
    /// How near ours must come; fixed before the run.
    pub tolerance: Tolerance,
    /// Why so near.
    pub why: String,
    /// What a constant or memoryless answer gives, in the published unit: where the tolerance accepts it,
    /// the row says nothing of a model and does not count.
    pub trivial: Option<f64>,
    /// Id of the experiment in `experiments/published/`.
    pub experiment: String,
    /// Profiles it runs in.
    pub profiles: Vec<String>,
    /// How our run differs from the original.
    pub scaled: String,
    /// Named corpus the number is of; another text is not compared.
    pub corpus: Option<String>,
    /// Which records: values of columns, `metric` among them. Of a curve the last point counts,
    /// unless `x` names one.
    pub select: Selection,
    /// Averaged with the records where these columns differ from `select`.
    pub average_with: Option<Selection>,
    /// Minus those.
    pub minus: Option<Selection>,
    /// Over those.
    pub over: Option<Selection>,
    /// And all of that over the same, with these columns changed everywhere: growth.
    pub growth_from: Option<Selection>,
    /// Takes the natural logarithm of all that: a slope, with `over` and `scale`.
    #[serde(default)]
    pub logarithm: bool,
    /// Factor from our unit to the published one.
    pub scale: Option<f64>,
    /// How the values of the runs become one.
    pub statistic: Statistic,
    /// What experiments found where ours differs.
    #[serde(default)]
    pub finding: String,
}

/// How near is near enough: exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Tolerance {
    /// Off the published value by no more than this.
    Within(f64),
    /// No more than this, where a bound or a large effect was published.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Tolerance {
    /// The values that pass, from the least to the greatest.
    pub fn accepted(self, published: Option<f64>) -> (f64, f64) {
        match (self, published) {
            (Tolerance::Within(off), Some(value)) => (value - off, value + off),
            (Tolerance::Within(_), None) => (f64::NAN, f64::NAN),
            (Tolerance::AtMost(bound), _) => (f64::NEG_INFINITY, bound),
            (Tolerance::AtLeast(bound), _) => (bound, f64::INFINITY),
        }
    }

    /// For tables.
    pub fn in_words(self) -> String {
        match self {
            Tolerance::Within(off) => format!("± {off}"),
            Tolerance::AtMost(bound) => format!("at most {bound}"),
            Tolerance::AtLeast(bound) => format!("at least {bound}"),
        }
    }

    fn number(self) -> f64 {
        match self {
            Tolerance::Within(v) | Tolerance::AtMost(v) | Tolerance::AtLeast(v) => v,
        }
    }
}

/// How the values of several runs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Their mean.
    Mean,
    /// Their median, for timings.
    Median,
    /// The highest accuracy, where the source reports its best.
    Highest,
}

/// The metric whose values are shares of test sequences.
pub(super) const ACCURACY: &str = "test_accuracy";

/// Parses and checks an expected-values file; `file` names it in errors.
///
/// # Errors
/// The place, the key and what to do, for what is not TOML, unknown or missing keys, columns or
/// metrics that no record has, and rows that cannot be judged.
pub fn parse(file: &str, text: &str) -> Result<Expected, ConfigError> {
    let expected: Expected = toml::from_str(text).map_err(|error| ConfigError {
        place: place(file, text, error.span()),
        problem: error.message().to_owned(),
        remedy: "correct this key; each [[row]] has the keys of `claims::published::ExpectedRow`"
            .into(),
    })?;
    for (i, row) in expected.rows.iter().enumerate() {
        check(&expected.rows[..i], row).map_err(|(key, problem, remedy)| ConfigError {
            place: place(file, text, row_span(text, &row.id)),
            problem: format!("row {:?}: {key} {problem}", row.id),
            remedy,
        })?;
    }
    Ok(expected)
}

/// Where the row of that id stands, roughly: its id.
fn row_span(text: &str, id: &str) -> Option<Range<usize>> {
    let at = text.find(&format!("id = {id:?}"))?;
    Some(at..at)
}

/// Key, what is wrong with it and what to do.
type Fault = (String, String, String);

fn fault(
    key: impl Into<String>,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<(), Fault> {
    Err((key.into(), problem.into(), remedy.into()))
}

fn check(before: &[ExpectedRow], row: &ExpectedRow) -> Result<(), Fault> {
    if row.id.is_empty() || before.iter().any(|other| other.id == row.id) {
        let problem = format!("= {:?} is empty or taken", row.id);
        return fault("id", problem, "give each row a name of its own");
    }
    for (key, text) in [
        ("source", &row.source),
        ("task", &row.task),
        ("published", &row.published),
        ("why", &row.why),
    ] {
        if text.trim().is_empty() {
            return fault(key, "is empty", "say it in words");
        }
    }
    if row.profiles.is_empty() {
        let remedy = "name the profiles it runs in, such as [\"quick\", \"full\"]";
        return fault("profiles", "is empty", remedy);
    }
    let tolerance = row.tolerance.number();
    let within = matches!(row.tolerance, Tolerance::Within(_));
    if within && row.value.is_none() {
        let remedy = "tolerance.within compares with it; give the published number";
        return fault("value", "is missing", remedy);
    }
    for (key, number) in [
        ("tolerance", Some(tolerance)),
        ("value", row.value),
        ("scale", row.scale),
        ("trivial", row.trivial),
    ] {
        if let Some(number) = number.filter(|n| !n.is_finite()) {
            return fault(key, format!("= {number}"), "give a finite number");
        }
    }
    if within && tolerance <= 0.0 {
        let problem = format!("= {tolerance}");
        return fault("tolerance.within", problem, "give a number above 0");
    }
    if row.statistic == Statistic::Highest && row.select.metric() != Some(ACCURACY) {
        let remedy = format!("only {ACCURACY} has an interval of its best; take mean or median");
        return fault("statistic", "= \"highest\"", remedy);
    }
    let selections = [
        ("average_with", &row.average_with),
        ("minus", &row.minus),
        ("over", &row.over),
        ("growth_from", &row.growth_from),
    ];
    check_columns("select", &row.select)?;
    if row.select.metric().is_none() {
        let remedy = "name the metric whose values are compared";
        return fault("select.metric", "is missing", remedy);
    }
    for (name, selection) in selections {
        if let Some(selection) = selection {
            check_columns(name, selection)?;
        }
    }
    Ok(())
}

/// Whether the columns of a selection and its metric, if it names one, exist.
fn check_columns(name: &str, selection: &Selection) -> Result<(), Fault> {
    let columns = Record::columns();
    let is_known = |column: &&str| columns.iter().any(|known| known == column);
    if let Some(column) = selection.columns().find(|column| !is_known(column)) {
        let remedy = format!("columns of a record: {}", columns.join(", "));
        return fault(format!("{name}.{column}"), "is no column", remedy);
    }
    match selection.metric() {
        Some(metric) if metrics::find(metric).is_none() => {
            let known: Vec<_> = metrics::METRICS.iter().map(|m| m.name).collect();
            let remedy = format!("metrics: {}", known.join(", "));
            let problem = format!("= {metric:?} is not recorded");
            fault(format!("{name}.metric"), problem, remedy)
        }
        _ => Ok(()),
    }
}
