//! Norms: parameters with the operation that uses them.

use super::Parameter;
use dfdx::tensor::{PutTape, SplitTape};
use kernels::{Activation, Matrix, decode};
use serde::{Deserialize, Serialize};

/// What is done to a row of the stream before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Layer normalisation with gain and bias (Ba, Kiros & Hinton 2016).
    #[default]
    Layer,
    /// Division by the root mean square, a gain that begins at 1 (Zhang & Sennrich 2019).
    Rms,
    /// The same with gain 1 + w, w from 0 (Gemma Team 2024).
    OffsetRms,
    /// Nothing.
    None,
}

impl NormKind {
    /// Trained values of a norm of this kind, as multiples of the width.
    pub fn vectors(self) -> u128 {
        match self {
            NormKind::Layer => 2,
            NormKind::Rms | NormKind::OffsetRms => 1,
            NormKind::None => 0,
        }
    }

    /// What is added to the weight.
    pub fn offset(self) -> f32 {
        f32::from(u8::from(self == NormKind::OffsetRms))
    }
}

/// The norm of every row of width D.
#[derive(Clone)]
pub struct Norm {
    kind: NormKind,
    /// (D), but for [`NormKind::None`].
    weight: Option<Parameter>,
    /// (D), of [`NormKind::Layer`].
    bias: Option<Parameter>,
}

/// PyTorch's default for layer norm.
pub const LAYER_EPS: f32 = 1e-5;
/// What LLaMA and Gemma add to the mean square.
pub const RMS_EPS: f32 = 1e-6;

impl Norm {
    /// One that changes nothing but sizes: gain 1, bias 0.
    pub fn new(kind: NormKind, name: &str, width: usize) -> Self {
        let filled = |what: &str, value: f32| {
            Parameter::new(format!("{name}.{what}"), &[width], vec![value; width])
        };
        let gain = 1.0 - kind.offset();
        Norm {
            kind,
            weight: (kind != NormKind::None).then(|| filled("weight", gain)),
            bias: (kind == NormKind::Layer).then(|| filled("bias", 0.0)),
        }
    }

    /// Layer norm.
    pub fn layer(name: &str, width: usize) -> Self {
        Norm::new(NormKind::Layer, name, width)
    }

    /// Of every row.
    pub fn forward(&self, x: Activation) -> Activation {
        match (&self.weight, &self.bias) {
            (Some(w), Some(b)) => kernels::layer_norm(x, &w.tensor, &b.tensor, LAYER_EPS),
            (Some(w), None) => kernels::rms_norm(x, &w.tensor, self.kind.offset(), RMS_EPS),
            (None, _) => x,
        }
    }

    /// Splits an activation into the residual stream and its norm; gradients reach it from both.
    pub fn beside(&self, x: Activation) -> (Matrix, Activation) {
        let (stream, tape) = x.split_tape();
        let norm = self.forward(stream.clone().put_tape(tape));
        (stream, norm)
    }

    /// The stream with `branch` added, and the norm of that.
    pub fn after_adding(&self, stream: Matrix, branch: Activation) -> (Matrix, Activation) {
        match (&self.weight, &self.bias) {
            (Some(w), Some(b)) => {
                kernels::add_layer_norm(stream, branch, &w.tensor, &b.tensor, LAYER_EPS)
            }
            (Some(w), None) => {
                kernels::add_rms_norm(stream, branch, &w.tensor, self.kind.offset(), RMS_EPS)
            }
            (None, _) => self.beside(branch + stream),
        }
    }

    /// A copy, for decoding.
    pub fn packed(&self) -> PackedNorm {
        let offset = self.kind.offset();
        let gain = |w: &Parameter| w.values().iter().map(|w| offset + w).collect();
        PackedNorm {
            gain: self.weight.as_ref().map(gain),
            bias: self.bias.as_ref().map(Parameter::values),
        }
    }

    /// Weight, bias.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.weight.iter().chain(&self.bias)
    }

    /// Weight, bias.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.weight.iter_mut().chain(&mut self.bias)
    }
}

/// A norm on plain slices.
pub struct PackedNorm {
    gain: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
}

impl PackedNorm {
    /// `out` = the norm of each row of x.
    pub fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        match (&self.gain, &self.bias) {
            (Some(w), Some(b)) => decode::layer_norm(x, w, b, LAYER_EPS, out),
            (Some(w), None) => decode::rms_norm(x, w, RMS_EPS, out),
            (None, _) => {
                out.clear();
                out.extend_from_slice(x);
            }
        }
    }
}
