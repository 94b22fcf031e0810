//! What mixes positions in a layer, and the table of mixers.

use super::mixers;
use crate::models::{ModelConfig, ModelError, Shape, parts};
use crate::nn::{Initializer, Parameter};
use kernels::Activation;

/// A mixer reads a normed stream (B·T, D) and gives a branch (B·T, D), each position from itself and
/// those it may see.
pub trait Mixer: Send + Sync {
    /// In the order of a checkpoint.
    fn parameters(&self) -> Vec<&Parameter>;

    /// The same, to be updated or loaded.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;

    /// Over whole sequences: (B·T, D) → (B·T, D).
    fn forward(&self, x: Activation, shape: Shape) -> Activation;

    /// Copies and packs the weights for generating.
    fn packed(&self) -> Box<dyn MixerStep>;
}

/// New tokens of sequences being generated.
#[derive(Debug, Clone, Copy)]
pub struct Tokens {
    /// Sequences B.
    pub batch: usize,
    /// New tokens of each, n.
    pub new: usize,
    /// Tokens of each that were consumed before.
    pub position: usize,
}

/// Cuts buffers of so many consumed tokens to the first few.
pub type Cut = fn(buffers: &mut [Vec<f32>], consumed: usize, tokens: usize);

/// A mixer token by token. What it remembers stands in buffers of the decoder's state.
pub trait MixerStep: Send {
    /// The buffers of `batch` sequences before their first token.
    fn start(&self, batch: usize) -> Vec<Vec<f32>>;

    /// The next tokens: x (B·n, D), row b·n + t, to `out` (B·n, D).
    fn extend(&mut self, x: &[f32], new: Tokens, buffers: &mut [Vec<f32>], out: &mut Vec<f32>);

    /// The buffers of these sequences of `batch`, in this order.
    fn select(&self, buffers: &[Vec<f32>], batch: usize, sequences: &[usize]) -> Vec<Vec<f32>> {
        let pick = |buffer: &Vec<f32>| parts(buffer, batch, sequences);
        buffers.iter().map(pick).collect()
    }

    /// Takes back all but `tokens` of `consumed` tokens; of a mixer that cannot, as a recurrent state cannot,
    /// `None`.
    fn truncate(&self) -> Option<Cut> {
        None
    }
}

/// Where a mixer is found from its letter.
pub struct MixerRow {
    /// In patterns such as `rrl`.
    pub letter: char,
    /// What it is, in a few words.
    pub describes: &'static str,
    /// What its weights are called in checkpoints, after the layer.
    pub name: &'static str,
    /// Builds that of a layer, its weights named `PREFIX.…`.
    pub build: fn(&ModelConfig, &str, &mut Initializer) -> Box<dyn Mixer>,
    /// Trainable values of a layer.
    pub parameters: fn(&ModelConfig) -> u128,
    /// Multiply-adds of a layer for one token with so many before it.
    pub work: fn(&ModelConfig, usize) -> u128,
    /// Floats that the next token needs of so many before it.
    pub state: fn(&ModelConfig, usize) -> usize,
    /// Values a token keeps for the backward pass beside what every layer keeps, and their gradients.
    pub kept: fn(&ModelConfig) -> u128,
    /// Why sizes make no such mixer.
    pub check: fn(&ModelConfig) -> Result<(), ModelError>,
}

/// Every mixer; a new one is one file and one row.
pub const MIXERS: &[MixerRow] = &[
    mixers::attention::GLOBAL,
    mixers::attention::LOCAL,
    mixers::rg_lru::ROW,
    mixers::delta::ROW,
    mixers::recurrent::SLSTM,
];

/// The rows of a configuration's layers, in order. Letters of no row are left out: [`check`] refuses them.
pub fn of(config: &ModelConfig) -> impl Iterator<Item = &'static MixerRow> {
    let letters = config.block.mixers.chars().cycle().take(config.layers);
    letters.filter_map(|letter| MIXERS.iter().find(|row| row.letter == letter))
}

/// Whether a layer of the configuration compares positions by attention.
pub fn attends(config: &ModelConfig) -> bool {
    of(config).any(|row| row.name == mixers::attention::NAME)
}

/// Refuses sizes that make no model.
pub fn check(config: &ModelConfig) -> Result<(), ModelError> {
    let mut letters = config.block.mixers.chars();
    let known = |letter| MIXERS.iter().any(|row| row.letter == letter);
    if config.block.mixers.is_empty() || !letters.all(known) {
        let letters = MIXERS
            .iter()
            .map(|row| format!("{} {}", row.letter, row.describes));
        let remedy = format!(
            "give a letter a layer: {}",
            letters.collect::<Vec<_>>().join(", ")
        );
        return Err(ModelError::impossible(
            "mixers",
            &config.block.mixers,
            remedy,
        ));
    }
    of(config).try_for_each(|row| (row.check)(config))
}
