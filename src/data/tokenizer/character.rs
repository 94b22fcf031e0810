//! One token a character.

use crate::data::DataError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// As many as BPE may have tokens: all of Unicode's common scripts together, and more than any text
/// for which a token a character makes sense.
const MOST_CHARACTERS: usize = 65_536;
/// A message names so many of the characters that a tokenizer lacks.
const MOST_NAMED: usize = 5;

/// The characters of a corpus in the order of their code points; a token is an index into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Alphabet", into = "Alphabet")]
pub struct Characters {
    characters: Vec<char>,
    tokens: HashMap<char, u32>,
}

/// As written to a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alphabet {
    characters: String,
}

impl Characters {
    /// The alphabet of a text.
    pub fn of(text: &str) -> Result<Self, DataError> {
        let characters: String = text
            .chars()
            .collect::<BTreeSet<char>>()
            .into_iter()
            .collect();
        let count = characters.chars().count();
        if count > MOST_CHARACTERS {
            return Err(DataError::Tokenizer {
                what: format!("char would have {count} tokens for this corpus"),
                remedy: format!(
                    "more than {MOST_CHARACTERS} are refused, as an output for each would take \
                     gigabytes; use tokenizer byte or bpe"
                ),
            });
        }
        Alphabet { characters }
            .try_into()
            .map_err(|what| DataError::Tokenizer {
                what,
                remedy: "give a corpus with text in it".into(),
            })
    }

    /// Number of characters.
    pub fn vocab(&self) -> usize {
        self.characters.len()
    }

    /// Tokens of a text; names the first characters that have none.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let tokens = text.chars().map(|c| self.tokens.get(&c).copied());
        tokens
            .collect::<Option<_>>()
            .ok_or_else(|| self.unknown(text))
    }

    fn unknown(&self, text: &str) -> DataError {
        let mut seen = HashSet::new();
        let mut characters: Vec<char> = text
            .chars()
            .filter(|c| !self.tokens.contains_key(c) && seen.insert(*c))
            .collect();
        let count = characters.len();
        characters.truncate(MOST_NAMED);
        DataError::UnknownCharacters {
            characters,
            count,
            vocab: self.vocab(),
        }
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> String {
        tokens
            .iter()
            .map(|&token| self.characters[token as usize])
            .collect()
    }
}

impl TryFrom<Alphabet> for Characters {
    type Error = String;

    fn try_from(alphabet: Alphabet) -> Result<Self, String> {
        let characters: Vec<char> = alphabet.characters.chars().collect();
        let tokens: HashMap<char, u32> = (0u32..).zip(&characters).map(|(i, &c)| (c, i)).collect();
        if characters.is_empty() {
            return Err("has no characters".into());
        }
        if tokens.len() != characters.len() {
            return Err("lists a character twice".into());
        }
        Ok(Self { characters, tokens })
    }
}

impl From<Characters> for Alphabet {
    fn from(characters: Characters) -> Self {
        Self {
            characters: characters.characters.into_iter().collect(),
        }
    }
}
