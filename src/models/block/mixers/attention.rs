//! Attention to the tokens before, all of them or the last few, with the options of later years: fewer
//! heads of keys (Shazeer 2019; Ainslie et al. 2023), windows (Beltagy et al. 2020), normed queries and
//! keys (Henry et al. 2020), capped scores (Gemma Team 2024). A model that sees both sides looks at all.

use super::super::config::Switch;
use super::super::linear;
use super::super::mixer::{Cut, Mixer, MixerRow, MixerStep, Tokens};
use crate::models::{ModelConfig, ModelError, Positions, Shape};
use crate::nn::{Initializer, Linear, NormKind, Parameter, RMS_EPS};
use kernels::decode::{self, PackedLinear};
use kernels::{
    Activation, AttentionMask, AttentionPositions, AttentionShape, HeadNorm, Nonlinearity,
};

/// What the weights of either kind are called.
pub const NAME: &str = "attention";

/// Attention to all tokens before.
pub const GLOBAL: MixerRow = MixerRow {
    letter: 'g',
    describes: "attention",
    name: NAME,
    build: |config, name, init| Box::new(Attention::new(config, name, None, init)),
    parameters,
    work: |config, context| work(config, seen(config, context)),
    state: |config, context| 2 * kv_width(config) * context,
    kept: |config| 6 * kv_width(config) as u128 + 2 * config.width as u128,
    check,
};

/// Attention to the last few.
pub const LOCAL: MixerRow = MixerRow {
    letter: 'l',
    describes: "local attention",
    build: |config, name, init| {
        let window = Some(config.block.window);
        Box::new(Attention::new(config, name, window, init))
    },
    work: |config, context| work(config, seen(config, context).min(config.block.window)),
    state: |config, context| 2 * kv_width(config) * context.min(config.block.window - 1),
    ..GLOBAL
};

/// Keys that a token with so many before it is compared with.
fn seen(config: &ModelConfig, context: usize) -> usize {
    match config.sees_both() {
        true => config.seq_len,
        false => context + 1,
    }
}

fn kv_heads(config: &ModelConfig) -> usize {
    match config.block.kv_heads {
        0 => config.heads,
        n => n.min(config.heads),
    }
}

/// Width of all keys of a token.
fn kv_width(config: &ModelConfig) -> usize {
    config.width / config.heads * kv_heads(config)
}

fn parameters(config: &ModelConfig) -> u128 {
    let (d, kv) = (config.width as u128, kv_width(config) as u128);
    let biases = match config.block.biases {
        Switch::On => 2 * d + 2 * kv,
        Switch::Off => 0,
    };
    let norms = match config.block.qk_norm {
        Switch::On => 2 * (config.width / config.heads) as u128,
        Switch::Off => 0,
    };
    2 * d * d + 2 * d * kv + biases + norms
}

fn work(config: &ModelConfig, seen: usize) -> u128 {
    let (d, kv) = (config.width as u128, kv_width(config) as u128);
    2 * d * d + 2 * d * kv + 2 * d * seen as u128
}

fn check(config: &ModelConfig) -> Result<(), ModelError> {
    let kv = kv_heads(config);
    match config.heads.is_multiple_of(kv) {
        true => Ok(()),
        false => Err(ModelError::impossible(
            "kv-heads",
            kv,
            format!("give a divisor of the {} heads", config.heads),
        )),
    }
}

struct Attention {
    shape: AttentionShape,
    qkv: Linear,
    out: Linear,
    /// Gains of the heads of queries, and of keys, where they are normed.
    gains: Option<[Parameter; 2]>,
    head_norm: HeadNorm,
}

impl Attention {
    fn new(
        config: &ModelConfig,
        name: &str,
        window: Option<usize>,
        init: &mut Initializer,
    ) -> Self {
        let (d, heads, kv_heads) = (config.width, config.heads, kv_heads(config));
        let base = match window {
            Some(_) => 10_000.0,
            None => config.block.rotary_base,
        };
        let mask = match window {
            _ if config.sees_both() => AttentionMask::All,
            Some(n) => AttentionMask::Window(n),
            None => AttentionMask::Causal,
        };
        let norm = match config.block.norm {
            NormKind::OffsetRms => NormKind::OffsetRms,
            _ => NormKind::Rms,
        };
        let dh = d / heads;
        let gain = |which: &str| {
            let values = vec![1.0 - norm.offset(); dh];
            Parameter::new(format!("{name}.{which}_norm.weight"), &[dh], values)
        };
        let shape = AttentionShape {
            kv_heads,
            mask,
            positions: match config.positions {
                Positions::Rotary => AttentionPositions::Rotary {
                    base,
                    share: config.block.rotary_share,
                },
                Positions::Alibi => AttentionPositions::Alibi,
                Positions::None | Positions::Learned | Positions::Sinusoidal => {
                    AttentionPositions::None
                }
            },
            soft_cap: config.block.score_cap.map(|cap| cap as f32),
            ..AttentionShape::causal(0, 0, heads)
        };
        let mut map = |what: &str, output, adds| {
            linear(config, &format!("{name}.{what}"), [d, output], adds, init)
        };
        Attention {
            shape,
            qkv: map("qkv", d + 2 * kv_width(config), false),
            out: map("out", d, true),
            gains: (config.block.qk_norm == Switch::On).then(|| ["q", "k"].map(gain)),
            head_norm: HeadNorm {
                heads,
                kv_heads,
                offset: norm.offset(),
                eps: RMS_EPS,
            },
        }
    }
}

impl Mixer for Attention {
    fn parameters(&self) -> Vec<&Parameter> {
        let maps = self.qkv.parameters().chain(self.out.parameters());
        maps.chain(self.gains.iter().flatten()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let maps = self.qkv.parameters_mut().chain(self.out.parameters_mut());
        maps.chain(self.gains.iter_mut().flatten()).collect()
    }

    fn forward(&self, x: Activation, shape: Shape) -> Activation {
        let mut qkv = self.qkv.forward(x, Nonlinearity::Identity); // (B·T, D + 2 kv)
        if let Some([q, k]) = &self.gains {
            qkv = kernels::head_norm(qkv, [&q.tensor, &k.tensor], self.head_norm);
        }
        let shape = AttentionShape {
            batch: shape.batch,
            queries: shape.seq_len,
            keys: shape.seq_len,
            ..self.shape
        };
        let attended = kernels::attention(qkv, None, shape); // (B·T, D)
        self.out.forward(attended, Nonlinearity::Identity)
    }

    fn packed(&self) -> Box<dyn MixerStep> {
        let gain = |w: &Parameter| {
            let offset = self.head_norm.offset;
            w.values().iter().map(|w| offset + w).collect()
        };
        Box::new(Step {
            shape: self.shape,
            dh: self.out.weight.shape[1] / self.shape.heads,
            qkv: self.qkv.packed(),
            out: self.out.packed(),
            gains: self.gains.as_ref().map(|gains| gains.each_ref().map(gain)),
            head_norm: self.head_norm,
            wide: Vec::new(),
            attended: Vec::new(),
        })
    }
}

/// Its one buffer is the cache of keys and values.
struct Step {
    shape: AttentionShape,
    dh: usize,
    qkv: PackedLinear,
    out: PackedLinear,
    gains: Option<[Vec<f32>; 2]>,
    head_norm: HeadNorm,
    wide: Vec<f32>,
    attended: Vec<f32>,
}

impl MixerStep for Step {
    fn start(&self, _batch: usize) -> Vec<Vec<f32>> {
        vec![Vec::new()]
    }

    fn extend(&mut self, x: &[f32], new: Tokens, buffers: &mut [Vec<f32>], out: &mut Vec<f32>) {
        let shape = AttentionShape {
            batch: new.batch,
            queries: new.new,
            keys: new.position + new.new,
            offset: new.position,
            ..self.shape
        };
        self.qkv.apply(x, Nonlinearity::Identity, &mut self.wide);
        if let Some([q, k]) = &self.gains {
            self.head_norm.apply([q, k], &mut self.wide);
        }
        decode::attention(&self.wide, shape, &mut buffers[0], &mut self.attended);
        self.out.apply(&self.attended, Nonlinearity::Identity, out);
    }

    fn select(&self, buffers: &[Vec<f32>], batch: usize, sequences: &[usize]) -> Vec<Vec<f32>> {
        let heads = (self.shape.kv_heads, self.dh);
        vec![decode::select(&buffers[0], heads, batch, sequences)]
    }

    fn truncate(&self) -> Option<Cut> {
        Some(|buffers, consumed, tokens| decode::truncate(&mut buffers[0], consumed, tokens))
    }
}
