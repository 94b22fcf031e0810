//! The register tile, the body of every product, and products of small blocks by raw pointers.

use super::super::simd::{Kernel, LANES, Level, Simd, dispatch_at};

/// Size of a level's register tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileShape {
    /// Vectors a row, and a packed panel, has.
    pub vectors: usize,
    /// Rows.
    pub rows: usize,
}

/// The register tile of a level.
pub fn tile_shape(level: Level) -> TileShape {
    struct Shape;
    impl Kernel for Shape {
        type Output = TileShape;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> TileShape {
            TileShape {
                vectors: S::TILE_VECTORS,
                rows: S::TILE_ROWS,
            }
        }
    }
    dispatch_at(level, Shape)
}

impl TileShape {
    /// Columns of a packed panel.
    pub fn width(self) -> usize {
        self.vectors * LANES
    }
}

/// C (m, `vectors` whole vectors) = or += A (m, k) times one panel.
///
/// Element (i, p) of A lies at `a + i * row + p * column`; row i of C at `c + i * c_row`.
#[derive(Clone, Copy)]
pub struct Block {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of A, rows of the panel.
    pub k: usize,
    /// A.
    pub a: *const f32,
    /// Floats from a row of A to the next.
    pub row: usize,
    /// Floats from a column of A to the next.
    pub column: usize,
    /// k rows of at least `vectors` vectors.
    pub panel: *const f32,
    /// Floats from a row of the panel to the next.
    pub panel_row: usize,
    /// At most the tile's vectors.
    pub vectors: usize,
    /// C.
    pub c: *mut f32,
    /// Floats from a row of C to the next.
    pub c_row: usize,
    /// Whether to add to C.
    pub accumulate: bool,
}

impl Block {
    /// Computes it on this thread.
    /// # Safety
    /// A and the panel are readable, C is writable and nobody else's, all as described.
    pub unsafe fn run_at(self, level: Level) {
        dispatch_at(level, ContractHolds(self));
    }

    /// [`Block::run_at`] from a kernel.
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, s: S) {
        s.call(ContractHolds(self));
    }

    /// The register tile: R rows from row `i` on, V vectors. Returns R.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const V: usize>(&self, s: S, i: usize) -> usize {
        let mut sums = [[s.zero(); V]; R];
        // SAFETY: by contract of `run_at`.
        unsafe {
            let (mut a, mut panel) = (self.a.add(i * self.row), self.panel);
            for _ in 0..self.k {
                let mut b = [s.zero(); V];
                for (v, b) in b.iter_mut().enumerate() {
                    *b = s.load(panel.add(v * LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = s.splat(*a.add(i * self.row));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = s.fma(x, b, *sum);
                    }
                }
                a = a.add(self.column);
                panel = panel.add(self.panel_row);
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let c = self.c.add((i + r) * self.c_row + v * LANES);
                    let sum = if self.accumulate {
                        s.add(s.load(c), sum)
                    } else {
                        sum
                    };
                    s.store(c, sum);
                }
            }
        }
        R
    }

    #[inline(always)]
    unsafe fn any_height<S: Simd, const V: usize>(&self, s: S) {
        let mut i = 0;
        while i < self.m {
            let left = self.m - i;
            // SAFETY: by contract of `run_at`.
            unsafe {
                // Half as wide a panel leaves registers for twice the rows: fewer reads of the
                // panel, and more sums that do not wait for each other.
                i += match left {
                    12.. if const { S::TILE_ROWS >= 6 && S::TILE_VECTORS >= 4 && V <= 2 } => {
                        self.rows::<S, 12, V>(s, i)
                    }
                    6.. if const { S::TILE_ROWS >= 6 } => self.rows::<S, 6, V>(s, i),
                    4.. => self.rows::<S, 4, V>(s, i),
                    2.. => self.rows::<S, 2, V>(s, i),
                    _ => self.rows::<S, 1, V>(s, i),
                }
            }
        }
    }
}

struct ContractHolds(Block);

impl Kernel for ContractHolds {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: only `run_at` and `run` make one, whose callers vouch.
        unsafe {
            match self.0.vectors {
                4 if const { S::TILE_VECTORS >= 4 } => self.0.any_height::<S, 4>(s),
                3 if const { S::TILE_VECTORS >= 4 } => self.0.any_height::<S, 3>(s),
                2 if const { S::TILE_VECTORS >= 2 } => self.0.any_height::<S, 2>(s),
                _ => self.0.any_height::<S, 1>(s),
            }
        }
    }
}
