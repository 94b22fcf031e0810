//! Incremental decoding: the next-token distribution and sampling.

use crate::models::{Decoder, ModelError};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;

/// How the next token is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the likeliest.
    pub temperature: f32,
    /// Keep only the k likeliest.
    pub top_k: Option<usize>,
    /// Keep the smallest set of likeliest tokens whose probabilities add up to at least p.
    pub top_p: Option<f32>,
}

/// A possible next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Token.
    pub id: u32,
    /// Softmax of the logits.
    pub probability: f64,
    /// The model's own output.
    pub logit: f32,
}

/// All tokens with their probability after `prompt` (at least one token), likeliest first.
pub fn next_token_distribution(
    _decoder: &mut dyn Decoder,
    _prompt: &[u32],
) -> Result<Vec<Candidate>, ModelError> {
    todo!()
}

/// Continues `prompt` (at least one token) by `tokens` tokens, each given to `on_token` as it
/// comes, which may stop it.
pub fn generate(
    _decoder: &mut dyn Decoder,
    _prompt: &[u32],
    _tokens: usize,
    _sampling: &Sampling,
    _rng: &mut ChaCha8Rng,
    _on_token: &mut dyn FnMut(u32) -> ControlFlow<()>,
) -> Result<Vec<u32>, ModelError> {
    todo!()
}
