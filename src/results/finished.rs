//! Reading which runs of an output directory are finished; nothing is locked or written.

use super::output::{OutputError, RECORDS, RUNS, STATUS, State, Status, read_json, read_records};
use crate::files::sha256;
use crate::record::Record;
use std::path::{Path, PathBuf};

/// The runs of an output directory, which need not exist.
#[derive(Debug, Clone)]
pub struct Finished {
    path: PathBuf,
}

impl Finished {
    /// Those of this output directory.
    pub fn new(path: &Path) -> Self {
        Finished { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Directory of a run.
    pub fn of(&self, run: &str) -> PathBuf {
        self.path.join(RUNS).join(run)
    }

    /// Whether a run ended well with exactly this configuration, its records whole.
    pub fn is_done(&self, run: &str, config: &str) -> bool {
        self.done(run)
            .is_some_and(|status| status.config == sha256(config))
    }

    /// The status of a run that ended well and whose records are the bytes written then: a machine
    /// that lost its power may keep the status and lose the end of the records.
    pub(super) fn done(&self, run: &str) -> Option<Status> {
        let status = read_json::<Status>(&self.of(run).join(STATUS)).ok()?;
        let records = std::fs::read(self.of(run).join(RECORDS)).ok()?;
        let whole = status.records.as_deref() == Some(&sha256(records));
        Some(status).filter(|status| status.state == State::Done && whole)
    }

    /// The records of a run that ended well.
    pub fn records(&self, run: &str) -> Result<Vec<Record>, OutputError> {
        read_records(&self.of(run).join(RECORDS))
    }
}
