//! The register tiles: a few rows times a panel of packed weights, and the weight gradient.

use crate::simd::Simd;

// The sizes of a tile must be constants for its accumulators to be registers. These macros turn a
// size known at run time into one; arms a SIMD level or cell never takes compile to nothing.

/// Calls with the rows of a tile, 1 to `most`: `rows!(size, most, R => f::<R>())`.
macro_rules! rows {
    ($size:expr, $most:expr, $name:ident => $body:expr) => {
        match $size {
            6 if $most >= 6 => {
                const $name: usize = 6;
                $body
            }
            5 if $most >= 5 => {
                const $name: usize = 5;
                $body
            }
            4 => {
                const $name: usize = 4;
                $body
            }
            3 => {
                const $name: usize = 3;
                $body
            }
            2 => {
                const $name: usize = 2;
                $body
            }
            _ => {
                const $name: usize = 1;
                $body
            }
        }
    };
}

/// Calls with the vectors of a panel of `blocks` blocks: one, or as many as a tile has.
macro_rules! panel_vectors {
    ($simd:ident, $blocks:expr, $name:ident => $body:expr) => {
        if $blocks == 1 {
            const $name: usize = 1;
            $body
        } else if $simd::TILE_VECTORS == 2 {
            const $name: usize = 2;
            $body
        } else {
            const $name: usize = 4;
            $body
        }
    };
}

/// Calls with the vectors of a forward panel: all gates of `blocks` blocks.
macro_rules! gate_vectors {
    ($simd:ident, $cell:ident, $blocks:expr, $name:ident => $body:expr) => {
        if $cell::GATES == 4 {
            const $name: usize = 4;
            $body
        } else if $cell::GATES == 3 {
            const $name: usize = 3;
            $body
        } else {
            panel_vectors!($simd, $blocks, $name => $body)
        }
    };
}
pub(super) use {gate_vectors, panel_vectors, rows};

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

/// How many of `vectors` accumulators side by side one pass over the left operand keeps in
/// registers; panels are packed in parts of so many.
pub const fn part(tile_vectors: usize, vectors: usize) -> usize {
    if vectors <= tile_vectors {
        vectors
    } else if vectors.is_multiple_of(tile_vectors) {
        tile_vectors
    } else {
        // Three gates where two vectors are the rule: three vectors of fewer rows.
        3
    }
}

/// Most rows of a tile of `vectors` vectors.
pub const fn most_rows<S: Simd>(vectors: usize) -> usize {
    if part(S::TILE_VECTORS, vectors) > S::TILE_VECTORS {
        4
    } else {
        S::TILE_ROWS
    }
}

/// Size of the next tile of `left` rows of a long product: the largest, then pairs, then single
/// rows; a handful of odd rows does not deserve kernels of its own.
#[inline(always)]
pub fn next_tile(left: usize, most: usize) -> usize {
    if left >= most { most } else { left.min(2) }
}

/// Calls with the rows of a tile of [`next_tile`].
macro_rules! long_rows {
    ($size:expr, $most:expr, $name:ident => $body:expr) => {
        match $size {
            1 => {
                const $name: usize = 1;
                $body
            }
            2 => {
                const $name: usize = 2;
                $body
            }
            _ if $most == 4 => {
                const $name: usize = 4;
                $body
            }
            _ => {
                const $name: usize = 6;
                $body
            }
        }
    };
}
pub(super) use long_rows;

/// Cuts `rows` into tiles of at most `most`, as equal as can be: first row and size of tile `i`.
#[inline(always)]
pub fn tile(rows: usize, most: usize, i: usize) -> (usize, usize) {
    let tiles = rows.div_ceil(most);
    let (size, longer) = (rows / tiles, rows % tiles);
    (i * size + i.min(longer), size + (i < longer) as usize)
}

/// acc + rows · panel, for a panel (parts, k, vectors of a part, LANES).
/// # Safety
/// R rows lie at `a`, and the panel is as long as a's blocks · LANES ask.
#[inline(always)]
pub unsafe fn product<S: Simd, const R: usize, const N: usize>(
    s: S,
    acc: [[S::F32; N]; R],
    a: Rows,
    panel: *const f32,
) -> [[S::F32; N]; R] {
    // SAFETY: by contract.
    unsafe {
        match part(S::TILE_VECTORS, N) {
            4 => in_parts::<S, R, N, 4>(s, acc, a, panel),
            3 => in_parts::<S, R, N, 3>(s, acc, a, panel),
            2 => in_parts::<S, R, N, 2>(s, acc, a, panel),
            _ => in_parts::<S, R, N, 1>(s, acc, a, panel),
        }
    }
}

#[inline(always)]
unsafe fn in_parts<S: Simd, const R: usize, const N: usize, const P: usize>(
    s: S,
    mut acc: [[S::F32; N]; R],
    a: Rows,
    panel: *const f32,
) -> [[S::F32; N]; R] {
    for part in 0..N / P {
        let first = part * P;
        let mut sum = [[s.zero(); P]; R];
        for r in 0..R {
            for v in 0..P {
                sum[r][v] = acc[r][first + v];
            }
        }
        // SAFETY: by contract of `product`.
        let sum =
            unsafe { accumulate(s, sum, a, panel.add(first * a.blocks * S::LANES * S::LANES)) };
        for r in 0..R {
            for v in 0..P {
                acc[r][first + v] = sum[r][v];
            }
        }
    }
    acc
}

#[inline(always)]
unsafe fn accumulate<S: Simd, const R: usize, const P: usize>(
    s: S,
    mut acc: [[S::F32; P]; R],
    a: Rows,
    panel: *const f32,
) -> [[S::F32; P]; R] {
    let mut weights = panel;
    for block in 0..a.blocks {
        // SAFETY: by contract of `product`.
        unsafe {
            let row = a.start.add(block * a.block_stride);
            for k in 0..S::LANES {
                let mut w = [s.zero(); P];
                for v in 0..P {
                    w[v] = s.load(weights.add(v * S::LANES));
                }
                for r in 0..R {
                    let x = s.splat(*row.add(r * S::LANES + k));
                    for v in 0..P {
                        acc[r][v] = s.fma(x, w[v], acc[r][v]);
                    }
                }
                weights = weights.add(P * S::LANES);
            }
        }
    }
    acc
}

/// sum += aᵀ b over `rows` rows: `a` one block (rows, LANES), `b` `blocks` blocks `b_stride` floats
/// apart, `sum` (LANES, `sum_stride`).
/// # Safety
/// Everything lies where that says.
#[inline(always)]
pub unsafe fn add_outer<S: Simd>(
    s: S,
    rows: usize,
    a: *const f32,
    (b, b_stride, blocks): (*const f32, usize, usize),
    (sum, sum_stride): (*mut f32, usize),
) {
    for first in (0..S::LANES).step_by(4) {
        // SAFETY: by contract.
        unsafe {
            let (a, sum) = (a.add(first), sum.add(first * sum_stride));
            panel_vectors!(S, blocks, N => outer_tile::<S, N>(s, rows, a, (b, b_stride), (sum, sum_stride)));
        }
    }
}

#[inline(always)]
unsafe fn outer_tile<S: Simd, const N: usize>(
    s: S,
    rows: usize,
    a: *const f32,
    (b, b_stride): (*const f32, usize),
    (sum, sum_stride): (*mut f32, usize),
) {
    let mut acc = [[s.zero(); N]; 4];
    // SAFETY: by contract of `add_outer`.
    unsafe {
        for k in 0..rows {
            let mut y = [s.zero(); N];
            for v in 0..N {
                y[v] = s.load(b.add(v * b_stride + k * S::LANES));
            }
            for m in 0..4 {
                let x = s.splat(*a.add(k * S::LANES + m));
                for v in 0..N {
                    acc[m][v] = s.fma(x, y[v], acc[m][v]);
                }
            }
        }
        for m in 0..4 {
            for v in 0..N {
                let at = sum.add(m * sum_stride + v * S::LANES);
                s.store(at, s.add(s.load(at), acc[m][v]));
            }
        }
    }
}
