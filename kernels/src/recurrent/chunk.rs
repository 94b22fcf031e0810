//! A chunk of a piece in memory, and what is copied into its blocks.

use super::Cell;
use crate::simd::{self, Kernel, LANES, Level, Simd};

/// One chunk: R sequences, `steps` steps; row t·R + r is step t of sequence r.
pub struct Chunk {
    /// R
    pub rows: usize,
    /// Steps in this chunk.
    pub steps: usize,
    /// Floats between blocks of `x` and `saved` (there a vector is SAVED).
    pub block_stride: usize,
    /// Floats between blocks of `h`, and of `c` (there a vector is CELLS).
    pub state_stride: usize,
    /// (input blocks, rows, LANES).
    pub x: *mut f32,
    /// Working memory: (panels, rows, vectors of a panel, LANES), panels of blocks · G vectors.
    pub projected: *mut f32,
    /// (hidden blocks, R + rows, LANES), the first R rows filled: the state before.
    pub h: *mut f32,
    /// (hidden blocks, R + rows, CELLS, LANES), likewise.
    pub c: *mut f32,
    /// (hidden blocks, rows, SAVED, LANES), if wanted.
    pub saved: Option<*mut f32>,
    /// h again, step t of sequence r at r · `y_row` + t · H.
    pub y: *mut f32,
    /// Floats between sequences of `y`.
    pub y_row: usize,
}

impl Chunk {
    /// Where state `i` begins, h the first, and how many vectors a row has there.
    pub fn state<C: Cell>(&self, i: usize) -> (*mut f32, usize) {
        match i {
            0 => (self.h, 1),
            _ => (self.c.wrapping_add((i - 1) * LANES), C::CELLS),
        }
    }
}

// SAFETY: holds addresses; every use of them is under the contract of `run_blocks`.
unsafe impl Sync for Chunk {}

/// Rows of `width` floats, step t of sequence r at r · `row` + t · `width`, and the blocks they go to.
pub struct Gather<'a> {
    pub from: &'a [f32],
    /// Floats from a sequence to the next.
    pub row: usize,
    pub width: usize,
    /// Sequences R.
    pub rows: usize,
    pub steps: usize,
    /// (blocks, …, LANES), row t·R + r of each filled; the padding becomes zero.
    pub to: *mut f32,
    /// Floats from a block to the next.
    pub block_stride: usize,
    /// Floats from a row of a block to the next.
    pub to_row: usize,
}

impl Gather<'_> {
    /// Copies them.
    /// # Safety
    /// The blocks are there, and nobody else uses them.
    pub unsafe fn run_at(self, level: Level) {
        simd::dispatch_at(level, ContractHolds(self));
    }
}

struct ContractHolds<'a>(Gather<'a>);

impl Kernel for ContractHolds<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather {
            from,
            row,
            width,
            rows,
            steps,
            to,
            block_stride,
            to_row,
        } = self.0;
        for r in 0..rows {
            for t in 0..steps {
                let from = &from[r * row + t * width..][..width];
                for block in 0..width.div_ceil(LANES) {
                    let at = block * block_stride + (t * rows + r) * to_row;
                    // SAFETY: by contract of `run_at`.
                    unsafe { s.store(to.add(at), s.read_at(from, block * LANES)) };
                }
            }
        }
    }
}
