//! The sLSTM of xLSTM (Beck et al. 2024): an LSTM with an exponential input gate, normalised and
//! stabilised, gates i, f, z, o in the order of NX-AI's `xlstm`:
//! m' = max(ln σ(f̃) + m, ĩ), c' = e^(ln σ(f̃) + m − m')∘c + e^(ĩ − m')∘tanh(z̃), n' likewise with 1 in
//! place of tanh(z̃), h' = σ(õ)∘c'/n'; the operation keeps c/n and m + ln n instead.
//!
//! Here it is stacked as the other recurrent models are, its recurrent matrices full (one head), so that
//! a comparison with the LSTM differs in the cell alone; xLSTM's blocks around it are another model's.
//! Parameters of layer k as the LSTM's, rows i, f, z, o.

use super::recurrent::{Cell, Layer, Recurrent};
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, SlstmCell};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = Recurrent::<Slstm>::row(
    "slstm",
    "LSTM with an exponential input gate and a normaliser (Beck et al. 2024)",
);

/// The cell.
pub struct Slstm;

impl Cell for Slstm {
    const GATES: usize = 4;
    const STATES: usize = 3;
    const OPTIONS: &'static [&'static str] = &["forget_bias", "dropout"];
    type Step = SlstmCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, _: &ModelConfig) -> Activation {
        kernels::slstm(x, layer.weights(), shape.batch, shape.seq_len)
    }

    fn pack(layer: &Layer) -> SlstmCell {
        SlstmCell::new(layer.weights())
    }

    fn extend(
        packed: &SlstmCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let [h, average, weight] = states else {
            panic!("an sLSTM layer keeps h, an average and its weight");
        };
        packed.extend_all(x, h, &mut [average, weight], y, scratch);
    }

    /// `forget_bias` is added to PyTorch's draw as in the LSTM; `xlstm` spreads forget biases over the
    /// units by a power law instead.
    fn adjust_biases(
        config: &ModelConfig,
        bias_ih: &mut [f32],
        _bias_hh: &mut [f32],
        _init: &mut Initializer,
    ) {
        let forget = &mut bias_ih[config.width..2 * config.width];
        forget.iter_mut().for_each(|b| *b += config.forget_bias);
    }
}
