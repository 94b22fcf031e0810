//! Rows brought near before their turn: a head's are not where the hardware looks ahead.

use super::super::simd::{LANES, Simd};
use super::plan::{Piece, Plan, Sources};
use std::ops::Range;

impl Plan {
    /// Brings these rows of the piece after the `i`-th near: of q, k and v in `from`, and of matrices
    /// laid out as y.
    #[inline(always)]
    pub fn prefetch<S: Simd, const N: usize>(
        &self,
        s: S,
        i: usize,
        rows: Range<usize>,
        from: Sources,
        outputs: [*const f32; N],
    ) {
        if !self.prefetches || i + 1 >= self.pieces() {
            return;
        }
        let next = self.piece(i + 1);
        for which in 0..3 {
            let from = if which == 0 { from.q } else { from.kv };
            self.prefetch_rows(s, &next, which, rows.clone(), from.as_ptr());
        }
        for output in outputs {
            let (start, _) = self.at_output(&next, rows.start);
            self.prefetch_at(s, output, start, self.width(), rows.len());
        }
    }

    /// Brings these rows of q (0), k (1) or v (2) of a head near, in a matrix laid out as `from`.
    #[inline(always)]
    pub fn prefetch_rows<S: Simd>(
        &self,
        s: S,
        piece: &Piece,
        which: usize,
        rows: Range<usize>,
        matrix: *const f32,
    ) {
        if !self.prefetches {
            return;
        }
        let start = self.at(piece, which, rows.start);
        self.prefetch_at(s, matrix, start, self.stride(which), rows.len());
    }

    #[inline(always)]
    fn prefetch_at<S: Simd>(
        &self,
        s: S,
        matrix: *const f32,
        start: usize,
        stride: usize,
        rows: usize,
    ) {
        for row in 0..rows {
            for j in (0..self.dh).step_by(LANES) {
                s.prefetch(matrix.wrapping_add(start + row * stride + j));
            }
        }
    }
}
