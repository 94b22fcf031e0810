//! Multi-head attention, causal or full (Vaswani et al. 2017), with rotary positions on request.
//!
//! For each head with q, k, v (T, dh): S = q kᵀ / √dh, restricted to j ≤ i if causal;
//! P = softmax(S) row by row; y = P v. Rotary positions turn q and k by their place first; ALiBi
//! lowers S by the distance |i − j| times the head's slope.
//! Backward (Dao et al. 2022): with Lᵢ = ln Σⱼ e^Sᵢⱼ kept, P = e^(S − L) is computed again;
//! dv = Pᵀ dy; dP = dy vᵀ; dS = P ⊙ (dP − Δ), Δᵢ = dyᵢ · yᵢ; dq = dS k / √dh; dk = dSᵀ q / √dh.
//!
//! Scores exist for one head's block of rows at a time, so memory grows with T, not T².
//! Cost: 2 products forward and 5 backward of 2·dh FLOPs for each of the T² pairs, or T(T+1)/2 if
//! causal; span, with ⌈log₂⌉ for each sum: forward q kᵀ, the row's maximum and sum, P v; backward
//! S or dP, then dq, dk and dv side by side.

mod alibi;
mod backward;
mod forward;
mod pack;
mod rotary;
#[cfg(test)]
mod tests;

pub use alibi::{bias, slopes};
pub use rotary::Rotary;

use super::cost::{self, Cost, Id, Phase, depth, levels};
use super::parallel::{self, Shared, filled};
use super::simd::{Level, level};
use super::{Activation, Output, Slot, matrix, read};
use dfdx::prelude::*;
use std::ops::Range;
use std::sync::Arc;

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
    /// Whether scores fall linearly with the distance (Press et al. 2022).
    pub alibi: bool,
}

/// Rows of scores that exist at a time; a multiple of every tile's rows.
const ROWS: usize = 48;
/// With fewer pieces than this, heads are cut into blocks of rows, of at least [`PIECE_ROWS`].
const PIECES: usize = 16;
const PIECE_ROWS: usize = 384;

/// One call's sizes and what its pieces share.
struct Plan {
    shape: AttentionShape,
    /// Width of a head.
    dh: usize,
    /// Rows a piece takes of one head: cut by the data's size alone.
    rows: usize,
    rotary: Option<Arc<Rotary>>,
    /// A slope a head, with ALiBi.
    slopes: Option<Vec<f32>>,
    level: Level,
}

/// A part of one head: these rows of its scores.
struct Piece {
    batch: usize,
    head: usize,
    rows: Range<usize>,
}

impl Plan {
    fn new(shape: AttentionShape, width: usize) -> Self {
        let AttentionShape {
            batch,
            seq_len,
            heads,
            ..
        } = shape;
        let dh = width / heads;
        let cuts = PIECES
            .div_ceil((batch * heads).max(1))
            .min(seq_len / PIECE_ROWS)
            .max(1);
        let rows = seq_len.div_ceil(cuts).next_multiple_of(ROWS);
        let rotary = shape.rotary.then(|| Rotary::cached(dh, seq_len));
        Plan {
            shape,
            dh,
            rows,
            rotary,
            slopes: shape.alibi.then(|| slopes(heads)),
            level: level(),
        }
    }

    /// D, the width of all heads.
    fn width(&self) -> usize {
        self.dh * self.shape.heads
    }

    fn pieces_per_head(&self) -> usize {
        self.shape.seq_len.div_ceil(self.rows.max(1))
    }

    fn pieces(&self) -> usize {
        self.shape.batch * self.shape.heads * self.pieces_per_head()
    }

    /// Pieces of one head follow each other, the last rows first: of a causal head they see most.
    fn piece(&self, i: usize) -> Piece {
        let cuts = self.pieces_per_head();
        let (head, cut) = (i / cuts, cuts - 1 - i % cuts);
        Piece {
            batch: head / self.shape.heads,
            head: head % self.shape.heads,
            rows: parallel::piece(self.shape.seq_len, self.rows, cut),
        }
    }

    /// Tokens that the rows before `end` see.
    fn seen(&self, end: usize) -> usize {
        if self.shape.causal {
            end
        } else {
            self.shape.seq_len
        }
    }

    /// Of `count` rows from `first` on, those that see `n` tokens of a panel from `column` on, with
    /// the vectors of it that they see: (rows, vectors), of other rows nothing.
    fn bands(
        &self,
        first: usize,
        count: usize,
        column: usize,
        n: usize,
        lanes: usize,
    ) -> impl Iterator<Item = (Range<usize>, usize)> {
        let (all, causal) = (n.div_ceil(lanes), self.shape.causal);
        (1..=all).filter_map(move |vectors| {
            if !causal {
                return (vectors == all).then_some((0..count, all));
            }
            let row = |vectors: usize| (column + vectors * lanes).saturating_sub(first).min(count);
            let end = if vectors == all { count } else { row(vectors) };
            let rows = row(vectors - 1)..end;
            (!rows.is_empty()).then_some((rows, vectors))
        })
    }

    /// Lowers the scores that row `t` of a head has for the tokens from `first` on, with ALiBi.
    fn bias(&self, piece: &Piece, t: usize, first: usize, scores: &mut [f32]) {
        if let Some(slopes) = &self.slopes {
            bias(self.level, scores, slopes[piece.head], t, first);
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dh as f32).sqrt()
    }

    /// Where row `t` of q (0), k (1) or v (2) of a head starts in qkv.
    fn at(&self, piece: &Piece, which: usize, t: usize) -> usize {
        (piece.batch * self.shape.seq_len + t) * 3 * self.width()
            + which * self.width()
            + piece.head * self.dh
    }

    /// Where row `t` of a head starts in y.
    fn at_output(&self, piece: &Piece, t: usize) -> usize {
        (piece.batch * self.shape.seq_len + t) * self.width() + piece.head * self.dh
    }

    /// FLOPs of one product over all pairs.
    fn flops(&self) -> f64 {
        let t = self.shape.seq_len as f64;
        let pairs = if self.shape.causal {
            t * (t + 1.0) / 2.0
        } else {
            t * t
        };
        2.0 * (self.shape.batch * self.width()) as f64 * pairs
    }
}

/// Attention: qkv (B·T, 3D), q, k and v side by side, heads contiguous in each → (B·T, D).
/// Panics if the shape does not fit.
pub fn attention(qkv: Activation, shape: AttentionShape) -> Activation {
    let (qkv, mut tape) = qkv.split_tape();
    let (n, triple) = *qkv.shape();
    let AttentionShape {
        batch,
        seq_len,
        heads,
        ..
    } = shape;
    assert!(
        n == batch * seq_len && heads > 0 && triple % (3 * heads) == 0,
        "attention: qkv ({n}, {triple}) is not ({batch} * {seq_len}, 3 * width) with {heads} heads"
    );
    let plan = Plan::new(shape, triple / 3);
    let x = read(&qkv);
    let width = plan.width();
    let mut log_sums = vec![0.0; n * heads];
    let shared = Shared::new(&mut log_sums);
    // SAFETY: every row of every head belongs to one piece, which writes it.
    let y = unsafe {
        filled(n * width, |y| {
            parallel::for_each(plan.pieces(), |i| {
                forward::run(&plan, &plan.piece(i), &x, y, shared);
            });
        })
    };
    drop(x);
    let flops = plan.flops();
    let y = matrix(y, n, width);
    // Scores of all heads, and the longest chain of one product with the width of a head.
    let (scores, dot) = (flops / 2.0 / plan.dh as f64, depth(plan.dh));
    let turns = if shape.rotary { 3.0 } else { 0.0 };
    let (read_id, kept) = (Id::value(&qkv), Id::kept(&log_sums));
    let cells = (n * width) as f64;
    cost::report(|| {
        // A score is scaled, compared, exponentiated and summed.
        let work = 2.0 * flops + 4.0 * scores + turns * 2.0 * cells;
        let span = turns + dot + 4.0 + 2.0 * levels(seq_len) + depth(seq_len);
        let phase = Phase::new(work, span);
        let cost = Cost::new("attention", 2.0 * flops, 16.0 * cells, phase);
        cost.reading([read_id]).writing([Id::value(&y), kept])
    });

    if tape.is_on() {
        let (output, dqkv) = (Output::of(&y), Slot::of(&qkv));
        tape.record(move |g| {
            let dy = output.take(g);
            let (x, y) = (read(&qkv), read(output.values()));
            let inputs = backward::Inputs {
                x: &x,
                y: &y,
                dy: &dy,
                log_sums: &log_sums,
            };
            let mut sum = dqkv.open(g);
            let dx = backward::Target {
                dx: sum.shared(),
                is_first: sum.is_first,
            };
            // SAFETY: the gradient is as long as qkv and nobody else's; all of it is written.
            unsafe {
                backward::run(&plan, &inputs, dx);
                dqkv.close(g, sum);
            }
            cost::report(|| {
                // P and dS: scaled, less L, exponentiated; less Δ, multiplied.
                let work = 5.0 * flops + 5.0 * scores + turns * 4.0 * cells;
                let phase = Phase::new(work, 2.0 * turns + dot + 6.0 + depth(seq_len));
                let cost = Cost::new("attention.backward", 5.0 * flops, 40.0 * cells, phase);
                let y = Id::value(output.values());
                cost.reading([read_id, y, kept, output.id()])
                    .writing([dqkv.id()])
            });
        });
    }
    y.put_tape(tape)
}
