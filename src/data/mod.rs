//! One pipeline for all models: corpus → tokenizer → split → batches, and generated tasks.

use crate::models::{Output, Shape};
use kernels::Input;
use serde::{Deserialize, Serialize};

pub mod corpus;
mod error;
pub mod ngram;
mod section;
pub mod seeds;
pub mod tasks;
pub mod text;
pub mod tokenizer;
mod unigram;

pub use error::DataError;
pub use section::DataSection;

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

/// B sequences of T positions, row-major: entry b·T + t.
///
/// `targets` is aligned with `tokens`: entry t is what a model should say after reading token t. A
/// source whose output is a number has `values` in place of `tokens` and `answers` in place of
/// `targets`; the other two are then empty. Mask and distance are the same for both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Sequences.
    pub batch: usize,
    /// Tokens in each.
    pub seq_len: usize,
    /// Input tokens.
    pub tokens: Vec<u32>,
    /// Token to be predicted at each position.
    pub targets: Vec<u32>,
    /// 1 where the prediction counts, else 0.
    pub mask: Vec<f32>,
    /// (B·T, V): numbers read at each position.
    pub values: Vec<f32>,
    /// Number to be said at each position.
    pub answers: Vec<f32>,
    /// How many tokens back the information lies that the target depends on; 0 where unknown.
    pub distance: Vec<u32>,
}

impl Batch {
    /// What a model reads.
    pub fn input(&self) -> Input<'_> {
        match self.values.is_empty() {
            true => Input::Tokens(&self.tokens),
            false => Input::Values(&self.values),
        }
    }

    /// Positions B·T.
    pub fn positions(&self) -> usize {
        self.batch * self.seq_len
    }

    /// The shape of its sequences.
    pub fn shape(&self) -> Shape {
        Shape {
            batch: self.batch,
            seq_len: self.seq_len,
        }
    }

    /// Fills targets, mask and distances up to position `end` with nothing that is scored.
    fn leave_unscored(&mut self, end: usize) {
        self.targets.resize(end, 0);
        self.mask.resize(end, 0.0);
        self.distance.resize(end, 0);
    }

    /// Scores a position: `target` is due there and follows from what stood so many tokens before.
    fn score(&mut self, position: usize, target: u32, distance: usize) {
        self.targets[position] = target;
        self.mask[position] = 1.0;
        self.distance[position] = distance as u32;
    }
}

/// Where batches come from: text or a task. All randomness comes from the seed it was built with.
pub trait Source: Send {
    /// Number of tokens V, or of numbers at a position.
    fn vocab(&self) -> usize;

    /// What is to be said: tokens, or numbers after reading numbers.
    fn output(&self) -> Output {
        Output::Tokens
    }

    /// Tokens T in each training sequence.
    fn seq_len(&self) -> usize;

    /// Most tokens in a sequence of any split: a task may be tested on longer ones than trained on.
    fn longest(&self) -> usize {
        self.seq_len()
    }

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

    /// What a trivial predictor reaches on the scored positions.
    fn floor(&self) -> Floor;
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
            loss: (tokens as f64).ln(),
        }
    }
}
