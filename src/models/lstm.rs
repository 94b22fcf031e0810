//! Long short-term memory (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000), as
//! PyTorch's `nn.LSTM`: gates i, f, g, o; c' = f∘c + i∘g, h' = o∘tanh(c').

use super::recurrent::{Cell, Layer, Recurrent};
use super::recurrent_encoder_decoder::FromState;
use super::{ModelConfig, ModelRow, Shape};
use crate::nn::Initializer;
use kernels::{Activation, LstmCell, Matrix};

/// The [`super::MODELS`] row.
pub const ROW: ModelRow = Recurrent::<Lstm>::row(
    "lstm",
    "long short-term memory with forget gate (Gers et al. 2000)",
);

/// The cell.
pub struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const OPTIONS: &'static [&'static str] = &["gates", "chrono", "forget_bias", "dropout"];
    type Step = LstmCell;

    fn sequence(x: Activation, layer: &Layer, shape: Shape, _: &ModelConfig) -> Activation {
        kernels::lstm(x, layer.weights(), shape.batch, shape.seq_len)
    }

    fn pack(layer: &Layer) -> LstmCell {
        LstmCell::new(layer.weights())
    }

    fn extend(
        packed: &LstmCell,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let [h, c] = states else {
            panic!("an LSTM layer keeps h and c");
        };
        packed.extend(x, (h, c), y, scratch);
    }

    /// `forget_bias` is added to PyTorch's draw; chrono sets b_f = ln u and b_i = -b_f in place of
    /// the sum of both bias vectors (Tallec & Ollivier 2018, equation 16).
    fn adjust_biases(
        config: &ModelConfig,
        bias_ih: &mut [f32],
        bias_hh: &mut [f32],
        init: &mut Initializer,
    ) {
        let h = config.width;
        if let Some(longest) = config.chrono {
            let forget = init.chrono(h, longest);
            for (j, b) in forget.into_iter().enumerate() {
                (bias_ih[j], bias_ih[h + j]) = (-b, b);
            }
            bias_hh[..2 * h].fill(0.0);
        } else {
            bias_ih[h..2 * h]
                .iter_mut()
                .for_each(|b| *b += config.forget_bias);
        }
    }
}

impl FromState for Lstm {
    const OPTIONS_WITH_SOURCE: &'static [&'static str] = &[
        "gates",
        "chrono",
        "forget_bias",
        "source_attention",
        "encoder",
    ];

    fn sequence_from(x: Activation, states: &[Matrix], layer: &Layer, shape: Shape) -> Activation {
        let states = [&states[0], &states[1]];
        kernels::lstm_from(x, states, layer.weights(), shape.batch, shape.seq_len)
    }
}
