//! Decoder-only transformer: pre-norm blocks (Xiong et al. 2020) of causal multi-head attention
//! (Vaswani et al. 2017) and a GELU feed-forward of four times the width, biases everywhere, a
//! final norm, and a head that is not tied to the embedding.

mod decoder;

use super::residual::Residual;
use super::{
    Decoder, Initial, Input, Model, ModelConfig, ModelRow, Output, Positions, Sequence, reads_whole,
};
use crate::nn::{Initializer, LayerNorm, Linear, Parameter, sinusoidal};
pub(super) use decoder::Norm;
use decoder::{PackedBlock, Parts, TransformerDecoder};
use kernels::{
    Activation, AttentionMask, AttentionPositions, AttentionShape, Matrix, Nonlinearity, Tape,
};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = ModelRow {
    name: "transformer",
    describes: "decoder-only transformer, pre-norm, causal attention, GELU (Vaswani et al. 2017)",
    build: |config, init| Box::new(Transformer::new(config, init)),
    parameters: |config| {
        let [d, l, v, o] = config.sizes();
        let positions = match config.positions {
            Positions::Learned => config.seq_len as u128 * d,
            _ => 0,
        };
        v * d + positions + l * (12 * d * d + 13 * d) + 2 * d + d * o + o
    },
    activations: |config, shape| {
        let [d, l, v, _] = config.sizes();
        // A block keeps qkv (3), attention (1), two norms and two sums (4), both sides of the GELU
        // (8) and the two branches (2); as much again for the gradients alive at once.
        shape.batch as u128 * shape.seq_len as u128 * (l * 24 * d + 24 * d + 2 * v)
    },
    width_step: |config| match config.positions {
        Positions::Rotary => 2 * config.heads, // a head's values turn in pairs
        _ => config.heads,
    },
    options: &["positions", "initial"],
    reads_source: false,
    sees_both: false,
};

/// The [`super::MODELS`] row of the same with attention both ways (Devlin et al. 2019).
pub const BERT: ModelRow = ModelRow {
    name: "bert",
    describes: "transformer that sees both sides, for gaps in text (Devlin et al. 2019)",
    sees_both: true,
    ..ROW
};

struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(config: &ModelConfig, k: usize, init: &mut Initializer) -> Self {
        let d = config.width;
        let name = |what: &str| format!("blocks.{k}.{what}");
        let branch = GPT2_DEVIATION / (2.0 * config.layers as f32).sqrt();
        let mut map = |what: &str, input, output, gpt2| {
            linear(config, &name(what), input, output, gpt2, init)
        };
        Block {
            qkv: map("attention.qkv", d, 3 * d, GPT2_DEVIATION),
            out: map("attention.out", d, d, branch),
            fc1: map("mlp.fc1", d, 4 * d, GPT2_DEVIATION),
            fc2: map("mlp.fc2", 4 * d, d, branch),
            norm1: LayerNorm::new(&name("norm1"), d),
            norm2: LayerNorm::new(&name("norm2"), d),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let attention = [&self.norm1.weight, &self.norm1.bias]
            .into_iter()
            .chain(self.qkv.parameters())
            .chain(self.out.parameters());
        let mlp = self.norm2.parameters().into_iter();
        attention
            .chain(mlp)
            .chain(self.fc1.parameters())
            .chain(self.fc2.parameters())
    }

    /// A packed copy, for decoding.
    fn packed(&self) -> PackedBlock {
        let maps = [&self.qkv, &self.out, &self.fc1, &self.fc2];
        PackedBlock::new([&self.norm1, &self.norm2], maps)
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let attention = self
            .norm1
            .parameters_mut()
            .into_iter()
            .chain(self.qkv.parameters_mut())
            .chain(self.out.parameters_mut());
        let mlp = self.norm2.parameters_mut().into_iter();
        attention
            .chain(mlp)
            .chain(self.fc1.parameters_mut())
            .chain(self.fc2.parameters_mut())
    }
}

/// Standard deviation of initial embeddings and learned positions: the size of what a branch adds at
/// first (values of a normed stream through two maps uniform in ±1/√D: 1/3), so that neither drowns
/// the other. GPT-2's 0.02 is made for widths near 1000: at width 64 it learns recall much
/// later.
const DEVIATION: f32 = 1.0 / 3.0;
/// Standard deviation of every weight in GPT-2.
const GPT2_DEVIATION: f32 = 0.02;

/// A map with the initial weights of the configuration.
fn linear(
    config: &ModelConfig,
    name: &str,
    input: usize,
    output: usize,
    gpt2_deviation: f32,
    init: &mut Initializer,
) -> Linear {
    match config.initial {
        Initial::Pytorch => Linear::pytorch(name, input, output, init),
        Initial::Gpt2 => Linear::normal(name, input, output, gpt2_deviation, init),
    }
}

struct Transformer {
    config: ModelConfig,
    embedding: Parameter,
    /// Trained positions.
    position: Option<Parameter>,
    /// Fixed positions, `seq_len` of them; longer sequences compute their own.
    sinusoidal: Option<Matrix>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Transformer {
    /// Maps as PyTorch initialises `nn.Linear`, of numbers too; with sinusoidal positions the embedding
    /// is N(0, 1): Vaswani et al. scale it to the size of the sines, which would drown it otherwise.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (v, d, t) = (config.vocab, config.width, config.seq_len);
        let gpt2 = config.initial == Initial::Gpt2;
        let position_deviation = if gpt2 { GPT2_DEVIATION } else { DEVIATION };
        let embedding_deviation = match (config.positions, config.output) {
            _ if gpt2 => GPT2_DEVIATION,
            (Positions::Sinusoidal, _) => 1.0,
            // The map of V numbers: as PyTorch's Linear, or positions would drown a small number.
            (_, Output::Number) => (3.0 * v as f32).sqrt().recip(),
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
        Transformer {
            config: config.clone(),
            embedding: Parameter::new("embedding.weight", &[v, d], embedding),
            position,
            sinusoidal: (config.positions == Positions::Sinusoidal).then(|| sinusoidal(t, d)),
            blocks: (0..config.layers)
                .map(|k| Block::new(config, k, init))
                .collect(),
            norm: LayerNorm::new("norm", d),
            head: linear(config, "head", d, config.outputs(), GPT2_DEVIATION, init),
        }
    }

    /// How the blocks attend.
    fn attention(&self, batch: usize, seq_len: usize) -> AttentionShape {
        AttentionShape {
            mask: match self.config.sees_both() {
                true => AttentionMask::All,
                false => AttentionMask::Causal,
            },
            positions: match self.config.positions {
                Positions::Rotary => AttentionPositions::ROTARY,
                Positions::Alibi => AttentionPositions::Alibi,
                Positions::None | Positions::Learned | Positions::Sinusoidal => {
                    AttentionPositions::None
                }
            },
            ..AttentionShape::causal(batch, seq_len, self.config.heads)
        }
    }

    fn embed(&self, own: &Sequence, tape: Tape) -> Activation {
        let (read, seq_len) = (own.read(), own.seq_len);
        let longer; // lives as long as the table borrowed from it
        let table = match (&self.position, &self.sinusoidal) {
            (Some(learned), _) => &learned.tensor,
            (None, Some(table)) if seq_len <= self.config.seq_len => table,
            (None, Some(_)) => {
                longer = sinusoidal(seq_len, self.config.width);
                &longer
            }
            (None, None) => return kernels::embedding(read, &self.embedding.tensor, tape),
        };
        kernels::embedding_at_positions(read, &self.embedding.tensor, table, seq_len, tape)
    }
}

impl Model for Transformer {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embedding];
        all.extend(&self.position);
        all.extend(self.blocks.iter().flat_map(Block::parameters));
        all.extend(self.norm.parameters());
        all.extend(self.head.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embedding];
        all.extend(&mut self.position);
        all.extend(self.blocks.iter_mut().flat_map(Block::parameters_mut));
        all.extend(self.norm.parameters_mut());
        all.extend(self.head.parameters_mut());
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let own = &input.own;
        let attention_shape = self.attention(own.batch, own.seq_len);
        let embedded = self.embed(own, tape); // (B·T, D)
        // A block is
        //     x = x + attention(norm1(x))
        //     x = x + mlp(norm2(x))
        let norms = self.blocks.iter().flat_map(|b| [&b.norm1, &b.norm2]);
        let (mut stream, mut x) = Residual::begin(embedded, norms, Some(&self.norm));
        for block in &self.blocks {
            let qkv = block.qkv.forward(x, Nonlinearity::Identity); // (B·T, 3D)
            let attended = kernels::attention(qkv, None, attention_shape); // (B·T, D)
            x = stream.add(block.out.forward(attended, Nonlinearity::Identity));
            let inner = block.fc1.forward(x, Nonlinearity::Gelu); // (B·T, 4D)
            x = stream.add(block.fc2.forward(inner, Nonlinearity::Identity)); // (B·T, D)
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        if self.config.sees_both() {
            return reads_whole(&self.config);
        }
        let parts = Parts {
            embedding: self.embedding.values(),
            position: self.position.as_ref().map(Parameter::values),
            blocks: self.blocks.iter().map(Block::packed).collect(),
            norm: Norm::new(&self.norm),
            head: self.head.packed(),
        };
        Box::new(TransformerDecoder::new(
            &self.config,
            self.attention(0, 0),
            parts,
        ))
    }

    fn state_bytes(&self, context: usize) -> usize {
        2 * size_of::<f32>() * self.config.layers * self.config.width * context
    }

    /// A block multiplies by 12 D² weights and compares with, then sums over, `context` + 1 tokens.
    fn flops_per_token(&self, context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let seen = match self.config.sees_both() {
            true => self.config.seq_len,
            false => context + 1,
        };
        let block = 12 * d * d + 2 * d * seen as u128;
        (2 * (l * block + d * o)) as f64
    }
}
