//! The register tiles: a few rows times a panel of packed weights, and the weight gradient. The
//! cells do not appear here: each tile is compiled once a SIMD level and called by all of them.

use crate::simd::{Kernel, LANES, Simd};

/// Consecutive rows of a blocked matrix, as left operand.
#[derive(Clone, Copy)]
pub struct Rows {
    /// First row of the first block.
    pub start: *const f32,
    /// Floats from a block to the next.
    pub block_stride: usize,
    /// Blocks; the product sums over blocks · LANES.
    pub blocks: usize,
}

/// Cuts `rows` into tiles of at most `most`, as equal as can be: (first row, rows) of each.
#[inline(always)]
pub fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(most).max(1);
    let (size, longer) = (rows / tiles, rows % tiles);
    (0..tiles).map(move |i| (i * size + i.min(longer), size + (i < longer) as usize))
}

/// Sums of a tile, `rows` rows of `vectors` vectors, in memory: row r starts at `start + r * row`.
#[derive(Clone, Copy)]
pub struct Sums {
    /// First vector of the first row.
    pub start: *mut f32,
    /// Floats from a row to the next.
    pub row: usize,
    /// At most the register tile's.
    pub rows: usize,
    /// Vectors of the panel.
    pub vectors: usize,
}

impl Sums {
    /// To read only: as many rows and vectors as `like`, every row the one at `row`.
    pub fn equal_rows(row: *const f32, like: Sums) -> Self {
        Sums {
            start: row.cast_mut(),
            row: 0,
            ..like
        }
    }

    /// The address of a vector.
    /// # Safety
    /// The tile has it.
    #[inline(always)]
    pub unsafe fn at<S: Simd>(self, row: usize, vector: usize) -> *mut f32 {
        // SAFETY: by contract.
        unsafe { self.start.add(row * self.row + vector * LANES) }
    }
}

/// Most vectors of a single row that go side by side: sums enough to keep the multipliers of any level
/// busy while each waits for its last addition.
pub const BESIDE: usize = 12;

/// Room for the sums of the largest tile of any level.
#[repr(align(64))]
pub struct Tile([f32; Tile::ROW * Tile::ROWS]);

/// A row of the largest tile.
#[repr(align(64))]
pub struct TileRow(pub [f32; Tile::ROW]);

/// Sums that start from nothing.
pub static ZEROS: TileRow = TileRow([0.0; Tile::ROW]);

impl Tile {
    const ROW: usize = 4 * 16;
    const ROWS: usize = 6;

    /// Contents are arbitrary.
    pub fn new() -> Self {
        Tile([0.0; Tile::ROW * Tile::ROWS])
    }

    /// One row of so many vectors.
    #[inline(always)]
    pub fn line(&mut self, vectors: usize) -> Sums {
        debug_assert!(vectors <= BESIDE.max(4));
        Sums {
            start: self.0.as_mut_ptr(),
            row: 0,
            rows: 1,
            vectors,
        }
    }

    /// A part of the room, for so many rows and vectors.
    #[inline(always)]
    pub fn sums(&mut self, rows: usize, vectors: usize) -> Sums {
        debug_assert!(rows <= Tile::ROWS && vectors <= 4);
        Sums {
            start: self.0.as_mut_ptr(),
            row: Tile::ROW,
            rows,
            vectors,
        }
    }
}

/// to ← from + a · panel, of equal rows and vectors, for a panel (parts, k, vectors of a part,
/// LANES). The two may be the same. With `last`, the last vector of every row starts from that one
/// instead.
/// # Safety
/// So many rows lie at `a`, and the panel is as long as a's blocks · LANES ask.
#[inline(always)]
pub unsafe fn product<S: Simd>(
    s: S,
    from: Sums,
    last: Option<*const f32>,
    to: Sums,
    a: Rows,
    panel: *const f32,
) {
    s.call(Product {
        from,
        last,
        to,
        a,
        panel,
        panel_vectors: to.vectors,
    });
}

/// The same for one row of several panels of so many vectors, which lie one after the other, as their
/// sums do.
/// # Safety
/// As for [`product`].
#[inline(always)]
pub unsafe fn product_of_panels<S: Simd>(
    s: S,
    sums: Sums,
    panel_vectors: usize,
    a: Rows,
    panels: *const f32,
) {
    s.call(Product {
        from: sums,
        last: None,
        to: sums,
        a,
        panel: panels,
        panel_vectors,
    });
}

struct Product {
    from: Sums,
    last: Option<*const f32>,
    to: Sums,
    a: Rows,
    panel: *const f32,
    /// Vectors of a panel.
    panel_vectors: usize,
}

impl Kernel for Product {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // The sizes of a tile must be constants for its sums to be registers.
        match self.panel_vectors {
            4 if const { S::TILE_VECTORS == 4 } => self.any_height::<S, 4>(s),
            3 if const { S::TILE_VECTORS == 4 } => self.any_height::<S, 3>(s),
            _ => self.any_height::<S, 1>(s),
        }
    }
}

impl Product {
    #[inline(always)]
    fn any_height<S: Simd, const P: usize>(&self, s: S) {
        match self.to.rows {
            6 if const { S::TILE_ROWS >= 6 } => self.in_parts::<S, 6, P>(s),
            5 if const { S::TILE_ROWS >= 6 } => self.in_parts::<S, 5, P>(s),
            4 if const { S::TILE_ROWS >= 4 } => self.in_parts::<S, 4, P>(s),
            3 if const { S::TILE_ROWS >= 4 } => self.in_parts::<S, 3, P>(s),
            2 => self.in_parts::<S, 2, P>(s),
            _ => self.row::<S, P>(s),
        }
    }

    /// One row: several parts side by side, as many as registers hold.
    #[inline(always)]
    fn row<S: Simd, const P: usize>(&self, s: S) {
        let parts = self.to.vectors / P;
        let mut part = 0;
        while part < parts {
            part += match parts - part {
                4.. if const { P <= 2 } => self.tile::<S, 1, P, 4>(s, part),
                3.. if const { P == 3 } => self.tile::<S, 1, P, 3>(s, part),
                2.. => self.tile::<S, 1, P, 2>(s, part),
                _ => self.tile::<S, 1, P, 1>(s, part),
            };
        }
    }

    /// R rows: one part after the other.
    #[inline(always)]
    fn in_parts<S: Simd, const R: usize, const P: usize>(&self, s: S) {
        for part in 0..self.to.vectors / P {
            self.tile::<S, R, P, 1>(s, part);
        }
    }

    /// R rows of Q parts side by side, from `part` on. Returns Q.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize, const Q: usize>(
        &self,
        s: S,
        part: usize,
    ) -> usize {
        let Product {
            from,
            to,
            a,
            panel,
            last,
            ..
        } = *self;
        let mut sums = [[[s.zero(); P]; R]; Q];
        // SAFETY: by contract of `product`.
        unsafe {
            for q in 0..Q {
                for r in 0..R {
                    for v in 0..P {
                        sums[q][r][v] = s.load(from.at::<S>(r, (part + q) * P + v));
                    }
                }
            }
            if let Some(last) = last.filter(|_| (part + Q) * P == to.vectors) {
                for r in 0..R {
                    sums[Q - 1][r][P - 1] = s.load(last);
                }
            }
            let length = a.blocks * LANES * P * LANES;
            let mut weights = panel.add(part * length);
            for block in 0..a.blocks {
                let row = a.start.add(block * a.block_stride);
                for k in 0..LANES {
                    for q in 0..Q {
                        let mut w = [s.zero(); P];
                        for v in 0..P {
                            w[v] = s.load(weights.add(q * length + v * LANES));
                        }
                        for r in 0..R {
                            let x = s.splat(*row.add(r * LANES + k));
                            for v in 0..P {
                                sums[q][r][v] = s.fma(x, w[v], sums[q][r][v]);
                            }
                        }
                    }
                    weights = weights.add(P * LANES);
                }
            }
            for q in 0..Q {
                for r in 0..R {
                    for v in 0..P {
                        s.store(to.at::<S>(r, (part + q) * P + v), sums[q][r][v]);
                    }
                }
            }
        }
        Q
    }
}

/// sum += aᵀ b over `rows` rows.
pub struct Outer {
    /// Rows of both.
    pub rows: usize,
    /// One block (rows, LANES).
    pub a: *const f32,
    /// (blocks, rows, LANES), one block or as many as a tile has vectors.
    pub b: Rows,
    /// (LANES, `sum_row`).
    pub sum: *mut f32,
    /// Floats from a row of the sum to the next.
    pub sum_row: usize,
}

/// [`Outer`], computed.
/// # Safety
/// Everything lies where that says.
#[inline(always)]
pub unsafe fn add_outer<S: Simd>(s: S, outer: Outer) {
    s.call(outer);
}

impl Kernel for Outer {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.b.blocks == 4 && const { S::TILE_VECTORS == 4 } {
            for first in (0..LANES).step_by(4) {
                self.tile::<S, 4, 4>(s, first);
            }
        } else {
            self.tile::<S, 6, 1>(s, 0);
            self.tile::<S, 5, 1>(s, 6);
            self.tile::<S, 5, 1>(s, 11);
        }
    }
}

impl Outer {
    /// M rows of the sum from `first` on.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&self, s: S, first: usize) {
        let mut acc = [[s.zero(); N]; M];
        // SAFETY: by contract of `add_outer`.
        unsafe {
            for k in 0..self.rows {
                let mut y = [s.zero(); N];
                for v in 0..N {
                    y[v] = s.load(self.b.start.add(v * self.b.block_stride + k * LANES));
                }
                for m in 0..M {
                    let x = s.splat(*self.a.add(k * LANES + first + m));
                    for v in 0..N {
                        acc[m][v] = s.fma(x, y[v], acc[m][v]);
                    }
                }
            }
            for m in 0..M {
                for v in 0..N {
                    let at = self.sum.add((first + m) * self.sum_row + v * LANES);
                    s.store(at, s.add(s.load(at), acc[m][v]));
                }
            }
        }
    }
}
