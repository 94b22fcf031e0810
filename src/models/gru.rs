//! Gated recurrent unit (Cho et al. 2014), as PyTorch's `nn.GRU`: gates r, z, n with the hidden
//! bias inside the reset product; h' = (1 - z)∘n + z∘h.

use super::recurrent::{Cell, Layer, Recurrent};
use super::recurrent_encoder_decoder::FromState;
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, GruCell, Matrix};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = Recurrent::<Gru>::row("gru", "gated recurrent unit (Cho et al. 2014)");

/// The cell.
pub struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const OPTIONS: &'static [&'static str] = &["gates", "chrono", "dropout"];
    type Step = GruCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, _: &ModelConfig) -> Activation {
        kernels::gru(x, layer.weights(), shape.batch, shape.seq_len)
    }

    fn pack(layer: &Layer) -> GruCell {
        GruCell::new(layer.weights())
    }

    fn extend(
        packed: &GruCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        packed.extend(x, (&mut states[0], &mut []), y, scratch);
    }

    /// Chrono: z keeps the state here, so its bias is ln u (Tallec & Ollivier 2018, section 2).
    fn adjust_biases(
        config: &ModelConfig,
        bias_ih: &mut [f32],
        bias_hh: &mut [f32],
        init: &mut Initializer,
    ) {
        let h = config.width;
        if let Some(longest) = config.chrono {
            bias_ih[h..2 * h].copy_from_slice(&init.chrono(h, longest));
            bias_hh[h..2 * h].fill(0.0);
        }
    }
}

impl FromState for Gru {
    const OPTIONS_WITH_SOURCE: &'static [&'static str] =
        &["gates", "chrono", "source_attention", "encoder"];

    fn sequence_from(x: Activation, states: &[Matrix], layer: &Layer, shape: Shape) -> Activation {
        kernels::gru_from(x, &states[0], layer.weights(), shape.batch, shape.seq_len)
    }
}
