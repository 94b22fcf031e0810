//! Steps of incremental decoding on plain slices.

use super::Nonlinearity;

/// `out` = f(x Wᵀ + b): x (B, in), weight (out, in), bias (out) → (B, out).
pub fn linear(
    _x: &[f32],
    _inputs: usize,
    _weight: &[f32],
    _bias: Option<&[f32]>,
    _f: Nonlinearity,
    _out: &mut Vec<f32>,
) {
    todo!()
}

/// `out` = layer norm of each row of `weight.len()` values of x.
pub fn layer_norm(_x: &[f32], _weight: &[f32], _bias: &[f32], _eps: f32, _out: &mut Vec<f32>) {
    todo!()
}

/// One token's attention: qkv (B, 3D) at `position`; appends its key and value to the cache, a
/// buffer that holds (position, B, 2D) values; writes (B, D) to `out`.
pub fn attention_step(
    _qkv: &[f32],
    _batch: usize,
    _heads: usize,
    _rotary: bool,
    _position: usize,
    _cache: &mut Vec<f32>,
    _out: &mut Vec<f32>,
) {
    todo!()
}
