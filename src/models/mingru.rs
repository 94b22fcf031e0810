//! minGRU (Feng et al. 2024, "Were RNNs All We Needed?"): z = σ(W_z x + b_z),
//! h̃ = g(W_h x + b_h), h' = (1 - z)∘h + z∘h̃.
//!
//! Stacked as the other recurrent models are, cell on cell without norm, residual or projection, so
//! that only the cell differs; the paper's language model puts more around it. Parameters of layer
//! k: `rnn.weight_ih_l{k}` (2H, D) and `rnn.bias_ih_l{k}` (2H), rows z, h. There is no `weight_hh`.

use super::recurrent::{Cell, Layer, Recurrent};
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, MinGruCell, ScanShape};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = Recurrent::<MinGru>::row(
    "mingru",
    "minimal gated recurrent unit, gates of the input alone (Feng et al. 2024)",
);

struct MinGru;

impl Cell for MinGru {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const HIDDEN_PRODUCT: bool = false;
    const OPTIONS: &'static [&'static str] = &["gates", "chrono", "scan", "dropout"];
    type Step = MinGruCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, config: &ModelConfig) -> Activation {
        kernels::min_gru(layer.gates(x), None, scan_shape(shape, config))
    }

    fn pack(layer: &Layer) -> MinGruCell {
        MinGruCell::new(layer.weight_ih(), layer.bias_ih())
    }

    fn extend(
        packed: &MinGruCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        packed.extend(x, &mut states[0], y, scratch);
    }

    /// Chrono: 1 - z keeps the state, so the bias of z is -ln u, which keeps u/(1 + u) of it
    /// (Tallec & Ollivier 2018, section 2, carried over).
    fn adjust_biases(
        config: &ModelConfig,
        bias_ih: &mut [f32],
        _: &mut [f32],
        init: &mut Initializer,
    ) {
        if let Some(longest) = config.chrono {
            let keep = init.chrono(config.width, longest);
            bias_ih.iter_mut().zip(keep).for_each(|(b, u)| *b = -u);
        }
    }
}

/// The scan of a batch of this shape.
pub fn scan_shape(shape: Shape, config: &ModelConfig) -> ScanShape {
    ScanShape {
        batch: shape.batch,
        seq_len: shape.seq_len,
        scan: config.scan,
    }
}
