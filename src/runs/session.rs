//! What a run needs while it lasts, and how it can fail.

use super::progress::Progress;
use super::texts::Texts;
use crate::data::DataError;
use crate::models::ModelError;
use crate::results::output::LOG;
use crate::train::TrainError;
use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a run needs while it lasts.
pub struct Session<'a> {
    /// Name of the run, for the progress display.
    pub id: &'a str,
    /// Its directory.
    pub directory: PathBuf,
    /// Threads it may use.
    pub threads: usize,
    /// This program, where timings start it again for each launch; in this process if none.
    pub program: Option<&'a Path>,
    /// The suite's text.
    pub texts: &'a Texts,
    /// Set when the user wants to stop.
    pub interrupt: &'a AtomicBool,
    /// Where progress is shown.
    pub progress: &'a Progress,
    /// `log.txt`.
    pub log: File,
}

impl Session<'_> {
    /// Whether to stop and leave a state that can be resumed.
    pub fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Shows how much of the run is done (0…1).
    pub fn advance(&self, fraction: f64) {
        self.progress.advance(self.id, fraction);
    }

    /// Writes a line to the run's log.
    pub fn log(&mut self, line: &str) -> Result<(), Failure> {
        let written = writeln!(self.log, "{line}").with_context(|| {
            format!(
                "cannot write {}; finished runs are kept: make room or give permission, and run \
                 the same command again to go on",
                self.directory.join(LOG).display()
            )
        });
        written.map_err(Failure::Fatal)
    }
}

/// Why there are no records.
#[derive(Debug)]
pub enum Failure {
    /// The user stopped it; it goes on or starts again next time.
    Interrupted,
    /// This run cannot succeed; the others go on.
    Failed(String),
    /// Nothing can be written: the suite stops.
    Fatal(anyhow::Error),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Failure::Failed(error.to_string())
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Failure::Failed(error.to_string())
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Failure::Failed(error.to_string())
    }
}
