//! Bidirectional LSTM (Graves & Schmidhuber 2005): layers that read both ways, half of the width each, as
//! PyTorch's `nn.LSTM(bidirectional=True)`. What it says at a position has seen all others.

use super::lstm::Lstm;
use super::recurrent_encoder_decoder::Encoder;
use super::{Decoder, Input, Model, ModelConfig, ModelRow, Reading, reads_whole};
use crate::nn::{Initializer, Linear, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::{Activation, Nonlinearity, Tape};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = ModelRow {
    name: "bilstm",
    describes: "bidirectional LSTM, for gaps in text (Graves & Schmidhuber 2005)",
    build: |config, init| Box::new(BiLstm::new(config, init)),
    parameters: |config| {
        let [d, l, v, o] = config.sizes();
        v * d + l * 4 * (d * d + d * d / 2 + 2 * d) + d * o + o
    },
    activations: |config, shape| {
        let [d, l, v, _] = config.sizes();
        shape.batch as u128 * shape.seq_len as u128 * (l * 20 * d + 2 * d + 2 * v)
    },
    width_step: |_| 2,
    options: &["gates", "chrono", "forget_bias"],
    preset: &[],
    check: |_| Ok(()),
    reads_source: false,
    sees_both: true,
};

struct BiLstm {
    config: ModelConfig,
    layers: Encoder,
    head: Linear,
}

impl BiLstm {
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let both = ModelConfig {
            encoder: Reading::Both,
            ..config.clone()
        };
        BiLstm {
            config: config.clone(),
            layers: Encoder::new::<Lstm>(&both, init),
            head: Linear::pytorch("head", config.width, config.outputs(), init),
        }
    }
}

impl Model for BiLstm {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.layers
            .parameters()
            .chain(self.head.parameters())
            .collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let head = self.head.parameters_mut();
        self.layers.parameters_mut().chain(head).collect()
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let (states, last) = self.layers.forward::<Lstm>(&input.own, &self.config, tape);
        let states = states.put_tape(last.split_tape().1); // (B·T, D)
        self.head.forward(states, Nonlinearity::Identity)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        reads_whole(&self.config)
    }

    fn state_bytes(&self, _context: usize) -> usize {
        0
    }

    fn flops_per_token(&self, _context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        (2 * (l * 4 * (d * d + d * d / 2) + d * o)) as f64
    }
}
