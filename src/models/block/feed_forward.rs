//! What stands between mixers, on each position by itself: two maps, or three of which one gates another
//! (Shazeer 2020).

use super::config::{FeedForward as Kind, Switch};
use super::linear;
use crate::models::ModelConfig;
use crate::models::residual::beside;
use crate::nn::{Initializer, Linear, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::PackedLinear;
use kernels::{Activation, Nonlinearity};

/// Trainable values of one.
pub fn parameters(config: &ModelConfig) -> u128 {
    let kind = config.block.feed_forward;
    let (d, inner) = (config.width as u128, kind.inner(config.width) as u128);
    let maps = if kind.is_gated() { 3 } else { 2 };
    let biases = match (kind, config.block.biases) {
        (Kind::None, _) | (_, Switch::Off) => 0,
        _ => (maps - 1) * inner + d,
    };
    maps * d * inner + biases
}

/// Multiply-adds of one for a token.
pub fn work(config: &ModelConfig) -> u128 {
    let kind = config.block.feed_forward;
    let maps = if kind.is_gated() { 3 } else { 2 };
    maps * (config.width * kind.inner(config.width)) as u128
}

/// D → inner → D.
pub struct FeedForward {
    /// Of a gated one.
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    f: Nonlinearity,
}

impl FeedForward {
    /// That of a layer, its weights named `name`.…; `None` if there is none.
    pub fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Option<Self> {
        let kind = config.block.feed_forward;
        let (d, inner) = (config.width, kind.inner(config.width));
        let mut map =
            |what: &str, sizes, adds| linear(config, &format!("{name}.{what}"), sizes, adds, init);
        let f = match kind {
            Kind::None => return None,
            Kind::Gelu | Kind::Geglu => Nonlinearity::Gelu,
            Kind::Relu => Nonlinearity::Relu,
            Kind::Swiglu => Nonlinearity::Silu,
        };
        let [up, down] = match kind.is_gated() {
            true => ["up", "down"],
            false => ["fc1", "fc2"],
        };
        Some(FeedForward {
            gate: kind.is_gated().then(|| map("gate", [d, inner], false)),
            up: map(up, [d, inner], false),
            down: map(down, [inner, d], true),
            f,
        })
    }

    /// In the order of a checkpoint.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let gate = self.gate.iter().flat_map(Linear::parameters);
        gate.chain(self.up.parameters())
            .chain(self.down.parameters())
    }

    /// The same, to be updated.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let gate = self.gate.iter_mut().flat_map(Linear::parameters_mut);
        gate.chain(self.up.parameters_mut())
            .chain(self.down.parameters_mut())
    }

    /// (n, D) → (n, D).
    pub fn forward(&self, x: Activation) -> Activation {
        let inner = match &self.gate {
            None => self.up.forward(x, self.f),
            Some(gate) => {
                let (values, x) = beside(x);
                let (up, tape) = self.up.forward(x, Nonlinearity::Identity).split_tape();
                let gate = gate.forward(values.put_tape(tape), Nonlinearity::Identity);
                kernels::gated(up, gate, self.f)
            }
        };
        self.down.forward(inner, Nonlinearity::Identity)
    }

    /// A packed copy, for decoding.
    pub fn packed(&self) -> PackedFeedForward {
        PackedFeedForward {
            gate: self.gate.as_ref().map(Linear::packed),
            up: self.up.packed(),
            down: self.down.packed(),
            f: self.f,
            inner: Vec::new(),
            gates: Vec::new(),
        }
    }
}

/// The same on plain rows.
pub struct PackedFeedForward {
    gate: Option<PackedLinear>,
    up: PackedLinear,
    down: PackedLinear,
    f: Nonlinearity,
    inner: Vec<f32>,
    gates: Vec<f32>,
}

impl PackedFeedForward {
    /// Of each row of x.
    pub fn apply(&mut self, x: &[f32], out: &mut Vec<f32>) {
        match &self.gate {
            None => self.up.apply(x, self.f, &mut self.inner),
            Some(gate) => {
                self.up.apply(x, Nonlinearity::Identity, &mut self.inner);
                gate.apply(x, Nonlinearity::Identity, &mut self.gates);
                kernels::gate(&mut self.inner, &self.gates, self.f);
            }
        }
        self.down.apply(&self.inner, Nonlinearity::Identity, out);
    }
}
