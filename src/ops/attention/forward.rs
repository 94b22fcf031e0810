//! The forward pass of one head: a few full rows of scores at a time.

use super::tile::{accumulate, product};
use super::{Rotation, Unit, pack};
use crate::ops::math;
use crate::ops::parallel::{Shared, scratch};
use crate::ops::simd::{Kernel, Simd};

/// Rows of scores in work at a time.
pub(super) const ROWS: usize = 6;

pub(super) struct Forward<'a> {
    pub unit: Unit,
    pub rotation: Option<&'a Rotation>,
    /// (B·T, 3D)
    pub qkv: &'a [f32],
    /// (B·T, D)
    pub out: Shared<f32>,
    /// (T): log Σ exp of the scores of each row.
    pub log_sum: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Unit {
            seq_len,
            width,
            head,
            column,
            ..
        } = self.unit;
        let panel = S::TILE_VECTORS * S::LANES;
        let padded = head.next_multiple_of(S::LANES);
        let keys = seq_len.next_multiple_of(panel);
        let queries = seq_len.next_multiple_of(ROWS);
        let pack = |part: usize, rows: usize, rotation, scale| {
            let place = (3 * width, part * width + column);
            pack::rows(&self.unit, self.qkv, place, (rows, padded), rotation, scale)
        };
        let q = pack(0, queries, self.rotation, self.unit.scale());
        let k = pack(1, keys, self.rotation, 1.0);
        let v = pack(2, keys, None, 1.0);
        let kt = pack::panels(&self.unit, &k, padded, panel);
        let mut scores = scratch(ROWS * keys);
        let mut sums = scratch(ROWS * padded);

        for first in (0..seq_len).step_by(ROWS) {
            let seen = self.unit.limit(first + ROWS - 1).next_multiple_of(panel);
            // Scores: S = Q Kᵀ / √dₕ
            for p in (0..seen).step_by(panel) {
                // SAFETY: first + ROWS ≤ queries and p + panel ≤ keys, the sizes packed above.
                unsafe {
                    let a = q.as_ptr().add(first * padded);
                    let b = kt.as_ptr().add(p * head);
                    let c = scores.as_mut_ptr().add(p);
                    score_tile(s, head, a, padded, b, c, keys);
                }
            }
            // P = exp(S − max), with its row sums
            let mut inverse = [0.0f32; ROWS];
            for r in 0..ROWS.min(seq_len - first) {
                let row = &mut scores[r * keys..r * keys + seen];
                row[self.unit.limit(first + r)..].fill(f32::NEG_INFINITY);
                let (largest, sum) = softmax_row(s, row);
                inverse[r] = 1.0 / sum;
                self.log_sum[first + r] = largest + sum.ln();
            }
            // O = P V / sum
            sums.fill(0.0);
            // SAFETY: ROWS rows of `keys` scores, `seen` ≤ keys rows of v, ROWS rows of sums.
            unsafe {
                let size = (ROWS, seen, padded / S::LANES);
                let (a, b, c) = (scores.as_ptr(), v.as_ptr(), sums.as_mut_ptr());
                accumulate::<S, ROWS>(s, size, a, (keys, 1), b, padded, c, padded);
            }
            for r in 0..ROWS.min(seq_len - first) {
                let start = (self.unit.row + first + r) * width + column;
                // SAFETY: this unit's columns of this row, which no other unit writes.
                let out = unsafe { self.out.slice(start..start + head) };
                for (out, sum) in out.iter_mut().zip(&sums[r * padded..]) {
                    *out = sum * inverse[r];
                }
            }
        }
    }
}

/// One panel of scores for ROWS rows, with the tile that fits the registers.
///
/// # Safety
/// `a`: ROWS rows of `a_row` ≥ `head` floats; `b`: a panel (head, TILE_VECTORS · LANES); `c`: ROWS
/// rows, `c_row` apart.
#[inline(always)]
pub(super) unsafe fn score_tile<S: Simd>(
    s: S,
    head: usize,
    a: *const f32,
    a_row: usize,
    b: *const f32,
    c: *mut f32,
    c_row: usize,
) {
    let step = S::TILE_VECTORS * S::LANES;
    macro_rules! tile {
        ($n:literal) => {{
            // SAFETY: by contract.
            unsafe {
                let sums = product::<S, ROWS, $n>(s, head, a, (a_row, 1), b, step);
                for (r, sums) in sums.iter().enumerate() {
                    for (n, &sum) in sums.iter().enumerate() {
                        s.store(c.add(r * c_row + n * S::LANES), sum);
                    }
                }
            }
        }};
    }
    match S::TILE_VECTORS {
        4 => tile!(4),
        2 => tile!(2),
        _ => tile!(1),
    }
}

/// Replaces a row of whole vectors by exp(x − max); returns max and the sum.
#[inline(always)]
fn softmax_row<S: Simd>(s: S, row: &mut [f32]) -> (f32, f32) {
    let mut largest = s.splat(f32::NEG_INFINITY);
    for x in row.chunks_exact(S::LANES) {
        largest = s.max(largest, s.read(x));
    }
    let largest = s.largest(largest);
    let (shift, mut sum) = (s.splat(largest), s.zero());
    for x in row.chunks_exact_mut(S::LANES) {
        let p = math::exp(s, s.sub(s.read(x), shift));
        s.write(x, p);
        sum = s.add(sum, p);
    }
    (largest, s.sum(sum))
}
