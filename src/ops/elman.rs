//! Elman's recurrent layer with tanh.

use super::Activation;
use super::recurrent::RecurrentWeights;

/// Runs the layer over B sequences of T tokens from a zero state: (B·T, D) to (B·T, H).
pub fn elman(x: Activation, weights: RecurrentWeights, batch: usize, seq_len: usize) -> Activation {
    let _ = (x, weights, batch, seq_len);
    todo!()
}

/// One step at a time, for decoding.
pub struct ElmanCell;

impl ElmanCell {
    /// Copies and packs the weights.
    pub fn new(weights: RecurrentWeights) -> Self {
        let _ = weights;
        todo!()
    }

    /// Consumes one token of each of B sequences, x (B, D), and updates the hidden states (B, H);
    /// `scratch` is working memory to be kept between steps.
    pub fn step(&self, x: &[f32], h: &mut [f32], scratch: &mut Vec<f32>) {
        let _ = (x, h, scratch);
        todo!()
    }
}
