//! Generating with a recurrent model: its weights copied and packed.

use super::cell::Cell;
use crate::models::{Decoder, ModelError, Sequence, State, no_way_back};
use kernels::Nonlinearity;
use kernels::decode::PackedLinear;

/// Generates; a state's buffers are those of the layers, [`Cell::STATES`] each.
pub struct RecurrentDecoder<C: Cell> {
    width: usize,
    embedding: Vec<f32>,
    layers: Vec<C::Step>,
    head: PackedLinear,
    /// What a layer reads, and what it says.
    x: Vec<f32>,
    y: Vec<f32>,
    scratch: Vec<f32>,
}

impl<C: Cell> RecurrentDecoder<C> {
    /// Of an embedding (V, `width`) and these layers and head.
    pub fn new(
        width: usize,
        embedding: Vec<f32>,
        layers: Vec<C::Step>,
        head: PackedLinear,
    ) -> Self {
        RecurrentDecoder {
            width,
            embedding,
            layers,
            head,
            x: Vec::new(),
            y: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl<C: Cell> Decoder for RecurrentDecoder<C> {
    fn start(&mut self, batch: usize, _source: Option<&Sequence>) -> State {
        State {
            batch,
            position: 0,
            buffers: vec![vec![0.0; batch * self.width]; self.layers.len() * C::STATES],
            ..State::default()
        }
    }

    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let d = self.width;
        let n = state.tokens_each(tokens);
        self.x.clear();
        for &token in tokens {
            let at = token as usize * d;
            self.x.extend_from_slice(&self.embedding[at..at + d]);
        }
        self.y.resize(self.x.len(), 0.0);
        let layers = state.buffers.chunks_exact_mut(C::STATES);
        for (packed, states) in self.layers.iter().zip(layers) {
            C::extend(packed, &self.x, states, &mut self.y, &mut self.scratch);
            std::mem::swap(&mut self.x, &mut self.y); // h is the next layer's input
        }
        self.head.apply(&self.x, Nonlinearity::Identity, logits);
        state.position += n;
        Ok(())
    }

    /// The state before a token is gone once it has been consumed.
    fn truncate(&self, state: &mut State, tokens: usize) -> Result<(), ModelError> {
        no_way_back(state, tokens)
    }
}
