//! The models, one file an architecture, and the [`MODELS`] table.

pub use crate::nn::Output;
use crate::nn::{Initializer, Parameter};
use kernels::{Activation, Tape, decode};

mod bilstm;
mod block;
mod config;
mod elman;
mod encoder_decoder;
mod gru;
mod input;
mod lstm;
mod memory;
mod mingru;
mod minlstm;
mod options;
pub mod recurrent;
mod recurrent_encoder_decoder;
mod residual;
mod size;
mod slstm;

pub use block::{BlockConfig, FeedForwardKind, Place, Switch};
pub use config::{Initial, ModelConfig, NormPlace, Positions, Reading, SourceAttention};
pub use input::{Content, Input, Sequence};
pub use kernels::{Beta, Decay, Scan};
pub use memory::available_bytes;
pub use options::{ModelOptions, OPTIONS, OptionRow, Value, Values};
pub use size::{check, check_memory, parameter_count, row, training_bytes, width_for_parameters};

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

    /// Logits (B·T, V), or numbers (B·T, 1) where that is the model's [`Output`], for each position of
    /// its own sequence, row b·T + t. The tape decides whether gradients can follow.
    ///
    /// Panics if there is no source and its row says that it reads one.
    fn forward(&self, input: &Input, tape: Tape) -> Activation;

    /// Copies and packs the weights for generating token by token.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Of one sequence, how much each of its positions looks at each position of the source that counts:
    /// (T, Ts), rows that add up to 1. `None` of a model that does not look at a source.
    ///
    /// Panics if there is no source, or if there is more than one sequence.
    fn alignment(&self, _input: &Input) -> Option<Vec<f32>> {
        None
    }

    /// Bytes that generating the next token of one sequence needs of the `context` tokens before it. A
    /// decoder may keep them in pages that are not yet full.
    fn state_bytes(&self, context: usize) -> usize;

    /// Multiply-adds counted as two, for one token of a forward pass with `context` tokens before it.
    fn flops_per_token(&self, context: usize) -> f64;

    /// The same for reading a source of so many tokens, all of it, before the first token; 0 of a model
    /// that reads none.
    fn flops_of_source(&self, _tokens: usize) -> f64 {
        0.0
    }
}

/// Recurrent state or key/value cache of a batch of sequences being generated. A clone of it goes on
/// by itself.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Sequences B.
    pub batch: usize,
    /// Tokens consumed so far of each.
    pub position: usize,
    /// One or more buffers a layer; what they hold is the decoder's business.
    pub buffers: Vec<Vec<f32>>,
    /// Of a model that reads a source: its positions, padding included.
    pub source_len: usize,
    /// How many of them count, of each sequence; `None`: all.
    pub source_lengths: Option<Vec<usize>>,
}

/// Those of these sequences, in this order, of a buffer that is an equal part each of `batch`.
fn parts(buffer: &[f32], batch: usize, sequences: &[usize]) -> Vec<f32> {
    let part = buffer.len() / batch.max(1);
    let parts = sequences.iter().map(|&b| &buffer[b * part..][..part]);
    parts.flatten().copied().collect()
}

impl State {
    /// The state of these sequences, in this order, where every buffer is an equal part a sequence.
    fn select(&self, sequences: &[usize]) -> State {
        let pick = |buffer: &Vec<f32>| parts(buffer, self.batch, sequences);
        State {
            buffers: self.buffers.iter().map(pick).collect(),
            ..self.select_source(sequences)
        }
    }

    /// The same where every buffer is a cache of keys and values.
    fn select_caches(&self, config: &ModelConfig, sequences: &[usize]) -> State {
        let heads = (config.heads, config.width / config.heads);
        let pick = |cache: &Vec<f32>| decode::select(cache, heads, self.batch, sequences);
        State {
            buffers: self.buffers.iter().map(pick).collect(),
            ..self.select_source(sequences)
        }
    }

    /// The same without buffers.
    fn select_source(&self, sequences: &[usize]) -> State {
        let lengths = self.source_lengths.as_ref();
        State {
            batch: sequences.len(),
            position: self.position,
            buffers: Vec::new(),
            source_len: self.source_len,
            source_lengths: lengths.map(|all| sequences.iter().map(|&b| all[b]).collect()),
        }
    }

    /// How many tokens of each sequence these are. Panics unless all have as many.
    pub(crate) fn tokens_each(&self, tokens: &[u32]) -> usize {
        let n = tokens.len() / self.batch.max(1);
        let (all, batch) = (tokens.len(), self.batch);
        assert_eq!(
            all,
            n * batch,
            "{all} tokens are not as many for each of {batch} sequences"
        );
        n
    }
}

/// A model as a pure step: tokens and state in, logits and next state out. What a sequence gets does
/// not depend on those beside it.
pub trait Decoder: Send {
    /// The state of `batch` sequences before their first token. A model that reads a source
    /// ([`ModelRow::reads_source`]) encodes it here, `batch` sequences of it, once; all others ignore
    /// it. Panics if the model reads one and there is none.
    fn start(&mut self, batch: usize, source: Option<&Sequence>) -> State;

    /// Consumes one token of each sequence; writes (batch, V) logits, row-major, into `logits`.
    ///
    /// Fails only where the model cannot go on: past a learned position table.
    fn step(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        assert_eq!(tokens.len(), state.batch, "a step reads a token a sequence");
        self.extend(tokens, state, logits)
    }

    /// Consumes n tokens of each sequence, row b·n + t of `tokens` (batch·n); writes the logits after
    /// each, (batch·n, V), into `logits`. The same as n steps, but for rounding, and much faster: a
    /// prompt, or a draft to be checked.
    ///
    /// Fails as [`Decoder::step`] does, and leaves the state as it was.
    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError>;

    /// The state of these sequences of `state`, in this order: one may be left out, or taken twice, as
    /// beam search does. Panics if one is not below its batch.
    fn select(&self, state: &State, sequences: &[usize]) -> State {
        state.select(sequences)
    }

    /// Takes back all but the first `tokens` tokens that were consumed.
    ///
    /// Fails where that is impossible, and leaves the state as it was: for more tokens than were
    /// consumed; for fewer, if the model is recurrent, which keeps no earlier state. There one clones
    /// the [`State`] before going on, and returns to the clone.
    fn truncate(&self, state: &mut State, tokens: usize) -> Result<(), ModelError>;
}

/// What cutting a recurrent state comes to: only to the tokens it has.
fn no_way_back(state: &State, tokens: usize) -> Result<(), ModelError> {
    match tokens == state.position {
        true => Ok(()),
        false => Err(ModelError::CannotTruncate {
            consumed: state.position,
            tokens,
            remedy: "a recurrent state cannot go back: clone the state where it may have to, and \
                     go on from the clone",
        }),
    }
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
        key: String,
        /// Its value.
        value: String,
        /// What would be possible.
        remedy: String,
    },
    /// Needs more memory than there is.
    #[error(
        "this model needs about {} but {} are available; lower {keys}", gib(*needed_gib), gib(*available_gib)
    )]
    TooLarge {
        /// Estimated need.
        needed_gib: f64,
        /// What there is.
        available_gib: f64,
        /// What to lower.
        keys: &'static str,
    },
    /// A state that cannot go back, or forward, to so many tokens.
    #[error("a state of {consumed} tokens cannot be cut to {tokens}: {remedy}")]
    CannotTruncate {
        /// Tokens it has consumed.
        consumed: usize,
        /// Tokens it was to be cut to.
        tokens: usize,
        /// What is possible.
        remedy: &'static str,
    },
    /// Past the end of a learned position table.
    #[error(
        "learned positions end at {limit} tokens; use rotary, alibi or sinusoidal positions, or a larger seq-len"
    )]
    PastContext {
        /// Positions the table holds.
        limit: usize,
    },
    /// Scores that are no numbers.
    #[error(
        "the model says scores that are not a number: its training diverged, or its file is damaged; \
         train again with a lower learning rate"
    )]
    NotFinite,
}

impl ModelError {
    /// Whether other sizes or settings are needed; only weights that went wrong are not the command's.
    pub fn is_usage(&self) -> bool {
        !matches!(self, ModelError::NotFinite)
    }

    /// A size with a value that makes no model, and what would.
    pub fn impossible(
        key: impl Into<String>,
        value: impl ToString,
        remedy: impl Into<String>,
    ) -> Self {
        ModelError::Impossible {
            key: key.into(),
            value: value.to_string(),
            remedy: remedy.into(),
        }
    }

    /// A state of `consumed` tokens cannot be cut to more of them.
    fn beyond(consumed: usize, tokens: usize) -> Self {
        ModelError::CannotTruncate {
            consumed,
            tokens,
            remedy: "only tokens that were consumed can be taken back",
        }
    }

    /// Needs so many bytes, more than there are; `keys` are to be lowered.
    pub fn too_large(needed: u128, keys: &'static str) -> Self {
        let gib = |bytes: f64| bytes / (1u64 << 30) as f64;
        ModelError::TooLarge {
            needed_gib: gib(needed as f64),
            available_gib: gib(available_bytes() as f64),
            keys,
        }
    }
}

/// An amount of memory with two digits that say something, also where it is small.
fn gib(gib: f64) -> String {
    match gib < 1.0 {
        true => format!("{gib:.3} GiB"),
        false => format!("{gib:.1} GiB"),
    }
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
    /// Names in [`OPTIONS`] that it takes.
    pub options: &'static [&'static str],
    /// Options that it has other than by default, by name, and their values.
    pub preset: &'static [(&'static str, &'static str)],
    /// Refuses choices that make no model; sizes have been checked.
    pub check: fn(&ModelConfig) -> Result<(), ModelError>,
    /// Whether it reads a source beside its own sequence.
    pub reads_source: bool,
    /// Whether what it says at a position has seen the positions after it too: such a model fills gaps,
    /// and cannot say what comes next.
    pub sees_both: bool,
}

/// Every model; a new one is one file and one row.
pub const MODELS: &[ModelRow] = &[
    elman::ROW,
    lstm::ROW,
    gru::ROW,
    mingru::ROW,
    minlstm::ROW,
    slstm::ROW,
    block::presets::TRANSFORMER,
    block::presets::BERT,
    bilstm::ROW,
    encoder_decoder::ROW,
    recurrent_encoder_decoder::GRU,
    recurrent_encoder_decoder::LSTM,
    block::presets::VASWANI,
    block::presets::GPT2,
    block::presets::LLAMA,
    block::presets::GEMMA2,
    block::presets::GEMMA3,
    block::presets::MIXTRAL,
    block::presets::GRIFFIN,
    block::presets::DELTANET,
    block::presets::GATED_DELTANET,
    block::presets::XLSTM,
];

/// The models that read one sequence in its order and no source beside it: any of them can predict the
/// next token of a text.
pub fn of_one_sequence() -> impl Iterator<Item = &'static ModelRow> {
    MODELS
        .iter()
        .filter(|row| !row.reads_source && !row.sees_both)
}

/// The decoder of a model that cannot go on token by token: it has none.
fn reads_whole(config: &ModelConfig) -> Box<dyn Decoder> {
    struct ReadsWhole(String);
    impl ReadsWhole {
        fn refuse(&self) -> Result<(), ModelError> {
            let remedy = "it reads whole sequences, both ways, and cannot say what comes next; use \
                          `seqduel fill`";
            Err(ModelError::impossible("model", &self.0, remedy))
        }
    }
    impl Decoder for ReadsWhole {
        fn start(&mut self, batch: usize, _source: Option<&Sequence>) -> State {
            State {
                batch,
                ..State::default()
            }
        }
        fn extend(&mut self, _: &[u32], _: &mut State, _: &mut Vec<f32>) -> Result<(), ModelError> {
            self.refuse()
        }
        fn truncate(&self, _: &mut State, _: usize) -> Result<(), ModelError> {
            self.refuse()
        }
    }
    Box::new(ReadsWhole(config.model.clone()))
}

/// Builds a model with the initial values of `seed`.
///
/// Errors: unknown name, impossible sizes, more memory than the machine has.
pub fn build(config: &ModelConfig, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let row = check(config)?;
    // Its values, and those of its largest part while they are made; to train it takes more.
    let needed = 8 * (row.parameters)(config);
    if needed > u128::from(available_bytes()) {
        return Err(ModelError::too_large(needed, "width, layers or vocab"));
    }
    Ok((row.build)(config, &mut Initializer::new(seed)))
}
