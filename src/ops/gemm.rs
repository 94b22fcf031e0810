//! Matrix products in f32, C (+)= A · B, by packed panels and a register tile.
//!
//! After Goto & van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): B is
//! packed into panels a few vectors wide, k is cut into blocks of about [`K_BLOCK`] so that a panel
//! stays in the L2 cache, and a tile of C as large as the register file is accumulated over one
//! block. Every element of C is one chain of fused multiply-adds a k-block, blocks added in order:
//! cutting the rows or columns of C for threads changes no bit.
//!
//! Cost: 2mnk FLOPs; each of A, B and C moved once if B fits in cache; span 2k.
//! Building blocks for operations with loops of their own: [`Packed`], [`tile`], [`multiply`].

use super::parallel::{self, Scratch, Shared, scratch};
use super::simd::{self, Kernel, Level, Simd, dispatch_at};

/// Largest k-block: 256 × 64 floats of B are 64 KiB.
pub const K_BLOCK: usize = 256;
/// Rows of C that a thread takes at a time.
const ROW_BLOCK: usize = 48;
/// Floats of B packed at a time: 4 MiB.
const PACK_LIMIT: usize = 1 << 20;
/// Products smaller than this many multiply-adds run on one thread.
const PARALLEL_FROM: usize = 1 << 18;

/// A matrix in memory: element (i, j) lies at `pointer + i * row + j * column`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    values: &'a [f32],
    row: usize,
    column: usize,
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

    /// Rows whose starts are `row` floats apart, from the start of `values`.
    pub fn strided(values: &'a [f32], row: usize) -> Self {
        View {
            values,
            row,
            column: 1,
        }
    }

    fn check(&self, rows: usize, columns: usize) {
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
fn k_blocks(k: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
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
    values: Scratch,
    k: usize,
    n: usize,
    level: Level,
    lanes: usize,
    vectors: usize,
}

/// (lanes, vectors a panel) at a level.
fn panel_shape(level: Level) -> (usize, usize) {
    struct PanelShape;
    impl Kernel for PanelShape {
        type Output = (usize, usize);
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> (usize, usize) {
            (S::LANES, S::TILE_VECTORS)
        }
    }
    dispatch_at(level, PanelShape)
}

impl Packed {
    /// Packs B (k, n) on all threads, for this thread's SIMD level.
    pub fn new(b: View, k: usize, n: usize) -> Self {
        b.check(k, n);
        let level = simd::level();
        let (lanes, vectors) = panel_shape(level);
        let padded = n.next_multiple_of(lanes);
        let mut packed = Packed {
            values: scratch(k * padded),
            k,
            n,
            level,
            lanes,
            vectors,
        };
        let width = lanes * vectors;
        let panels = n.div_ceil(width);
        let blocks: Vec<_> = k_blocks(k).collect();
        let out = Shared::new(&mut packed.values);
        let pack = |i: usize| {
            let (block, first) = (blocks[i / panels].clone(), i % panels * width);
            let columns = first..(first + width).min(n);
            let start = block.start * padded + block.len() * first;
            let len = block.len() * columns.len().next_multiple_of(lanes);
            // SAFETY: panels do not overlap, and together they fill k · padded floats.
            let panel = unsafe { out.slice(start..start + len) };
            pack_panel(b, block, columns, panel);
        };
        let pieces = blocks.len() * panels;
        if k * n < PARALLEL_FROM {
            (0..pieces).for_each(pack)
        } else {
            parallel::for_each(pieces, pack)
        }
        packed
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The SIMD level it was packed for; [`multiply`] must run at the same.
    pub fn level(&self) -> Level {
        self.level
    }

    fn panels(&self) -> usize {
        self.n.div_ceil(self.lanes * self.vectors)
    }
}

fn pack_panel(
    b: View,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    panel: &mut [f32],
) {
    let width = panel.len() / rows.len();
    if b.column == 1 {
        for (out, p) in panel.chunks_exact_mut(width).zip(rows) {
            let from = p * b.row + columns.start;
            out[..columns.len()].copy_from_slice(&b.values[from..from + columns.len()]);
            out[columns.len()..].fill(0.0);
        }
        return;
    }
    // Columns are contiguous (a weight used transposed): go down eight at a time, so that the reads
    // stream and the writes stay in a few cache lines.
    for first in (0..width).step_by(8) {
        for j in first..(first + 8).min(width) {
            if j < columns.len() {
                let column = &b.values[(columns.start + j) * b.column..];
                for (i, p) in rows.clone().enumerate() {
                    panel[i * width + j] = column[p * b.row];
                }
            } else {
                (0..rows.len()).for_each(|i| panel[i * width + j] = 0.0);
            }
        }
    }
}

/// The register tile: R rows of A times one packed panel of V vectors over `k` steps.
///
/// Element (i, p) of A lies at `a + i * row + p * column`.
/// # Safety
/// Those elements and `k * V * LANES` floats at `panel` are readable.
#[inline(always)]
pub unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    s: S,
    k: usize,
    a: *const f32,
    row: usize,
    column: usize,
    panel: *const f32,
) -> [[S::F32; V]; R] {
    let mut sums = [[s.zero(); V]; R];
    // SAFETY: reads what the contract allows.
    unsafe {
        let (mut a, mut panel) = (a, panel);
        for _ in 0..k {
            let mut b = [s.zero(); V];
            for (v, b) in b.iter_mut().enumerate() {
                *b = s.load(panel.add(v * S::LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(*a.add(i * row));
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum = s.fma(x, b, *sum);
                }
            }
            a = a.add(column);
            panel = panel.add(V * S::LANES);
        }
    }
    sums
}

/// Where the elements of a product go.
pub trait Store: Sync {
    /// Takes `count` ≤ LANES elements of row `row` from column `column` on: the whole sums.
    /// Must be `#[inline(always)]`.
    /// # Safety
    /// Called once for every element, only for rows and columns of the product.
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, count: usize, value: S::F32);
}

/// Plain C: row-major with a stride; replaced or added to.
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
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, n: usize, value: S::F32) {
        // SAFETY: the element is C's own by contract.
        unsafe {
            let p = self.c.pointer().add(row * self.stride + column);
            if n == S::LANES {
                let value = if self.accumulate {
                    s.add(s.load(p), value)
                } else {
                    value
                };
                s.store(p, value);
            } else {
                let value = if self.accumulate {
                    s.add(s.load_first(p, n), value)
                } else {
                    value
                };
                s.store_first(p, n, value);
            }
        }
    }
}

/// A block of rows and panels of A · B on one thread: the body of every product.
pub struct Multiply<'a, T> {
    a: View<'a>,
    b: &'a Packed,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    store: &'a T,
}

/// Rows `rows` of A (m, k) times packed B, on this thread; panels are counted in
/// `TILE_VECTORS` vectors of columns, and all are computed.
pub fn multiply<T: Store>(a: View, b: &Packed, rows: std::ops::Range<usize>, store: &T) {
    a.check(rows.end, b.k);
    dispatch_at(
        b.level,
        Multiply {
            a,
            b,
            rows,
            panels: 0..b.panels(),
            store,
        },
    );
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
        let width = S::LANES * S::TILE_VECTORS;
        let padded = b.n.next_multiple_of(S::LANES);
        let first = panels.start * width;
        let columns = (panels.end * width).min(b.n) - first;
        if rows.is_empty() || columns == 0 {
            return;
        }
        if b.k == 0 {
            for row in rows {
                for column in (0..columns).step_by(S::LANES) {
                    let count = S::LANES.min(columns - column);
                    // SAFETY: each element once, within the product.
                    unsafe { store.store(s, row, first + column, count, s.zero()) };
                }
            }
            return;
        }
        // Sums of the k-blocks before the last.
        let blocks = b.k.div_ceil(K_BLOCK);
        let stride = columns.next_multiple_of(S::LANES);
        let mut partial = (blocks > 1).then(|| scratch(rows.len() * stride));
        // Walking A down its rows would touch a cache line an element: copy it into row tiles.
        let mut tiles =
            (a.column != 1).then(|| scratch(rows.len().next_multiple_of(S::TILE_ROWS) * K_BLOCK));
        for block in k_blocks(b.k) {
            let (is_first, is_last) = (block.start == 0, block.end == b.k);
            if let Some(tiles) = &mut tiles {
                pack_row_tiles::<S>(a, rows.clone(), block.clone(), tiles);
            }
            for panel in panels.clone() {
                let column = panel * width;
                let count = width.min(b.n - column);
                let values = &b.values[block.start * padded + block.len() * column..];
                let vectors = count.div_ceil(S::LANES);
                assert!(values.len() >= block.len() * vectors * S::LANES);
                let mut row = rows.start;
                while row < rows.end {
                    let height = S::TILE_ROWS.min(rows.end - row);
                    let (pointer, row_stride, column_stride) = match &tiles {
                        Some(t) => (
                            t[(row - rows.start) * block.len()..].as_ptr(),
                            1,
                            S::TILE_ROWS,
                        ),
                        None => (a.values[row * a.row + block.start..].as_ptr(), a.row, 1),
                    };
                    let place = Place {
                        k: block.len(),
                        a: pointer,
                        a_row: row_stride,
                        a_column: column_stride,
                        panel: values.as_ptr(),
                        partial: partial.as_mut().map_or(std::ptr::null_mut(), |p| {
                            p[(row - rows.start) * stride + column - first..].as_mut_ptr()
                        }),
                        partial_row: stride,
                        is_first,
                        is_last,
                        row,
                        column,
                        count,
                        store,
                    };
                    // SAFETY: `check` and the assertion above cover what is read; `partial` holds
                    // whole vectors for every row.
                    unsafe { place.run_any(s, height, vectors) };
                    row += height;
                }
            }
        }
    }
}

#[inline(always)]
fn pack_row_tiles<S: Simd>(
    a: View,
    rows: std::ops::Range<usize>,
    block: std::ops::Range<usize>,
    tiles: &mut [f32],
) {
    let height = S::TILE_ROWS;
    for (first, tile) in rows
        .clone()
        .step_by(height)
        .zip(tiles.chunks_exact_mut(height * block.len()))
    {
        let count = height.min(rows.end - first);
        for (p, out) in block.clone().zip(tile.chunks_exact_mut(height)) {
            if a.row == 1 && count == height {
                out.copy_from_slice(&a.values[p * a.column + first..][..height]);
            } else {
                for (i, out) in out[..count].iter_mut().enumerate() {
                    *out = a.values[(first + i) * a.row + p * a.column];
                }
            }
        }
    }
}

/// One tile of C over one k-block.
struct Place<'a, T> {
    k: usize,
    a: *const f32,
    a_row: usize,
    a_column: usize,
    panel: *const f32,
    partial: *mut f32,
    partial_row: usize,
    is_first: bool,
    is_last: bool,
    row: usize,
    column: usize,
    count: usize,
    store: &'a T,
}

impl<T: Store> Place<'_, T> {
    /// # Safety
    /// `height` ≤ TILE_ROWS and `vectors` ≤ TILE_VECTORS describe readable parts of A and B.
    #[inline(always)]
    unsafe fn run_any<S: Simd>(&self, s: S, height: usize, vectors: usize) {
        // SAFETY: by contract; arms a level cannot reach are constant-folded away.
        unsafe {
            match (height, vectors) {
                (6, v) if S::TILE_ROWS >= 6 => self.run_wide::<S, 6>(s, v),
                (5, v) if S::TILE_ROWS >= 5 => self.run_wide::<S, 5>(s, v),
                (4, v) => self.run_wide::<S, 4>(s, v),
                (3, v) => self.run_wide::<S, 3>(s, v),
                (2, v) => self.run_wide::<S, 2>(s, v),
                (_, v) => self.run_wide::<S, 1>(s, v),
            }
        }
    }

    #[inline(always)]
    unsafe fn run_wide<S: Simd, const R: usize>(&self, s: S, vectors: usize) {
        // SAFETY: as above.
        unsafe {
            match vectors {
                4 if S::TILE_VECTORS >= 4 => self.run::<S, R, 4>(s),
                3 if S::TILE_VECTORS >= 3 => self.run::<S, R, 3>(s),
                2 if S::TILE_VECTORS >= 2 => self.run::<S, R, 2>(s),
                _ => self.run::<S, R, 1>(s),
            }
        }
    }

    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize, const V: usize>(&self, s: S) {
        // SAFETY: as above; `partial` is null only where it is not used.
        unsafe {
            let sums = tile::<S, R, V>(s, self.k, self.a, self.a_row, self.a_column, self.panel);
            for (i, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let offset = v * S::LANES;
                    let partial = self.partial.wrapping_add(i * self.partial_row + offset);
                    let sum = if self.is_first {
                        sum
                    } else {
                        s.add(s.load(partial), sum)
                    };
                    if self.is_last {
                        let count = S::LANES.min(self.count - offset);
                        self.store
                            .store(s, self.row + i, self.column + offset, count, sum);
                    } else {
                        s.store(partial, sum);
                    }
                }
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
    if threads == 1 || m * b.n * b.k.max(1) < PARALLEL_FROM {
        for i in 0..m.div_ceil(ROW_BLOCK) {
            all(parallel::piece(m, ROW_BLOCK, i), 0..b.panels());
        }
        return;
    }
    // Blocks of rows, as many as make whole rounds; where there are too few, of columns too.
    let blocks = m.div_ceil(ROW_BLOCK).next_multiple_of(threads);
    let height = m.div_ceil(blocks).next_multiple_of(6).max(12);
    let blocks = m.div_ceil(height);
    let parts = if blocks.is_multiple_of(threads) {
        1
    } else {
        (threads * 4 / blocks).clamp(1, b.panels())
    };
    let width = b.panels().div_ceil(parts);
    let parts = b.panels().div_ceil(width);
    parallel::for_each(blocks * parts, |i| {
        let (row, part) = (i / parts, i % parts);
        all(
            parallel::piece(m, height, row),
            parallel::piece(b.panels(), width, part),
        );
    });
}

/// C (m, n) = A (m, k) · B (k, n), or C += with `accumulate`, on all threads.
/// Panics if a slice is too short.
pub fn gemm(m: usize, n: usize, k: usize, a: View, b: View, c: &mut [f32], accumulate: bool) {
    assert!(c.len() >= m * n, "C is smaller than {m} x {n}");
    a.check(m, k);
    b.check(k, n);
    let c = Shared::new(c);
    // A long k (gradients of weights sum over all tokens) is packed slab by slab.
    let slab = (PACK_LIMIT / n.max(1)).max(K_BLOCK) / K_BLOCK * K_BLOCK;
    for i in 0..k.div_ceil(slab).max(1) {
        let range = parallel::piece(k, slab, i);
        let packed = Packed::new(
            View {
                values: &b.values[(range.start * b.row).min(b.values.len())..],
                ..b
            },
            range.len(),
            n,
        );
        let a = View {
            values: &a.values[(range.start * a.column).min(a.values.len())..],
            ..a
        };
        multiply_parallel(a, &packed, m, &Plain::new(c, n, accumulate || i > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parallel::with_threads;
    use super::super::simd::{available, with_level};
    use super::super::testing::{assert_close, noise};
    use super::*;

    fn transpose(x: &[f32], columns: usize) -> Vec<f32> {
        let rows = x.len() / columns.max(1);
        (0..columns)
            .flat_map(|j| (0..rows).map(move |i| x[i * columns + j]))
            .collect()
    }

    fn naive(m: usize, n: usize, k: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                let sum: f64 = (0..k)
                    .map(|p| a[i * k + p] as f64 * b[p * n + j] as f64)
                    .sum();
                c[i * n + j] = sum as f32;
            }
        }
        c
    }

    const SIZES: [(usize, usize, usize); 12] = [
        (1, 1, 1),
        (1, 17, 3),
        (2, 64, 5),
        (5, 65, 256),
        (6, 63, 257),
        (7, 96, 300),
        (13, 33, 513),
        (49, 128, 64),
        (100, 31, 77),
        (131, 130, 129),
        (3, 5, 0),
        (97, 200, 260),
    ];

    #[test]
    fn every_shape_transpose_level_and_thread_count() {
        for (m, n, k) in SIZES {
            let (a, b, c) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
            let (at, bt) = (transpose(&a, k), transpose(&b, n));
            let want = naive(m, n, k, &a, &b);
            let added: Vec<f32> = want.iter().zip(&c).map(|(x, y)| x + y).collect();
            for &level in available() {
                let mut reference: Option<Vec<f32>> = None;
                for threads in [1, 2, 3] {
                    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                        let av = if ta {
                            View::new(&at, m).transposed()
                        } else {
                            View::new(&a, k)
                        };
                        let bv = if tb {
                            View::new(&bt, k).transposed()
                        } else {
                            View::new(&b, n)
                        };
                        let (mut fresh, mut sum) = (vec![f32::NAN; m * n], c.clone());
                        with_level(level, || {
                            with_threads(threads, || {
                                gemm(m, n, k, av, bv, &mut fresh, false);
                                gemm(m, n, k, av, bv, &mut sum, true);
                            })
                        });
                        let name = format!("{m}x{n}x{k} {level:?} {threads} {ta} {tb}");
                        assert_close(&name, &fresh, &want, 1e-6);
                        assert_close(&name, &sum, &added, 1e-6);
                        let reference = reference.get_or_insert_with(|| fresh.clone());
                        assert_eq!(&fresh, reference, "{name}: bits");
                    }
                }
            }
        }
    }

    #[test]
    fn long_k_is_packed_in_slabs() {
        let (m, n, k) = (9, 700, 3100);
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let mut c = vec![f32::NAN; m * n];
        gemm(m, n, k, View::new(&a, k), View::new(&b, n), &mut c, false);
        assert_close("slabs", &c, &naive(m, n, k, &a, &b), 2e-6);
    }

    #[test]
    #[should_panic(expected = "smaller than")]
    fn a_short_matrix_is_refused() {
        gemm(
            4,
            4,
            4,
            View::new(&[0.0; 15], 4),
            View::new(&[0.0; 16], 4),
            &mut [0.0; 16],
            false,
        );
    }
}
