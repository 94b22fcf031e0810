//! Text to tokens and back: bytes, characters, or byte-level BPE.

use super::{DataError, Words};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub(super) mod bpe;
mod character;

pub use bpe::Bpe;
pub use character::Characters;

/// Which tokenizer to make for a corpus: `byte`, `char`, `bpe` or `bpe:VOCAB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenizerChoice {
    /// The 256 bytes of UTF-8.
    Byte,
    /// The characters that occur in the corpus.
    Char,
    /// Byte-level byte-pair encoding trained on the training split.
    Bpe {
        /// Number of tokens, 256 bytes included.
        vocab: usize,
    },
}

/// Tokens of a BPE tokenizer where no number is given.
pub const DEFAULT_BPE_VOCAB: usize = 1024;

impl FromStr for TokenizerChoice {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let impossible = |remedy: &str| DataError::impossible("tokenizer", text, remedy);
        match text {
            "byte" => Ok(Self::Byte),
            "char" => Ok(Self::Char),
            "bpe" => Ok(Self::Bpe {
                vocab: DEFAULT_BPE_VOCAB,
            }),
            _ => {
                let vocab = text
                    .strip_prefix("bpe:")
                    .and_then(|number| number.parse().ok())
                    .ok_or_else(|| impossible("use byte, char, bpe or bpe:VOCAB"))?;
                if !(257..=65_536).contains(&vocab) {
                    return Err(impossible("a BPE vocabulary has 257 to 65536 tokens"));
                }
                Ok(Self::Bpe { vocab })
            }
        }
    }
}

impl TryFrom<String> for TokenizerChoice {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<TokenizerChoice> for String {
    fn from(choice: TokenizerChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for TokenizerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte => f.write_str("byte"),
            Self::Char => f.write_str("char"),
            Self::Bpe { vocab } => write!(f, "bpe:{vocab}"),
        }
    }
}

/// A tokenizer ready for use; written to `tokenizer.json` beside a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Tokenizer {
    /// Token = byte.
    Byte,
    /// Token = index into the sorted characters of the corpus.
    Char(Characters),
    /// Token = byte or merged pair of tokens.
    Bpe(Bpe),
    /// Token = word of a list, as [`Words`] cuts a sentence.
    Words {
        /// All of them.
        words: Vec<String>,
    },
}

impl Tokenizer {
    /// Makes a tokenizer for a corpus: characters come from the whole of it, so that every split
    /// can be encoded; BPE learns its merges from the training split only.
    pub fn train(choice: TokenizerChoice, corpus: &str, train: &str) -> Result<Self, DataError> {
        Ok(match choice {
            TokenizerChoice::Byte => Self::Byte,
            TokenizerChoice::Char => Self::Char(Characters::of(corpus)?),
            TokenizerChoice::Bpe { vocab } => Self::Bpe(Bpe::train(train, vocab)),
        })
    }

    /// Number of tokens V. BPE may have fewer than asked for if the text has no more pairs.
    pub fn vocab(&self) -> usize {
        match self {
            Self::Byte => 256,
            Self::Char(characters) => characters.vocab(),
            Self::Bpe(bpe) => bpe.vocab(),
            Self::Words { words } => words.len(),
        }
    }

    /// Tokens of a text. Fails only for a character a character tokenizer has not.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Byte => Ok(text.bytes().map(u32::from).collect()),
            Self::Char(characters) => characters.encode(text),
            Self::Bpe(bpe) => Ok(bpe.encode(text)),
            Self::Words { words } => Ok(Words::of_all(words.clone(), false, [0, 0]).tokens(text)),
        }
    }

    /// The bytes tokens stand for; single tokens of `byte` and `bpe` may be parts of a character.
    ///
    /// # Panics
    /// If a token is not below [`vocab`](Self::vocab).
    pub fn decode_bytes(&self, tokens: &[u32]) -> Vec<u8> {
        match self {
            Self::Byte => tokens
                .iter()
                .map(|&token| u8::try_from(token).expect("a byte token"))
                .collect(),
            Self::Char(characters) => characters.decode(tokens).into_bytes(),
            Self::Bpe(bpe) => bpe.decode(tokens),
            Self::Words { words } => {
                let words = Words::of_all(words.clone(), false, [0, 0]);
                words.text(tokens).into_bytes()
            }
        }
    }

    /// One token as text to be shown: incomplete characters as `<0xE2>`.
    pub fn show(&self, token: u32) -> String {
        let bytes = self.decode_bytes(&[token]);
        match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_string(),
            Err(_) => bytes.iter().map(|byte| format!("<0x{byte:02X}>")).collect(),
        }
    }

    /// Writes `tokenizer.json`, atomically.
    pub fn save(&self, path: &Path) -> Result<(), DataError> {
        let json = serde_json::to_vec_pretty(self).expect("a tokenizer is plain data");
        super::corpus::write(path, &json)
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let json = std::fs::read_to_string(path).map_err(DataError::file("read", path))?;
        serde_json::from_str(&json).map_err(|error| DataError::Tokenizer {
            what: format!("file `{}` is damaged ({error})", path.display()),
            remedy: "train again, or copy the file that belongs to the checkpoint".into(),
        })
    }
}

#[cfg(test)]
mod tests;
