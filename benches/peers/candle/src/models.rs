//! LSTM and transformer as `../twin.py` has them, with its names of parameters, in candle's layers.

use candle_core::{Module, Result, Tensor, bail};
use candle_nn::ops::{layer_norm_slow, softmax};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN, lstm};
use candle_nn::{Embedding, Init, Linear, VarBuilder, embedding, linear};

const HEADS: usize = 4;

/// Of a model and its batch.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub width: usize,
    pub layers: usize,
    pub seq_len: usize,
    pub batch: usize,
    pub vocab: usize,
}

/// One of the two.
pub enum Model {
    Lstm {
        embedding: Embedding,
        layers: Vec<LSTM>,
        head: Linear,
    },
    Transformer {
        embedding: Embedding,
        position: Tensor,
        /// (T, T): 0 where a position may look, −∞ where it may not.
        mask: Tensor,
        blocks: Vec<Block>,
        norm: Norm,
        head: Linear,
    },
}

impl Model {
    /// The model of this name with fresh values.
    pub fn new(name: &str, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        let width = sizes.width;
        let embedding = embedding(sizes.vocab, width, vb.pp("embedding"))?;
        let head = linear(width, sizes.vocab, vb.pp("head"))?;
        match name {
            "lstm" => {
                let layer = |layer_idx| {
                    let config = LSTMConfig {
                        layer_idx,
                        ..LSTMConfig::default()
                    };
                    lstm(width, width, config, vb.pp("rnn"))
                };
                Ok(Model::Lstm {
                    embedding,
                    layers: (0..sizes.layers).map(layer).collect::<Result<_>>()?,
                    head,
                })
            }
            "transformer" => {
                let t = sizes.seq_len;
                let mask = (0..t * t).map(|i| {
                    if i % t > i / t {
                        f32::NEG_INFINITY
                    } else {
                        0.0
                    }
                });
                let block = |k| Block::new(width, vb.pp(format!("blocks.{k}")));
                Ok(Model::Transformer {
                    embedding,
                    position: vb.get_with_hints((t, width), "position.weight", normal())?,
                    mask: Tensor::from_iter(mask, vb.device())?.reshape((t, t))?,
                    blocks: (0..sizes.layers).map(block).collect::<Result<_>>()?,
                    norm: Norm::new(width, vb.pp("norm"))?,
                    head,
                })
            }
            _ => bail!("no model `{name}` here; there are lstm and transformer"),
        }
    }

    /// Logits (B·T, V) of tokens (B, T).
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        match self {
            Model::Lstm {
                embedding,
                layers,
                head,
            } => {
                let mut x = embedding.forward(tokens)?;
                for layer in layers {
                    x = layer.states_to_tensor(&layer.seq(&x)?)?;
                }
                head.forward(&x.flatten_to(1)?)
            }
            Model::Transformer {
                embedding,
                position,
                mask,
                blocks,
                norm,
                head,
            } => {
                let mut x = embedding.forward(tokens)?.broadcast_add(position)?;
                for block in blocks {
                    x = block.forward(&x, mask)?;
                }
                head.forward(&norm.forward(&x)?.flatten_to(1)?)
            }
        }
    }
}

/// Pre-norm block: causal attention, then GELU feed-forward of four times the width.
pub struct Block {
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(width: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Block {
            norm1: Norm::new(width, vb.pp("norm1"))?,
            qkv: linear(width, 3 * width, vb.pp("qkv"))?,
            out: linear(width, width, vb.pp("out"))?,
            norm2: Norm::new(width, vb.pp("norm2"))?,
            fc1: linear(width, 4 * width, vb.pp("fc1"))?,
            fc2: linear(4 * width, width, vb.pp("fc2"))?,
        })
    }

    /// (B, T, D) → (B, T, D).
    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (batch, seq_len, width) = x.dims3()?;
        let head_width = width / HEADS;
        let qkv = self
            .qkv
            .forward(&self.norm1.forward(x)?)?
            .reshape((batch, seq_len, 3, HEADS, head_width))?
            .permute((2, 0, 3, 1, 4))?; // (3, B, H, T, D/H)
        let part = |which: usize| qkv.get(which)?.contiguous();
        let scores = part(0)?.matmul(&part(1)?.t()?)?;
        let scores = (scores / (head_width as f64).sqrt())?.broadcast_add(mask)?;
        let attended = softmax(&scores, 3)?
            .matmul(&part(2)?)?
            .transpose(1, 2)?
            .reshape((batch, seq_len, width))?;
        let x = (x + self.out.forward(&attended)?)?;
        let inner = self.fc1.forward(&self.norm2.forward(&x)?)?.gelu()?;
        &x + self.fc2.forward(&inner)?
    }
}

/// Layer norm in candle's primitives: its fused one has no backward pass.
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(width: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Norm {
            weight: vb.get_with_hints(width, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(width, "bias", Init::Const(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm_slow(x, &self.weight, &self.bias, 1e-5)
    }
}

fn normal() -> Init {
    Init::Randn {
        mean: 0.0,
        stdev: 1.0,
    }
}
