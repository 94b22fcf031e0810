//! Which data a training uses, as configurations and checkpoints say it.

use super::Source;
use super::backwards::Backwards;
use super::masked::MaskedSource;
use super::tasks::TaskSettings;
use super::text::{Extract, TextSource};
use super::tokenizer::TokenizerChoice;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What is asked of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The token after each.
    #[default]
    Next,
    /// The token before each: the text is read from its end.
    Previous,
    /// Tokens that are hidden.
    Masked,
}

impl Objective {
    /// The source that asks this of these windows.
    pub fn of(self, windows: TextSource, seed: u64) -> Box<dyn Source> {
        match self {
            Objective::Next => Box::new(windows),
            Objective::Previous => Box::new(Backwards(windows)),
            Objective::Masked => Box::new(MaskedSource::new(windows, seed)),
        }
    }
}

/// A text or a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DataSection {
    /// Named corpus or UTF-8 file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpus: Option<String>,
    /// Tokenizer of the corpus.
    pub tokenizer: TokenizerChoice,
    /// Window of the corpus in tokens; a task has its own length.
    pub seq_len: usize,
    /// Leave out so many characters at the start of the corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_characters: Option<usize>,
    /// Use only so many characters of the corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
    /// Train only on so many characters of its first 90 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_characters: Option<usize>,
    /// What is asked of the corpus.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub objective: Objective,
    /// File of sentences beside their translations, instead of a corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<String>,
    /// Task with its parameters, instead of a corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSettings>,
}

impl Default for DataSection {
    fn default() -> Self {
        DataSection {
            corpus: None,
            tokenizer: TokenizerChoice::Char,
            seq_len: 128,
            skip_characters: None,
            max_characters: None,
            train_characters: None,
            objective: Objective::default(),
            pairs: None,
            task: None,
        }
    }
}

impl DataSection {
    /// What of the corpus is used.
    pub fn extract(&self) -> Extract {
        Extract {
            skip: self.skip_characters.unwrap_or(0),
            most: self.max_characters,
            train: self.train_characters,
        }
    }
}

/// In words, a corpus by its name without the path to it.
impl fmt::Display for DataSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.corpus, &self.task) {
            (Some(corpus), _) => {
                let name = Path::new(corpus).file_name().unwrap_or_default();
                write!(f, "corpus {}", name.to_string_lossy())?;
                let of = [
                    (self.skip_characters, "left out at its start"),
                    (self.max_characters, "characters"),
                    (self.train_characters, "to train on"),
                ];
                let of = of
                    .into_iter()
                    .filter_map(|(n, what)| Some(format!("{} {what}", n?)));
                let of: Vec<_> = of.collect();
                if !of.is_empty() {
                    write!(f, " ({})", of.join(", "))?;
                }
                write!(
                    f,
                    " in windows of {} {} tokens",
                    self.seq_len, self.tokenizer
                )
            }
            (None, Some(task)) => {
                write!(f, "task {}", task.name)?;
                for (i, (name, value)) in task.parameters.iter().enumerate() {
                    let separator = if i == 0 { ':' } else { ',' };
                    write!(f, "{separator}{name}={value}")?;
                }
                Ok(())
            }
            (None, None) => match &self.pairs {
                Some(file) => {
                    let name = Path::new(file).file_name().unwrap_or_default();
                    write!(f, "the pairs of {}", name.to_string_lossy())
                }
                None => f.write_str("no data"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_said_in_words_without_a_path() {
        let mut data = DataSection {
            corpus: Some("some/where/words.txt".into()),
            ..DataSection::default()
        };
        let said = "corpus words.txt in windows of 128 char tokens";
        assert_eq!(data.to_string(), said);
        data.corpus = None;
        data.task = Some("copy:all=1,delay=3".parse().unwrap());
        assert_eq!(data.to_string(), "task copy:all=1,delay=3");
    }
}
