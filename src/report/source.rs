//! What the report is made from: the files of one output directory.

use crate::claims::Verdict;
use crate::claims::published::Compared;
use crate::experiment::schema::Experiment;
use crate::record::{ColumnValue, Record};
use crate::results::output::{
    Manifest, OutputError, RESULTS, RunEntry, Skipped, VERDICTS, read_manifest, read_published,
    read_results, read_runs, read_verdicts,
};
use anyhow::bail;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Everything recorded in an output directory.
#[derive(Debug, Clone)]
pub struct Source {
    /// What was run, how and on what.
    pub manifest: Manifest,
    /// Every record of every finished run.
    pub records: Vec<Record>,
    /// Verdicts; empty before the suite has ended.
    pub verdicts: Vec<Verdict>,
    /// Published numbers beside ours; empty where none were to be reproduced.
    pub published: Vec<Compared>,
    /// Every run that was started; empty where `runs/` is not there.
    pub runs: Vec<RunEntry>,
    /// Files that are not there yet, in words for the reader.
    pub missing: Vec<String>,
}

impl Source {
    /// Reads an output directory.
    ///
    /// # Errors
    /// If there is no such directory, or a file in it is malformed. Files that come late in a run
    /// (`results.csv.gz`, `verdicts.json`) may be missing; `missing` then says so.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        if !dir.is_dir() {
            bail!(
                "{} is not a directory; give the directory that `seqduel reproduce` or `seqduel run` wrote",
                dir.display()
            );
        }
        let manifest = read_manifest(dir)?;
        let mut missing = Vec::new();
        let mut or_missing = |file: &str, why: &str| {
            missing.push(format!("{file} is missing: {why}"));
        };
        let records = present(read_results(dir))?.unwrap_or_else(|| {
            or_missing(RESULTS, "no run has finished yet");
            Vec::new()
        });
        let verdicts = present(read_verdicts(dir))?.unwrap_or_else(|| {
            or_missing(VERDICTS, "the suite has not ended, so no claim is judged");
            Vec::new()
        });
        // What is published of a directory need not have its runs: their records are in the results.
        let runs = present(read_runs(dir))?.unwrap_or_default();
        let published = present(read_published(dir))?.unwrap_or_default();
        Ok(Self {
            published,
            manifest,
            records,
            verdicts,
            runs,
            missing,
        })
    }

    /// Why an experiment could not run, if it could not.
    pub fn skipped(&self, experiment: &Experiment) -> Option<&Skipped> {
        let mut skipped = self.manifest.skipped.iter();
        skipped.find(|s| s.experiment == experiment.id)
    }

    /// The records of one experiment with one metric, and a value.
    pub fn measured(&self, experiment: &str, metric: &str) -> impl Iterator<Item = Row> {
        let named = move |r: &&Record| r.experiment == experiment && r.metric == metric;
        let measured = self.records.iter().filter(named);
        measured.filter(|r| r.value.is_some()).map(Row::of)
    }
}

/// `None` if the file does not exist; anything else that goes wrong is an error.
fn present<T>(read: Result<T, OutputError>) -> anyhow::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(OutputError::Read { reason, .. }) if reason.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A record by column names, as `results.csv.gz` spells them; empty where there is no value.
#[derive(Debug, Clone)]
pub struct Row {
    fields: BTreeMap<&'static str, String>,
    /// What was measured; NaN if there is no value.
    pub value: f64,
}

impl Row {
    /// The columns of a record.
    pub fn of(record: &Record) -> Self {
        let columns = Record::columns().iter();
        Self {
            fields: columns
                .map(|&column| (column, record.get(column)))
                .collect(),
            value: record.value.unwrap_or(f64::NAN),
        }
    }

    /// The field in a column, empty if there is none.
    pub fn get(&self, column: &str) -> &str {
        self.fields.get(column).map_or("", String::as_str)
    }

    /// The number in a column, if there is one.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.get(column).parse().ok()
    }

    /// The fields in several columns.
    pub fn key<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        columns.into_iter().map(|c| self.get(c).into()).collect()
    }

    /// Whether all these columns have these values. With `lenient`, an empty field matches too: a
    /// baseline has no training budget, so it is shown beside models of every budget.
    pub fn matches(&self, filter: &BTreeMap<String, ColumnValue>, lenient: bool) -> bool {
        filter.iter().all(|(column, wanted)| {
            let field = self.get(column);
            wanted.matches(field) || (lenient && field.is_empty())
        })
    }
}

/// Orders two fields as numbers if both are numbers, else as text.
pub fn compare_fields(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y),
        _ => a.cmp(b),
    }
}
