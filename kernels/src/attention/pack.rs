//! Rows of one head as the two kinds of panels that its products read.

use super::super::gemm::transpose_padded;
use super::super::simd::{LANES, Simd};

/// Rows of `d` floats, `stride` floats apart.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub d: usize,
}

impl<'a> Rows<'a> {
    /// Row `i`.
    #[inline(always)]
    pub fn row(self, i: usize) -> &'a [f32] {
        &self.values[i * self.stride..][..self.d]
    }
}

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
    #[inline(always)]
    pub fn new<S: Simd>(d: usize) -> Self {
        Columns {
            padded: d.next_multiple_of(LANES),
            width: S::TILE_VECTORS * LANES,
        }
    }

    /// Rows that a product with these columns computes together: whole tiles of every level. They
    /// sum over what any of them sees, so the level must not decide it.
    #[inline(always)]
    pub fn group(self) -> usize {
        if self.padded <= 2 * LANES { 12 } else { 6 }
    }

    /// (first column, columns) of each panel.
    #[inline(always)]
    pub fn panels(self) -> impl Iterator<Item = (usize, usize)> {
        let Columns { padded, width, .. } = self;
        (0..padded)
            .step_by(width)
            .map(move |first| (first, width.min(padded - first)))
    }

    /// Writes the panels of the first `n` rows.
    #[inline(always)]
    pub fn pack<S: Simd>(self, s: S, rows: Rows, n: usize, out: &mut [f32]) {
        for (first, width) in self.panels() {
            let panel = &mut out[first * n..][..n * width];
            for (i, out) in panel.chunks_exact_mut(width).enumerate() {
                let row = &rows.row(i)[first..];
                for j in (0..width).step_by(LANES) {
                    s.write_at(out, j, s.read_at(row, j));
                }
            }
        }
    }
}

/// The first `n` rows transposed, in panels of a tile's vectors of rows, each (d, panel width): the
/// right-hand matrix of a product that gives one score a row. `out` holds n rounded up to whole
/// panels times d; what lies past row n is 0.
#[inline(always)]
pub fn pack_transposed<S: Simd>(s: S, rows: Rows, n: usize, out: &mut [f32]) {
    let (width, d) = (LANES * S::TILE_VECTORS, rows.d);
    for (first, panel) in (0..n).step_by(width).zip(out.chunks_exact_mut(width * d)) {
        let from = &rows.values[first * rows.stride..];
        let size = (width.min(n - first), d);
        // SAFETY: a panel is d rows of `width` floats.
        unsafe {
            let to = panel.as_mut_ptr();
            transpose_padded(s, from, rows.stride, size, to, width, (width, d));
        }
    }
}
