//! What the recurrent layers share: weights, and how a layer runs over a whole sequence.

use super::Matrix;

/// The parameters of one recurrent layer, as PyTorch shapes and orders them; G gates, hidden
/// size H, input width D.
#[derive(Clone, Copy)]
pub struct RecurrentWeights<'a> {
    /// (G·H, D), gates stacked.
    pub weight_ih: &'a Matrix,
    /// (G·H, H).
    pub weight_hh: &'a Matrix,
    /// (1, G·H).
    pub bias_ih: &'a Matrix,
    /// (1, G·H).
    pub bias_hh: &'a Matrix,
}
