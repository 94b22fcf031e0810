//! Named corpora, fetched once, checked and cached; and any UTF-8 file.

use super::DataError;
use std::path::{Path, PathBuf};

/// A text the project knows where to get.
#[derive(Debug, Clone, Copy)]
pub struct Corpus {
    /// Name on the command line.
    pub name: &'static str,
    /// One line about it.
    pub describes: &'static str,
    /// On which terms it may be used.
    pub licence: &'static str,
    /// Where it comes from.
    pub origin: &'static str,
    /// SHA-256 of the cached text, hex.
    pub sha256: &'static str,
    /// Size of the cached text.
    pub bytes: u64,
}

/// All named corpora; the first is the default.
pub const CORPORA: &[Corpus] = &[];

/// Path of the cached text of a named corpus; `None` if it is not cached.
pub fn path(_name: &str) -> Result<Option<PathBuf>, DataError> {
    todo!()
}

/// Path of the cached text of a named corpus, fetched first if need be.
pub fn fetch(_name: &str) -> Result<PathBuf, DataError> {
    todo!()
}

/// The text of a named corpus (fetched if need be) or of a UTF-8 file.
pub fn read(_corpus: &str) -> Result<String, DataError> {
    todo!()
}

/// Writes a file so that it is there whole or not at all.
pub fn write_atomically(_path: &Path, _bytes: &[u8]) -> Result<(), DataError> {
    todo!()
}
