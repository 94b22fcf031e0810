//! What stands between mixers, on each position by itself: two maps, or three of which one gates another
//! (Shazeer 2020); or several such experts, of which each token takes a few (Shazeer et al. 2017).

use super::config::{FeedForward as Kind, Switch};
use super::linear;
use crate::models::residual::beside;
use crate::models::{ModelConfig, ModelError};
use crate::nn::{Initializer, Linear, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::PackedLinear;
use kernels::{Activation, Nonlinearity};

/// Values between the maps, of one expert if there are several: together those that a token uses are as
/// wide as one that is alone.
fn inner(config: &ModelConfig) -> usize {
    let whole = config.block.feed_forward.inner(config.width);
    match config.block.experts {
        0 | 1 => whole,
        _ => whole
            .div_ceil(config.block.experts_used)
            .next_multiple_of(8),
    }
}

fn maps(config: &ModelConfig) -> u128 {
    if config.block.feed_forward.is_gated() {
        3
    } else {
        2
    }
}

/// Experts, and those that a token uses.
fn experts(config: &ModelConfig) -> [u128; 2] {
    match (config.block.feed_forward, config.block.experts) {
        (Kind::None, _) => [0, 0],
        (_, 0 | 1) => [1, 1],
        (_, n) => [n, config.block.experts_used].map(|n| n as u128),
    }
}

/// Trainable values of one.
pub fn parameters(config: &ModelConfig) -> u128 {
    let (d, inner) = (config.width as u128, inner(config) as u128);
    let biases = match config.block.biases {
        Switch::Off => 0,
        Switch::On => (maps(config) - 1) * inner + d,
    };
    let [experts, _] = experts(config);
    let router = if experts > 1 { experts * d } else { 0 };
    experts * (maps(config) * d * inner + biases) + router
}

/// Multiply-adds of one for a token.
pub fn work(config: &ModelConfig) -> u128 {
    let [experts, used] = experts(config);
    let router = if experts > 1 {
        experts * config.width as u128
    } else {
        0
    };
    used * maps(config) * (config.width * inner(config)) as u128 + router
}

/// Refuses more experts a token than there are.
pub fn check(config: &ModelConfig) -> Result<(), ModelError> {
    let (experts, used) = (config.block.experts, config.block.experts_used);
    match experts > 1 && !(1..=experts).contains(&used) {
        true => Err(ModelError::impossible(
            "experts-used",
            used,
            format!("give a number from 1 to the {experts} experts"),
        )),
        false => Ok(()),
    }
}

/// D → inner → D.
struct Expert {
    /// Of a gated one.
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
}

impl Expert {
    fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Self {
        let (kind, d, inner) = (config.block.feed_forward, config.width, inner(config));
        let mut map =
            |what: &str, sizes, adds| linear(config, &format!("{name}.{what}"), sizes, adds, init);
        let [up, down] = match kind.is_gated() {
            true => ["up", "down"],
            false => ["fc1", "fc2"],
        };
        Expert {
            gate: kind.is_gated().then(|| map("gate", [d, inner], false)),
            up: map(up, [d, inner], false),
            down: map(down, [inner, d], true),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let gate = self.gate.iter().flat_map(Linear::parameters);
        gate.chain(self.up.parameters())
            .chain(self.down.parameters())
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let gate = self.gate.iter_mut().flat_map(Linear::parameters_mut);
        gate.chain(self.up.parameters_mut())
            .chain(self.down.parameters_mut())
    }

    fn forward(&self, x: Activation, f: Nonlinearity) -> Activation {
        let inner = match &self.gate {
            None => self.up.forward(x, f),
            Some(gate) => {
                let (values, x) = beside(x);
                let (up, tape) = self.up.forward(x, Nonlinearity::Identity).split_tape();
                let gate = gate.forward(values.put_tape(tape), Nonlinearity::Identity);
                kernels::gated(up, gate, f)
            }
        };
        self.down.forward(inner, Nonlinearity::Identity)
    }
}

/// The feed-forward of a layer.
pub struct FeedForward {
    /// Where there are several experts: D → E.
    router: Option<Linear>,
    experts: Vec<Expert>,
    used: usize,
    balance: f32,
    f: Nonlinearity,
}

impl FeedForward {
    /// That of a layer, its weights named `name`.…; `None` if there is none.
    pub fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Option<Self> {
        let f = match config.block.feed_forward {
            Kind::None => return None,
            Kind::Gelu | Kind::Geglu => Nonlinearity::Gelu,
            Kind::Relu => Nonlinearity::Relu,
            Kind::Swiglu => Nonlinearity::Silu,
        };
        let (experts, sizes) = (config.block.experts, [config.width, config.block.experts]);
        if experts < 2 {
            return Some(FeedForward {
                router: None,
                experts: vec![Expert::new(config, name, init)],
                used: 1,
                balance: 0.0,
                f,
            });
        }
        let router = linear(config, &format!("{name}.router"), sizes, false, init);
        let expert = |e| Expert::new(config, &format!("{name}.experts.{e}"), init);
        Some(FeedForward {
            router: Some(router.without_bias()),
            experts: (0..experts).map(expert).collect(),
            used: config.block.experts_used,
            balance: config.block.balance as f32,
            f,
        })
    }

    /// In the order of a checkpoint.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let router = self.router.iter().flat_map(Linear::parameters);
        router.chain(self.experts.iter().flat_map(Expert::parameters))
    }

    /// The same, to be updated.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let router = self.router.iter_mut().flat_map(Linear::parameters_mut);
        router.chain(self.experts.iter_mut().flat_map(Expert::parameters_mut))
    }

    /// (n, D) → (n, D).
    pub fn forward(&self, x: Activation) -> Activation {
        let Some(router) = &self.router else {
            return self.experts[0].forward(x, self.f);
        };
        let (x, own) = beside(x);
        let scores = router.forward(own, Nonlinearity::Identity);
        let (weights, routing) = kernels::route(scores, self.used, self.balance);
        let (weights, mut tape) = weights.split_tape();
        let (mut said, width) = (Vec::new(), router.weight.shape[1]);
        for (expert, tokens) in self.experts.iter().zip(&routing.tokens) {
            if tokens.is_empty() {
                said.push(kernels::matrix(Vec::new(), 0, width));
                continue;
            }
            let own = x.clone().put_tape(tape);
            let own = kernels::pick_rows(own, tokens.iter().copied().map(Some).collect());
            let (o, rest) = expert.forward(own, self.f).split_tape();
            said.push(o);
            tape = rest;
        }
        kernels::combine(said, weights.put_tape(tape), &routing)
    }

    /// A packed copy, for decoding.
    pub fn packed(&self) -> PackedFeedForward {
        let expert = |expert: &Expert| PackedExpert {
            gate: expert.gate.as_ref().map(Linear::packed),
            up: expert.up.packed(),
            down: expert.down.packed(),
        };
        PackedFeedForward {
            router: self.router.as_ref().map(Linear::packed),
            experts: self.experts.iter().map(expert).collect(),
            used: self.used,
            f: self.f,
            scratch: Scratch::default(),
        }
    }
}

struct PackedExpert {
    gate: Option<PackedLinear>,
    up: PackedLinear,
    down: PackedLinear,
}

impl PackedExpert {
    fn apply(
        &self,
        x: &[f32],
        f: Nonlinearity,
        [inner, gates]: [&mut Vec<f32>; 2],
        out: &mut Vec<f32>,
    ) {
        match &self.gate {
            None => self.up.apply(x, f, inner),
            Some(gate) => {
                self.up.apply(x, Nonlinearity::Identity, inner);
                gate.apply(x, Nonlinearity::Identity, gates);
                kernels::gate(inner, gates, f);
            }
        }
        self.down.apply(inner, Nonlinearity::Identity, out);
    }
}

#[derive(Default)]
struct Scratch {
    inner: Vec<f32>,
    gates: Vec<f32>,
    scores: Vec<f32>,
    own: Vec<f32>,
    said: Vec<f32>,
}

/// The same on plain rows.
pub struct PackedFeedForward {
    router: Option<PackedLinear>,
    experts: Vec<PackedExpert>,
    used: usize,
    f: Nonlinearity,
    scratch: Scratch,
}

impl PackedFeedForward {
    /// Of each row of x.
    pub fn apply(&mut self, x: &[f32], out: &mut Vec<f32>) {
        let (s, f) = (&mut self.scratch, self.f);
        let Some(router) = &self.router else {
            return self.experts[0].apply(x, f, [&mut s.inner, &mut s.gates], out);
        };
        router.apply(x, Nonlinearity::Identity, &mut s.scores);
        let experts = self.experts.len();
        let routing = kernels::route_rows(&mut s.scores, experts, self.used);
        let d = x.len() / (s.scores.len() / experts).max(1);
        out.clear();
        out.resize(x.len(), 0.0);
        for ((e, expert), tokens) in self.experts.iter().enumerate().zip(&routing.tokens) {
            if tokens.is_empty() {
                continue;
            }
            s.own.clear();
            tokens
                .iter()
                .for_each(|&i| s.own.extend_from_slice(&x[i * d..][..d]));
            expert.apply(&s.own, f, [&mut s.inner, &mut s.gates], &mut s.said);
            for (&i, said) in tokens.iter().zip(s.said.chunks_exact(d)) {
                kernels::add_said(&mut out[i * d..][..d], said, s.scores[i * experts + e]);
            }
        }
    }
}
