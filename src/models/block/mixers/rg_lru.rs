//! RG-LRU, Griffin's recurrence (De et al. 2024): a diagonal linear recurrence whose gates see the input
//! alone, behind a causal convolution over four tokens, gated by GELU of a second map of the stream. Layout
//! and initial values are those of RecurrentGemma.

use super::super::linear;
use super::super::mixer::{Mixer, MixerRow, MixerStep, Tokens};
use super::delta::TAPS;
use crate::models::residual::beside;
use crate::models::{ModelConfig, Scan, Shape, Switch};
use crate::nn::{Initializer, Linear, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::{PackedBlockLinear, PackedLinear};
use kernels::{Activation, ConvCell, Nonlinearity, RgLruCell, ScanShape};

/// The row of the table.
pub const ROW: MixerRow = MixerRow {
    letter: 'r',
    describes: "RG-LRU",
    name: "rg_lru",
    build: |config, name, init| Box::new(RgLru::new(config, name, init)),
    parameters: |config| {
        let d = config.width as u128;
        let biases = match config.block.biases {
            Switch::On => 3 * d,
            Switch::Off => 0,
        };
        // Maps; convolution and its bias; both gates, block by block, and their biases; Λ.
        3 * d * d + biases + d * (TAPS as u128 + 1) + 2 * gates(config) + 2 * d + d
    },
    work: |config, _| {
        let d = config.width as u128;
        3 * d * d + d * TAPS as u128 + 2 * gates(config) + 3 * d
    },
    state: |config, _| TAPS * config.width,
    // Two maps, convolution, gates (2), h and the product, with gradients.
    kept: |config| 14 * config.width as u128,
    check: |_| Ok(()),
};

/// Weights of one gate: a block a head.
fn gates(config: &ModelConfig) -> u128 {
    (config.width * (config.width / config.heads)) as u128
}

struct RgLru {
    scan: Scan,
    y: Linear,
    x: Linear,
    /// (D, 4), and (D).
    conv: [Parameter; 2],
    /// Of r, then of i, block by block: (2D, D / heads), and (2D).
    gates: [Parameter; 2],
    /// Λ (D).
    lambda: Parameter,
    out: Linear,
}

impl RgLru {
    /// Decays of 0.9 to 0.999, drawn by the square of what is kept; gates N(0, 1/block).
    fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Self {
        let (d, block) = (config.width, config.width / config.heads);
        let at = |what: &str| format!("{name}.{what}");
        let new = |what: &str, shape: &[usize], values| Parameter::new(at(what), shape, values);
        let mut map = |what: &str, adds| linear(config, &at(what), [d, d], adds, init);
        let (y, x, out) = (map("y", false), map("x", false), map("out", true));
        let conv = init.uniform(d * TAPS, 1.0 / (TAPS as f32).sqrt());
        let gates = init.normal(2 * d * block, 1.0 / (block as f32).sqrt());
        let lambda = init.uniform(d, 0.5).into_iter().map(|drawn| {
            let (least, most) = (0.9 * 0.9, 0.999 * 0.999);
            let square = least + (f64::from(drawn) + 0.5) * (most - least);
            libm::log(libm::expm1(-0.5 * libm::log(square))) as f32
        });
        RgLru {
            scan: config.scan,
            y,
            x,
            conv: [
                new("conv.weight", &[d, TAPS], conv),
                new("conv.bias", &[d], vec![0.0; d]),
            ],
            gates: [
                new("gates.weight", &[2 * d, block], gates),
                new("gates.bias", &[2 * d], vec![0.0; 2 * d]),
            ],
            lambda: new("lambda", &[d], lambda.collect()),
            out,
        }
    }
}

impl Mixer for RgLru {
    fn parameters(&self) -> Vec<&Parameter> {
        let maps = self.y.parameters().chain(self.x.parameters());
        let own = self.conv.iter().chain(&self.gates).chain([&self.lambda]);
        maps.chain(own).chain(self.out.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let maps = self.y.parameters_mut().chain(self.x.parameters_mut());
        let own = self.conv.iter_mut().chain(&mut self.gates);
        let own = own.chain([&mut self.lambda]);
        maps.chain(own).chain(self.out.parameters_mut()).collect()
    }

    fn forward(&self, x: Activation, shape: Shape) -> Activation {
        let (values, x) = beside(x);
        let (y, tape) = self.y.forward(x, Nonlinearity::Identity).split_tape();
        let x = self
            .x
            .forward(values.put_tape(tape), Nonlinearity::Identity);
        let [w, b] = self.conv.each_ref().map(|p| &p.tensor);
        let x = kernels::causal_conv(x, w, Some(b), Nonlinearity::Identity, shape.batch);
        let (driven, x) = beside(x);
        let [w, b] = self.gates.each_ref().map(|p| &p.tensor);
        let gates = kernels::block_linear(x, w, Some(b), 2);
        let shape = ScanShape {
            batch: shape.batch,
            seq_len: shape.seq_len,
            scan: self.scan,
        };
        let h = kernels::rg_lru(gates, &driven, &self.lambda.tensor, None, shape);
        let (h, tape) = h.split_tape();
        let product = kernels::gated(h, y.put_tape(tape), Nonlinearity::Gelu);
        self.out.forward(product, Nonlinearity::Identity)
    }

    fn packed(&self) -> Box<dyn MixerStep> {
        let [w, b] = self.conv.each_ref().map(|p| &p.tensor);
        Box::new(Step {
            y: self.y.packed(),
            x: self.x.packed(),
            conv: ConvCell::new(w, Some(b), Nonlinearity::Identity),
            gates: PackedBlockLinear::new(
                &self.gates[0].values(),
                &self.gates[1].values(),
                self.y.weight.shape[1],
                2,
            ),
            cell: RgLruCell::new(&self.lambda.tensor),
            out: self.out.packed(),
            scratch: Scratch::default(),
        })
    }
}

/// Its buffers are h and the last inputs of the convolution.
struct Step {
    y: PackedLinear,
    x: PackedLinear,
    conv: ConvCell,
    gates: PackedBlockLinear,
    cell: RgLruCell,
    out: PackedLinear,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    y: Vec<f32>,
    x: Vec<f32>,
    driven: Vec<f32>,
    gates: Vec<f32>,
    h: Vec<f32>,
}

impl MixerStep for Step {
    fn start(&self, batch: usize) -> Vec<Vec<f32>> {
        let kept = self.conv.state_floats();
        [kept / (TAPS - 1), kept]
            .map(|n| vec![0.0; batch * n])
            .into()
    }

    fn extend(&mut self, x: &[f32], new: Tokens, buffers: &mut [Vec<f32>], out: &mut Vec<f32>) {
        let (s, identity) = (&mut self.scratch, Nonlinearity::Identity);
        let [h, conv] = buffers else {
            unreachable!("two buffers, as they were started")
        };
        self.y.apply(x, identity, &mut s.y);
        self.x.apply(x, identity, &mut s.x);
        self.conv.extend(&s.x, new.batch, conv, &mut s.driven);
        self.gates.apply(&s.driven, &mut s.gates);
        s.h.resize(s.driven.len(), 0.0);
        let is_first = vec![new.position == 0; new.batch];
        self.cell
            .extend(&s.gates, &s.driven, &is_first, h, &mut s.h);
        kernels::gate(&mut s.h, &s.y, Nonlinearity::Gelu);
        self.out.apply(&s.h, identity, out);
    }
}
