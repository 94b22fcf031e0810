//! RMS normalisation of every head of queries and keys before they are compared (Henry et al. 2020;
//! Gemma Team 2025, "Gemma 3"), in the packed rows that attention reads; values pass as they are.

use super::{Backward, Forward, ROWS, gains};
use crate::cost::{self, Cost, Id, Phase, levels};
use crate::parallel::{self, Shared, add_in_order, filled};
use crate::simd::{Level, dispatch_at, level};
use crate::{Activation, Matrix, Output, Slot, matrix, read};
use dfdx::prelude::*;
use std::ops::Range;

/// Which heads a row has, and how they are normalised.
#[derive(Debug, Clone, Copy)]
pub struct HeadNorm {
    /// Heads of queries H.
    pub heads: usize,
    /// Heads of keys, and of values.
    pub kv_heads: usize,
    /// Added to the weights: 1 in Gemma.
    pub offset: f32,
    /// Added to the mean square.
    pub eps: f32,
}

impl HeadNorm {
    fn columns(self, dh: usize) -> usize {
        (self.heads + 2 * self.kv_heads) * dh
    }

    /// Where queries and keys stand in a row.
    fn parts(self, dh: usize) -> [Range<usize>; 2] {
        let q = self.heads * dh;
        [0..q, q..q + self.kv_heads * dh]
    }

    /// The same on plain rows (n, (H + 2·`kv_heads`)·dh), in place, with the gains `[q, k]` of width dh.
    /// Panics if the lengths do not fit.
    pub fn apply(self, gains: [&[f32]; 2], rows: &mut [f32]) {
        let dh = gains[0].len();
        let columns = self.columns(dh);
        assert!(
            gains[1].len() == dh && dh > 0 && rows.len().is_multiple_of(columns),
            "head_norm: {} values, gains of {dh} and {}",
            rows.len(),
            gains[1].len()
        );
        let level = level();
        let mut moments = vec![0.0; 2 * self.heads.max(self.kv_heads)];
        let mut x = Vec::new();
        for row in rows.chunks_exact_mut(columns) {
            for (part, gains) in self.parts(dh).into_iter().zip(gains) {
                let y = &mut row[part];
                x.clear();
                x.extend_from_slice(y);
                let moments = &mut moments[..2 * (x.len() / dh)];
                forward(level, &x, gains, self.eps, y, moments);
            }
        }
    }
}

fn forward(level: Level, x: &[f32], w: &[f32], eps: f32, y: &mut [f32], moments: &mut [f32]) {
    let kernel = Forward {
        x,
        w,
        b: None,
        eps,
        y,
        moments,
    };
    dispatch_at(level, kernel);
}

/// qkv (n, (H + 2·`kv_heads`)·dh) with every head of q and k divided by its root mean square, times a
/// gain that the heads of q, and those of k, share: weights (1, dh) each. Panics if widths differ.
pub fn head_norm(qkv: Activation, weights: [&Matrix; 2], norm: HeadNorm) -> Activation {
    let (qkv, mut tape) = qkv.split_tape();
    let (n, columns) = *qkv.shape();
    let dh = weights[0].shape().1;
    assert!(
        weights.iter().all(|w| *w.shape() == (1, dh)) && columns == norm.columns(dh),
        "head_norm: weights (1, {dh}) do not fit {columns} columns of {norm:?}"
    );
    let normed = norm.heads + norm.kv_heads;
    let level = level();
    let pieces = n.div_ceil(ROWS);
    let of_heads = move |row: usize, part: usize| match part {
        0 => row * 2 * normed..(row * normed + norm.heads) * 2,
        _ => (row * normed + norm.heads) * 2..(row + 1) * 2 * normed,
    };
    let mut moments = vec![0.0; 2 * normed * n];
    let kept = Shared::new(&mut moments);
    let parts = norm.parts(dh);
    let values_from = parts[1].end;
    let (x, gain) = (read(&qkv), weights.map(|w| gains(w, norm.offset)));
    let y = |y: Shared<f32>| {
        parallel::for_each(pieces, |i| {
            for row in parallel::piece(n, ROWS, i) {
                let x = &x[row * columns..(row + 1) * columns];
                // SAFETY: a row belongs to one piece; it is written whole.
                let y = unsafe { y.slice(row * columns..(row + 1) * columns) };
                for (k, part) in parts.iter().enumerate() {
                    // SAFETY: likewise.
                    let moments = unsafe { kept.slice(of_heads(row, k)) };
                    let (x, y) = (&x[part.clone()], &mut y[part.clone()]);
                    forward(level, x, &gain[k], norm.eps, y, moments);
                }
                y[values_from..].copy_from_slice(&x[values_from..]);
            }
        });
    };
    // SAFETY: every row belongs to a piece.
    let y = unsafe { filled(n * columns, y) };
    drop(x);
    let y = matrix(y, n, columns);
    let cells = (n * normed * dh) as f64;
    cost::report(|| {
        let phase = Phase::new(5.0 * cells, levels(dh) + 8.0);
        let reads = [&qkv, weights[0], weights[1]].map(Id::value);
        let bytes = 8.0 * (n * columns) as f64;
        let cost = Cost::new("head_norm", 5.0 * cells, bytes, phase);
        cost.reading(reads).writing([Id::value(&y)])
    });

    let (dy, dx, dw) = (Output::of(&y), Slot::of(&qkv), weights.map(Slot::of));
    let weights = weights.map(Clone::clone);
    tape.record(move |g| {
        let mut reads = vec![dy.id()];
        reads.extend([&qkv, &weights[0], &weights[1]].map(Id::value));
        let (dy, x) = (dy.take(g), read(&qkv));
        let gain = weights.each_ref().map(|w| gains(w, norm.offset));
        let mut target = dx.open(g);
        let (shared, is_first) = (target.shared(), target.is_first);
        let sums = parallel::map(pieces, |i| {
            // dw, and what would be db, of q and of k.
            let mut sums = [vec![0.0; 2 * dh], vec![0.0; 2 * dh]];
            for row in parallel::piece(n, ROWS, i) {
                let own = row * columns..(row + 1) * columns;
                let (x, dy) = (&x[own.clone()], &dy[own.clone()]);
                // SAFETY: a row belongs to one piece; if it is the first it is written whole.
                let dx = unsafe { shared.slice(own) };
                let (dx_normed, dv) = dx.split_at_mut(values_from);
                let (dq, dk) = dx_normed.split_at_mut(parts[0].end);
                for (k, dx) in [dq, dk].into_iter().enumerate() {
                    let kernel = Backward {
                        x: &x[parts[k].clone()],
                        dy: &dy[parts[k].clone()],
                        dsum: None,
                        moments: &moments[of_heads(row, k)],
                        w: &gain[k],
                        has_mean: false,
                        dx: [(dx, is_first)],
                        sums: &mut sums[k],
                    };
                    dispatch_at(level, kernel);
                }
                match is_first {
                    true => dv.copy_from_slice(&dy[values_from..]),
                    false => add_in_order(dv, [&dy[values_from..]]),
                }
            }
            sums
        });
        // SAFETY: every row belongs to a piece.
        unsafe { dx.close(g, target) };
        for (k, dw) in dw.iter().enumerate() {
            dw.add(g, |dw| add_in_order(dw, sums.iter().map(|s| &s[k][..dh])));
        }
        cost::report(|| {
            let phase = Phase::new(11.0 * cells, levels(dh) + levels(n + 1) + 10.0);
            let bytes = 16.0 * (n * columns) as f64;
            let cost = Cost::new("head_norm.backward", 11.0 * cells, bytes, phase);
            let sent = [dx.id(), dw[0].id(), dw[1].id()];
            let added = [
                (!is_first).then(|| dx.id()),
                Some(dw[0].id()),
                Some(dw[1].id()),
            ];
            cost.reading(reads)
                .reading(added.into_iter().flatten())
                .writing(sent)
        });
    });
    y.put_tape(tape)
}
