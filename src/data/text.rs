//! Text as training data: split, tokenised, drawn in random windows and evaluated in a row.

use super::bigram::Bigram;
use super::corpus;
use super::tokenizer::{Tokenizer, TokenizerChoice, bpe};
use super::{Batch, Cursor, DataError, Floor, Source, Spec, Split, seeds};
use crate::files::sha256;
use crate::models::Shape;
use rand_chacha::ChaCha8Rng;
use std::sync::{Arc, OnceLock};

/// A tokenised corpus, split by characters into the first 90 % to train, the next 5 % to validate
/// and the last 5 % to test, so that the split is the same for every tokenizer. Costs some seconds
/// to make for a large corpus; share it between sources with [`Arc`].
pub struct Text {
    name: String,
    tokenizer: Tokenizer,
    /// Of train, validation, test.
    tokens: [Vec<u32>; 3],
    characters: [usize; 3],
    /// SHA-256 of the text, hex.
    sha256: String,
    /// What the last token alone predicts, once asked for.
    known: OnceLock<Floor>,
}

impl Text {
    /// Reads a named corpus or file, makes a tokenizer for it and encodes it.
    pub fn open(
        corpus: &str,
        choice: TokenizerChoice,
        extract: impl Into<Extract>,
    ) -> Result<Self, DataError> {
        let (text, extract) = (corpus::read(corpus)?, extract.into());
        let text = extract.of(&text);
        let tokenizer = Tokenizer::train(choice, text, split(text, extract)[0])?;
        Self::encode_extract(corpus, text, tokenizer, extract)
    }

    /// The same with the tokenizer of a checkpoint.
    pub fn open_with(
        corpus: &str,
        tokenizer: Tokenizer,
        extract: impl Into<Extract>,
    ) -> Result<Self, DataError> {
        let (text, extract) = (corpus::read(corpus)?, extract.into());
        Self::encode_extract(corpus, extract.of(&text), tokenizer, extract)
    }

    /// All of a text as test, to be judged by a model that was trained on another one.
    pub fn open_whole(corpus: &str, tokenizer: Tokenizer) -> Result<Self, DataError> {
        let text = corpus::read(corpus)?;
        let tokens = tokenizer.encode(&text)?;
        Ok(Self {
            name: corpus.into(),
            tokens: [tokens.clone(), tokens.clone(), tokens],
            characters: [text.chars().count(); 3],
            sha256: sha256(&text),
            known: OnceLock::new(),
            tokenizer,
        })
    }

    /// Splits and encodes a text; `name` is for messages.
    pub fn encode(name: &str, text: &str, tokenizer: Tokenizer) -> Result<Self, DataError> {
        Self::encode_extract(name, text, tokenizer, Extract::default())
    }

    fn encode_extract(
        name: &str,
        text: &str,
        tokenizer: Tokenizer,
        extract: Extract,
    ) -> Result<Self, DataError> {
        let parts = split(text, extract);
        let encode = |part: &str| tokenizer.encode(part);
        Ok(Self {
            name: name.into(),
            tokens: [encode(parts[0])?, encode(parts[1])?, encode(parts[2])?],
            characters: parts.map(|part| part.chars().count()),
            sha256: match extract.train {
                Some(_) => sha256(parts.concat()),
                None => sha256(text),
            },
            known: OnceLock::new(),
            tokenizer,
        })
    }

    /// The tokenizer it was encoded with.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// All tokens of a split.
    pub fn tokens(&self, split: Split) -> &[u32] {
        &self.tokens[split as usize]
    }

    /// Characters in a split.
    pub fn characters(&self, split: Split) -> usize {
        self.characters[split as usize]
    }

    /// Mean characters a token stands for in a split.
    pub fn characters_per_token(&self, split: Split) -> f64 {
        self.characters(split) as f64 / self.tokens(split).len() as f64
    }

    /// Characters of which each part holds a window of T tokens and the one after it, if the text goes
    /// on like this, whatever a tokenizer learns of it.
    fn enough_characters(&self, seq_len: usize) -> usize {
        // The two small parts are a twentieth each, rounded.
        let characters = seq_len
            .saturating_add(1)
            .saturating_mul(20)
            .saturating_add(20);
        if !matches!(self.tokenizer, Tokenizer::Bpe(_)) {
            return characters;
        }
        // Longer text has longer tokens, up to whole pieces: of each copy of this text as many as it has
        // by itself, but for those that reach over its ends, and none longer than a piece can be.
        let all = self.tokenizer.decode_bytes(&self.tokens.concat());
        let all = String::from_utf8_lossy(&all);
        let (pieces, length) = (bpe::pieces(&all).count(), all.chars().count());
        let in_copies = pieces.saturating_sub(1) as f64 / length.max(1) as f64;
        let a_character = in_copies.max(1.0 / bpe::LONGEST_TOKEN as f64);
        let part = (seq_len as f64 + 2.0) / a_character + 2.0 * length as f64;
        ((20.0 * part) as usize).saturating_add(20)
    }
}

fn first_characters(text: &str, limit: Option<usize>) -> &str {
    let end = limit.and_then(|limit| text.char_indices().nth(limit));
    end.map_or(text, |(at, _)| &text[..at])
}

/// What of a corpus is used, in characters: all of it where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extract {
    /// Left out at its start.
    pub skip: usize,
    /// Used after that, at most.
    pub most: Option<usize>,
    /// Of the part to train on, so many at its start, at most; the parts to validate and test are the same
    /// however few.
    pub train: Option<usize>,
}

/// The start of a corpus.
impl From<Option<usize>> for Extract {
    fn from(most: Option<usize>) -> Self {
        Extract {
            most,
            ..Extract::default()
        }
    }
}

impl Extract {
    fn of(self, text: &str) -> &str {
        let skipped = first_characters(text, Some(self.skip)).len();
        first_characters(&text[skipped..], self.most)
    }
}

/// The first 90 % or what of them is used, the next 5 % and the rest of the characters.
fn split(text: &str, extract: Extract) -> [&str; 3] {
    let characters = text.chars().count();
    let validation_from = characters * 90 / 100;
    let (train, rest) = text.split_at(first_characters(text, Some(validation_from)).len());
    let validation = first_characters(rest, Some(characters * 95 / 100 - validation_from));
    [
        first_characters(train, extract.train),
        validation,
        &rest[validation.len()..],
    ]
}

/// Windows of T tokens of a [`Text`]; the target of a token is the one after it.
pub struct TextSource {
    text: Arc<Text>,
    seq_len: usize,
    rng: ChaCha8Rng,
    drawn: u64,
}

impl TextSource {
    /// Windows of a text already tokenised; refused if a split does not hold one window.
    pub fn new(text: Arc<Text>, seq_len: usize, seed: u64) -> Result<Self, DataError> {
        if seq_len == 0 {
            let remedy = "give a window of at least one token";
            return Err(DataError::impossible("seq-len", 0, remedy));
        }
        for split in [Split::Train, Split::Validation, Split::Test] {
            let tokens = text.tokens(split).len();
            if tokens <= seq_len {
                let characters = text.enough_characters(seq_len);
                let problem = format!(
                    "is too short: its {} part has {tokens} tokens, a window of seq-len = \
                     {seq_len} needs {}; use a corpus of at least about {characters} characters or \
                     a smaller seq-len",
                    split.name(),
                    seq_len + 1
                );
                return Err(DataError::text(&text.name, problem));
            }
        }
        Ok(Self {
            text,
            seq_len,
            rng: seeds::generator(seed, 0),
            drawn: 0,
        })
    }

    fn batch(&self, split: Split, starts: &[usize]) -> Batch {
        let tokens = self.text.tokens(split);
        let windows = |shift: usize| {
            let window = move |&start: &usize| &tokens[start + shift..start + shift + self.seq_len];
            starts.iter().flat_map(window).copied().collect()
        };
        let shape = Shape {
            batch: starts.len(),
            seq_len: self.seq_len,
        };
        Batch::of_tokens(shape, windows(0), windows(1))
    }
}

impl Source for TextSource {
    fn spec(&self) -> Spec {
        Spec::tokens(self.text.tokenizer.vocab(), self.seq_len)
    }

    /// Windows that start anywhere in the training split, each place equally likely.
    fn next_batch(&mut self, batch: usize) -> Batch {
        let places = self.text.tokens(Split::Train).len() - self.seq_len;
        let starts: Vec<usize> = (0..batch)
            .map(|_| seeds::below(&mut self.rng, places as u64) as usize)
            .collect();
        self.drawn += batch as u64;
        self.batch(Split::Train, &starts)
    }

    /// Windows in a row that do not overlap; if there are more than asked for, evenly spaced ones
    /// over the whole split.
    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch> {
        let windows = (self.text.tokens(split).len() - 1) / self.seq_len;
        let count = sequences.min(windows);
        let starts: Vec<usize> = (0..count)
            .map(|index| index * windows / count * self.seq_len)
            .collect();
        starts
            .chunks(batch.max(1))
            .map(|starts| self.batch(split, starts))
            .collect()
    }

    fn cursor(&self) -> Cursor {
        seeds::save(&self.rng, self.drawn)
    }

    fn restore(&mut self, cursor: &Cursor) {
        self.rng = seeds::load(cursor).expect("a cursor that a source of this kind saved");
        self.drawn = cursor.drawn;
    }

    fn characters_per_token(&self, split: Split) -> Option<f64> {
        Some(self.text.characters_per_token(split))
    }

    fn target_characters(&self, batches: &[Batch]) -> Option<usize> {
        let count = |batch: &Batch| {
            let bytes = self.text.tokenizer.decode_bytes(batch.targets.tokens());
            // A character of UTF-8 begins with each byte that is not 0b10xx_xxxx.
            let begins = |&&byte: &&u8| byte & 0b1100_0000 != 0b1000_0000;
            bytes.iter().filter(begins).count()
        };
        Some(batches.iter().map(count).sum())
    }

    fn text(&self) -> Option<&str> {
        Some(&self.text.sha256)
    }

    /// The most frequent token always, and the token frequencies of the training split (each count
    /// plus one), judged on the test split.
    fn floor(&self) -> Floor {
        let unigram =
            super::unigram::Unigram::of(self.text.tokens(Split::Train), self.spec().vocab);
        let test = self.text.tokens(Split::Test);
        let hits = test
            .iter()
            .filter(|&&token| token == unigram.likeliest())
            .count();
        Floor {
            accuracy: hits as f64 / test.len() as f64,
            loss: unigram.bits(test) * std::f64::consts::LN_2 / test.len() as f64,
        }
    }

    /// From the last token alone, judged on the validation split.
    fn known(&self) -> Floor {
        let known = || {
            let bigram = Bigram::of(self.text.tokens(Split::Train), self.spec().vocab);
            Floor {
                loss: bigram.nats(self.text.tokens(Split::Validation)),
                ..self.floor()
            }
        };
        *self.text.known.get_or_init(known)
    }
}

#[cfg(test)]
mod tests;
