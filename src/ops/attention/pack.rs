//! Copies of one head's queries, keys and values in the order the products read them.

use super::Unit;
use crate::ops::parallel::{Scratch, scratch};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// cos and sin of the angle of each position and pair of coordinates (Su et al. 2021): position t
/// turns the pair (i, i + dₕ/2) by t · 10000^(−2i/dₕ).
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    half: usize,
    /// (T, dₕ/2) pairs.
    turns: Arc<Vec<(f32, f32)>>,
}

impl Rotation {
    /// The angles of `seq_len` positions for heads of size `head` (even).
    pub(crate) fn new(seq_len: usize, head: usize) -> Self {
        // Angles depend on the size alone, and sine is slow: longest table so far by head size.
        static TABLES: Mutex<BTreeMap<usize, Arc<Vec<(f32, f32)>>>> = Mutex::new(BTreeMap::new());
        let half = head / 2;
        let mut tables = TABLES.lock().expect("no panic while held");
        let turns = tables.entry(head).or_default();
        if turns.len() < seq_len * half {
            let angle = |t: usize, i: usize| {
                let (sin, cos) =
                    (t as f64 * 10000f64.powf(-2.0 * i as f64 / head as f64)).sin_cos();
                (cos as f32, sin as f32)
            };
            let all = (0..seq_len).flat_map(|t| (0..half).map(move |i| angle(t, i)));
            *turns = Arc::new(all.collect());
        }
        Rotation {
            half,
            turns: turns.clone(),
        }
    }

    /// Turns one head's vector at position `t`, back if `sign` is −1.
    #[inline(always)]
    pub(crate) fn turn(&self, t: usize, x: &mut [f32], sign: f32) {
        let (low, high) = x.split_at_mut(self.half);
        let turns = &self.turns[t * self.half..(t + 1) * self.half];
        for ((a, b), &(cos, sin)) in low.iter_mut().zip(high).zip(turns) {
            let sin = sign * sin;
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}

/// Rows of `source` (row stride `stride`, from column `column`) as (rows, padded), with zeros up to
/// `rows` rows and `padded` columns; turned and scaled.
#[inline(always)]
pub(super) fn rows(
    unit: &Unit,
    source: &[f32],
    (stride, column): (usize, usize),
    (rows, padded): (usize, usize),
    rotation: Option<&Rotation>,
    scale: f32,
) -> Scratch {
    let mut out = scratch(rows * padded);
    for t in 0..unit.seq_len {
        let from = (unit.row + t) * stride + column;
        let row = &mut out[t * padded..(t + 1) * padded];
        row[..unit.head].copy_from_slice(&source[from..from + unit.head]);
        row[unit.head..].fill(0.0);
        if let Some(rotation) = rotation {
            rotation.turn(t, &mut row[..unit.head], 1.0);
        }
        if scale != 1.0 {
            row.iter_mut().for_each(|x| *x *= scale);
        }
    }
    out[unit.seq_len * padded..].fill(0.0);
    out
}

/// The transpose of (keys, padded) rows in panels of `columns` keys: (panels, dₕ, columns).
#[inline(always)]
pub(super) fn panels(unit: &Unit, rows: &[f32], padded: usize, columns: usize) -> Scratch {
    let keys = rows.len() / padded;
    let mut out = scratch(keys * unit.head);
    for (panel, out) in out.chunks_exact_mut(unit.head * columns).enumerate() {
        for (j, row) in rows[panel * columns * padded..]
            .chunks_exact(padded)
            .take(columns)
            .enumerate()
        {
            for (d, &x) in row[..unit.head].iter().enumerate() {
                out[d * columns + j] = x;
            }
        }
    }
    out
}
