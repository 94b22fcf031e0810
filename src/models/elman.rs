//! Elman network (Elman 1990), as PyTorch's `nn.RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

use super::recurrent::{Cell, Layer, Recurrent};
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, ElmanCell};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow =
    Recurrent::<Elman>::row("elman", "simple recurrent network, tanh (Elman 1990)");

struct Elman;

impl Cell for Elman {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const OPTIONS: &'static [&'static str] = &["radius", "dropout"];
    type Step = ElmanCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, _: &ModelConfig) -> Activation {
        kernels::elman(x, layer.weights(), shape.batch, shape.seq_len)
    }

    fn pack(layer: &Layer) -> ElmanCell {
        ElmanCell::new(layer.weights())
    }

    fn extend(
        packed: &ElmanCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        packed.extend(x, (&mut states[0], &mut []), y, scratch);
    }

    /// A random orthogonal matrix times the radius. It is drawn from the start of the stream, layer
    /// after layer, so that the other weights are those without a radius.
    fn adjust_hidden(config: &ModelConfig, k: usize, weight: &mut [f32], init: &Initializer) {
        if let Some(radius) = config.radius {
            let mut again = init.restarted();
            (0..k).for_each(|_| drop(again.orthogonal(config.width)));
            let orthogonal = again.orthogonal(config.width);
            let scaled = orthogonal.into_iter().map(|v| v * radius as f32);
            weight.iter_mut().zip(scaled).for_each(|(w, v)| *w = v);
        }
    }
}
