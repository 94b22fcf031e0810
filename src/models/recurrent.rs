//! What the recurrent models share: embedding → cells, one layer after the other → head.

use super::{Decoder, Model, ModelConfig, ModelError, ModelRow, Shape, State};
use crate::nn::{Initializer, Linear, Parameter};
use crate::ops::decode::PackedLinear;
use crate::ops::{self, Activation, Nonlinearity, RecurrentWeights, Tape};
use std::marker::PhantomData;

/// What distinguishes one recurrent model from another.
pub trait Cell: Send + Sync + 'static {
    /// Gates G, stacked in the weights.
    const GATES: usize;
    /// Vectors of state a layer keeps: 1 (h) or 2 (h and the cell).
    const STATES: usize;
    /// The packed weights of the incremental step.
    type Step: Send;

    /// The layer over whole sequences: (B·T, D) → (B·T, H).
    fn sequence(
        x: Activation,
        weights: RecurrentWeights,
        batch: usize,
        seq_len: usize,
    ) -> Activation;

    /// Copies and packs weights for [`Cell::step`].
    fn pack(weights: RecurrentWeights) -> Self::Step;

    /// One token: updates `states`, [`Cell::STATES`] buffers of (B, H), from x (B, D).
    fn step(packed: &Self::Step, x: &[f32], states: &mut [Vec<f32>], scratch: &mut Vec<f32>);

    /// Changes a layer's fresh biases, (G·H) each, where the configuration says so.
    fn adjust_biases(
        _config: &ModelConfig,
        _bias_ih: &mut [f32],
        _bias_hh: &mut [f32],
        _init: &mut Initializer,
    ) {
    }
}

/// The parameters of one layer, named and shaped as PyTorch's `nn.RNN`, `nn.LSTM` and `nn.GRU` do.
struct Layer {
    weight_ih: Parameter,
    weight_hh: Parameter,
    bias_ih: Parameter,
    bias_hh: Parameter,
}

impl Layer {
    /// PyTorch's initialisation: everything uniform in ±1/√H.
    fn new<C: Cell>(config: &ModelConfig, k: usize, init: &mut Initializer) -> Self {
        let (width, rows) = (config.width, C::GATES * config.width);
        let bound = 1.0 / (width as f32).sqrt();
        let weight_ih = init.uniform(rows * width, bound);
        let weight_hh = init.uniform(rows * width, bound);
        let mut bias_ih = init.uniform(rows, bound);
        let mut bias_hh = init.uniform(rows, bound);
        C::adjust_biases(config, &mut bias_ih, &mut bias_hh, init);
        let name = |what: &str| format!("rnn.{what}_l{k}");
        Layer {
            weight_ih: Parameter::new(name("weight_ih"), &[rows, width], weight_ih),
            weight_hh: Parameter::new(name("weight_hh"), &[rows, width], weight_hh),
            bias_ih: Parameter::new(name("bias_ih"), &[rows], bias_ih),
            bias_hh: Parameter::new(name("bias_hh"), &[rows], bias_hh),
        }
    }

    fn weights(&self) -> RecurrentWeights<'_> {
        RecurrentWeights {
            weight_ih: &self.weight_ih.tensor,
            weight_hh: &self.weight_hh.tensor,
            bias_ih: &self.bias_ih.tensor,
            bias_hh: &self.bias_hh.tensor,
        }
    }
}

/// A recurrent language model with cells of one kind; the hidden size is the width.
pub struct Recurrent<C> {
    config: ModelConfig,
    embedding: Parameter,
    layers: Vec<Layer>,
    head: Linear,
    cell: PhantomData<C>,
}

impl<C: Cell> Recurrent<C> {
    /// A [`super::MODELS`] row.
    pub const fn row(name: &'static str, describes: &'static str) -> ModelRow {
        ModelRow {
            name,
            describes,
            build: |config, init| Box::new(Self::new(config, init)),
            parameters: |config| {
                let (d, l, v) = sizes(config);
                v * d + l * C::GATES as u128 * (2 * d * d + 2 * d) + d * v + v
            },
            activations: |config, shape| {
                let (d, l, v) = sizes(config);
                // Input, output and their gradients; gates and states, forward and backward.
                let layer = 4 * d + 2 * (C::GATES + C::STATES) as u128 * d;
                shape.batch as u128 * shape.seq_len as u128 * (l * layer + 2 * d + 2 * v)
            },
            width_step: |_| 1,
        }
    }

    /// Embedding N(0, 1), layers and head as PyTorch initialises them.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (vocab, width) = (config.vocab, config.width);
        let embedding = init.normal(vocab * width, 1.0);
        Recurrent {
            config: config.clone(),
            embedding: Parameter::new("embedding.weight", &[vocab, width], embedding),
            layers: (0..config.layers)
                .map(|k| Layer::new::<C>(config, k, init))
                .collect(),
            head: Linear::pytorch("head", width, vocab, init),
            cell: PhantomData,
        }
    }
}

fn sizes(config: &ModelConfig) -> (u128, u128, u128) {
    (
        config.width as u128,
        config.layers as u128,
        config.vocab as u128,
    )
}

impl<C: Cell> Model for Recurrent<C> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embedding];
        for l in &self.layers {
            all.extend([&l.weight_ih, &l.weight_hh, &l.bias_ih, &l.bias_hh]);
        }
        all.extend(self.head.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embedding];
        for l in &mut self.layers {
            all.extend([
                &mut l.weight_ih,
                &mut l.weight_hh,
                &mut l.bias_ih,
                &mut l.bias_hh,
            ]);
        }
        all.extend(self.head.parameters_mut());
        all
    }

    fn forward(&self, tokens: &[u32], shape: Shape, tape: Tape) -> Activation {
        let mut x = ops::embedding(tokens, &self.embedding.tensor, tape); // (B·T, D)
        for layer in &self.layers {
            x = C::sequence(x, layer.weights(), shape.batch, shape.seq_len); // (B·T, D)
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(RecurrentDecoder::<C> {
            width: self.config.width,
            embedding: self.embedding.values(),
            layers: self.layers.iter().map(|l| C::pack(l.weights())).collect(),
            head: self.head.packed(),
            x: Vec::new(),
            scratch: Vec::new(),
        })
    }

    fn state_bytes(&self, _context: usize) -> usize {
        4 * C::STATES * self.config.layers * self.config.width
    }

    /// A layer multiplies by (G·H, D) and (G·H, H), the head by (V, D).
    fn flops_per_token(&self, _context: usize) -> f64 {
        let (d, l, v) = sizes(&self.config);
        (2 * (l * C::GATES as u128 * 2 * d * d + d * v)) as f64
    }
}

struct RecurrentDecoder<C: Cell> {
    width: usize,
    embedding: Vec<f32>,
    layers: Vec<C::Step>,
    head: PackedLinear,
    x: Vec<f32>,
    scratch: Vec<f32>,
}

impl<C: Cell> Decoder for RecurrentDecoder<C> {
    fn start(&self, batch: usize) -> State {
        State {
            position: 0,
            buffers: vec![vec![0.0; batch * self.width]; self.layers.len() * C::STATES],
        }
    }

    fn step(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let d = self.width;
        self.x.clear();
        for &token in tokens {
            let at = token as usize * d;
            self.x.extend_from_slice(&self.embedding[at..at + d]);
        }
        let layers = state.buffers.chunks_exact_mut(C::STATES);
        for (packed, states) in self.layers.iter().zip(layers) {
            C::step(packed, &self.x, states, &mut self.scratch);
            self.x.copy_from_slice(&states[0]); // h is the next layer's input
        }
        self.head.apply(&self.x, Nonlinearity::Identity, logits);
        state.position += 1;
        Ok(())
    }
}
