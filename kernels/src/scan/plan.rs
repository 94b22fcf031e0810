//! How a scan is cut into pieces, by the sizes of its data alone.

use super::{Scan, ScanShape};
use crate::parallel;
use crate::simd::{Level, level};
use std::ops::Range;

/// Steps of a chunk of the parallel scan.
const CHUNK: usize = 64;
/// With fewer pieces than this, units are cut into blocks, …
const PIECES: usize = 16;
/// … of a multiple of these: a whole vector at every SIMD level.
const UNITS: usize = 16;

/// One call's sizes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub batch: usize,
    pub seq_len: usize,
    /// H
    pub hidden: usize,
    pub level: Level,
    /// Steps of a chunk: all of a sequence if sequential.
    steps: usize,
    /// Units of a block.
    width: usize,
}

/// Some steps of some units of one sequence.
#[derive(Debug, Clone)]
pub struct Piece {
    pub batch: usize,
    pub chunk: usize,
    /// Rows of the (B·T, …) matrices.
    pub rows: Range<usize>,
    pub units: Range<usize>,
}

impl Plan {
    pub fn new(shape: ScanShape, hidden: usize) -> Self {
        let ScanShape {
            batch,
            seq_len,
            scan,
        } = shape;
        let steps = match scan {
            Scan::Sequential => seq_len.max(1),
            Scan::Parallel => CHUNK.min(seq_len.max(1)),
        };
        let blocks = PIECES.div_ceil((batch * seq_len.div_ceil(steps)).max(1));
        Plan {
            batch,
            seq_len,
            hidden,
            level: level(),
            steps,
            width: hidden.div_ceil(blocks).next_multiple_of(UNITS),
        }
    }

    pub fn chunks(&self) -> usize {
        self.seq_len.div_ceil(self.steps)
    }

    fn blocks(&self) -> usize {
        self.hidden.div_ceil(self.width.max(1))
    }

    /// Pieces of the first `chunks` chunks of every sequence.
    pub fn pieces(&self, chunks: usize) -> usize {
        self.batch * chunks * self.blocks()
    }

    /// Piece `i` of [`Plan::pieces`] of the chunks from `first` on.
    pub fn piece(&self, first: usize, chunks: usize, i: usize) -> Piece {
        let (place, block) = (i / self.blocks(), i % self.blocks());
        let (batch, chunk) = (place / chunks, first + place % chunks);
        let steps = parallel::piece(self.seq_len, self.steps, chunk);
        let start = batch * self.seq_len;
        Piece {
            batch,
            chunk,
            rows: start + steps.start..start + steps.end,
            units: parallel::piece(self.hidden, self.width, block),
        }
    }

    /// Longest chain of dependent multiplications and additions of one pass over the states.
    pub fn chain(&self) -> f64 {
        let chunks = self.chunks();
        if chunks <= 1 {
            return 2.0 * self.seq_len as f64;
        }
        let levels = levels(chunks - 1).count();
        // A chunk's end, the tree over the ends, and the chunk again from its true start.
        2.0 * (2 * self.steps + levels) as f64
    }

    /// FLOPs of one pass over the states, `each` for one state from the one before.
    pub fn flops(&self, each: f64) -> f64 {
        let carries = self.chunks().saturating_sub(1);
        let ends = (carries * self.steps) as f64;
        let combined: usize = levels(carries)
            .map(|(first, d)| (first..carries).step_by(2 * d).len())
            .sum();
        let units = (self.batch * self.hidden) as f64;
        units * (each * self.seq_len as f64 + 3.0 * (ends + combined as f64))
    }
}

/// The tree that combines n carries, depth 2 log₂ n (Brent & Kung 1982), as (first index, stride d): at
/// each level, indices first, first + 2d, … take in the one d before.
pub fn levels(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let up = (0..).map(|k| 1 << k).take_while(move |d| 2 * d <= n);
    let down = (0..usize::BITS).rev().map(|k| 1usize << k);
    let down = down.filter(move |d| d.checked_mul(3).is_some_and(|least| least <= n));
    up.map(|d| (2 * d - 1, d))
        .chain(down.map(|d| (3 * d - 1, d)))
}
