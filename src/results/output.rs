//! The output directory: names of its files, the manifest, and how to read it back.
//!
//! ```text
//! suite.json             Manifest
//! runs/<id>/config.toml  the resolved configuration of one run
//! runs/<id>/records.csv  its records
//! runs/<id>/log.txt      what it did
//! runs/<id>/status.json  Status, written last: without it the run is not finished
//! results.csv.gz         the records of all finished runs; results.csv in earlier versions
//! verdicts.json          Vec<Verdict>
//! published.json         Vec<Compared>, where published numbers were reproduced; also as .csv
//! ```

use crate::claims::Verdict;
use crate::claims::published::Compared;
use crate::experiment::schema::Experiment;
use crate::record::{Record, metrics};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Manifest of a suite.
pub const MANIFEST: &str = "suite.json";
/// All records of all finished runs, as CSV packed with gzip, which pandas, DuckDB and R read as it is.
pub const RESULTS: &str = "results.csv.gz";
/// The same in directories of earlier versions.
pub const PLAIN_RESULTS: &str = "results.csv";
/// Verdicts computed from them.
pub const VERDICTS: &str = "verdicts.json";
/// Published numbers beside ours.
pub const PUBLISHED: &str = "published.json";
/// The same as a table.
pub const PUBLISHED_CSV: &str = "published.csv";
/// Directory of the runs.
pub const RUNS: &str = "runs";
/// Records of one run.
pub const RECORDS: &str = "records.csv";
/// Resolved configuration of one run.
pub const CONFIG: &str = "config.toml";
/// Status of one run.
pub const STATUS: &str = "status.json";
/// Log of one run.
pub const LOG: &str = "log.txt";

/// What was run, how and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this directory's layout.
    pub format: u32,
    /// Name of the suite: `claims`, or the experiment's id.
    pub suite: String,
    /// `smoke`, `quick`, `full` or another profile.
    pub profile: String,
    /// Seed all seeds are derived from.
    pub seed: u64,
    /// Worker threads of timings.
    pub threads: usize,
    /// The command that makes it again.
    pub command: String,
    /// Version of seqduel.
    pub version: String,
    /// The machine, as `doctor --format json` prints it.
    pub machine: serde_json::Value,
    /// The text, if an experiment needs one.
    pub corpus: Option<CorpusUsed>,
    /// Experiments as resolved for the profile, in order.
    pub experiments: Vec<Experiment>,
    /// The runs of each experiment, by its id.
    pub plan: BTreeMap<String, Planned>,
    /// Looks taken after the first, by experiment: the cells that each added to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub looks: BTreeMap<String, Vec<Vec<String>>>,
    /// Experiments that could not run.
    pub skipped: Vec<Skipped>,
    /// When the suite was first started, UTC, RFC 3339.
    pub started: String,
    /// Seconds of work so far, over all interrupted parts.
    pub wall_seconds: f64,
}

/// The runs of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// SHA-256 of what of the resolved experiment decides its runs, hex.
    pub settings: String,
    /// Directory names, in the order of the results.
    pub runs: Vec<String>,
}

/// The text an experiment used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusUsed {
    /// Name in the corpus table, or the file name.
    pub name: String,
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Number of characters.
    pub characters: usize,
}

/// An experiment that could not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Its id.
    pub experiment: String,
    /// Why.
    pub reason: String,
    /// What to type.
    pub remedy: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Whether its records count.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of `config.toml`, hex.
    pub config: String,
    /// SHA-256 of `records.csv`, hex; none for a run that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// Seconds it took.
    pub seconds: f64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To its end.
    Done,
    /// With an error; the suite went on.
    Failed,
}

/// One run as the report lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEntry {
    /// Directory name under `runs/`.
    pub id: String,
    /// `None` for a run that was started but not finished.
    pub status: Option<Status>,
    /// `config.toml`.
    pub config: String,
}

/// Why an output directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}; is {} a directory that `seqduel reproduce` or `run` made?", path.display(), path.parent().unwrap_or(path).display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason; part of the message, so not a source.
        reason: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not readable as results: {reason}; delete it and run the same command again to rebuild it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
}

impl OutputError {
    fn malformed(path: &Path, reason: impl ToString) -> Self {
        OutputError::Malformed {
            path: path.into(),
            reason: reason.to_string(),
        }
    }

    fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |reason| OutputError::Read { path, reason }
    }
}

/// Reads `suite.json`.
pub fn read_manifest(dir: &Path) -> Result<Manifest, OutputError> {
    read_json(&dir.join(MANIFEST))
}

/// Reads `results.csv.gz`, or `results.csv` where there is only that.
pub fn read_results(dir: &Path) -> Result<Vec<Record>, OutputError> {
    let (packed, plain) = (dir.join(RESULTS), dir.join(PLAIN_RESULTS));
    match plain.exists() && !packed.exists() {
        true => read_records(&plain),
        false => read_records(&packed),
    }
}

/// Reads `verdicts.json`.
pub fn read_verdicts(dir: &Path) -> Result<Vec<Verdict>, OutputError> {
    read_json(&dir.join(VERDICTS))
}

/// Reads `published.json`.
pub fn read_published(dir: &Path) -> Result<Vec<Compared>, OutputError> {
    read_json(&dir.join(PUBLISHED))
}

/// Lists every run directory, sorted by id.
pub fn read_runs(dir: &Path) -> Result<Vec<RunEntry>, OutputError> {
    let runs = dir.join(RUNS);
    let listing = std::fs::read_dir(&runs).map_err(OutputError::read(&runs))?;
    let mut entries = Vec::new();
    for path in listing.flatten().map(|entry| entry.path()) {
        let status = match path.join(STATUS) {
            file if file.exists() => Some(read_json(&file)?),
            _ => None,
        };
        let id = path.file_name().unwrap_or_default();
        entries.push(RunEntry {
            id: id.to_string_lossy().into_owned(),
            status,
            config: std::fs::read_to_string(path.join(CONFIG)).unwrap_or_default(),
        });
    }
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(entries)
}

/// A file of a few megabytes may say that it unpacks to terabytes; results take a fraction of this.
const MOST_UNPACKED: u64 = 1 << 29;

/// Reads the text of a CSV, which may be packed.
pub fn read_csv(path: &Path) -> Result<Vec<u8>, OutputError> {
    let bytes = std::fs::read(path).map_err(OutputError::read(path))?;
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    if !is_packed {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let mut unpacked = MultiGzDecoder::new(bytes.as_slice()).take(MOST_UNPACKED + 1);
    let length = unpacked.read_to_end(&mut text);
    match length.map_err(|e| OutputError::malformed(path, e))? as u64 {
        0..=MOST_UNPACKED => Ok(text),
        _ => {
            let reason = format!("it unpacks to more than {} MiB", MOST_UNPACKED >> 20);
            Err(OutputError::malformed(path, reason))
        }
    }
}

/// Reads a CSV of records by its header, so that directories of earlier versions can be read: a
/// column they do not have is empty.
pub fn read_records(path: &Path) -> Result<Vec<Record>, OutputError> {
    records_of(&read_csv(path)?, path)
}

/// The records in the bytes of a CSV; `path` says in errors where they are from.
pub fn records_of(bytes: &[u8], path: &Path) -> Result<Vec<Record>, OutputError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers();
    let header = header.map_err(|e| OutputError::malformed(path, e))?.clone();
    let columns = Record::columns();
    if let Some(unknown) = header.iter().find(|name| !columns.contains(name)) {
        let reason = format!("records have no column {unknown:?}");
        return Err(OutputError::malformed(path, reason));
    }
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| OutputError::malformed(path, e))?;
        let mut record = Record::default();
        for (column, text) in header.iter().zip(&row).filter(|(_, text)| !text.is_empty()) {
            let line = row.position().map_or(0, csv::Position::line);
            let wrong = |problem| OutputError::malformed(path, format!("line {line}, {problem}"));
            record.put(column, text).map_err(wrong)?;
        }
        if let (Some(metric), Some(value)) = (metrics::find(&record.metric), record.value)
            && !metric.admits(value)
        {
            let line = row.position().map_or(0, csv::Position::line);
            let reason = format!("line {line}, column value: {value} is no {}", metric.name);
            return Err(OutputError::malformed(path, reason));
        }
        records.push(record);
    }
    Ok(records)
}

/// Records as CSV, the header first also where there is no record.
pub fn csv_of(records: &[Record]) -> anyhow::Result<Vec<u8>> {
    let columns = Record::columns();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for record in records {
        writer.write_record(columns.iter().map(|column| record.get(column)))?;
    }
    Ok(writer.into_inner()?)
}

/// [`csv_of`] packed with gzip, whose header names neither file nor time: equal records are equal bytes.
pub fn packed_csv_of(records: &[Record]) -> anyhow::Result<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(&csv_of(records)?)?;
    Ok(writer.finish()?)
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, OutputError> {
    let bytes = std::fs::read(path).map_err(OutputError::read(path))?;
    serde_json::from_slice(&bytes).map_err(|error| OutputError::malformed(path, error))
}
