//! Rows of one head as the two kinds of panels that its products read.

use super::super::gemm::{TileShape, transpose_padded};
use super::super::simd::{Kernel, LANES, Level, Simd, dispatch_at};

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
        Columns {
            padded: d.next_multiple_of(LANES),
            width: tile.width(),
        }
    }

    /// Rows that a product with these columns computes together: whole tiles of every level. They
    /// sum over what any of them sees, so the level must not decide it.
    pub fn group(self) -> usize {
        if self.padded <= 2 * LANES { 12 } else { 6 }
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
        let width = LANES * S::TILE_VECTORS;
        for (first, panel) in (0..n).step_by(width).zip(out.chunks_exact_mut(width * d)) {
            let size = (width.min(n - first), d);
            // SAFETY: a panel is d rows of `width` floats.
            unsafe {
                let to = panel.as_mut_ptr();
                transpose_padded(s, &rows[first * d..], d, size, to, width, (width, d));
            }
        }
    }
}
