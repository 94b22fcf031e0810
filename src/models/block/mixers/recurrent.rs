//! A recurrent cell as a mixer: sLSTM, as xLSTM has it in its blocks (Beck et al. 2024), here without the
//! block's own convolution and norm of heads, and with a map back to the stream.

use super::super::linear;
use super::super::mixer::{Mixer, MixerRow, MixerStep, Tokens};
use crate::models::recurrent::{Cell, Layer};
use crate::models::slstm::Slstm;
use crate::models::{ModelConfig, Shape, Switch};
use crate::nn::{Initializer, Linear, Parameter};
use kernels::decode::PackedLinear;
use kernels::{Activation, Nonlinearity};
use std::marker::PhantomData;

/// sLSTM.
pub const SLSTM: MixerRow = row::<Slstm>('s', "sLSTM", "slstm");

const fn row<C: Cell>(letter: char, describes: &'static str, name: &'static str) -> MixerRow {
    MixerRow {
        letter,
        describes,
        name,
        build: |config, name, init| Box::new(Recurrence::<C>::new(config, name, init)),
        parameters: |config| {
            let d = config.width as u128;
            let bias = match config.block.biases {
                Switch::On => d,
                Switch::Off => 0,
            };
            2 * C::GATES as u128 * (d * d + d) + d * d + bias
        },
        work: |config, _| {
            let d = config.width as u128;
            (2 * C::GATES as u128 + 1) * d * d
        },
        state: |config, _| C::STATES * config.width,
        // Gates and states, forward and backward, and the output.
        kept: |config| (2 * (C::GATES + C::STATES) + 2) as u128 * config.width as u128,
        check: |_| Ok(()),
    }
}

struct Recurrence<C> {
    config: ModelConfig,
    layer: Layer,
    out: Linear,
    cell: PhantomData<C>,
}

impl<C: Cell> Recurrence<C> {
    fn new(config: &ModelConfig, name: &str, init: &mut Initializer) -> Self {
        let d = config.width;
        Recurrence {
            config: config.clone(),
            layer: Layer::sized::<C>(config, 0, [name, ""], d, init),
            out: linear(config, &format!("{name}.out"), [d, d], true, init),
            cell: PhantomData,
        }
    }
}

impl<C: Cell> Mixer for Recurrence<C> {
    fn parameters(&self) -> Vec<&Parameter> {
        let layer = self.layer.parameters().iter();
        layer.chain(self.out.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let layer = self.layer.parameters_mut().iter_mut();
        layer.chain(self.out.parameters_mut()).collect()
    }

    fn forward(&self, x: Activation, shape: Shape) -> Activation {
        let h = C::sequence(x, &self.layer, shape, &self.config);
        self.out.forward(h, Nonlinearity::Identity)
    }

    fn packed(&self) -> Box<dyn MixerStep> {
        Box::new(Step::<C> {
            width: self.config.width,
            cell: C::pack(&self.layer),
            out: self.out.packed(),
            h: Vec::new(),
            scratch: Vec::new(),
        })
    }
}

/// Its buffers are the states of the cell.
struct Step<C: Cell> {
    width: usize,
    cell: C::Step,
    out: PackedLinear,
    h: Vec<f32>,
    scratch: Vec<f32>,
}

impl<C: Cell> MixerStep for Step<C> {
    fn start(&self, batch: usize) -> Vec<Vec<f32>> {
        vec![vec![0.0; batch * self.width]; C::STATES]
    }

    fn extend(&mut self, x: &[f32], _: Tokens, buffers: &mut [Vec<f32>], out: &mut Vec<f32>) {
        self.h.resize(x.len(), 0.0);
        C::extend(&self.cell, x, buffers, &mut self.h, &mut self.scratch);
        self.out.apply(&self.h, Nonlinearity::Identity, out);
    }
}
