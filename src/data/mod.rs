//! One pipeline for all models: corpus → tokenizer → split → batches, and generated tasks.

use crate::models::{Content, Input, Output, Sequence, Shape, available_bytes};
use serde::{Deserialize, Serialize};

pub mod backwards;
mod bigram;
pub mod corpus;
mod error;
mod masked;
pub mod ngram;
pub mod pairs;
pub mod phrases;
mod section;
pub mod seeds;
mod spec;
pub mod tasks;
pub mod text;
pub mod tokenizer;
mod translation;
pub mod unigram;

pub use error::DataError;
pub use masked::{Gap, MaskedSource};
pub use section::{DataSection, Objective};
pub use spec::{Misfit, Spec};
pub use translation::Words;

/// Which part of the data: disjoint text ranges, or disjoint seed ranges of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Trained on.
    Train,
    /// Chooses learning rates and stops; a verdict never uses it.
    Validation,
    /// Judges.
    Test,
}

impl Split {
    /// As messages and records write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// A number a model says counts as right within this of its answer: 4 % of the range of the sum of
/// two numbers from 0 to 1, the share that Hochreiter & Schmidhuber 1997 allow in the adding problem.
pub const CLOSE: f32 = 0.08;

/// B sequences and what a model should say after reading each position: targets, mask and distances are
/// aligned with the model's own sequence, entry b·T + t.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// What a model reads.
    pub input: Input,
    /// What it should say: a token or a number a position.
    pub targets: Content,
    /// 1 where the answer counts, else 0.
    pub mask: Vec<f32>,
    /// How many positions back the information lies that the answer depends on; 0 where unknown.
    pub distance: Vec<u32>,
}

impl Batch {
    /// Sequences of tokens with a target a position, all of them scored, their distances unknown.
    pub fn of_tokens(shape: Shape, tokens: Vec<u32>, targets: Vec<u32>) -> Self {
        Batch {
            mask: vec![1.0; targets.len()],
            distance: vec![0; targets.len()],
            input: Input::tokens(tokens, shape),
            targets: Content::Tokens(targets),
        }
    }

    /// Sequences B.
    pub fn sequences(&self) -> usize {
        self.input.own.batch
    }

    /// Positions T of each.
    pub fn seq_len(&self) -> usize {
        self.input.own.seq_len
    }

    /// Positions B·T.
    pub fn positions(&self) -> usize {
        self.sequences() * self.seq_len()
    }

    /// The tokens a model reads; none where it reads numbers.
    pub fn tokens(&self) -> &[u32] {
        self.input.own.values.tokens()
    }

    /// Nothing yet, to be filled sequence by sequence for data of this kind.
    pub fn empty(spec: &Spec) -> Self {
        let content = || match spec.output {
            Output::Tokens => Content::Tokens(Vec::new()),
            Output::Number => Content::Numbers(Vec::new()),
        };
        let mut batch = Batch {
            targets: content(),
            ..Batch::default()
        };
        batch.input.own.values = content();
        batch.input.source = spec.source.map(|seq_len| Sequence {
            seq_len,
            lengths: Some(Vec::new()),
            ..Sequence::default()
        });
        batch
    }

    /// The model reads a token; what it says then does not count unless [`Batch::ask`] follows.
    pub fn read(&mut self, token: u32) {
        match (&mut self.input.own.values, &mut self.targets) {
            (Content::Tokens(tokens), Content::Tokens(targets)) => {
                tokens.push(token);
                targets.push(0);
            }
            _ => panic!("a task of numbers reads no tokens"),
        }
        self.leave_unscored();
    }

    /// The same of a position that holds V numbers.
    pub fn read_numbers(&mut self, row: &[f32]) {
        match (&mut self.input.own.values, &mut self.targets) {
            (Content::Numbers(numbers), Content::Numbers(targets)) => {
                numbers.extend(row);
                targets.push(0.0);
            }
            _ => panic!("a task of tokens reads no numbers"),
        }
        self.leave_unscored();
    }

    fn leave_unscored(&mut self) {
        self.mask.push(0.0);
        self.distance.push(0);
    }

    /// The encoder reads a token.
    pub fn read_source(&mut self, token: u32) {
        match self.input.source.as_mut().map(|source| &mut source.values) {
            Some(Content::Tokens(tokens)) => tokens.push(token),
            _ => panic!("the task's spec has a source of tokens"),
        }
    }

    /// Scores what is said after the position read last: `target`, which follows from what stood so
    /// many positions before.
    pub fn ask(&mut self, target: u32, distance: usize) {
        let Content::Tokens(targets) = &mut self.targets else {
            panic!("a task of numbers asks for no tokens");
        };
        *targets.last_mut().expect("asked after reading") = target;
        self.score(distance);
    }

    /// The same where a number is due.
    pub fn ask_number(&mut self, target: f32, distance: usize) {
        let Content::Numbers(targets) = &mut self.targets else {
            panic!("a task of tokens asks for no numbers");
        };
        *targets.last_mut().expect("asked after reading") = target;
        self.score(distance);
    }

    fn score(&mut self, distance: usize) {
        *self.mask.last_mut().expect("asked after reading") = 1.0;
        *self.distance.last_mut().expect("asked after reading") = distance as u32;
    }

    /// Leaves out the positions after the last that is scored in any sequence, and those of the source
    /// that are padding in all: no model's answer depends on them.
    pub fn trim(&mut self) {
        let (batch, seq_len) = (self.sequences(), self.seq_len());
        let last = |b: usize| {
            let row = &self.mask[b * seq_len..(b + 1) * seq_len];
            row.iter().rposition(|&m| m != 0.0).map_or(0, |t| t + 1)
        };
        let longest = (0..batch).map(last).max().unwrap_or(0).max(1);
        let own = &mut self.input.own;
        for content in [&mut own.values, &mut self.targets] {
            match content {
                Content::Tokens(all) => shorten(all, seq_len, longest),
                Content::Numbers(all) => {
                    let each = all.len() / (batch * seq_len).max(1);
                    shorten(all, each * seq_len, each * longest);
                }
            }
        }
        shorten(&mut self.mask, seq_len, longest);
        shorten(&mut self.distance, seq_len, longest);
        own.seq_len = longest;
        if let Some(source) = &mut self.input.source
            && let (Content::Tokens(tokens), Some(lengths)) = (&mut source.values, &source.lengths)
        {
            let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
            shorten(tokens, source.seq_len, longest);
            source.seq_len = longest;
        }
    }

    /// A sequence of T positions is complete; its source is padded with token 0.
    ///
    /// Panics if it is longer or shorter, or its source longer than the spec says.
    pub fn end_sequence(&mut self, seq_len: usize) {
        let own = &mut self.input.own;
        (own.batch, own.seq_len) = (own.batch + 1, seq_len);
        assert_eq!(
            self.mask.len(),
            own.batch * seq_len,
            "sequences of {seq_len}"
        );
        if let Some(source) = &mut self.input.source
            && let (Content::Tokens(tokens), Some(lengths)) =
                (&mut source.values, &mut source.lengths)
        {
            let length = tokens.len() - source.batch * source.seq_len;
            assert!(length <= source.seq_len, "a source of {length} tokens");
            source.batch += 1;
            lengths.push(length);
            tokens.resize(source.batch * source.seq_len, 0);
        }
    }
}

/// Keeps the first `kept` of every `of` values.
fn shorten<T: Copy>(values: &mut Vec<T>, of: usize, kept: usize) {
    let mut i = 0;
    values.retain(|_| {
        i += 1;
        (i - 1) % of.max(1) < kept
    });
}

/// Refuses so many sequences of T tokens as would fill the memory: tokens, targets, masks and
/// distances of all are held at once. A text has only so many, a task as many as one asks for.
///
/// Errors: how much they take, and what to do.
pub fn check_sequences(sequences: usize, seq_len: usize) -> Result<(), String> {
    let needed = (16 * sequences as u128).saturating_mul(seq_len as u128);
    // The system is asked only where it matters.
    match needed < 1 << 28 || needed <= u128::from(available_bytes()) / 2 {
        true => Ok(()),
        false => Err(format!(
            "they take {:.1} GiB; give fewer",
            needed as f64 / (1u64 << 30) as f64
        )),
    }
}

/// Where batches come from: text or a task. All randomness comes from the seed it was built with.
pub trait Source: Send {
    /// What a model must be to learn from it.
    fn spec(&self) -> Spec;

    /// The next training batch of `batch` sequences; advances the cursor.
    fn next_batch(&mut self, batch: usize) -> Batch;

    /// A fixed set of at most `sequences` sequences of a split, in batches of `batch`; the same at
    /// every call.
    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch>;

    /// Where training stands, to be restored bit for bit.
    fn cursor(&self) -> Cursor;

    /// Goes back to a saved cursor.
    fn restore(&mut self, cursor: &Cursor);

    /// Mean characters a token stands for in this split, to turn nats per token into bits per
    /// character; `None` for tasks.
    fn characters_per_token(&self, split: Split) -> Option<f64>;

    /// Characters that begin in the targets of batches of this source, as [`evaluation`](Self::evaluation)
    /// gives them; `None` for tasks.
    fn target_characters(&self, _batches: &[Batch]) -> Option<usize> {
        None
    }

    /// SHA-256 of the text that the sequences are of, hex; `None` for tasks, which settings describe
    /// whole.
    fn text(&self) -> Option<&str> {
        None
    }

    /// How tokens are words, of data that are phrases beside their translations; `None` for others.
    fn words(&self) -> Option<Words> {
        None
    }

    /// What a trivial predictor reaches on the scored positions.
    fn floor(&self) -> Floor;

    /// What the best answer from part of the information reaches, no less than the floor: from what
    /// occurs in a sequence but not where, or from the last token of a text alone.
    fn known(&self) -> Floor;
}

/// Position in the stream of training batches: the random generator's seed and word position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// ChaCha seed, hex.
    pub seed: String,
    /// ChaCha stream.
    pub stream: u64,
    /// ChaCha word position, decimal (128 bit).
    pub word: String,
    /// Sequences drawn so far.
    pub drawn: u64,
}

/// The trivial answer every plot draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Accuracy on scored positions without using the input (0…1).
    pub accuracy: f64,
    /// Mean loss on scored positions of that answer: nats, or squared error where it is a number.
    pub loss: f64,
}

impl Floor {
    /// That of saying any of so many equally likely tokens.
    fn guess(tokens: usize) -> Self {
        Floor {
            accuracy: 1.0 / tokens as f64,
            loss: libm::log(tokens as f64),
        }
    }
}
