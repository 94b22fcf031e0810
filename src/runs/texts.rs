//! The suite's text, read and tokenised once for all runs.

use crate::data::corpus;
use crate::data::text::{Extract, Text};
use crate::data::tokenizer::TokenizerChoice;
use crate::data::{DataError, Objective};
use crate::files::sha256;
use crate::results::output::CorpusUsed;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

/// How the suite's text is cut up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextData {
    /// Characters, bytes or learned pieces.
    pub tokenizer: TokenizerChoice,
    /// Characters used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
    /// Characters left out before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_characters: Option<usize>,
    /// Characters of them to train on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_characters: Option<usize>,
    /// Tokens in a window T.
    pub seq_len: usize,
    /// What is asked of it.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub objective: Objective,
}

impl TextData {
    fn extract(&self) -> Extract {
        Extract {
            skip: self.skip_characters.unwrap_or(0),
            most: self.max_characters,
            train: self.train_characters,
        }
    }
}

type Key = (TokenizerChoice, Extract);

/// One corpus, tokenised in as many ways as experiments ask for.
pub struct Texts {
    corpus: String,
    characters: OnceLock<usize>,
    made: Mutex<HashMap<Key, Arc<Text>>>,
}

impl Texts {
    /// Texts of this named corpus or file; nothing is read yet.
    pub fn new(corpus: &str) -> Self {
        Texts {
            corpus: corpus.into(),
            characters: OnceLock::new(),
            made: Mutex::default(),
        }
    }

    /// Name or file of the corpus.
    pub fn corpus(&self) -> &str {
        &self.corpus
    }

    /// The tokenised text, made at the first call.
    pub fn open(&self, data: &TextData) -> Result<Arc<Text>, DataError> {
        let key = (data.tokenizer, data.extract());
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(text) = made.get(&key) {
            return Ok(text.clone());
        }
        let text = Arc::new(Text::open(&self.corpus, data.tokenizer, data.extract())?);
        made.insert(key, text.clone());
        Ok(text)
    }

    /// Its characters, counted at the first call.
    pub fn characters(&self) -> Result<usize, DataError> {
        if let Some(&known) = self.characters.get() {
            return Ok(known);
        }
        let counted = corpus::read(&self.corpus)?.chars().count();
        Ok(*self.characters.get_or_init(|| counted))
    }

    /// What to record of the corpus: never its path.
    pub fn used(&self) -> Result<CorpusUsed, DataError> {
        let text = corpus::read(&self.corpus)?;
        let file = Path::new(&self.corpus).file_name().unwrap_or_default();
        Ok(CorpusUsed {
            name: file.to_string_lossy().into_owned(),
            sha256: sha256(text.as_bytes()),
            characters: text.chars().count(),
        })
    }
}
