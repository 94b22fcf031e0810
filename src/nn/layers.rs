//! Layers: parameters with the operation that uses them.

use super::{Initializer, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::PackedLinear;
use kernels::{Activation, Matrix, Nonlinearity};
use serde::{Deserialize, Serialize};

/// What a model says at each position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A score for each token, trained by cross-entropy.
    #[default]
    Tokens,
    /// One number, trained by squared error.
    Number,
}

/// y = f(x Wᵀ + b), W (out, in).
#[derive(Clone)]
pub struct Linear {
    /// (out, in).
    pub weight: Parameter,
    /// (out).
    pub bias: Parameter,
}

impl Linear {
    /// PyTorch's `nn.Linear` initialisation: kaiming uniform with a = √5, that is weight and bias
    /// uniform in ±1/√in.
    pub fn pytorch(name: &str, input: usize, output: usize, init: &mut Initializer) -> Self {
        let bound = 1.0 / (input as f32).sqrt();
        let weight = init.uniform(input * output, bound);
        let bias = init.uniform(output, bound);
        Linear {
            weight: Parameter::new(format!("{name}.weight"), &[output, input], weight),
            bias: Parameter::new(format!("{name}.bias"), &[output], bias),
        }
    }

    /// Weight N(0, deviation²), bias 0.
    pub fn normal(
        name: &str,
        input: usize,
        output: usize,
        deviation: f32,
        init: &mut Initializer,
    ) -> Self {
        let weight = init.normal(input * output, deviation);
        Linear {
            weight: Parameter::new(format!("{name}.weight"), &[output, input], weight),
            bias: Parameter::new(format!("{name}.bias"), &[output], vec![0.0; output]),
        }
    }

    /// (rows, in) → (rows, out).
    pub fn forward(&self, x: Activation, f: Nonlinearity) -> Activation {
        kernels::linear(x, &self.weight.tensor, Some(&self.bias.tensor), f)
    }

    /// A packed copy, for decoding.
    pub fn packed(&self) -> PackedLinear {
        let inputs = self.weight.shape[1];
        PackedLinear::new(&self.weight.values(), &self.bias.values(), inputs)
    }

    /// Weight, bias.
    pub fn parameters(&self) -> [&Parameter; 2] {
        [&self.weight, &self.bias]
    }

    /// Weight, bias.
    pub fn parameters_mut(&mut self) -> [&mut Parameter; 2] {
        [&mut self.weight, &mut self.bias]
    }
}

/// Layer normalisation's gain and bias.
#[derive(Clone)]
pub struct LayerNorm {
    /// (width), initially 1.
    pub weight: Parameter,
    /// (width), initially 0.
    pub bias: Parameter,
}

impl LayerNorm {
    /// PyTorch's default.
    pub const EPS: f32 = 1e-5;

    /// Gain 1, bias 0.
    pub fn new(name: &str, width: usize) -> Self {
        LayerNorm {
            weight: Parameter::new(format!("{name}.weight"), &[width], vec![1.0; width]),
            bias: Parameter::new(format!("{name}.bias"), &[width], vec![0.0; width]),
        }
    }

    /// Splits an activation into the residual stream and its norm; gradients reach it from both.
    pub fn beside(&self, x: Activation) -> (Matrix, Activation) {
        let (stream, tape) = x.split_tape();
        let (weight, bias) = (&self.weight.tensor, &self.bias.tensor);
        let norm = kernels::layer_norm(stream.clone().put_tape(tape), weight, bias, Self::EPS);
        (stream, norm)
    }

    /// The stream with `branch` added, and the norm of that.
    pub fn after_adding(&self, stream: Matrix, branch: Activation) -> (Matrix, Activation) {
        let (weight, bias) = (&self.weight.tensor, &self.bias.tensor);
        kernels::add_layer_norm(stream, branch, weight, bias, Self::EPS)
    }

    /// Weight, bias.
    pub fn parameters(&self) -> [&Parameter; 2] {
        [&self.weight, &self.bias]
    }

    /// Weight, bias.
    pub fn parameters_mut(&mut self) -> [&mut Parameter; 2] {
        [&mut self.weight, &mut self.bias]
    }
}
