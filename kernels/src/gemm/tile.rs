//! The register tile, the body of every product, and products of small blocks by raw pointers.

use super::super::simd::{Kernel, Level, Simd, dispatch_at};

/// Size of a level's register tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileShape {
    /// Floats in a vector.
    pub lanes: usize,
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
                lanes: S::LANES,
                vectors: S::TILE_VECTORS,
                rows: S::TILE_ROWS,
            }
        }
    }
    dispatch_at(level, Shape)
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
    // SAFETY: by contract.
    unsafe { tile_of_wider::<S, R, V>(s, k, a, row, column, panel, V * S::LANES) }
}

/// [`tile`] of the first V vectors of a panel whose rows are `panel_row` floats apart.
/// # Safety
/// Those elements are readable.
#[inline(always)]
pub unsafe fn tile_of_wider<S: Simd, const R: usize, const V: usize>(
    s: S,
    k: usize,
    a: *const f32,
    row: usize,
    column: usize,
    panel: *const f32,
    panel_row: usize,
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
            panel = panel.add(panel_row);
        }
    }
    sums
}

impl TileShape {
    /// Rows that a [`Block`] of so many vectors computes together at best.
    pub fn rows_of(self, vectors: usize) -> usize {
        match 2 * vectors <= self.vectors && self.vectors >= 4 {
            true => 2 * self.rows,
            false => self.rows,
        }
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

    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const V: usize>(&self, s: S, i: usize) {
        // SAFETY: by contract of `run_at`.
        unsafe {
            let a = self.a.add(i * self.row);
            let (k, panel) = (self.k, self.panel);
            let sums =
                tile_of_wider::<S, R, V>(s, k, a, self.row, self.column, panel, self.panel_row);
            for (r, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let c = self.c.add((i + r) * self.c_row + v * S::LANES);
                    s.store(
                        c,
                        if self.accumulate {
                            s.add(s.load(c), sum)
                        } else {
                            sum
                        },
                    );
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn any_height<S: Simd, const V: usize>(&self, s: S) {
        let mut i = 0;
        // Half as wide a panel leaves registers for twice the rows: fewer reads of the panel, and
        // more sums that do not wait for each other.
        if S::TILE_ROWS >= 6 && 2 * V <= S::TILE_VECTORS && S::TILE_VECTORS >= 4 {
            while self.m - i >= 12 {
                // SAFETY: by contract of `run_at`.
                unsafe { self.rows::<S, 12, V>(s, i) };
                i += 12;
            }
        }
        while i < self.m {
            let height = S::TILE_ROWS.min(self.m - i);
            // SAFETY: by contract of `run_at`.
            unsafe {
                match height {
                    6 if S::TILE_ROWS >= 6 => self.rows::<S, 6, V>(s, i),
                    5 if S::TILE_ROWS >= 5 => self.rows::<S, 5, V>(s, i),
                    4 => self.rows::<S, 4, V>(s, i),
                    3 => self.rows::<S, 3, V>(s, i),
                    2 => self.rows::<S, 2, V>(s, i),
                    _ => self.rows::<S, 1, V>(s, i),
                }
            }
            i += height;
        }
    }
}

struct ContractHolds(Block);

impl Kernel for ContractHolds {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: only `run_at` makes one, whose caller vouches.
        unsafe {
            match self.0.vectors {
                4 if S::TILE_VECTORS >= 4 => self.0.any_height::<S, 4>(s),
                3 if S::TILE_VECTORS >= 3 => self.0.any_height::<S, 3>(s),
                2 if S::TILE_VECTORS >= 2 => self.0.any_height::<S, 2>(s),
                _ => self.0.any_height::<S, 1>(s),
            }
        }
    }
}
