//! What may be chosen of a block; the default is the plain pre-norm block of GPT-2.

use crate::nn::NormKind;
use kernels::{Beta, Decay};
use serde::{Deserialize, Serialize};

/// Something that is there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Where a block normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// What a branch reads, and the last stream (Xiong et al. 2020).
    Pre,
    /// After adding a branch to the stream (Vaswani et al. 2017).
    Post,
    /// What a branch reads and what it says, and the last stream (Gemma Team 2024, "Gemma 2").
    Both,
}

/// What stands between the mixers of a block, on each position by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedForward {
    /// Two maps with GELU between them, four times the width.
    Gelu,
    /// Two maps with ReLU between them, four times the width.
    Relu,
    /// One map gated by GELU of another, then a third (Shazeer 2020); 8/3 of the width.
    Geglu,
    /// The same gated by SiLU.
    Swiglu,
    /// Nothing.
    None,
}

impl FeedForward {
    /// Whether one map gates another.
    pub fn is_gated(self) -> bool {
        matches!(self, FeedForward::Geglu | FeedForward::Swiglu)
    }

    /// Values between the maps for a stream of width D. A gated feed-forward has three maps: two thirds
    /// of the values, to whole vectors of 8, so that it has as many weights.
    pub fn inner(self, width: usize) -> usize {
        match self {
            FeedForward::Gelu | FeedForward::Relu => 4 * width,
            FeedForward::Geglu | FeedForward::Swiglu => (8 * width).div_ceil(3).next_multiple_of(8),
            FeedForward::None => 0,
        }
    }
}

/// The choices of a block model, beside positions and initial values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BlockConfig {
    /// How positions are mixed: the letter of a mixer for each layer, repeated over the layers.
    pub mixers: String,
    /// What kind of norm.
    pub norm: NormKind,
    /// Where norms stand.
    pub place: Place,
    /// Whether a branch is added to what it read; off, it replaces it.
    pub residual: Switch,
    /// What stands between mixers.
    pub feed_forward: FeedForward,
    /// Experts that a feed-forward has; 0 and 1: it is one.
    pub experts: usize,
    /// Experts that a token uses.
    pub experts_used: usize,
    /// How much uneven use of experts costs in training (Fedus et al. 2022).
    pub balance: f64,
    /// Heads of keys and values, at most those of queries; 0: as many.
    pub kv_heads: usize,
    /// Tokens that local attention sees, its own included.
    pub window: usize,
    /// Whether the heads of queries and keys are normalised before they are compared.
    pub qk_norm: Switch,
    /// Soft cap of attention's scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_cap: Option<f64>,
    /// Soft cap of the scores of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_cap: Option<f64>,
    /// Whether maps have biases.
    pub biases: Switch,
    /// Whether the embedding is multiplied by √D.
    pub scaled: Switch,
    /// Whether the head is the embedding.
    pub tied: Switch,
    /// Base of rotary positions in attention to all tokens; local attention has 10,000.
    pub rotary_base: f64,
    /// Share of a head's values that rotary positions turn.
    pub rotary_share: f64,
    /// Whether a state takes away what it holds at a key before it writes there.
    pub delta: Switch,
    /// What such a state keeps from token to token.
    pub decay: Decay,
    /// How strongly it is written.
    pub beta: Beta,
}

impl Default for BlockConfig {
    fn default() -> Self {
        BlockConfig {
            mixers: "g".into(),
            norm: NormKind::Layer,
            place: Place::Pre,
            residual: Switch::On,
            feed_forward: FeedForward::Gelu,
            experts: 0,
            experts_used: 1,
            balance: 0.02,
            kv_heads: 0,
            window: 64,
            qk_norm: Switch::Off,
            score_cap: None,
            logit_cap: None,
            biases: Switch::On,
            scaled: Switch::Off,
            tied: Switch::Off,
            rotary_base: 10_000.0,
            rotary_share: 1.0,
            delta: Switch::On,
            decay: Decay::None,
            beta: Beta::Sigmoid,
        }
    }
}
