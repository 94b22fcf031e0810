//! Incremental decoding on plain slices, without tape: the next token of each sequence, or the next
//! n of them.
//!
//! The same formulas as [`linear`](super::linear()), [`layer_norm`](super::layer_norm()) and
//! [`attention`](super::attention()), laid out for few rows; many rows go through the same blocked
//! products. What a row gives does not depend on the rows beside it, to the bit: every sum over k is
//! split into chains by k alone.
//! Cost: 2·B·in·out FLOPs and 4·in·out bytes a linear map; 4·B·D FLOPs and 8·B·D bytes for every
//! token in the context, an attention.

mod attention;
mod cache;
mod head;
mod linear;
#[cfg(test)]
mod tests;

pub use attention::{attention, cache_source, cross_attention};
pub use cache::{cache_floats, select, truncate};
pub use linear::{PackedBlockLinear, PackedLinear};

use super::norm::Forward;
use super::parallel::scratch;
use super::simd::{dispatch_at, level};

/// Work smaller than this many multiply-adds stays on one thread: it takes a few microseconds, and
/// starting others about one.
const PARALLEL_FROM: usize = 1 << 17;

/// `out` = layer norm of each row of x (B, D) with weight and bias (D).
/// Panics if the lengths do not fit.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut Vec<f32>) {
    let d = weight.len();
    assert!(
        d > 0 && bias.len() == d && x.len().is_multiple_of(d),
        "decode::layer_norm: {} values, {d} weights, {} biases",
        x.len(),
        bias.len()
    );
    out.resize(x.len(), 0.0);
    normalise(x, weight, Some(bias), eps, out);
}

/// `out` = RMS norm of each row of x (B, D), gain `gains` (D): the weight, or 1 + the weight.
/// Panics if the lengths do not fit.
pub fn rms_norm(x: &[f32], gains: &[f32], eps: f32, out: &mut Vec<f32>) {
    let d = gains.len();
    assert!(
        d > 0 && x.len().is_multiple_of(d),
        "decode::rms_norm: {} values, {d} gains",
        x.len()
    );
    out.resize(x.len(), 0.0);
    normalise(x, gains, None, eps, out);
}

fn normalise(x: &[f32], w: &[f32], b: Option<&[f32]>, eps: f32, y: &mut [f32]) {
    let mut moments = scratch(2 * x.len() / w.len());
    let kernel = Forward {
        x,
        w,
        b,
        eps,
        y,
        moments: &mut moments,
    };
    dispatch_at(level(), kernel);
}
