//! Rows of A times packed B, handed to whoever wants the sums.

use super::super::parallel::{self, Shared, scratch};
use super::super::simd::{Kernel, LANES, Simd, dispatch_at};
use super::pack::{Packed, View, k_blocks};
use super::tile::{Block, tile_shape};
use super::{K_BLOCK, PARALLEL_FROM, ROW_BLOCK};
use std::ops::Range;

/// Where the elements of a product go.
pub trait Store: Sync {
    /// What the sums of every row start from in place of 0, to whole vectors.
    fn bias(&self) -> Option<&[f32]> {
        None
    }
    /// The matrix in memory, if the sums go there as they are.
    fn plain(&self) -> Option<Plain> {
        None
    }
    /// Takes `count` ≤ LANES elements of row `row` from column `column` on: the whole sums.
    /// Must be `#[inline(always)]`.
    /// # Safety
    /// Called once for every element, only for rows and columns of the product.
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, count: usize, value: S::F32);
}

/// Plain C: row-major with a stride; replaced or added to.
#[derive(Clone, Copy)]
pub struct Plain {
    c: Shared<f32>,
    stride: usize,
    accumulate: bool,
}

impl Plain {
    /// C from the start of `c`, rows `stride` floats apart; `accumulate` adds to what is there.
    pub fn new(c: Shared<f32>, stride: usize, accumulate: bool) -> Self {
        Plain {
            c,
            stride,
            accumulate,
        }
    }
}

impl Store for Plain {
    fn plain(&self) -> Option<Plain> {
        Some(*self)
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, n: usize, value: S::F32) {
        // SAFETY: the element is C's own by contract.
        unsafe {
            let p = self.c.pointer().add(row * self.stride + column);
            let value = if self.accumulate {
                s.add(s.get(p, n), value)
            } else {
                value
            };
            s.put(p, n, value);
        }
    }
}

/// A block of rows and panels of A · B on one thread: the body of every product.
pub(super) struct Multiply<'a, T> {
    a: View<'a>,
    b: &'a Packed,
    rows: Range<usize>,
    panels: Range<usize>,
    store: &'a T,
}

impl<T: Store> Kernel for Multiply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Multiply {
            a,
            b,
            rows,
            panels,
            store,
        } = self;
        let width = LANES * S::TILE_VECTORS;
        let padded = b.n.next_multiple_of(LANES);
        let first = panels.start * width;
        let columns = (panels.end * width).min(b.n) - first;
        if rows.is_empty() || columns == 0 {
            return;
        }
        let bias = store.bias();
        assert!(bias.is_none_or(|bias| bias.len() >= padded));
        if b.k == 0 {
            for row in rows {
                for column in (0..columns).step_by(LANES) {
                    let count = LANES.min(columns - column);
                    let sum = bias.map_or(s.zero(), |bias| s.read_at(bias, first + column));
                    // SAFETY: each element once, within the product.
                    unsafe { store.store(s, row, first + column, count, sum) };
                }
            }
            return;
        }
        // Whole vectors of a plain C are summed where they belong.
        let plain = store.plain();
        // The sums of all columns if there are several blocks of k, else of one panel at a time.
        let blocks = b.k.div_ceil(K_BLOCK);
        let kept = if blocks > 1 {
            columns
        } else {
            width.min(columns)
        };
        let stride = kept.next_multiple_of(LANES);
        let mut sums = scratch(rows.len() * stride);
        // Walking along a row of such an A would touch a cache line an element: copy its columns, of
        // these rows alone.
        let height = rows.len().next_multiple_of(LANES);
        let mut copied = (a.column != 1).then(|| scratch(height * K_BLOCK));
        for block in k_blocks(b.k) {
            if let Some(columns) = &mut copied {
                pack_columns(s, a, rows.clone(), block.clone(), columns, height);
            }
            for panel in panels.clone() {
                let column = panel * width;
                let count = width.min(b.n - column);
                let values = &b.values[block.start * padded + block.len() * column..];
                let vectors = count.div_ceil(LANES);
                assert!(values.len() >= block.len() * vectors * LANES);
                let place = if blocks > 1 { column - first } else { 0 };
                let start = bias.map(|bias| bias[column..].as_ptr());
                let plain = plain.filter(|_| count.is_multiple_of(LANES));
                // So many rows that their sums are still in the first cache when they are stored.
                for row in rows.clone().step_by(ROW_BLOCK) {
                    let m = ROW_BLOCK.min(rows.end - row);
                    let (pointer, row_stride, column_stride) = match &copied {
                        Some(columns) => (columns[row - rows.start..].as_ptr(), 1, height),
                        None => (a.values[row * a.row + block.start..].as_ptr(), a.row, 1),
                    };
                    let sums = &mut sums[(row - rows.start) * stride + place..];
                    assert!(sums.len() >= (m - 1) * stride + vectors * LANES);
                    let (c, c_row, accumulate) = match plain {
                        Some(plain) => {
                            // SAFETY: these elements are C's own by the contract of `Store`.
                            let c = unsafe { plain.c.pointer().add(row * plain.stride + column) };
                            (c, plain.stride, plain.accumulate)
                        }
                        None => (sums.as_mut_ptr(), stride, false),
                    };
                    let product = Block {
                        m,
                        k: block.len(),
                        a: pointer,
                        row: row_stride,
                        column: column_stride,
                        panel: values.as_ptr(),
                        panel_row: vectors * LANES,
                        vectors,
                        start: start.filter(|_| block.start == 0),
                        c,
                        c_row,
                        accumulate: accumulate || block.start > 0,
                    };
                    // SAFETY: `check` and the assertions above cover what is read and written.
                    unsafe { product.run(s) };
                    if block.end < b.k || plain.is_some() {
                        continue;
                    }
                    for i in 0..m {
                        for j in (0..count).step_by(LANES) {
                            let n = LANES.min(count - j);
                            // SAFETY: the sums were just written; each element once, within the
                            // product.
                            unsafe {
                                let sum = s.load(sums.as_ptr().add(i * stride + j));
                                store.store(s, row + i, column + j, n, sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies rows `rows` and columns `block` of A, column after column, each `height` floats long.
#[inline(always)]
fn pack_columns<S: Simd>(
    s: S,
    a: View,
    rows: Range<usize>,
    block: Range<usize>,
    columns: &mut [f32],
    height: usize,
) {
    for (p, out) in block.zip(columns.chunks_exact_mut(height)) {
        let first = rows.start * a.row + p * a.column;
        if a.row == 1 {
            let from = &a.values[first..][..rows.len()];
            for i in (0..rows.len()).step_by(LANES) {
                s.write_at(out, i, s.read_at(from, i));
            }
        } else {
            for (i, out) in out[..rows.len()].iter_mut().enumerate() {
                *out = a.values[first + i * a.row];
            }
        }
    }
}

/// A (m, k) times packed B (k, n) on all threads.
pub fn multiply_parallel<T: Store>(a: View, b: &Packed, m: usize, store: &T) {
    a.check(m, b.k);
    let all = |rows, panels| {
        dispatch_at(
            b.level,
            Multiply {
                a,
                b,
                rows,
                panels,
                store,
            },
        )
    };
    let threads = parallel::threads();
    let alone = || {
        for i in 0..m.div_ceil(ROW_BLOCK) {
            all(parallel::piece(m, ROW_BLOCK, i), 0..b.panels());
        }
    };
    if m * b.n * b.k.max(1) < PARALLEL_FROM {
        return alone();
    }
    let tile_rows = tile_shape(b.level).rows;
    let tiles = m.div_ceil(tile_rows);
    if threads == 1 {
        return parallel::divisible(tiles * b.panels(), alone);
    }
    // Few rows and a wide B: panels, which the same thread has packed. Else blocks of whole tiles, as
    // many as make whole rounds and all but equal; where there are too few, blocks of columns too.
    let (blocks, parts) = if a.column == 1 && 2 * m <= b.n && b.panels().is_multiple_of(threads) {
        (1, threads)
    } else if tiles < threads {
        (tiles, (threads * 4 / tiles).clamp(1, b.panels()))
    } else {
        let blocks = m.div_ceil(ROW_BLOCK).next_multiple_of(threads);
        (blocks.min(tiles), 1)
    };
    let width = b.panels().div_ceil(parts);
    let parts = b.panels().div_ceil(width);
    let start = |block: usize| (block * tiles / blocks * tile_rows).min(m);
    parallel::for_each(blocks * parts, |i| {
        let (block, part) = (i / parts, i % parts);
        all(
            start(block)..start(block + 1),
            parallel::piece(b.panels(), width, part),
        );
    });
}
