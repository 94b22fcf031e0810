//! Rows of one head as the two kinds of panels that its products read.

use super::super::gemm::TileShape;
use super::super::simd::{Kernel, Level, Simd, dispatch_at};

/// Rows (n, d) as panels of at most a tile's vectors of columns, padded with zeros: the right-hand
/// matrix of a product that sums over these rows.
///
/// `panel(c)` starts at `c * n * width` where width is a whole panel's.
#[derive(Clone, Copy)]
pub struct Columns {
    /// Columns d, padded to whole vectors.
    pub padded: usize,
    /// Columns of a whole panel.
    pub width: usize,
}

impl Columns {
    pub fn new(tile: TileShape, d: usize) -> Self {
        let width = tile.lanes * tile.vectors;
        Columns {
            padded: d.next_multiple_of(tile.lanes),
            width,
        }
    }

    /// Rows that a product with a panel computes together at best.
    pub fn group(self, tile: TileShape) -> usize {
        tile.rows_of(self.width.min(self.padded) / tile.lanes)
    }

    /// (first column, columns) of each panel.
    pub fn panels(self) -> impl Iterator<Item = (usize, usize)> {
        let Columns { padded, width, .. } = self;
        (0..padded)
            .step_by(width)
            .map(move |first| (first, width.min(padded - first)))
    }

    /// Writes the panels of `n` dense rows of `d` floats.
    pub fn pack(self, rows: &[f32], d: usize, out: &mut [f32]) {
        let n = rows.len() / d.max(1);
        for (first, width) in self.panels() {
            let count = width.min(d - first);
            let panel = &mut out[first * n..][..n * width];
            for (out, row) in panel.chunks_exact_mut(width).zip(rows.chunks_exact(d)) {
                out[..count].copy_from_slice(&row[first..first + count]);
                out[count..].fill(0.0);
            }
        }
    }
}

/// Dense rows (n, d) transposed, in panels of a tile's vectors of rows, each (d, panel width): the
/// right-hand matrix of a product that gives one score a row. `out` holds n rounded up to whole
/// panels times d; what lies past row n is 0.
pub fn pack_transposed(level: Level, rows: &[f32], d: usize, out: &mut [f32]) {
    dispatch_at(level, Transpose { rows, d, out });
}

struct Transpose<'a> {
    rows: &'a [f32],
    d: usize,
    out: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Transpose { rows, d, out } = self;
        let n = rows.len() / d.max(1);
        let width = S::LANES * S::TILE_VECTORS;
        let whole = d / S::LANES * S::LANES;
        for (first, panel) in (0..n).step_by(width).zip(out.chunks_exact_mut(width * d)) {
            for j in (0..width).step_by(S::LANES) {
                let row = first + j;
                let edge = n.saturating_sub(row).min(S::LANES);
                let mut squares = 0;
                if edge == S::LANES {
                    for i in (0..whole).step_by(S::LANES) {
                        let (from, to) = (&rows[row * d + i..], &mut panel[i * width + j..]);
                        assert!(from.len() >= (S::LANES - 1) * d + S::LANES);
                        assert!(to.len() >= (S::LANES - 1) * width + S::LANES);
                        // SAFETY: both squares lie within their slices, just checked.
                        unsafe { s.transpose(from.as_ptr(), d, to.as_mut_ptr(), width) };
                    }
                    squares = whole;
                }
                for i in squares..d {
                    let to = &mut panel[i * width + j..][..S::LANES];
                    for (r, to) in to.iter_mut().enumerate() {
                        *to = if r < edge {
                            rows[(row + r) * d + i]
                        } else {
                            0.0
                        };
                    }
                }
            }
        }
    }
}
