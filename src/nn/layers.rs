//! Linear maps: parameters with the operation that uses them.

use super::{Initializer, Parameter};
use kernels::decode::PackedLinear;
use kernels::{Activation, Nonlinearity};
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
    /// (out), where the map has one.
    pub bias: Option<Parameter>,
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
            bias: Some(Parameter::new(format!("{name}.bias"), &[output], bias)),
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
            bias: Some(zeros(name, output)),
        }
    }

    /// The same map without a bias.
    pub fn without_bias(self) -> Self {
        Linear { bias: None, ..self }
    }

    /// (rows, in) → (rows, out).
    pub fn forward(&self, x: Activation, f: Nonlinearity) -> Activation {
        let bias = self.bias.as_ref().map(|bias| &bias.tensor);
        kernels::linear(x, &self.weight.tensor, bias, f)
    }

    /// A packed copy, for decoding.
    pub fn packed(&self) -> PackedLinear {
        let [outputs, inputs] = [self.weight.shape[0], self.weight.shape[1]];
        let bias = self.bias.as_ref().map(Parameter::values);
        let bias = bias.unwrap_or_else(|| vec![0.0; outputs]);
        PackedLinear::new(&self.weight.values(), &bias, inputs)
    }

    /// Weight, bias.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        [&self.weight].into_iter().chain(&self.bias)
    }

    /// Weight, bias.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        [&mut self.weight].into_iter().chain(&mut self.bias)
    }
}

/// The bias of map `name` before training.
pub fn zeros(name: &str, output: usize) -> Parameter {
    Parameter::new(format!("{name}.bias"), &[output], vec![0.0; output])
}
