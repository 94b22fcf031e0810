//! The transformer of 2017 (Vaswani et al.): an encoder reads the source both ways, a decoder goes on
//! with its own sequence and attends to what the encoder made of the source.
//!
//! Norms after every branch (by option before it: Xiong et al. 2020, with one more at the end of each
//! stack), sinusoidal positions, ReLU, biases everywhere, and one table for both embeddings, times √D,
//! and for the head, which has no bias.

mod decoder;
mod layers;

use super::residual::Residual;
use super::{Decoder, Input, Model, ModelConfig, ModelRow, NormPlace, Output, Sequence};
use crate::nn::{Initializer, Linear, Norm, Parameter, sinusoidal};
use decoder::EncoderDecoderDecoder;
use dfdx::tensor::{PutTape, SplitTape};
use kernels::{Activation, AttentionMask, AttentionShape, Matrix, Nonlinearity, Tape};
use layers::{Cross, Layer};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = ModelRow {
    name: "encoder-decoder",
    describes: "transformer that reads a source and goes on with its own sequence (Vaswani et al. 2017)",
    build: |config, init| Box::new(EncoderDecoder::new(config, init)),
    parameters: |config| {
        let [d, l, v, o] = config.sizes();
        let attention = 4 * d * d + 4 * d;
        let mlp = 8 * d * d + 5 * d;
        let layer = attention + mlp + 4 * d;
        let last = match config.norm {
            NormPlace::Post => 0,
            NormPlace::Pre => 4 * d,
        };
        let head = match config.output {
            Output::Tokens => 0,
            Output::Number => d * o + o,
        };
        v * d + l * (2 * layer + attention + 2 * d) + last + head
    },
    activations: |config, shape| {
        let [d, l, v, _] = config.sizes();
        let own = shape.batch as u128 * shape.seq_len as u128;
        let source = shape.batch as u128 * config.source.unwrap_or(0) as u128;
        // As of the decoder-only transformer; the decoder's layers have a second attention.
        source * (l * 26 * d + 2 * d) + own * (l * 32 * d + 4 * d + 2 * v)
    },
    width_step: |config| config.heads,
    options: &["norm"],
    preset: &[],
    check: |_| Ok(()),
    reads_source: true,
    sees_both: false,
};

/// One stack of layers, and the norm after it where the others stand before their branches.
#[derive(Clone)]
struct Stack {
    layers: Vec<Layer>,
    norm: Option<Norm>,
}

impl Stack {
    fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Self {
        let layer = |k| Layer::new(&format!("{name}.{k}"), config, name == "decoder", init);
        Stack {
            layers: (0..config.layers).map(layer).collect(),
            norm: (config.norm == NormPlace::Pre)
                .then(|| Norm::layer(&format!("{name}.norm"), config.width)),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let layers = self.layers.iter().flat_map(Layer::parameters);
        layers.chain(self.norm.iter().flat_map(Norm::parameters))
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let layers = self.layers.iter_mut().flat_map(Layer::parameters_mut);
        layers.chain(self.norm.iter_mut().flat_map(Norm::parameters_mut))
    }

    /// x (B·T, D) through all layers; `memory` is what the encoder has made of the source, with its
    /// shape.
    fn forward(
        &self,
        x: Activation,
        heads: AttentionShape,
        lengths: Option<&[usize]>,
        memory: Option<(&Matrix, &Sequence)>,
        mut seen: Option<&mut Seen>,
    ) -> Activation {
        let norms = self.layers.iter().flat_map(Layer::norms);
        let (mut stream, mut x) = Residual::begin(x, norms, self.norm.as_ref());
        for layer in &self.layers {
            let qkv = layer.qkv.forward(x, Nonlinearity::Identity); // (B·T, 3D)
            let attended = kernels::attention(qkv, lengths, heads);
            x = stream.add(layer.out.forward(attended, Nonlinearity::Identity));
            if let (Some(cross), Some((memory, source))) = (&layer.cross, memory) {
                x = stream.add(cross.forward(x, memory, source, heads, seen.as_deref_mut()));
            }
            let inner = layer.fc1.forward(x, Nonlinearity::Relu); // (B·T, 4D)
            x = stream.add(layer.fc2.forward(inner, Nonlinearity::Identity));
        }
        x
    }
}

impl Cross {
    /// What x (B·T, D) gathers of the source: (B·T, D).
    fn forward(
        &self,
        x: Activation,
        memory: &Matrix,
        source: &Sequence,
        own: AttentionShape,
        seen: Option<&mut Seen>,
    ) -> Activation {
        let (q, tape) = self.q.forward(x, Nonlinearity::Identity).split_tape();
        let kv = memory.clone().put_tape(tape);
        let (kv, tape) = self.kv.forward(kv, Nonlinearity::Identity).split_tape(); // (B·Ts, 2D)
        let shape = AttentionShape {
            keys: source.seq_len,
            mask: AttentionMask::All,
            ..own
        };
        if let Some(seen) = seen {
            let length = source.lengths.as_ref().map_or(source.seq_len, |l| l[0]);
            seen.look(
                &kernels::values(&q),
                &kernels::values(&kv),
                own.heads,
                length,
            );
        }
        let (q, kv) = (q.put_tape(tape), kv.put_tape(Tape::Off));
        let attended = kernels::cross_attention(q, kv, source.lengths.as_deref(), shape);
        self.out.forward(attended, Nonlinearity::Identity)
    }
}

/// Where one sequence's attention to its source falls, added up over layers and heads.
struct Seen {
    width: usize,
    own: usize,
    sum: Vec<f32>,
    heads: usize,
}

impl Seen {
    /// Nothing yet, of `own` positions of a model of this width.
    fn new(width: usize, own: usize) -> Self {
        Seen {
            width,
            own,
            sum: Vec::new(),
            heads: 0,
        }
    }

    /// Adds softmax(q kᵀ / √dh) of every head, q (T, D), kv (≥ `length`, 2D).
    fn look(&mut self, q: &[f32], kv: &[f32], heads: usize, length: usize) {
        let (d, dh) = (self.width, self.width / heads);
        self.sum.resize(self.own * length, 0.0);
        for (q, sum) in q.chunks_exact(d).zip(self.sum.chunks_exact_mut(length)) {
            for head in 0..heads {
                let own = head * dh..(head + 1) * dh;
                let key = |j: usize| &kv[j * 2 * d..][own.clone()];
                let score = |j: usize| -> f32 {
                    let dot: f32 = q[own.clone()].iter().zip(key(j)).map(|(a, b)| a * b).sum();
                    dot / (dh as f32).sqrt()
                };
                let scores: Vec<f32> = (0..length).map(score).collect();
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f32> = scores.iter().map(|s| libm::expf(s - most)).collect();
                let total: f32 = weights.iter().sum();
                sum.iter_mut()
                    .zip(weights)
                    .for_each(|(s, w)| *s += w / total);
            }
        }
        self.heads += heads;
    }

    fn mean(self) -> Vec<f32> {
        let heads = self.heads as f32;
        self.sum.into_iter().map(|s| s / heads).collect()
    }
}

/// The encoder by itself, as decoding needs it too.
#[derive(Clone)]
struct Encoder {
    embedding: Parameter,
    stack: Stack,
    heads: usize,
}

impl Encoder {
    /// What it makes of the source: (B·Ts, D).
    fn forward(&self, source: &Sequence, tape: Tape) -> Activation {
        let x = embed(&self.embedding, source, tape);
        let shape = AttentionShape {
            mask: AttentionMask::All,
            ..AttentionShape::causal(source.batch, source.seq_len, self.heads)
        };
        self.stack
            .forward(x, shape, source.lengths.as_deref(), None, None)
    }
}

/// √D times the table, and the sines: (B·T, D).
fn embed(table: &Parameter, sequence: &Sequence, tape: Tape) -> Activation {
    let (seq_len, width) = (sequence.seq_len, table.shape[1]);
    let sines = sinusoidal(seq_len, width);
    kernels::scaled_embedding(
        sequence.read(),
        &table.tensor,
        (width as f32).sqrt(),
        Some((&sines, seq_len)),
        tape,
    )
}

struct EncoderDecoder {
    config: ModelConfig,
    encoder: Encoder,
    decoder: Stack,
    /// Where numbers are said; tokens have the table.
    head: Option<Linear>,
}

impl EncoderDecoder {
    /// The table N(0, 1/D), maps as Glorot & Bengio 2010, biases 0.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (v, d) = (config.vocab, config.width);
        let table = init.normal(v * d, (d as f32).sqrt().recip());
        EncoderDecoder {
            config: config.clone(),
            encoder: Encoder {
                embedding: Parameter::new("embedding.weight", &[v, d], table),
                stack: Stack::new(config, "encoder", init),
                heads: config.heads,
            },
            decoder: Stack::new(config, "decoder", init),
            head: (config.output == Output::Number)
                .then(|| Linear::pytorch("head", d, config.outputs(), init)),
        }
    }
}

impl Model for EncoderDecoder {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.encoder.embedding];
        all.extend(self.encoder.stack.parameters());
        all.extend(self.decoder.parameters());
        all.extend(self.head.iter().flat_map(Linear::parameters));
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.encoder.embedding];
        all.extend(self.encoder.stack.parameters_mut());
        all.extend(self.decoder.parameters_mut());
        all.extend(self.head.iter_mut().flat_map(Linear::parameters_mut));
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let source = input.source.as_ref().expect("reads a source");
        let own = &input.own;
        let (memory, tape) = self.encoder.forward(source, tape).split_tape(); // (B·Ts, D)
        let x = embed(&self.encoder.embedding, own, tape); // (B·T, D)
        let heads = AttentionShape::causal(own.batch, own.seq_len, self.config.heads);
        let memory = Some((&memory, source));
        let x = self.decoder.forward(x, heads, None, memory, None);
        match &self.head {
            Some(head) => head.forward(x, Nonlinearity::Identity), // (B·T, 1)
            None => {
                let table = &self.encoder.embedding.tensor;
                kernels::linear(x, table, None, Nonlinearity::Identity) // (B·T, V)
            }
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(EncoderDecoderDecoder::new(
            &self.config,
            self.encoder.clone(),
            &self.decoder,
            self.head.as_ref(),
        ))
    }

    /// The mean over all layers and heads.
    fn alignment(&self, input: &Input) -> Option<Vec<f32>> {
        let (source, own) = (input.source.as_ref().expect("reads a source"), &input.own);
        assert_eq!(own.batch, 1, "one sequence");
        let memory = self.encoder.forward(source, Tape::Off).split_tape().0;
        let x = embed(&self.encoder.embedding, own, Tape::Off);
        let heads = AttentionShape::causal(1, own.seq_len, self.config.heads);
        let mut seen = Seen::new(self.config.width, own.seq_len);
        let memory = Some((&memory, source));
        self.decoder
            .forward(x, heads, None, memory, Some(&mut seen));
        Some(seen.mean())
    }

    /// Keys and values of the sequence's own tokens, and of the longest source.
    fn state_bytes(&self, context: usize) -> usize {
        let tokens = context + self.config.source.unwrap_or(0);
        2 * size_of::<f32>() * self.config.layers * self.config.width * tokens
    }

    /// Of the decoder, which attends to its own tokens and to the longest source.
    fn flops_per_token(&self, context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let seen = context as u128 + 1 + self.config.source.unwrap_or(0) as u128;
        // q, k, v and out; q and out of the other attention; the feed-forward.
        let layer = (4 + 2 + 8) * d * d + 2 * d * seen;
        (2 * (l * layer + d * o)) as f64
    }

    /// Of the encoder, and of keys and values for each layer of the decoder.
    fn flops_of_source(&self, tokens: usize) -> f64 {
        let [d, l, _, _] = self.config.sizes();
        let layer = (4 + 8 + 2) * d * d + 2 * d * tokens as u128;
        (2 * tokens as u128 * l * layer) as f64
    }
}
