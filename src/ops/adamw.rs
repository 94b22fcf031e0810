//! AdamW (Loshchilov & Hutter 2019), as PyTorch computes it.

/// One step's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamwStep {
    /// Step number, from 1: corrects the bias of the moments.
    pub step: u64,
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; 0 for parameters that are not decayed.
    pub weight_decay: f32,
    /// Factor on the gradient: below 1 where the global norm is clipped.
    pub gradient_scale: f32,
}

/// Updates weights and moments in place.
pub fn adamw_update(_w: &mut [f32], _g: &[f32], _m: &mut [f32], _v: &mut [f32], _h: &AdamwStep) {
    todo!()
}

/// Sum of squares.
pub fn squared_norm(_values: &[f32]) -> f64 {
    todo!()
}
