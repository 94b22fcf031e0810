//! How far back the gradient of a loss reaches: ‖∂L_T/∂s_t‖ against the distance T − t, L_T being
//! the loss at the last position of a sequence alone (Pascanu, Mikolov & Bengio 2013, "On the
//! difficulty of training recurrent neural networks"; Bengio, Simard & Frasconi 1994).
//!
//! The gradients are those of the real backward pass, written down by the operations themselves
//! ([`kernels::watch`]). What s_t is:
//!
//! - of a recurrent model, all that its first layer hands from position t to t + 1: h_t (Elman, GRU,
//!   minGRU, minLSTM), or h_t and c_t side by side (LSTM). With several layers the gradient counts
//!   every path to the loss, those through the layers above too;
//! - of a transformer, which hands nothing on, the residual stream at position t as it enters the
//!   first block: all that the model knows of position t, and all that later positions attend to.
//!
//! Besides there is the same for the embedding of token t, ‖∂L_T/∂x_t‖, which exists in every model
//! and means the same in each. For a transformer the two are one.
//!
//! Gradients are averaged over sequences geometrically, since they span many powers of ten. Where a
//! norm is not positive, not finite or below what 32-bit floats hold with full precision, there is
//! none: such a distance is missing rather than 0.

mod jacobian;
#[cfg(test)]
mod tests;

pub use jacobian::{StateJacobian, spectral_radius, state_jacobian};

use crate::data::Batch;
use crate::models::Model;
use crate::train::loss;
use kernels::{Watchable, Watched};

/// Norms by distance: entry d belongs to position T − 1 − d, entry 0 to the position of the loss.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GradientFlow {
    /// ‖∂L_T/∂s_t‖, nats (or squared error) per unit of the state.
    pub state: Vec<Option<f64>>,
    /// ‖∂L_T/∂x_t‖, likewise per unit of the embedding.
    pub input: Vec<Option<f64>>,
}

/// Measures the gradient flow of `model` on sequences of one length; nothing without sequences.
///
/// Panics if the batches have different lengths.
pub fn gradient_flow(model: &dyn Model, batches: &[Batch]) -> GradientFlow {
    let Some(seq_len) = batches.first().map(Batch::seq_len) else {
        return GradientFlow::default();
    };
    let mut sums = [Sums::new(seq_len), Sums::new(seq_len)];
    for batch in batches {
        assert_eq!(batch.seq_len(), seq_len, "one length for all sequences");
        let watched = backward(model, batch);
        let last = |of| watched.iter().rfind(|w| w.of == of);
        let input = last(Watchable::Input).expect("every model has an embedding");
        let state = last(Watchable::State).unwrap_or(input);
        for (sums, gradient) in sums.iter_mut().zip([state, input]) {
            sums.add(gradient, batch.sequences());
        }
    }
    let [state, input] = sums.map(Sums::finish);
    GradientFlow { state, input }
}

/// The backward pass of the mean over the batch of the losses at the last position.
fn backward(model: &dyn Model, batch: &Batch) -> Vec<Watched> {
    let is_last = |i: usize| (i + 1).is_multiple_of(batch.seq_len());
    let mask: Vec<f32> = (0..batch.positions())
        .map(|i| f32::from(u8::from(is_last(i))))
        .collect();
    let loss = loss(model, batch, &mask);
    kernels::watch(|| kernels::backward(loss)).1
}

/// Sums of logarithms of norms by distance; none where a norm has no usable logarithm.
struct Sums {
    logarithms: Vec<Option<f64>>,
    sequences: usize,
}

impl Sums {
    fn new(seq_len: usize) -> Self {
        Sums {
            logarithms: vec![Some(0.0); seq_len],
            sequences: 0,
        }
    }

    /// The loss is a mean over the batch, so each sequence's own gradient is `batch` times as large.
    fn add(&mut self, watched: &Watched, batch: usize) {
        let seq_len = self.logarithms.len();
        for (row, gradient) in watched.gradient.chunks_exact(watched.width).enumerate() {
            let sum = &mut self.logarithms[seq_len - 1 - row % seq_len];
            let norm = norm(gradient);
            let usable = norm.is_finite() && norm >= f64::from(f32::MIN_POSITIVE);
            *sum = sum
                .filter(|_| usable)
                .map(|sum| sum + libm::log(norm * batch as f64));
        }
        self.sequences += batch;
    }

    fn finish(self) -> Vec<Option<f64>> {
        let n = self.sequences as f64;
        let mean = |sum: Option<f64>| sum.map(|sum| libm::exp(sum / n));
        self.logarithms.into_iter().map(mean).collect()
    }
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|&v| f64::from(v) * f64::from(v));
    squares.sum::<f64>().sqrt()
}
