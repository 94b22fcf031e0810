//! Multi-head attention (Vaswani et al. 2017): per head, O = softmax(Q Kᵀ / √dₕ) V.
//!
//! dₕ is the head size D / H. One unit of work is one head of one sequence: its queries, keys and
//! values are packed once, and scores exist for a few rows at a time only, so memory is linear in
//! T. The forward pass keeps one number a row, the logarithm of the softmax's denominator; the
//! backward pass recomputes the scores from it (Dao et al. 2022).
//!
//! Cost for n = T² pairs of query and key (T (T + 1) / 2 causal), for each of B·H units: forward
//! 4 n dₕ FLOPs (two products), backward 10 n dₕ (five). Span: a query's scores are independent of
//! each other; each is a sum over dₕ, the softmax a sum over T.

mod backward;
mod forward;
mod pack;
mod tile;

use super::parallel::{Shared, filled, for_each};
use super::tape::{Activation, Slot, device, matrix, values};
use super::{cost, simd};
use dfdx::prelude::*;
use pack::Rotation;

/// Shape and kind of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences B.
    pub batch: usize,
    /// Tokens T in each.
    pub seq_len: usize,
    /// Heads H; they divide the width.
    pub heads: usize,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// Whether queries and keys are turned by their position (Su et al. 2021).
    pub rotary: bool,
}

impl AttentionShape {
    fn pairs(&self) -> f64 {
        let t = self.seq_len as f64;
        if self.causal {
            t * (t + 1.0) / 2.0
        } else {
            t * t
        }
    }

    /// Cost of `products` matrix products over all heads of width `width`.
    fn cost(&self, name: &'static str, products: f64, width: usize) -> cost::Cost {
        let rows = (self.batch * self.seq_len * width) as f64;
        let head = (width / self.heads) as f64;
        cost::Cost {
            name,
            flops: 2.0 * products * self.pairs() * (self.batch * width) as f64,
            bytes: 4.0 * rows * 4.0 * (products / 2.0).floor(),
            span: products * head.log2().max(1.0) + 3.0 * (self.seq_len as f64).log2().max(1.0),
        }
    }
}

/// Attention over qkv (B·T, 3D), with q, k, v stacked in that order and heads contiguous in each,
/// → (B·T, D). Panics if the shape does not fit: models check their sizes when they are built.
pub fn attention(qkv: Activation, shape: AttentionShape) -> Activation {
    let (qkv, mut tape) = qkv.split_tape();
    let (rows, columns) = *qkv.shape();
    let width = columns / 3;
    let AttentionShape {
        batch,
        seq_len,
        heads,
        ..
    } = shape;
    assert_eq!(
        rows,
        batch * seq_len,
        "attention over {shape:?} needs B·T rows"
    );
    assert_eq!(width * 3, columns, "attention needs q, k and v");
    assert!(
        heads > 0 && width % heads == 0,
        "{heads} heads do not divide width {width}"
    );

    cost::report(|| shape.cost("attention", 2.0, width));
    let input = values(&qkv);
    let rotation = shape.rotary.then(|| Rotation::new(seq_len, width / heads));
    let level = simd::level();
    let mut log_sum = vec![0.0f32; batch * heads * seq_len];
    let log_sums = Shared::new(&mut log_sum);
    // SAFETY: every unit writes its own head's columns of its own sequence's rows.
    let output = unsafe {
        filled(rows * width, |out| {
            for_each(batch * heads, |unit| {
                simd::dispatch_at(
                    level,
                    forward::Forward {
                        unit: Unit::new(shape, width, unit),
                        rotation: rotation.as_ref(),
                        qkv: &input,
                        out,
                        log_sum: log_sums.slice(unit * seq_len..(unit + 1) * seq_len),
                    },
                );
            });
        })
    };
    if !tape.is_on() {
        return device()
            .tensor_from_vec(output, (rows, width))
            .put_tape(tape);
    }

    let saved_output = output.clone();
    let result = matrix(output, rows, width);
    let (dout_slot, dqkv_slot) = (Slot::of(&result), Slot::of(&qkv));
    tape.record(move |gradients| {
        cost::report(|| shape.cost("attention.backward", 5.0, width));
        let dout = dout_slot.take(gradients);
        let dqkv = Shared::new(dqkv_slot.of_mut(gradients));
        for_each(batch * heads, |unit| {
            simd::dispatch_at(
                level,
                backward::Backward {
                    unit: Unit::new(shape, width, unit),
                    rotation: rotation.as_ref(),
                    qkv: &input,
                    out: &saved_output,
                    dout: &dout,
                    log_sum: &log_sum[unit * seq_len..(unit + 1) * seq_len],
                    dqkv,
                },
            );
        });
    });
    result.put_tape(tape)
}

/// One head of one sequence, and where it lies in the large matrices.
#[derive(Debug, Clone, Copy)]
struct Unit {
    /// T
    seq_len: usize,
    /// D
    width: usize,
    /// dₕ
    head: usize,
    causal: bool,
    /// First row in the (B·T, …) matrices.
    row: usize,
    /// First column among D.
    column: usize,
}

impl Unit {
    fn new(shape: AttentionShape, width: usize, unit: usize) -> Self {
        let head = width / shape.heads;
        Unit {
            seq_len: shape.seq_len,
            width,
            head,
            causal: shape.causal,
            row: unit / shape.heads * shape.seq_len,
            column: unit % shape.heads * head,
        }
    }

    /// Number of keys that query `i` sees.
    fn limit(&self, i: usize) -> usize {
        if self.causal {
            (i + 1).min(self.seq_len)
        } else {
            self.seq_len
        }
    }

    /// 1 / √dₕ
    fn scale(&self) -> f32 {
        1.0 / (self.head as f32).sqrt()
    }
}

#[cfg(test)]
mod tests;
