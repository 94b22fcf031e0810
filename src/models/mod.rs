//! The models, one file an architecture, and the [`MODELS`] table.

pub use crate::nn::Output;
use crate::nn::{Initializer, Parameter};
use kernels::{Activation, Input, Tape};
use serde::{Deserialize, Serialize};

mod elman;
mod gru;
mod lstm;
mod mingru;
mod minlstm;
mod recurrent;
mod size;
mod transformer;

pub use kernels::Scan;
pub use size::{
    available_bytes, check, check_memory, parameter_count, row, training_bytes,
    width_for_parameters,
};

/// How a transformer knows where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// No position information but the causal mask.
    None,
    /// A trained vector per position, at most `seq_len` of them.
    Learned,
    /// Fixed sines and cosines added to the embedding (Vaswani et al. 2017).
    Sinusoidal,
    /// Queries and keys turned by an angle that grows with the position (Su et al. 2021).
    Rotary,
    /// Scores fall with the distance, by a slope per head (Press et al. 2022).
    Alibi,
}

/// What a transformer's weights are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initial {
    /// Maps as PyTorch's `nn.Linear`, embeddings to match.
    #[default]
    Pytorch,
    /// Everything N(0, 0.02²), what adds to the residual stream by √(2·layers) smaller, biases 0
    /// (Radford et al. 2019; nanoGPT).
    Gpt2,
}

impl Initial {
    // Left out of what is written: earlier checkpoints and configurations stay valid.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Everything a model's size and initial values depend on, with the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// A name in [`MODELS`].
    pub model: String,
    /// Number of tokens V; for a model that reads numbers, how many of them stand at a position.
    pub vocab: usize,
    /// Width of the embedding and of every hidden layer.
    pub width: usize,
    /// Recurrent layers or transformer blocks.
    pub layers: usize,
    /// Attention heads; recurrent models ignore it.
    pub heads: usize,
    /// Longest sequence a learned position table holds.
    pub seq_len: usize,
    /// Position scheme; recurrent models ignore it.
    pub positions: Positions,
    /// Initial forget-gate bias of LSTM and minLSTM; 0 is PyTorch's own initialisation.
    pub forget_bias: f32,
    /// Chrono initialisation (Tallec & Ollivier 2018) of the gates of LSTM, GRU, minGRU and minLSTM
    /// for dependencies up to this many tokens; replaces `forget_bias`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chrono: Option<usize>,
    /// How minGRU and minLSTM run over a sequence; the others ignore it. Sequential by default: on
    /// the few cores of a CPU the batch and the units keep every core busy, and it does the least.
    #[serde(default)]
    pub scan: Scan,
    /// Initial weights of a transformer; recurrent models ignore it.
    #[serde(default, skip_serializing_if = "Initial::is_default")]
    pub initial: Initial,
    /// What it says at each position.
    #[serde(default, skip_serializing_if = "Output::is_tokens")]
    pub output: Output,
}

impl ModelConfig {
    /// A model that predicts tokens, everything else as it is by default: one head, learned
    /// positions, PyTorch's initial values, a sequential scan.
    pub fn new(model: &str, vocab: usize, width: usize, layers: usize, seq_len: usize) -> Self {
        ModelConfig {
            model: model.to_owned(),
            vocab,
            width,
            layers,
            heads: 1,
            seq_len,
            positions: Positions::Learned,
            forget_bias: 0.0,
            chrono: None,
            scan: Scan::default(),
            initial: Initial::default(),
            output: Output::Tokens,
        }
    }

    /// Tokens in the longest sequence it can read; only a learned position table has an end.
    pub fn longest(&self) -> Option<usize> {
        let has_table = self.model == "transformer" && self.positions == Positions::Learned;
        has_table.then_some(self.seq_len)
    }

    /// Columns of the head: a score for each token, or one number.
    pub fn outputs(&self) -> usize {
        match self.output {
            Output::Tokens => self.vocab,
            Output::Number => 1,
        }
    }

    /// Whether the model has gates whose biases chrono initialisation sets.
    pub fn is_gated(&self) -> bool {
        row(&self.model).is_ok_and(|row| row.gated)
    }

    /// Whether the model has the choice of [`ModelConfig::scan`].
    pub fn is_scanned(&self) -> bool {
        row(&self.model).is_ok_and(|row| row.scanned)
    }
}

/// The shape of a batch of token sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each, T.
    pub seq_len: usize,
}

/// What every architecture answers. Add a model: one file that implements this, and a [`MODELS`] row.
pub trait Model: Send + Sync {
    /// The configuration it was built from.
    fn config(&self) -> &ModelConfig;

    /// All parameters, in checkpoint order.
    fn parameters(&self) -> Vec<&Parameter>;

    /// The same, to be updated or loaded.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;

    /// Logits (B·T, V), or numbers (B·T, 1) where that is the model's [`Output`], for tokens (B·T) or
    /// numbers (B·T, V), row b·T + t. The tape decides whether gradients can follow.
    fn forward(&self, input: Input, shape: Shape, tape: Tape) -> Activation;

    /// Copies and packs the weights for generating token by token.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Bytes of state that generating one sequence keeps after `context` tokens.
    fn state_bytes(&self, context: usize) -> usize;

    /// Multiply-adds counted as two, for one token of a forward pass with `context` tokens before it.
    fn flops_per_token(&self, context: usize) -> f64;
}

/// Recurrent state or key/value cache of a batch of sequences being generated.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Tokens consumed so far.
    pub position: usize,
    /// One or more buffers a layer; what they hold is the decoder's business.
    pub buffers: Vec<Vec<f32>>,
}

/// A model as a pure step: tokens and state in, logits and next state out.
pub trait Decoder: Send {
    /// The state of `batch` sequences before their first token.
    fn start(&self, batch: usize) -> State;

    /// Consumes one token of each sequence; writes (batch, V) logits, row-major, into `logits`.
    ///
    /// Fails only where the model cannot go on: past a learned position table.
    fn step(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError>;
}

/// Why a model cannot be built or cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// No row of that name.
    #[error("unknown model `{name}`; known models: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names in [`MODELS`].
        known: String,
    },
    /// A size that makes no model.
    #[error("{key} = {value} is impossible: {remedy}")]
    Impossible {
        /// Which size.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be possible.
        remedy: String,
    },
    /// Needs more memory than there is.
    #[error(
        "this model needs about {needed_gib:.1} GiB to train but {available_gib:.1} GiB are available; lower {keys}"
    )]
    TooLarge {
        /// Estimated need.
        needed_gib: f64,
        /// What there is.
        available_gib: f64,
        /// What to lower.
        keys: &'static str,
    },
    /// Past the end of a learned position table.
    #[error(
        "learned positions end at {limit} tokens; use rotary, alibi or sinusoidal positions, or a larger seq-len"
    )]
    PastContext {
        /// Positions the table holds.
        limit: usize,
    },
}

/// Where a model is found from its name.
pub struct ModelRow {
    /// The name in configurations, tables and plots.
    pub name: &'static str,
    /// One line for `seqduel list models`.
    pub describes: &'static str,
    /// Builds it; the configuration has been checked.
    pub build: fn(&ModelConfig, &mut Initializer) -> Box<dyn Model>,
    /// Trainable values, in closed form.
    pub parameters: fn(&ModelConfig) -> u128,
    /// Values a training step keeps for the backward pass, and its gradients, roughly.
    pub activations: fn(&ModelConfig, Shape) -> u128,
    /// The width must be a multiple of this.
    pub width_step: fn(&ModelConfig) -> usize,
    /// Whether it has gates whose biases chrono initialisation sets.
    pub gated: bool,
    /// Whether its recurrence is linear, so that [`ModelConfig::scan`] is a choice.
    pub scanned: bool,
}

/// Every model; a new one is one file and one row.
pub const MODELS: &[ModelRow] = &[
    elman::ROW,
    lstm::ROW,
    gru::ROW,
    mingru::ROW,
    minlstm::ROW,
    transformer::ROW,
];

/// Builds a model with the initial values of `seed`.
///
/// Errors: unknown name, impossible sizes, more memory than the machine has.
pub fn build(config: &ModelConfig, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let row = check(config)?;
    let smallest = Shape {
        batch: 1,
        seq_len: 1,
    };
    check_memory(config, smallest)?;
    Ok((row.build)(config, &mut Initializer::new(seed)))
}
