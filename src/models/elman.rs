//! Elman network (Elman 1990), as PyTorch's `nn.RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

use super::recurrent::{Cell, Layer, Recurrent};
use super::{ModelConfig, ModelRow, Shape};
use kernels::{Activation, ElmanCell};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow =
    Recurrent::<Elman>::row("elman", "simple recurrent network, tanh (Elman 1990)");

struct Elman;

impl Cell for Elman {
    const GATES: usize = 1;
    const STATES: usize = 1;
    type Step = ElmanCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, _: &ModelConfig) -> Activation {
        kernels::elman(x, layer.weights(), shape.batch, shape.seq_len)
    }

    fn pack(layer: &Layer) -> ElmanCell {
        ElmanCell::new(layer.weights())
    }

    fn step(packed: &ElmanCell, x: &[f32], states: &mut [Vec<f32>], scratch: &mut Vec<f32>) {
        packed.step(x, &mut states[0], &mut [], scratch);
    }
}
