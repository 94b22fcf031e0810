//! What can be wrong with data, said so that the reader knows what to do next.

use std::path::PathBuf;

/// Why a corpus, a tokenizer or a task cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Neither a named corpus nor a file.
    #[error(
        "corpus `{name}` is neither a file nor a named corpus; named corpora: {known}; give the path of a UTF-8 text file or one of these names"
    )]
    UnknownCorpus {
        /// What was asked for.
        name: String,
        /// Names in the corpus table.
        known: String,
    },
    /// A directory where a file is needed.
    #[error("corpus `{path}` is a directory; give the path of one UTF-8 text file in it")]
    Directory {
        /// What was asked for.
        path: PathBuf,
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
    /// Nothing in it.
    #[error("corpus `{name}` is empty; give a file with text in it")]
    Empty {
        /// Corpus name or path.
        name: String,
    },
    /// Nothing to predict in it.
    #[error(
        "corpus `{name}` consists of the single character {character:?}; there is nothing to predict in it, give a file with running text"
    )]
    OneCharacter {
        /// Corpus name or path.
        name: String,
        /// The only character that occurs.
        character: char,
    },
    /// A NUL byte: not text.
    #[error(
        "corpus `{name}` is binary (NUL byte at byte {offset}); give a text file, and convert UTF-16 first with `iconv -f UTF-16 -t UTF-8`"
    )]
    Binary {
        /// Corpus name or path.
        name: String,
        /// Bytes before the first NUL.
        offset: usize,
    },
    /// Bytes that are no UTF-8.
    #[error(
        "corpus `{name}` is not UTF-8: invalid byte 0x{byte:02x} at byte {offset}; convert it, for example with `iconv -f LATIN1 -t UTF-8`"
    )]
    NotUtf8 {
        /// Corpus name or path.
        name: String,
        /// Bytes before the first invalid one.
        offset: usize,
        /// The invalid byte.
        byte: u8,
    },
    /// A split does not hold one window.
    #[error(
        "corpus `{name}` is too short: its {split} part has {tokens} tokens, a window of seq-len = {seq_len} needs {}; use a corpus of at least about {characters} characters or a smaller seq-len", seq_len + 1
    )]
    TooShort {
        /// Corpus name or path.
        name: String,
        /// `train`, `validation` or `test`.
        split: &'static str,
        /// Tokens in that split.
        tokens: usize,
        /// Window length T.
        seq_len: usize,
        /// Estimated length that would do.
        characters: usize,
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
    #[error("corpus `{name}` has SHA-256 {found} where {expected} is expected; {remedy}")]
    Checksum {
        /// Corpus name.
        name: String,
        /// Of what was read.
        found: String,
        /// Of the table.
        expected: String,
        /// What to do.
        remedy: String,
    },
    /// No directory to cache in.
    #[error("no cache directory is known for this user; set SEQDUEL_CACHE to a directory")]
    NoCache,
    /// Text with a character a character tokenizer has not.
    #[error(
        "character {character:?} (U+{:04X}) is not in the vocabulary of this character tokenizer of {vocab} characters; leave it out, or train with tokenizer byte or bpe", *character as u32
    )]
    UnknownCharacter {
        /// The character.
        character: char,
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

impl DataError {
    /// Whether other arguments or another configuration are needed, rather than a working network,
    /// disk or permission.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::File { .. } | Self::Unavailable { .. } | Self::Checksum { .. } | Self::NoCache
        )
    }
}
