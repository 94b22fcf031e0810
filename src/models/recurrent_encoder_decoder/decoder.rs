//! Generating: the source is encoded once; with attention its keys and values are kept.

use super::encoder::Encoder;
use super::{Attention, FromState};
use crate::models::recurrent::Layer;
use crate::models::{Decoder, ModelConfig, ModelError, Sequence, State, no_way_back};
use crate::nn::Linear;
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::PackedLinear;
use kernels::{AdditiveShape, Nonlinearity, Tape, attend_additively};

/// Generates; a state's buffers are those of the layers, then keys and values of the source.
pub struct RecurrentEncoderDecoderDecoder<C: FromState> {
    config: ModelConfig,
    encoder: Encoder,
    embedding: Vec<f32>,
    layers: Vec<C::Step>,
    bridges: Vec<Linear>,
    attention: Option<PackedAttention>,
    head: PackedLinear,
    x: Vec<f32>,
    y: Vec<f32>,
    scratch: Vec<f32>,
}

struct PackedAttention {
    query: PackedLinear,
    /// As training has it: of the whole source at once.
    key: Linear,
    score: Vec<f32>,
    combine: PackedLinear,
    asked: Vec<f32>,
    found: Vec<f32>,
}

impl<C: FromState> RecurrentEncoderDecoderDecoder<C> {
    /// Copies and packs the decoder's weights; the encoder stays as it is.
    pub fn new(
        config: &ModelConfig,
        encoder: Encoder,
        layers: &[Layer],
        bridges: Vec<Linear>,
        attention: Option<Attention>,
        head: &Linear,
    ) -> Self {
        RecurrentEncoderDecoderDecoder {
            config: config.clone(),
            embedding: encoder.embedding.values(),
            encoder,
            layers: layers.iter().map(C::pack).collect(),
            bridges,
            attention: attention.map(|attention| PackedAttention {
                query: attention.query.packed(),
                score: attention.score.values(),
                combine: attention.combine.packed(),
                key: attention.key,
                asked: Vec::new(),
                found: Vec::new(),
            }),
            head: head.packed(),
            x: Vec::new(),
            y: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl PackedAttention {
    /// What the layers above read, in place of the lowest layer's states x (B·n, D).
    fn apply(&mut self, x: &mut Vec<f32>, kept: &[Vec<f32>], state: (usize, usize, &[usize])) {
        let (batch, keys, lengths) = state;
        self.query.apply(x, Nonlinearity::Identity, &mut self.asked);
        let d = self.score.len();
        let shape = AdditiveShape {
            batch,
            queries: x.len() / d / batch.max(1),
            keys,
        };
        let [key, memory] = kept else {
            panic!("keys and values of the source are kept");
        };
        let inputs = [&self.asked[..], key, memory, &self.score];
        attend_additively(inputs, Some(lengths), shape, &mut self.found, None);
        let both: Vec<f32> = self
            .found
            .chunks_exact(d)
            .zip(x.chunks_exact(d))
            .flat_map(|(found, own)| found.iter().chain(own).copied())
            .collect();
        self.combine.apply(&both, Nonlinearity::Tanh, x);
    }
}

impl<C: FromState> Decoder for RecurrentEncoderDecoderDecoder<C> {
    fn start(&mut self, batch: usize, source: Option<&Sequence>) -> State {
        let source = source.expect("reads a source");
        assert_eq!(source.batch, batch, "a source a sequence");
        let (memory, last) = self.encoder.forward::<C>(source, &self.config, Tape::Off);
        let last = last.split_tape().0;
        let bridge = |bridge: &Linear| {
            let state = bridge.forward(last.clone().put_tape(Tape::Off), Nonlinearity::Tanh);
            kernels::values(&state)
        };
        let mut buffers: Vec<_> = self.bridges.iter().map(bridge).collect();
        if let Some(attention) = &self.attention {
            let key = memory.clone().put_tape(Tape::Off);
            let key = attention.key.forward(key, Nonlinearity::Identity);
            buffers.extend([kernels::values(&key), kernels::values(&memory)]);
        }
        let all = || vec![source.seq_len; batch];
        State {
            batch,
            position: 0,
            buffers,
            source_len: source.seq_len,
            source_lengths: Some(source.lengths.clone().unwrap_or_else(all)),
        }
    }

    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let d = self.config.width;
        let n = state.tokens_each(tokens);
        self.x.clear();
        for &token in tokens {
            let row = &self.embedding[token as usize * d..][..d];
            self.x.extend_from_slice(row);
        }
        self.y.resize(self.x.len(), 0.0);
        let (states, kept) = state.buffers.split_at_mut(self.bridges.len());
        let lengths = state.source_lengths.as_deref().unwrap_or(&[]);
        let source = (state.batch, state.source_len, lengths);
        for (k, (packed, states)) in self
            .layers
            .iter()
            .zip(states.chunks_mut(C::STATES))
            .enumerate()
        {
            C::extend(packed, &self.x, states, &mut self.y, &mut self.scratch);
            std::mem::swap(&mut self.x, &mut self.y);
            if let Some(attention) = self.attention.as_mut().filter(|_| k == 0 && n > 0) {
                attention.apply(&mut self.x, kept, source);
            }
        }
        self.head.apply(&self.x, Nonlinearity::Identity, logits);
        state.position += n;
        Ok(())
    }

    fn truncate(&self, state: &mut State, tokens: usize) -> Result<(), ModelError> {
        no_way_back(state, tokens)
    }
}
