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
/// Element (i, p) of A lies at `a + i * row + p * column`, one of which is 1; row i of C at
/// `c + i * c_row`.
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
    /// What the sums of every row start from; from 0 if not given.
    pub start: Option<*const f32>,
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
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, s: S) {
        s.call(ContractHolds(self));
    }

    /// The register tile: R rows from row `i` on, V vectors. Returns R.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const V: usize>(&self, s: S, i: usize) -> usize {
        let mut sums = [[s.zero(); V]; R];
        // SAFETY: by contract of `run`.
        unsafe {
            if let Some(start) = self.start {
                for v in 0..V {
                    let start = s.load(start.add(v * LANES));
                    for sums in &mut sums {
                        sums[v] = start;
                    }
                }
            }
            let (mut a, mut panel) = (self.a.add(i * self.row), self.panel);
            if self.column == 1 {
                // Four columns a turn, so that the pointers to the rows move once in four.
                for _ in 0..self.k / 4 {
                    for p in 0..4 {
                        let b = panel.add(p * self.panel_row);
                        add_outer(s, a.add(p), self.row, b, &mut sums);
                    }
                    a = a.add(4);
                    panel = panel.add(4 * self.panel_row);
                }
                for _ in 0..self.k % 4 {
                    add_outer(s, a, self.row, panel, &mut sums);
                    a = a.add(1);
                    panel = panel.add(self.panel_row);
                }
            } else {
                for _ in 0..self.k {
                    add_outer(s, a, 1, panel, &mut sums);
                    a = a.add(self.column);
                    panel = panel.add(self.panel_row);
                }
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
            // Tiles as equal as can be: a low one's few sums wait for each other.
            let rows = left.div_ceil(left.div_ceil(S::TILE_ROWS));
            // SAFETY: by contract of `run`.
            unsafe {
                // Half as wide a panel leaves registers for twice the rows: fewer reads of the
                // panel, and more sums that do not wait for each other.
                if const { S::TILE_ROWS == 6 && S::TILE_VECTORS >= 4 && V <= 2 } && left >= 12 {
                    i += self.rows::<S, 12, V>(s, i);
                    continue;
                }
                i += match rows {
                    6 if const { S::TILE_ROWS >= 6 } => self.rows::<S, 6, V>(s, i),
                    5 if const { S::TILE_ROWS >= 6 } => self.rows::<S, 5, V>(s, i),
                    4 if const { S::TILE_ROWS >= 6 } => self.rows::<S, 4, V>(s, i),
                    3 if const { S::TILE_ROWS >= 6 } => self.rows::<S, 3, V>(s, i),
                    2 => self.rows::<S, 2, V>(s, i),
                    _ => self.rows::<S, 1, V>(s, i),
                }
            }
        }
    }
}

/// sums += R floats, `row` apart from `a` on, times V vectors from `b` on.
/// # Safety
/// All of them can be read.
#[inline(always)]
unsafe fn add_outer<S: Simd, const R: usize, const V: usize>(
    s: S,
    a: *const f32,
    row: usize,
    b: *const f32,
    sums: &mut [[S::F32; V]; R],
) {
    // SAFETY: by contract.
    unsafe {
        let mut vectors = [s.zero(); V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = s.load(b.add(v * LANES));
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            let x = s.splat(*a.add(i * row));
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = s.fma(x, vector, *sum);
            }
        }
    }
}

struct ContractHolds(Block);

impl Kernel for ContractHolds {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        debug_assert!(self.0.row == 1 || self.0.column == 1);
        // SAFETY: only `run` makes one, whose callers vouch.
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
