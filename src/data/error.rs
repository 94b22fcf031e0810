//! What can be wrong with data, said so that the reader knows what to do next.

use std::path::{Path, PathBuf};

/// Why a corpus, a tokenizer or a task cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A text that nothing can be learned from, or none at all.
    #[error("corpus `{name}` {problem}")]
    Text {
        /// Corpus name or path.
        name: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The operating system refuses.
    #[error("cannot {action} `{path}`: {cause}")]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// A named corpus is not cached and cannot be had now.
    #[error("corpus `{name}` is not cached and cannot be fetched: {reason}\n{remedy}")]
    Unavailable {
        /// Corpus name.
        name: String,
        /// What failed, each way that was tried.
        reason: String,
        /// What to type.
        remedy: String,
    },
    /// A fetched or cached corpus differs from the one the table names.
    #[error(
        "corpus `{name}` has SHA-256 {found} where {expected} is expected; its source has changed or a proxy altered it; use another corpus or a file of your own with --corpus FILE"
    )]
    Checksum {
        /// Corpus name.
        name: String,
        /// Of what was read.
        found: String,
        /// Of the table.
        expected: &'static str,
    },
    /// No directory to cache in.
    #[error("no cache directory is known for this user; set SEQDUEL_CACHE to a directory")]
    NoCache,
    /// Text with characters a character tokenizer has not.
    #[error(
        "{} not in the vocabulary of this character tokenizer of {vocab} characters; leave out what it lacks, or train with tokenizer byte or bpe",
        lacking(characters, *count)
    )]
    UnknownCharacters {
        /// The first of them, each once.
        characters: Vec<char>,
        /// How many different ones there are.
        count: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// A tokenizer that cannot be made or read.
    #[error("tokenizer {what}: {remedy}")]
    Tokenizer {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// No row of that name.
    #[error("unknown task `{name}`; known tasks: {known}")]
    UnknownTask {
        /// What was asked for.
        name: String,
        /// Names in the task table.
        known: String,
    },
    /// A setting that makes no sense.
    #[error("{key} = {value} is impossible: {remedy}")]
    Impossible {
        /// Which setting.
        key: String,
        /// Its value.
        value: String,
        /// What to do.
        remedy: String,
    },
}

/// `characters 'Ä' (U+00C4), 'Ö' (U+00D6) and 3 more are`.
fn lacking(characters: &[char], count: usize) -> String {
    let said = characters
        .iter()
        .map(|&c| format!("{c:?} (U+{:04X})", c as u32));
    let said = said.collect::<Vec<_>>().join(", ");
    match count - characters.len() {
        0 if count == 1 => format!("character {said} is"),
        0 => format!("characters {said} are"),
        more => format!("characters {said} and {more} more are"),
    }
}

impl DataError {
    /// A setting with a value that makes no sense, and what to do.
    pub fn impossible(
        key: impl Into<String>,
        value: impl ToString,
        remedy: impl Into<String>,
    ) -> Self {
        DataError::Impossible {
            key: key.into(),
            value: value.to_string(),
            remedy: remedy.into(),
        }
    }

    /// A text that cannot be used, and what to do.
    pub(super) fn text(name: impl Into<String>, problem: impl Into<String>) -> Self {
        DataError::Text {
            name: name.into(),
            problem: problem.into(),
        }
    }

    /// For `map_err`: what could not be done to a file.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| DataError::File {
            action,
            path,
            cause,
        }
    }

    /// Whether other arguments or another configuration are needed, rather than a working network,
    /// disk or permission.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::File { .. } | Self::Unavailable { .. } | Self::Checksum { .. } | Self::NoCache
        )
    }
}
