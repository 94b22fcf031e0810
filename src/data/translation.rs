//! How tokens are the words of phrases and their translations.

use super::phrases::{joined, split};
use super::{Batch, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A vocabulary that source and translation share, and what stands around them.
///
/// ```text
/// source                     s1 … sn
/// the model's own sequence   BEGIN t1 … tm        answers: t1 … tm END
/// in one sequence            s1 … sn BEGIN t1 … tm
/// ```
#[derive(Debug, Clone)]
pub struct Words {
    words: Arc<Vec<String>>,
    ids: Arc<BTreeMap<String, u32>>,
    /// Whether both stand in one sequence, for a model that reads no source.
    pub in_one: bool,
    /// Words in the longest source.
    pub longest_source: usize,
    /// Words in the longest translation.
    pub longest: usize,
}

impl Words {
    /// What fills a batch up.
    pub const PADDING: u32 = 0;
    /// What a translation begins with.
    pub const BEGIN: u32 = 1;
    /// What ends it.
    pub const END: u32 = 2;
    /// A word that is not in the vocabulary.
    pub const UNKNOWN: u32 = 3;
    /// Tokens that are no words.
    pub const SPECIAL: [&str; 4] = ["[PAD]", "[BEGIN]", "[END]", "[UNKNOWN]"];

    /// A vocabulary of these words, each once.
    pub fn new(
        words: impl IntoIterator<Item = String>,
        in_one: bool,
        [longest_source, longest]: [usize; 2],
    ) -> Self {
        let special = Self::SPECIAL.map(String::from).into_iter();
        Self::of_all(
            special.chain(words).collect(),
            in_one,
            [longest_source, longest],
        )
    }

    /// The vocabulary of this list, which begins with the tokens that are no words.
    pub fn of_all(words: Vec<String>, in_one: bool, [longest_source, longest]: [usize; 2]) -> Self {
        let ids = words.iter().cloned().zip(0..).collect();
        Words {
            words: Arc::new(words),
            ids: Arc::new(ids),
            in_one,
            longest_source,
            longest,
        }
    }

    /// All of it, in the order of the tokens.
    pub fn list(&self) -> &[String] {
        &self.words
    }

    /// What a model of these words must be.
    pub fn spec(&self) -> Spec {
        let (source, own) = (self.longest_source, self.longest + 1);
        match self.in_one {
            true => Spec::tokens(self.len(), source + own),
            false => Spec {
                source: Some(source),
                ..Spec::tokens(self.len(), own)
            },
        }
    }

    /// Writes a pair into a batch as a sequence of T positions, without ending it. The distance of every
    /// answer is the number of words in the source.
    pub fn write(&self, source: &[u32], translation: &[u32], batch: &mut Batch, seq_len: usize) {
        for &token in source {
            match self.in_one {
                true => batch.read(token),
                false => batch.read_source(token),
            }
        }
        let before = if self.in_one { source.len() } else { 0 };
        let answers = translation.iter().chain([&Self::END]);
        for (read, &answer) in [Self::BEGIN].iter().chain(translation).zip(answers) {
            batch.read(*read);
            batch.ask(answer, source.len());
        }
        let used = before + translation.len() + 1;
        (used..seq_len).for_each(|_| batch.read(Self::PADDING));
    }

    /// Tokens V.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none; there always are.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// A token as it is shown.
    pub fn word(&self, token: u32) -> &str {
        self.words
            .get(token as usize)
            .map_or("[UNKNOWN]", |word| word)
    }

    /// The words of a text as tokens.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let words = split(text).into_iter();
        let id = |word: String| self.ids.get(&word).copied().unwrap_or(Self::UNKNOWN);
        words.map(id).collect()
    }

    /// The words of a text that are not in the vocabulary.
    pub fn unknown(&self, text: &str) -> Vec<String> {
        let words = split(text).into_iter();
        words.filter(|word| !self.ids.contains_key(word)).collect()
    }

    /// Tokens as text, up to the end.
    pub fn text(&self, tokens: &[u32]) -> String {
        let words = tokens.iter().take_while(|&&token| token != Self::END);
        joined(words.map(|&token| self.word(token)))
    }
}
