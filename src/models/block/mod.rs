//! Models of blocks, each a mixer of positions and a feed-forward around a residual stream: the
//! decoder-only transformer (Vaswani et al. 2017; Radford et al. 2019), what later years changed of it,
//! and recurrent mixers in its place. Every change is an option ([`BlockConfig`]); models are presets.
//!
//! A block is x = x + mixer(norm1(x)), x = x + mlp(norm2(x)), with norms elsewhere by option.

mod config;
mod decoder;
mod feed_forward;
mod mixer;
mod mixers;
pub mod presets;

pub use config::{BlockConfig, FeedForward as FeedForwardKind, Place, Switch};

use super::residual::Residual;
use super::{Decoder, Initial, Input, Model, ModelConfig, ModelError, Output, Positions, Sequence};
use super::{Shape, reads_whole};
use crate::nn::{Initializer, Linear, Norm, Parameter, sinusoidal};
use decoder::{BlockDecoder, PackedLayer};
use feed_forward::FeedForward;
use kernels::decode::PackedLinear;
use kernels::{Activation, Matrix, Nonlinearity, Tape};
use mixer::Mixer;
pub use mixer::attends;

/// Standard deviation of initial embeddings and learned positions: the size of what a branch adds at
/// first (values of a normed stream through two maps uniform in ±1/√D: 1/3), so that neither drowns
/// the other. GPT-2's 0.02 is made for widths near 1000: at width 64 it learns recall much
/// later.
const DEVIATION: f32 = 1.0 / 3.0;
/// Standard deviation of every weight in GPT-2.
const GPT2_DEVIATION: f32 = 0.02;

/// A map with the initial weights of the configuration; what `adds` to the stream begins smaller in GPT-2.
fn linear(
    config: &ModelConfig,
    name: &str,
    [input, output]: [usize; 2],
    adds: bool,
    init: &mut Initializer,
) -> Linear {
    let map = match config.initial {
        Initial::Pytorch => Linear::pytorch(name, input, output, init),
        Initial::Gpt2 => {
            let branch = GPT2_DEVIATION / (2.0 * config.layers as f32).sqrt();
            let deviation = if adds { branch } else { GPT2_DEVIATION };
            Linear::normal(name, input, output, deviation, init)
        }
    };
    match config.block.biases {
        Switch::On => map,
        Switch::Off => map.without_bias(),
    }
}

/// Whether the head is the embedding; one that says a number is not.
fn is_tied(config: &ModelConfig) -> bool {
    config.block.tied == Switch::On && config.output == Output::Tokens
}

/// Branches of a block.
fn branches(config: &ModelConfig) -> u128 {
    match config.block.feed_forward {
        FeedForwardKind::None => 1,
        _ => 2,
    }
}

/// Trainable values.
fn parameters(config: &ModelConfig) -> u128 {
    let [d, l, v, o] = config.sizes();
    let positions = match config.positions {
        Positions::Learned => config.seq_len as u128 * d,
        _ => 0,
    };
    let norms = match config.block.place {
        Place::Pre => l * branches(config) + 1,
        Place::Post => l * branches(config),
        Place::Both => 2 * l * branches(config) + 1,
    };
    let head = match (is_tied(config), config.block.biases) {
        (true, _) => 0,
        (false, Switch::On) => d * o + o,
        (false, Switch::Off) => d * o,
    };
    let mixers: u128 = mixer::of(config).map(|row| (row.parameters)(config)).sum();
    let norms = norms * d * config.block.norm.vectors();
    v * d + positions + mixers + l * feed_forward::parameters(config) + norms + head
}

fn activations(config: &ModelConfig, shape: Shape) -> u128 {
    let [d, l, v, _] = config.sizes();
    // Two norms and two sums (4), both sides of the feed-forward's middle (8, or three of a gated one)
    // and the two branches (2); as much again for the gradients alive at once. The mixer's own beside.
    let layer = 2 * (6 * d + 2 * config.block.feed_forward.inner(config.width) as u128);
    let mixers: u128 = mixer::of(config).map(|row| (row.kept)(config)).sum();
    let each = l * layer + mixers + 24 * d + 2 * v;
    shape.batch as u128 * shape.seq_len as u128 * each
}

/// Refuses sizes and choices that make no model.
pub fn check(config: &ModelConfig) -> Result<(), ModelError> {
    feed_forward::check(config)?;
    mixer::check(config)
}

fn width_step(config: &ModelConfig) -> usize {
    match config.positions {
        // A head's values turn in pairs.
        Positions::Rotary if attends(config) => 2 * config.heads,
        _ => config.heads,
    }
}

struct Layer {
    norm1: Norm,
    mixer: Box<dyn Mixer>,
    /// Of what the mixer says, where norms stand on both sides.
    after1: Option<Norm>,
    feed_forward: Option<FeedForward>,
    norm2: Option<Norm>,
    after2: Option<Norm>,
}

impl Layer {
    fn new(config: &ModelConfig, k: usize, init: &mut Initializer) -> Self {
        let at = |what: &str| format!("blocks.{k}.{what}");
        let norm = |what: &str| Norm::new(config.block.norm, &at(what), config.width);
        let row = mixer::of(config)
            .nth(k)
            .expect("the configuration has been checked");
        let mixer = (row.build)(config, &at(row.name), init);
        let feed_forward = FeedForward::new(config, &at("mlp"), init);
        let is_both = config.block.place == Place::Both;
        let has_second = feed_forward.is_some();
        Layer {
            norm1: norm("norm1"),
            mixer,
            after1: is_both.then(|| norm("after1")),
            feed_forward,
            norm2: has_second.then(|| norm("norm2")),
            after2: (is_both && has_second).then(|| norm("after2")),
        }
    }

    fn norms(&self) -> impl Iterator<Item = &Norm> {
        [&self.norm1].into_iter().chain(&self.norm2)
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all: Vec<&Parameter> = self.norm1.parameters().collect();
        all.extend(self.mixer.parameters());
        all.extend(self.after1.iter().flat_map(Norm::parameters));
        all.extend(self.norm2.iter().flat_map(Norm::parameters));
        all.extend(self.feed_forward.iter().flat_map(FeedForward::parameters));
        all.extend(self.after2.iter().flat_map(Norm::parameters));
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all: Vec<&mut Parameter> = self.norm1.parameters_mut().collect();
        all.extend(self.mixer.parameters_mut());
        all.extend(self.after1.iter_mut().flat_map(Norm::parameters_mut));
        all.extend(self.norm2.iter_mut().flat_map(Norm::parameters_mut));
        let mlp = self.feed_forward.iter_mut();
        all.extend(mlp.flat_map(FeedForward::parameters_mut));
        all.extend(self.after2.iter_mut().flat_map(Norm::parameters_mut));
        all
    }

    /// A packed copy, for decoding.
    fn packed(&self) -> PackedLayer {
        PackedLayer {
            norm1: self.norm1.packed(),
            mixer: self.mixer.packed(),
            after1: self.after1.as_ref().map(Norm::packed),
            norm2: self.norm2.as_ref().map(Norm::packed),
            feed_forward: self.feed_forward.as_ref().map(FeedForward::packed),
            after2: self.after2.as_ref().map(Norm::packed),
        }
    }
}

/// What a branch says, through the norm after it if there is one.
fn after(norm: Option<&Norm>, branch: Activation) -> Activation {
    match norm {
        Some(norm) => norm.forward(branch),
        None => branch,
    }
}

struct Blocks {
    config: ModelConfig,
    embedding: Parameter,
    /// Trained positions.
    position: Option<Parameter>,
    /// Fixed positions, `seq_len` of them; longer sequences compute their own.
    sinusoidal: Option<Matrix>,
    layers: Vec<Layer>,
    /// The last, but where norms stand after.
    norm: Option<Norm>,
    /// `None` if it is the embedding.
    head: Option<Linear>,
}

impl Blocks {
    /// Maps as PyTorch initialises `nn.Linear`, of numbers too; with sinusoidal positions the embedding
    /// is N(0, 1): Vaswani et al. scale it to the size of the sines, which would drown it otherwise.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (v, d, t) = (config.vocab, config.width, config.seq_len);
        let gpt2 = config.initial == Initial::Gpt2;
        let position_deviation = if gpt2 { GPT2_DEVIATION } else { DEVIATION };
        let embedding_deviation = match (config.positions, config.output) {
            _ if gpt2 => GPT2_DEVIATION,
            // The map of V numbers: as PyTorch's Linear, or positions would drown a small number.
            (_, Output::Number) => (3.0 * v as f32).sqrt().recip(),
            // As the head it gives scores of size 1 of a normed row.
            _ if is_tied(config) || config.block.scaled == Switch::On => (d as f32).sqrt().recip(),
            (Positions::Sinusoidal, _) => 1.0,
            _ => DEVIATION,
        };
        let embedding = init.normal(v * d, embedding_deviation);
        let position = (config.positions == Positions::Learned).then(|| {
            Parameter::new(
                "position.weight",
                &[t, d],
                init.normal(t * d, position_deviation),
            )
        });
        Blocks {
            config: config.clone(),
            embedding: Parameter::new("embedding.weight", &[v, d], embedding),
            position,
            sinusoidal: (config.positions == Positions::Sinusoidal).then(|| sinusoidal(t, d)),
            layers: (0..config.layers)
                .map(|k| Layer::new(config, k, init))
                .collect(),
            norm: (config.block.place != Place::Post)
                .then(|| Norm::new(config.block.norm, "norm", d)),
            head: (!is_tied(config))
                .then(|| linear(config, "head", [d, config.outputs()], false, init)),
        }
    }

    fn embed(&self, own: &Sequence, tape: Tape) -> Activation {
        let (read, seq_len) = (own.read(), own.seq_len);
        let longer; // lives as long as the table borrowed from it
        let table = match (&self.position, &self.sinusoidal) {
            (Some(learned), _) => Some(&learned.tensor),
            (None, Some(table)) if seq_len <= self.config.seq_len => Some(table),
            (None, Some(_)) => {
                longer = sinusoidal(seq_len, self.config.width);
                Some(&longer)
            }
            (None, None) => None,
        };
        let positions = table.map(|table| (table, seq_len));
        let scale = embedding_scale(&self.config);
        kernels::scaled_embedding(read, &self.embedding.tensor, scale, positions, tape)
    }

    /// Adds a branch to the stream, or, without residual connections, puts it in its place.
    fn join(&self, stream: &mut Residual, branch: Activation) -> Activation {
        match self.config.block.residual {
            Switch::On => stream.add(branch),
            Switch::Off => stream.replace(branch),
        }
    }

    /// A packed copy of the head.
    fn packed_head(&self) -> PackedLinear {
        match &self.head {
            Some(head) => head.packed(),
            None => {
                let bias = vec![0.0; self.config.vocab];
                PackedLinear::new(&self.embedding.values(), &bias, self.config.width)
            }
        }
    }
}

/// What embeddings are multiplied by.
fn embedding_scale(config: &ModelConfig) -> f32 {
    match config.block.scaled {
        Switch::On => (config.width as f32).sqrt(),
        Switch::Off => 1.0,
    }
}

impl Model for Blocks {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embedding];
        all.extend(&self.position);
        all.extend(self.layers.iter().flat_map(Layer::parameters));
        all.extend(self.norm.iter().flat_map(Norm::parameters));
        all.extend(self.head.iter().flat_map(Linear::parameters));
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embedding];
        all.extend(&mut self.position);
        all.extend(self.layers.iter_mut().flat_map(Layer::parameters_mut));
        all.extend(self.norm.iter_mut().flat_map(Norm::parameters_mut));
        all.extend(self.head.iter_mut().flat_map(Linear::parameters_mut));
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let (own, shape) = (&input.own, input.own.shape());
        let embedded = input.drop_some(self.embed(own, tape), &self.config, 0); // (B·T, D)
        let norms = self.layers.iter().flat_map(Layer::norms);
        let (mut stream, mut x) = Residual::begin(embedded, norms, self.norm.as_ref());
        for (k, layer) in self.layers.iter().enumerate() {
            let said = layer.mixer.forward(x, shape); // (B·T, D)
            let branch = after(layer.after1.as_ref(), said);
            let branch = input.drop_some(branch, &self.config, 2 * k + 1);
            x = self.join(&mut stream, branch);
            if let Some(feed_forward) = &layer.feed_forward {
                let branch = after(layer.after2.as_ref(), feed_forward.forward(x)); // (B·T, D)
                let branch = input.drop_some(branch, &self.config, 2 * k + 2);
                x = self.join(&mut stream, branch);
            }
        }
        let scores = match &self.head {
            Some(head) => head.forward(x, Nonlinearity::Identity),
            None => kernels::linear(x, &self.embedding.tensor, None, Nonlinearity::Identity),
        };
        match (self.config.block.logit_cap, self.config.output) {
            (Some(cap), Output::Tokens) => kernels::capped(scores, cap as f32),
            _ => scores, // (B·T, V)
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        match self.config.sees_both() {
            true => reads_whole(&self.config),
            false => Box::new(BlockDecoder::new(self)),
        }
    }

    fn state_bytes(&self, context: usize) -> usize {
        let floats = mixer::of(&self.config).map(|row| (row.state)(&self.config, context));
        size_of::<f32>() * floats.sum::<usize>()
    }

    /// A layer of attention multiplies by 4 D² weights and compares with, then sums over, `context` + 1
    /// tokens; the feed-forward multiplies by 8 D².
    fn flops_per_token(&self, context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let mixers = mixer::of(&self.config).map(|row| (row.work)(&self.config, context));
        let layers = mixers.sum::<u128>() + l * feed_forward::work(&self.config);
        (2 * (layers + d * o)) as f64
    }
}
