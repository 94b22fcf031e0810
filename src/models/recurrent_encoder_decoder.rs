//! Recurrent encoder-decoders (Sutskever et al. 2014; Cho et al. 2014; Bahdanau et al. 2015): layers of
//! LSTM or GRU read the source, and as many go on with the model's own sequence.
//!
//! The encoder's last state e, through a map and tanh for each layer of the decoder, is the state that
//! layer begins with. With attention, the lowest layer's state s asks all positions of the source by
//! additive scores, and tanh(W [c; s]) of what comes back, c, is what the layers above read (Luong et al.
//! 2015, equation 5; asked by the lowest layer, as in Wu et al. 2016). So the recurrence does not wait
//! for the attention, and a training step runs over whole sequences. Without attention e is all that the
//! decoder knows of the source. Source and own sequence share the embedding.

mod decoder;
mod encoder;

use super::recurrent::{Cell, Layer};
use super::{
    Decoder, Input, Model, ModelConfig, ModelRow, Reading, Sequence, Shape, SourceAttention,
};
use crate::nn::{Initializer, Linear, Parameter};
use decoder::RecurrentEncoderDecoderDecoder;
use dfdx::tensor::{PutTape, SplitTape};
pub(super) use encoder::Encoder;
use kernels::{
    Activation, AdditiveShape, Matrix, Nonlinearity, Tape, additive_attention, attend_additively,
};
use std::marker::PhantomData;

/// The [`super::MODELS`] row of the GRU.
pub const GRU: ModelRow = row::<super::gru::Gru>(
    "gru-encoder-decoder",
    "GRU that reads a source and goes on with its own sequence (Bahdanau et al. 2015)",
);
/// The [`super::MODELS`] row of the LSTM.
pub const LSTM: ModelRow = row::<super::lstm::Lstm>(
    "lstm-encoder-decoder",
    "LSTM that reads a source and goes on with its own sequence (Sutskever et al. 2014)",
);

/// A cell whose layers can begin with a state.
pub trait FromState: Cell {
    /// Names in [`OPTIONS`](super::OPTIONS) that its encoder-decoder takes.
    const OPTIONS_WITH_SOURCE: &'static [&'static str];

    /// [`Cell::sequence`] from `states`, [`Cell::STATES`] of (B, H), whose tape x carries.
    fn sequence_from(x: Activation, states: &[Matrix], layer: &Layer, shape: Shape) -> Activation;
}

const fn row<C: FromState>(name: &'static str, describes: &'static str) -> ModelRow {
    ModelRow {
        name,
        describes,
        build: |config, init| Box::new(RecurrentEncoderDecoder::<C>::new(config, init)),
        parameters: |config| {
            let [d, l, v, o] = config.sizes();
            let gates = C::GATES as u128;
            let encoder = match config.encoder {
                Reading::Forward => gates * (2 * d * d + 2 * d),
                Reading::Both => gates * (d * d + d * d / 2 + 2 * d),
            };
            let decoder = gates * (2 * d * d + 2 * d) + C::STATES as u128 * (d * d + d);
            let attention = match config.source_attention {
                SourceAttention::None => 0,
                SourceAttention::Additive => 2 * (d * d + d) + d + 2 * d * d + d,
            };
            v * d + l * (encoder + decoder) + attention + d * o + o
        },
        activations: |config, shape| {
            let [d, l, v, _] = config.sizes();
            let own = shape.batch as u128 * shape.seq_len as u128;
            let source = shape.batch as u128 * config.source.unwrap_or(0) as u128;
            // As of a recurrent language model; what the attention reads and makes, and its shares.
            let layer = 4 * d + 2 * (C::GATES + C::STATES) as u128 * d;
            let shares = own * config.source.unwrap_or(0) as u128;
            (own + source) * (l * layer + 8 * d) + own * 2 * v + shares
        },
        width_step: |config| match config.encoder {
            Reading::Forward => 1,
            Reading::Both => 2,
        },
        options: C::OPTIONS_WITH_SOURCE,
        preset: &[],
        check: |_| Ok(()),
        reads_source: true,
        sees_both: false,
    }
}

/// Additive attention and what its result goes through.
#[derive(Clone)]
struct Attention {
    /// W, of the state that asks: D → D.
    query: Linear,
    /// U, of the source: D → D.
    key: Linear,
    /// v (D).
    score: Parameter,
    /// Of what comes back beside the state: 2D → D.
    combine: Linear,
}

impl Attention {
    fn new(d: usize, init: &mut Initializer) -> Self {
        let mut map =
            |what: &str, input| Linear::pytorch(&format!("attention.{what}"), input, d, init);
        let (query, key, combine) = (map("query", d), map("key", d), map("combine", 2 * d));
        let score = init.uniform(d, 1.0 / (d as f32).sqrt());
        Attention {
            query,
            key,
            score: Parameter::new("attention.score.weight", &[1, d], score),
            combine,
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let maps = [&self.query, &self.key, &self.combine].into_iter();
        maps.flat_map(Linear::parameters).chain([&self.score])
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let maps = [&mut self.query, &mut self.key, &mut self.combine].into_iter();
        maps.flat_map(Linear::parameters_mut)
            .chain([&mut self.score])
    }

    /// What the layers above read: the lowest layer's states (B·T, D), beside what they asked of the
    /// memory (B·Ts, D).
    fn forward(
        &self,
        states: Activation,
        memory: &Matrix,
        source: &Sequence,
        own: Shape,
        seen: Option<&mut Vec<f32>>,
    ) -> Activation {
        let (states, tape) = states.split_tape();
        let key = memory.clone().put_tape(tape);
        let (key, tape) = self.key.forward(key, Nonlinearity::Identity).split_tape();
        let query = self
            .query
            .forward(states.clone().put_tape(tape), Nonlinearity::Identity);
        let shape = AdditiveShape {
            batch: own.batch,
            queries: own.seq_len,
            keys: source.seq_len,
        };
        let (score, lengths) = (&self.score.tensor, source.lengths.as_deref());
        if let Some(seen) = seen {
            let inputs = [&query, &key.clone().put_tape(Tape::Off)].map(kernels::values);
            let (h, v) = (kernels::values(memory), self.score.values());
            let [q, k] = inputs.each_ref().map(|x| &x[..]);
            attend_additively([q, k, &h, &v], lengths, shape, &mut Vec::new(), Some(seen));
        }
        let found = additive_attention(query, key, memory.clone(), score, lengths, shape);
        let (found, tape) = found.split_tape();
        let both = kernels::side_by_side(found, states.put_tape(tape)); // (B·T, 2D)
        self.combine.forward(both, Nonlinearity::Tanh)
    }
}

struct RecurrentEncoderDecoder<C> {
    config: ModelConfig,
    encoder: Encoder,
    layers: Vec<Layer>,
    /// From the encoder's last state to the first of each layer, [`Cell::STATES`] of each.
    bridges: Vec<Linear>,
    attention: Option<Attention>,
    head: Linear,
    cell: PhantomData<C>,
}

impl<C: FromState> RecurrentEncoderDecoder<C> {
    /// Embedding N(0, 1), everything else as PyTorch initialises it.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (d, layers) = (config.width, 0..config.layers);
        let encoder = Encoder::new::<C>(config, init);
        let layer = |k| Layer::sized::<C>(config, k, ["decoder", ""], d, init);
        let layers: Vec<_> = layers.map(layer).collect();
        let bridge = |i: usize| {
            let name = format!("bridge.{}.{}", i / C::STATES, ["h", "c"][i % C::STATES]);
            Linear::pytorch(&name, d, d, init)
        };
        RecurrentEncoderDecoder {
            config: config.clone(),
            encoder,
            bridges: (0..layers.len() * C::STATES).map(bridge).collect(),
            layers,
            attention: (config.source_attention == SourceAttention::Additive)
                .then(|| Attention::new(d, init)),
            head: Linear::pytorch("head", d, config.outputs(), init),
            cell: PhantomData,
        }
    }

    /// The logits, and what the positions of one sequence look at, where it is asked.
    fn run(&self, input: &Input, tape: Tape, mut seen: Option<&mut Vec<f32>>) -> Activation {
        let source = input.source.as_ref().expect("reads a source");
        let (own, shape) = (&input.own, input.own.shape());
        // (B·Ts, D), (B, D)
        let (memory, last) = self.encoder.forward::<C>(source, &self.config, tape);
        let (last, mut tape) = last.split_tape();
        let mut states = Vec::new();
        for bridge in &self.bridges {
            let state = bridge.forward(last.clone().put_tape(tape), Nonlinearity::Tanh);
            let (state, recorded) = state.split_tape();
            states.push(state);
            tape = recorded;
        }
        let mut x = kernels::embedding(own.read(), &self.encoder.embedding.tensor, tape);
        for (k, (layer, states)) in self.layers.iter().zip(states.chunks(C::STATES)).enumerate() {
            x = C::sequence_from(x, states, layer, shape); // (B·T, D)
            if let Some(attention) = self.attention.as_ref().filter(|_| k == 0) {
                x = attention.forward(x, &memory, source, shape, seen.take());
            }
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }
}

impl<C: FromState> Model for RecurrentEncoderDecoder<C> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all: Vec<_> = self.encoder.parameters().collect();
        all.extend(self.layers.iter().flat_map(Layer::parameters));
        all.extend(self.bridges.iter().flat_map(Linear::parameters));
        all.extend(self.attention.iter().flat_map(Attention::parameters));
        all.extend(self.head.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all: Vec<_> = self.encoder.parameters_mut().collect();
        all.extend(self.layers.iter_mut().flat_map(Layer::parameters_mut));
        all.extend(self.bridges.iter_mut().flat_map(Linear::parameters_mut));
        all.extend(
            self.attention
                .iter_mut()
                .flat_map(Attention::parameters_mut),
        );
        all.extend(self.head.parameters_mut());
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        self.run(input, tape, None)
    }

    fn alignment(&self, input: &Input) -> Option<Vec<f32>> {
        self.attention.as_ref()?;
        let source = input.source.as_ref().expect("reads a source");
        assert_eq!(input.own.batch, 1, "one sequence");
        let length = source.lengths.as_ref().map_or(source.seq_len, |l| l[0]);
        let mut seen = Vec::new();
        self.run(input, Tape::Off, Some(&mut seen));
        let rows = seen.chunks_exact(source.seq_len);
        Some(rows.flat_map(|row| &row[..length]).copied().collect())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(RecurrentEncoderDecoderDecoder::<C>::new(
            &self.config,
            self.encoder.clone(),
            &self.layers,
            self.bridges.clone(),
            self.attention.clone(),
            &self.head,
        ))
    }

    /// The states, and with attention keys and values of the longest source.
    fn state_bytes(&self, _context: usize) -> usize {
        let (d, source) = (self.config.width, self.config.source.unwrap_or(0));
        let kept = self.attention.as_ref().map_or(0, |_| 2 * source * d);
        4 * (C::STATES * self.config.layers * d + kept)
    }

    /// Of the decoder: its layers, what it asks of the longest source, and the head.
    fn flops_per_token(&self, _context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let source = self.config.source.unwrap_or(0) as u128;
        let layers = l * C::GATES as u128 * 2 * d * d;
        let asked = self
            .attention
            .as_ref()
            .map_or(0, |_| 3 * d * d + 3 * d * source);
        (2 * (layers + asked + d * o)) as f64
    }

    /// Of the encoder, what the decoder's layers begin with, and the keys.
    fn flops_of_source(&self, tokens: usize) -> f64 {
        let [d, l, _, _] = self.config.sizes();
        let gates = C::GATES as u128;
        let layer = match self.config.encoder {
            Reading::Forward => gates * 2 * d * d,
            Reading::Both => gates * (d * d + d * d / 2),
        };
        let keys = self.attention.as_ref().map_or(0, |_| d * d);
        let bridges = C::STATES as u128 * l * d * d;
        (2 * (tokens as u128 * (l * layer + keys) + bridges)) as f64
    }
}
