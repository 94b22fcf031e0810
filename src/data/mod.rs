//! One pipeline for all models: corpus → tokenizer → split → batches, and generated tasks.

use serde::{Deserialize, Serialize};

pub mod corpus;
mod error;
pub mod ngram;
pub mod seeds;
pub mod tasks;
pub mod text;
pub mod tokenizer;

pub use error::DataError;

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

/// B sequences of T tokens, row-major: entry b·T + t.
///
/// `targets` is aligned with `tokens`: entry t is what a model should say after reading token t.
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
    /// How many tokens back the information lies that the target depends on; 0 where unknown.
    pub distance: Vec<u32>,
}

/// Where batches come from: text or a task. All randomness comes from the seed it was built with.
pub trait Source: Send {
    /// Number of tokens V.
    fn vocab(&self) -> usize;

    /// Tokens in each sequence T.
    fn seq_len(&self) -> usize;

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
    /// Mean loss on scored positions in nats of that answer.
    pub loss: f64,
}
