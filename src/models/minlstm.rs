//! minLSTM (Feng et al. 2024, "Were RNNs All We Needed?"), with the normalised gates that make its
//! scale independent of the length: f = σ(W_f x + b_f), i = σ(W_i x + b_i), h̃ = g(W_h x + b_h),
//! h' = f/(f + i)∘h + i/(f + i)∘h̃.
//!
//! Stacked as the other recurrent models are, like minGRU. Parameters of layer k:
//! `rnn.weight_ih_l{k}` (3H, D) and `rnn.bias_ih_l{k}` (3H), rows f, i, h.

use super::mingru::scan_shape;
use super::recurrent::{Cell, Layer, Recurrent};
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, MinLstmCell};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = Recurrent::<MinLstm>::row(
    "minlstm",
    "minimal LSTM, normalised gates of the input alone (Feng et al. 2024)",
);

struct MinLstm;

impl Cell for MinLstm {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const HIDDEN_PRODUCT: bool = false;
    const OPTIONS: &'static [&'static str] = &["gates", "chrono", "forget_bias", "scan", "dropout"];
    type Step = MinLstmCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, config: &ModelConfig) -> Activation {
        kernels::min_lstm(layer.gates(x), None, scan_shape(shape, config))
    }

    fn pack(layer: &Layer) -> MinLstmCell {
        MinLstmCell::new(layer.weight_ih(), layer.bias_ih())
    }

    fn extend(
        packed: &MinLstmCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        packed.extend(x, &mut states[0], y, scratch);
    }

    /// `forget_bias` as in the LSTM (the paper raises it too). Chrono: b_f = ln u and b_i = -b_f
    /// give f/(f + i) = u/(1 + u), the LSTM's own f.
    fn adjust_biases(
        config: &ModelConfig,
        bias_ih: &mut [f32],
        _: &mut [f32],
        init: &mut Initializer,
    ) {
        let (forget, rest) = bias_ih.split_at_mut(config.width);
        if let Some(longest) = config.chrono {
            let keep = init.chrono(config.width, longest);
            let gates = forget.iter_mut().zip(rest);
            for ((f, i), u) in gates.zip(keep) {
                (*f, *i) = (u, -u);
            }
        } else {
            forget.iter_mut().for_each(|b| *b += config.forget_bias);
        }
    }
}
