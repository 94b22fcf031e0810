//! Decoder-only transformer: pre-norm blocks (Xiong et al. 2020) of causal multi-head attention
//! (Vaswani et al. 2017) and a GELU feed-forward of four times the width, biases everywhere, a
//! final norm, and a head that is not tied to the embedding.

use super::{
    Decoder, Initial, Input, Model, ModelConfig, ModelError, ModelRow, Output, Positions, Sequence,
    State,
};
use crate::nn::{Initializer, LayerNorm, Linear, Parameter, sinusoidal, sinusoidal_row};
use kernels::decode::PackedLinear;
use kernels::{Activation, AttentionShape, Matrix, Nonlinearity, Tape, decode};

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
        let attention_shape = AttentionShape {
            batch: own.batch,
            seq_len: own.seq_len,
            heads: self.config.heads,
            causal: true,
            rotary: self.config.positions == Positions::Rotary,
            alibi: self.config.positions == Positions::Alibi,
        };
        let embedded = self.embed(own, tape); // (B·T, D)
        let (mut stream, mut x) = self.blocks[0].norm1.beside(embedded);
        for (k, block) in self.blocks.iter().enumerate() {
            let qkv = block.qkv.forward(x, Nonlinearity::Identity); // (B·T, 3D)
            let attended = kernels::attention(qkv, attention_shape); // (B·T, D)
            let branch = block.out.forward(attended, Nonlinearity::Identity);
            (stream, x) = block.norm2.after_adding(stream, branch);
            let inner = block.fc1.forward(x, Nonlinearity::Gelu); // (B·T, 4D)
            let branch = block.fc2.forward(inner, Nonlinearity::Identity); // (B·T, D)
            let next = self.blocks.get(k + 1).map_or(&self.norm, |b| &b.norm1);
            (stream, x) = next.after_adding(stream, branch);
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(TransformerDecoder {
            config: self.config.clone(),
            embedding: self.embedding.values(),
            position: self.position.as_ref().map(Parameter::values),
            blocks: self.blocks.iter().map(PlainBlock::new).collect(),
            norm: plain(self.norm.parameters()),
            head: self.head.packed(),
            scratch: Scratch::default(),
        })
    }

    fn state_bytes(&self, context: usize) -> usize {
        let (heads, layers) = (self.config.heads, self.config.layers);
        4 * layers * decode::cache_floats(heads, self.config.width / heads, context)
    }

    /// A block multiplies by 12 D² weights and compares with, then sums over, `context` + 1 tokens.
    fn flops_per_token(&self, context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let block = 12 * d * d + 2 * d * (context as u128 + 1);
        (2 * (l * block + d * o)) as f64
    }
}

/// Weight and bias.
type Plain = [Vec<f32>; 2];

fn plain(parameters: [&Parameter; 2]) -> Plain {
    parameters.map(Parameter::values)
}

struct PlainBlock {
    norm1: Plain,
    qkv: PackedLinear,
    out: PackedLinear,
    norm2: Plain,
    fc1: PackedLinear,
    fc2: PackedLinear,
}

impl PlainBlock {
    fn new(block: &Block) -> Self {
        PlainBlock {
            norm1: plain(block.norm1.parameters()),
            qkv: block.qkv.packed(),
            out: block.out.packed(),
            norm2: plain(block.norm2.parameters()),
            fc1: block.fc1.packed(),
            fc2: block.fc2.packed(),
        }
    }
}

#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
    branch: Vec<f32>,
}

struct TransformerDecoder {
    config: ModelConfig,
    embedding: Vec<f32>,
    position: Option<Vec<f32>>,
    blocks: Vec<PlainBlock>,
    norm: Plain,
    head: PackedLinear,
    scratch: Scratch,
}

impl TransformerDecoder {
    /// The stream of one token of each sequence: (B, D).
    fn embed(&mut self, tokens: &[u32], position: usize) -> Result<(), ModelError> {
        let d = self.config.width;
        let limit = self.config.seq_len;
        let added: Option<Vec<f32>> = match (&self.position, self.config.positions) {
            (Some(_), _) if position >= limit => return Err(ModelError::PastContext { limit }),
            (Some(table), _) => Some(table[position * d..][..d].to_vec()),
            (None, Positions::Sinusoidal) => Some(sinusoidal_row(position, d).collect()),
            (None, _) => None,
        };
        let stream = &mut self.scratch.stream;
        stream.clear();
        for &token in tokens {
            stream.extend_from_slice(&self.embedding[token as usize * d..][..d]);
        }
        if let Some(added) = added {
            for row in stream.chunks_exact_mut(d) {
                add(row, &added);
            }
        }
        Ok(())
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

fn norm_step(x: &[f32], by: &Plain, out: &mut Vec<f32>) {
    decode::layer_norm(x, &by[0], &by[1], LayerNorm::EPS, out);
}

impl Decoder for TransformerDecoder {
    fn start(&self, _batch: usize) -> State {
        State {
            position: 0,
            buffers: vec![Vec::new(); self.blocks.len()],
        }
    }

    fn step(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        use Nonlinearity::{Gelu, Identity};
        self.embed(tokens, state.position)?;
        let heads = self.config.heads;
        let rotary = self.config.positions == Positions::Rotary;
        let alibi = self.config.positions == Positions::Alibi;
        let (batch, position) = (tokens.len(), state.position);
        let s = &mut self.scratch;
        for (block, cache) in self.blocks.iter().zip(&mut state.buffers) {
            norm_step(&s.stream, &block.norm1, &mut s.normed);
            block.qkv.apply(&s.normed, Identity, &mut s.wide); // (B, 3D)
            decode::attention_step(
                &s.wide,
                batch,
                heads,
                rotary,
                alibi,
                position,
                cache,
                &mut s.attended,
            );
            block.out.apply(&s.attended, Identity, &mut s.branch);
            add(&mut s.stream, &s.branch);
            norm_step(&s.stream, &block.norm2, &mut s.normed);
            block.fc1.apply(&s.normed, Gelu, &mut s.wide); // (B, 4D)
            block.fc2.apply(&s.wide, Identity, &mut s.branch);
            add(&mut s.stream, &s.branch);
        }
        norm_step(&s.stream, &self.norm, &mut s.normed);
        self.head.apply(&s.normed, Identity, logits);
        state.position += 1;
        Ok(())
    }
}
