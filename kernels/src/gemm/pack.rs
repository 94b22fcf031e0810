//! The right-hand matrix of a product, in the order the register tile reads it.

use super::super::parallel::{self, Scratch, Shared, scratch};
use super::super::simd::{self, Kernel, LANES, Level, Simd, dispatch_at};
use super::tile::tile_shape;
use super::transpose::transpose_padded;
use super::{K_BLOCK, PACK_PARALLEL_FROM};
use std::ops::Range;

/// A matrix in memory: element (i, j) lies at `pointer + i * row + j * column`, one of which is 1.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl<'a> View<'a> {
    /// Row-major values with `columns` columns.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        View {
            values,
            row: columns,
            column: 1,
        }
    }

    /// Its transpose.
    pub fn transposed(self) -> Self {
        View {
            row: self.column,
            column: self.row,
            ..self
        }
    }

    pub(super) fn check(&self, rows: usize, columns: usize) {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * self.row + (columns - 1) * self.column;
            assert!(
                last < self.values.len(),
                "matrix view is smaller than {rows} x {columns}"
            );
        }
    }
}

/// Lengths of the k-blocks: equal but for rounding, at most [`K_BLOCK`].
pub(super) fn k_blocks(k: usize) -> impl Iterator<Item = Range<usize>> {
    let length = k
        .div_ceil(k.div_ceil(K_BLOCK).max(1))
        .next_multiple_of(4)
        .min(K_BLOCK);
    (0..k.div_ceil(length.max(1))).map(move |i| parallel::piece(k, length, i))
}

/// B (k, n) in panels of `TILE_VECTORS` vectors, k-block by k-block.
///
/// Within a k-block, panel after panel; within a panel, row after row of its columns, padded with
/// zeros to whole vectors.
pub struct Packed {
    pub(super) values: Scratch,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) level: Level,
    /// Columns of a panel.
    width: usize,
}

impl Packed {
    /// Packs B (k, n) on all threads, for this thread's SIMD level.
    pub fn new(b: View, k: usize, n: usize) -> Self {
        Packed::into(scratch, b, k, n)
    }

    /// [`Packed::new`] into memory of its own size, to be kept.
    pub fn kept(b: View, k: usize, n: usize) -> Self {
        Packed::into(Scratch::new, b, k, n)
    }

    fn into(room: fn(usize) -> Scratch, b: View, k: usize, n: usize) -> Self {
        b.check(k, n);
        let level = simd::level();
        let width = tile_shape(level).width();
        let padded = n.next_multiple_of(LANES);
        let mut packed = Packed {
            values: room(k * padded),
            k,
            n,
            level,
            width,
        };
        let panels = n.div_ceil(width);
        let blocks: Vec<_> = k_blocks(k).collect();
        let out = Shared::new(&mut packed.values);
        let pack = |i: usize| {
            // Panel by panel, as threads take them to multiply.
            let (block, first) = (blocks[i % blocks.len()].clone(), i / blocks.len() * width);
            let columns = first..(first + width).min(n);
            let start = block.start * padded + block.len() * first;
            let len = block.len() * columns.len().next_multiple_of(LANES);
            // SAFETY: panels do not overlap, and together they fill k · padded floats.
            let panel = unsafe { out.slice(start..start + len) };
            dispatch_at(
                level,
                PackPanel {
                    b,
                    rows: block,
                    columns,
                    panel,
                },
            );
        };
        let pieces = blocks.len() * panels;
        parallel::for_each_if(k * n >= PACK_PARALLEL_FROM, pieces, pack);
        packed
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The SIMD level it was packed for; products must run at the same.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The k-blocks of `count` panels from the `first` on, in order: rows of B, and the panels'
    /// values, one panel after the other, (rows, vectors · LANES) each.
    #[inline(always)]
    pub fn beside(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        let padded = self.n.next_multiple_of(LANES);
        let start = first * self.width;
        let own = ((first + count) * self.width).min(padded) - start;
        k_blocks(self.k).map(move |rows| {
            let from = rows.start * padded + rows.len() * start;
            let len = rows.len() * own;
            (rows, &self.values[from..from + len])
        })
    }

    pub(super) fn panels(&self) -> usize {
        self.n.div_ceil(self.width)
    }
}

/// Copies rows `rows` and columns `columns` of B to one panel.
struct PackPanel<'a> {
    b: View<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
    panel: &'a mut [f32],
}

impl Kernel for PackPanel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PackPanel {
            b,
            rows,
            columns,
            panel,
        } = self;
        let width = panel.len() / rows.len();
        if b.column == 1 {
            for (out, p) in panel.chunks_exact_mut(width).zip(rows) {
                let from = &b.values[p * b.row + columns.start..][..columns.len()];
                for j in (0..width).step_by(LANES) {
                    s.write_at(out, j, s.read_at(from, j));
                }
            }
            return;
        }
        // Columns are contiguous: a weight used transposed.
        debug_assert_eq!(b.row, 1);
        let from = &b.values[columns.start * b.column + rows.start..];
        let to = panel.as_mut_ptr();
        // SAFETY: the panel is `rows` rows of `width` floats.
        unsafe {
            let size = (columns.len(), rows.len());
            transpose_padded(s, from, b.column, size, to, width, (width, rows.len()));
        }
    }
}
