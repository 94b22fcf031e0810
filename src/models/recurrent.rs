//! What the recurrent models share: embedding → cells, one layer after the other → head.

mod cell;
mod decoder;

pub use cell::{Cell, Layer};

use super::{Decoder, Input, Model, ModelConfig, ModelRow};
use crate::nn::{Initializer, Linear, Parameter};
use cell::products;
use decoder::RecurrentDecoder;
use kernels::{Activation, Nonlinearity, Tape};
use std::marker::PhantomData;

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
                let [d, l, v, o] = config.sizes();
                let vectors = C::VECTORS.len() as u128 * d;
                let gates = (C::GATES * products::<C>()) as u128;
                v * d + l * (gates * (d * d + d) + vectors) + d * o + o
            },
            activations: |config, shape| {
                let [d, l, v, _] = config.sizes();
                // Input, output and their gradients; gates and states, forward and backward.
                let layer = 4 * d + 2 * (C::GATES + C::STATES) as u128 * d;
                shape.batch as u128 * shape.seq_len as u128 * (l * layer + 2 * d + 2 * v)
            },
            width_step: |_| 1,
            options: C::OPTIONS,
            preset: &[],
            check: |_| Ok(()),
            reads_source: false,
            sees_both: false,
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
            head: Linear::pytorch("head", width, config.outputs(), init),
            cell: PhantomData,
        }
    }
}

impl<C: Cell> Model for Recurrent<C> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embedding];
        all.extend(self.layers.iter().flat_map(Layer::parameters));
        all.extend(self.head.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embedding];
        let layers = self.layers.iter_mut();
        all.extend(layers.flat_map(Layer::parameters_mut));
        all.extend(self.head.parameters_mut());
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let (own, shape) = (&input.own, input.own.shape());
        let mut x = kernels::embedding(own.read(), &self.embedding.tensor, tape); // (B·T, D)
        for (k, layer) in self.layers.iter().enumerate() {
            // What the embedding says, and every layer but the last.
            x = input.drop_some(x, &self.config, k);
            x = C::sequence(x, layer, shape, &self.config); // (B·T, D)
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        let layers = self.layers.iter().map(C::pack).collect();
        let (embedding, head) = (self.embedding.values(), self.head.packed());
        Box::new(RecurrentDecoder::<C>::new(
            self.config.width,
            embedding,
            layers,
            head,
        ))
    }

    fn state_bytes(&self, _context: usize) -> usize {
        4 * C::STATES * self.config.layers * self.config.width
    }

    /// A layer multiplies by (G·H, D), and by (G·H, H) or, if its gates do not look at the state,
    /// by one factor a unit; the head by (V, D) or (1, D).
    fn flops_per_token(&self, _context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let scan = if C::HIDDEN_PRODUCT { 0 } else { d };
        let layer = (C::GATES * products::<C>()) as u128 * d * d + scan;
        (2 * (l * layer + d * o)) as f64
    }
}
