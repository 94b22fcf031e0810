//! Writing the output directory: one process at a time, every file whole or not at all.

use super::finished::Finished;
use super::output::*;
use crate::files::{self, LockError, sha256};
use crate::record::Record;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::Path;

/// Version of the layout.
pub const FORMAT: u32 = 2;
const LOCK: &str = ".lock";

/// An output directory this process alone writes to, until dropped.
pub struct Directory {
    finished: Finished,
    _lock: File,
}

impl Directory {
    /// Creates the directory if need be and locks it.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path.join(RUNS)).with_context(|| {
            format!(
                "cannot create {}; choose a place to write to with --out DIR",
                path.display()
            )
        })?;
        let file = path.join(LOCK);
        let cannot = || {
            format!(
                "cannot write to {}; choose another place with --out DIR",
                path.display()
            )
        };
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .with_context(cannot)?;
        match files::lock(&lock) {
            Ok(()) => {}
            Err(LockError::Held) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "unknown",
                    pid => pid,
                };
                bail!(
                    "{} is in use by another seqduel process (pid {holder}); wait for it to end, \
                     or choose another place with --out DIR",
                    path.display()
                );
            }
            Err(error) => return Err(error).with_context(cannot),
        }
        lock.set_len(0)
            .and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()))
            .with_context(cannot)?;
        files::sweep(path);
        let runs = std::fs::read_dir(path.join(RUNS)).into_iter().flatten();
        runs.flatten().for_each(|run| files::sweep(&run.path()));
        Ok(Directory {
            finished: Finished::new(path),
            _lock: lock,
        })
    }

    /// The manifest there, if one was written.
    pub fn manifest(&self) -> Result<Option<Manifest>> {
        match self.path().join(MANIFEST).exists() {
            true => Ok(Some(read_manifest(self.path())?)),
            false => Ok(None),
        }
    }

    /// Prepares the directory of a run that starts or starts again; a status from before goes first.
    pub fn start(&self, run: &str, config: &str) -> Result<()> {
        let dir = self.of(run);
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot create {}", dir.display()))?;
        for stale in [STATUS, RECORDS] {
            remove(&dir.join(stale))?;
        }
        write(&dir.join(CONFIG), config.as_bytes())
    }

    /// Writes the records of a run that ended well, and then, last, its status.
    pub fn finish(&self, run: &str, config: &str, records: &[Record], seconds: f64) -> Result<()> {
        let dir = self.of(run);
        let records = csv_of(records)?;
        write(&dir.join(RECORDS), &records)?;
        let status = Status {
            state: State::Done,
            reason: None,
            config: sha256(config),
            records: Some(sha256(&records)),
            seconds,
        };
        self.status(run, &status)
    }

    /// Writes why a run failed; its records, if any, do not count.
    pub fn fail(&self, run: &str, config: &str, reason: &str, seconds: f64) -> Result<()> {
        let status = Status {
            state: State::Failed,
            reason: Some(reason.into()),
            config: sha256(config),
            records: None,
            seconds,
        };
        self.status(run, &status)
    }

    fn status(&self, run: &str, status: &Status) -> Result<()> {
        self.write_json(&Path::new(RUNS).join(run).join(STATUS), status)
    }

    /// Collects the finished runs, in this order, into `results.csv.gz`, and returns them all.
    pub fn collect<'a>(&self, runs: impl IntoIterator<Item = &'a str>) -> Result<Vec<Record>> {
        let mut all = Vec::new();
        for run in runs {
            if self.done(run).is_some() {
                all.extend(self.records(run)?);
            }
        }
        write(&self.path().join(RESULTS), &packed_csv_of(&all)?)?;
        // What an earlier version wrote is out of date now.
        remove(&self.path().join(PLAIN_RESULTS))?;
        Ok(all)
    }

    /// Writes a JSON file, by its path within the directory.
    pub fn write_json(&self, name: &Path, value: &impl serde::Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        write(&self.path().join(name), &bytes)
    }

    /// Writes a CSV file, by its path within the directory.
    pub fn write_csv(&self, name: &Path, header: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header)?;
        for row in rows {
            writer.write_record(row)?;
        }
        write(&self.path().join(name), &writer.into_inner()?)
    }
}

/// What is read of it needs no lock.
impl Deref for Directory {
    type Target = Finished;

    fn deref(&self) -> &Finished {
        &self.finished
    }
}

/// Removes a file, if it is there, before another takes its place.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    files::write_atomically(path, bytes).with_context(|| {
        format!(
            "cannot write {}; finished runs are kept: make room or give permission, and run the \
             same command again to go on",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests;
