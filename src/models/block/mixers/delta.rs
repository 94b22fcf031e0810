//! Linear attention whose state is written by the delta rule and fades (Schlag et al. 2021; Yang et al.
//! 2024, 2025), and by switches linear attention, RetNet and Mamba-2's recurrence.
//!
//! q, k and v are maps of the stream through a causal convolution over four tokens and SiLU; the state of a
//! head is (dk, dv), both a head's share of the width; what it says is normed, gated by SiLU of a further
//! map, and mapped back. The layout is that of Qwen3-Next's gated DeltaNet, which all members have here.

use super::super::config::Switch;
use super::super::linear;
use super::super::mixer::{Mixer, MixerRow, MixerStep, Tokens};
use crate::models::residual::beside;
use crate::models::{ModelConfig, Shape};
use crate::nn::{Initializer, Linear, Parameter, RMS_EPS};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::PackedLinear;
use kernels::{Activation, ConvCell, Decay, DeltaShape, Nonlinearity, Tape};

/// Tokens that the convolution sees.
pub const TAPS: usize = 4;

/// The row of the table.
pub const ROW: MixerRow = MixerRow {
    letter: 'd',
    describes: "delta rule",
    name: "delta",
    build: |config, name, init| Box::new(Delta::new(config, name, init)),
    parameters: |config| {
        let [d, columns, gates] = sizes(config);
        let biases = match config.block.biases {
            Switch::On => columns + gates + 2 * d,
            Switch::Off => 0,
        };
        let decay = match config.block.decay {
            Decay::Input => 2 * config.heads as u128,
            _ => 0,
        };
        let maps = d * (columns + gates + 2 * d) + biases;
        maps + columns * TAPS as u128 + decay + d / config.heads as u128
    },
    work: |config, _| {
        let [d, columns, gates] = sizes(config);
        // 7 operations a value of the state, of which two make a multiply-add.
        let state = 7 * shape(config).state_floats() as u128 / 2;
        d * (columns + gates + 2 * d) + columns * TAPS as u128 + state
    },
    state: |config, _| {
        let shape = shape(config);
        shape.state_floats() + (TAPS - 1) * shape.columns()
    },
    kept: |config| {
        let [d, columns, gates] = sizes(config);
        // Maps, what the convolution makes of them, errors, output, its gate and its norm, with gradients;
        // a state every 64 tokens.
        2 * (2 * columns + gates + 5 * d) + shape(config).state_floats() as u128 / 64
    },
    check: |_| Ok(()),
};

fn shape(config: &ModelConfig) -> DeltaShape {
    let width = config.width / config.heads;
    let delta = config.block.delta == Switch::On;
    DeltaShape {
        batch: 0,
        seq_len: 0,
        heads: config.heads,
        key_width: width,
        value_width: width,
        delta,
        normalise: delta,
        decay: config.block.decay,
        beta: config.block.beta,
    }
}

/// D, columns of q, k and v, and of the gates.
fn sizes(config: &ModelConfig) -> [u128; 3] {
    let shape = shape(config);
    [config.width, shape.columns(), shape.gates()].map(|n| n as u128)
}

struct Delta {
    shape: DeltaShape,
    qkv: Linear,
    /// (C, 4)
    conv: Parameter,
    /// Of β and α, where they are of the token.
    gates: Option<Linear>,
    /// ln of the rate and bias of the step of α, (H) each.
    decay: Option<[Parameter; 2]>,
    /// What gates the output.
    z: Linear,
    /// (dv)
    norm: Parameter,
    out: Linear,
}

impl Delta {
    /// Rates 1 to 16 and steps 0.001 to 0.1, as Mamba-2 begins; the convolution as PyTorch's `Conv1d`.
    fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Self {
        let (d, shape, heads) = (config.width, shape(config), config.heads);
        let at = |what: &str| format!("{name}.{what}");
        let qkv = linear(config, &at("qkv"), [d, shape.columns()], false, init);
        let conv = init.uniform(shape.columns() * TAPS, 1.0 / (TAPS as f32).sqrt());
        let gates = shape.gates();
        let gates = (gates > 0).then(|| linear(config, &at("gates"), [d, gates], false, init));
        let decay = (shape.decay == Decay::Input).then(|| {
            let shares = |init: &mut Initializer| -> Vec<f64> {
                let drawn = init.uniform(heads, 0.5);
                drawn.iter().map(|&u| f64::from(u) + 0.5).collect()
            };
            let rate = |u: f64| libm::log(1.0 + 15.0 * u) as f32;
            let rates = shares(init).into_iter().map(rate).collect();
            let step = |u: f64| {
                let step = libm::exp(libm::log(1e-3) + u * libm::log(100.0));
                // softplus of the bias is the step.
                (step + libm::log(-libm::expm1(-step))) as f32
            };
            let steps = shares(init).into_iter().map(step).collect();
            [
                Parameter::new(at("a_log"), &[heads], rates),
                Parameter::new(at("dt_bias"), &[heads], steps),
            ]
        });
        let dv = shape.value_width;
        Delta {
            shape,
            qkv,
            conv: Parameter::new(at("conv.weight"), &[shape.columns(), TAPS], conv),
            gates,
            decay,
            z: linear(config, &at("z"), [d, d], false, init),
            norm: Parameter::new(at("norm.weight"), &[dv], vec![1.0; dv]),
            out: linear(config, &at("out"), [d, d], true, init),
        }
    }
}

impl Mixer for Delta {
    fn parameters(&self) -> Vec<&Parameter> {
        let mut all: Vec<&Parameter> = self.qkv.parameters().collect();
        all.push(&self.conv);
        all.extend(self.gates.iter().flat_map(Linear::parameters));
        all.extend(self.decay.iter().flatten());
        all.extend(self.z.parameters());
        all.push(&self.norm);
        all.extend(self.out.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all: Vec<&mut Parameter> = self.qkv.parameters_mut().collect();
        all.push(&mut self.conv);
        all.extend(self.gates.iter_mut().flat_map(Linear::parameters_mut));
        all.extend(self.decay.iter_mut().flatten());
        all.extend(self.z.parameters_mut());
        all.push(&mut self.norm);
        all.extend(self.out.parameters_mut());
        all
    }

    fn forward(&self, x: Activation, shape: Shape) -> Activation {
        let (x, tape) = beside(x);
        let qkv = self.qkv.forward(tape, Nonlinearity::Identity);
        let (weight, f) = (&self.conv.tensor, Nonlinearity::Silu);
        let (qkv, mut tape) = kernels::causal_conv(qkv, weight, None, f, shape.batch).split_tape();
        let mut of_x = |map: &Linear| {
            let x = x.clone().put_tape(std::mem::replace(&mut tape, Tape::Off));
            let (y, rest) = map.forward(x, Nonlinearity::Identity).split_tape();
            tape = rest;
            y
        };
        let gates = self.gates.as_ref().map(&mut of_x);
        let z = of_x(&self.z);
        let decay = self.decay.as_ref();
        let shape = DeltaShape {
            batch: shape.batch,
            seq_len: shape.seq_len,
            ..self.shape
        };
        let decay = decay.map(|d| d.each_ref().map(|p| &p.tensor));
        let o = kernels::delta_rule(qkv.put_tape(tape), gates, decay, shape);
        let y = kernels::gated_rms_norm(o, z, &self.norm.tensor, RMS_EPS);
        self.out.forward(y, Nonlinearity::Identity)
    }

    fn packed(&self) -> Box<dyn MixerStep> {
        Box::new(Step {
            shape: self.shape,
            qkv: self.qkv.packed(),
            conv: ConvCell::new(&self.conv.tensor, None, Nonlinearity::Silu),
            gates: self.gates.as_ref().map(Linear::packed),
            decay: self
                .decay
                .as_ref()
                .map(|d| d.each_ref().map(Parameter::values)),
            z: self.z.packed(),
            norm: self.norm.values(),
            out: self.out.packed(),
            scratch: Scratch::default(),
        })
    }
}

/// Its buffers are the states of the heads and the last inputs of the convolution.
struct Step {
    shape: DeltaShape,
    qkv: PackedLinear,
    conv: ConvCell,
    gates: Option<PackedLinear>,
    decay: Option<[Vec<f32>; 2]>,
    z: PackedLinear,
    norm: Vec<f32>,
    out: PackedLinear,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    wide: Vec<f32>,
    qkv: Vec<f32>,
    gates: Vec<f32>,
    z: Vec<f32>,
    o: Vec<f32>,
    y: Vec<f32>,
}

impl MixerStep for Step {
    fn start(&self, batch: usize) -> Vec<Vec<f32>> {
        let floats = [self.shape.state_floats(), self.conv.state_floats()];
        floats.map(|floats| vec![0.0; batch * floats]).into()
    }

    fn extend(&mut self, x: &[f32], new: Tokens, buffers: &mut [Vec<f32>], out: &mut Vec<f32>) {
        let (s, identity) = (&mut self.scratch, Nonlinearity::Identity);
        let [state, conv] = buffers else {
            unreachable!("two buffers, as they were started")
        };
        self.qkv.apply(x, identity, &mut s.wide);
        self.conv.extend(&s.wide, new.batch, conv, &mut s.qkv);
        s.gates.clear();
        if let Some(gates) = &self.gates {
            gates.apply(x, identity, &mut s.gates);
        }
        self.z.apply(x, identity, &mut s.z);
        let shape = DeltaShape {
            batch: new.batch,
            seq_len: new.new,
            ..self.shape
        };
        let decay = self.decay.as_ref().map(|d| d.each_ref().map(|v| &v[..]));
        kernels::delta_extend(&s.qkv, &s.gates, decay, shape, state, &mut s.o);
        kernels::gate_rms_norm(&s.o, &s.z, &self.norm, RMS_EPS, &mut s.y);
        self.out.apply(&s.y, identity, out);
    }
}
