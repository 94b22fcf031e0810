//! The parameters of one layer of either stack.

use crate::models::ModelConfig;
use crate::nn::{Initializer, Linear, Norm, Parameter, zeros};

/// Attention to itself, in a decoder attention to the source, and a feed-forward of four times the
/// width.
#[derive(Clone)]
pub struct Layer {
    /// D → 3D
    pub qkv: Linear,
    /// D → D
    pub out: Linear,
    /// Of the attention to itself.
    pub norm1: Norm,
    /// In a decoder.
    pub cross: Option<Cross>,
    /// D → 4D
    pub fc1: Linear,
    /// 4D → D
    pub fc2: Linear,
    /// Of the feed-forward.
    pub norm2: Norm,
}

/// Attention to the source.
#[derive(Clone)]
pub struct Cross {
    /// D → D
    pub q: Linear,
    /// D → 2D, of the source.
    pub kv: Linear,
    /// D → D
    pub out: Linear,
    /// Of this attention.
    pub norm: Norm,
}

/// A map with the weight of Glorot & Bengio 2010 for each of `parts` blocks of outputs, and no bias yet.
fn map(name: &str, input: usize, output: usize, parts: usize, init: &mut Initializer) -> Linear {
    let weight = (0..parts)
        .flat_map(|_| init.glorot(output / parts, input))
        .collect();
    Linear {
        weight: Parameter::new(format!("{name}.weight"), &[output, input], weight),
        bias: Some(zeros(name, output)),
    }
}

impl Layer {
    /// Named `name`.…
    pub fn new(name: &str, config: &ModelConfig, has_cross: bool, init: &mut Initializer) -> Self {
        let d = config.width;
        let at = |what: &str| format!("{name}.{what}");
        Layer {
            qkv: map(&at("attention.qkv"), d, 3 * d, 3, init),
            out: map(&at("attention.out"), d, d, 1, init),
            norm1: Norm::layer(&at("norm1"), d),
            cross: has_cross.then(|| Cross {
                q: map(&at("cross.q"), d, d, 1, init),
                kv: map(&at("cross.kv"), d, 2 * d, 2, init),
                out: map(&at("cross.out"), d, d, 1, init),
                norm: Norm::layer(&at("cross.norm"), d),
            }),
            fc1: map(&at("mlp.fc1"), d, 4 * d, 1, init),
            fc2: map(&at("mlp.fc2"), 4 * d, d, 1, init),
            norm2: Norm::layer(&at("norm2"), d),
        }
    }

    /// Norms in the order of the branches.
    pub fn norms(&self) -> impl Iterator<Item = &Norm> {
        let cross = self.cross.iter().map(|cross| &cross.norm);
        [&self.norm1].into_iter().chain(cross).chain([&self.norm2])
    }

    /// In the order of a checkpoint.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let maps = [&self.qkv, &self.out]
            .into_iter()
            .flat_map(Linear::parameters);
        let cross = self.cross.iter().flat_map(|cross| {
            let maps = [&cross.q, &cross.kv, &cross.out].into_iter();
            maps.flat_map(Linear::parameters)
                .chain(cross.norm.parameters())
        });
        let mlp = [&self.fc1, &self.fc2]
            .into_iter()
            .flat_map(Linear::parameters);
        let first = maps.chain(self.norm1.parameters()).chain(cross);
        first.chain(mlp).chain(self.norm2.parameters())
    }

    /// The same, to be updated.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let maps = [&mut self.qkv, &mut self.out]
            .into_iter()
            .flat_map(Linear::parameters_mut);
        let cross = self.cross.iter_mut().flat_map(|cross| {
            let maps = [&mut cross.q, &mut cross.kv, &mut cross.out].into_iter();
            maps.flat_map(Linear::parameters_mut)
                .chain(cross.norm.parameters_mut())
        });
        let mlp = [&mut self.fc1, &mut self.fc2]
            .into_iter()
            .flat_map(Linear::parameters_mut);
        let first = maps.chain(self.norm1.parameters_mut()).chain(cross);
        first.chain(mlp).chain(self.norm2.parameters_mut())
    }
}
