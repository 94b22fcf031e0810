//! A chunk of a piece in memory, and its inputs.

use super::Layout;
use crate::simd::{self, Kernel, LANES, Simd};

/// One chunk: R sequences, `steps` steps; row t·R + r is step t of sequence r.
pub struct Chunk {
    /// R
    pub rows: usize,
    /// Steps in this chunk.
    pub steps: usize,
    /// Floats between blocks of `x` and `saved` (there a vector is SAVED).
    pub block_stride: usize,
    /// Floats between blocks of `h` and `c`.
    pub state_stride: usize,
    /// (input blocks, rows, LANES).
    pub x: *mut f32,
    /// Working memory: (panels, rows, vectors of a panel, LANES), panels of blocks · G vectors.
    pub projected: *mut f32,
    /// (hidden blocks, R + rows, LANES), the first R rows filled: the state before.
    pub h: *mut f32,
    /// Likewise, or dangling if the cell has none.
    pub c: *mut f32,
    /// (hidden blocks, rows, SAVED, LANES), if wanted.
    pub saved: Option<*mut f32>,
    /// h again, step t of sequence r at r · `y_row` + t · H.
    pub y: *mut f32,
    /// Floats between sequences of `y`.
    pub y_row: usize,
}

// SAFETY: holds addresses; every use of them is under the contract of `run_blocks`.
unsafe impl Sync for Chunk {}

/// Copies x, step t of sequence r at r · `x_row` + t · D, into the chunk's blocks.
/// # Safety
/// The chunk has room.
pub unsafe fn gather(layout: &Layout, x: &[f32], x_row: usize, chunk: &Chunk) {
    let gather = Gather {
        layout,
        x,
        x_row,
        chunk,
    };
    simd::dispatch_at(layout.level, gather);
}

struct Gather<'a> {
    layout: &'a Layout,
    x: &'a [f32],
    x_row: usize,
    chunk: &'a Chunk,
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (chunk, input) = (self.chunk, self.layout.input);
        for r in 0..chunk.rows {
            for t in 0..chunk.steps {
                let row = &self.x[r * self.x_row + t * input..][..input];
                for block in 0..self.layout.input_blocks {
                    let to = block * chunk.block_stride + (t * chunk.rows + r) * LANES;
                    // SAFETY: within the chunk by the contract of `gather`.
                    unsafe { s.store(chunk.x.add(to), s.read_at(row, block * LANES)) };
                }
            }
        }
    }
}
