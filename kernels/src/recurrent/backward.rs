//! A piece of the batch backward through time.

use super::buffer::Buffer;
use super::pack::{BackwardWeights, panels};
use super::partial::Partial;
use super::product::{Outer, Rows, Sums, Tile, ZEROS, add_outer, product, tiles};
use super::{Cell, Cells, Layout, MOST_CELLS, Piece, Trace};
use crate::parallel::Shared;
use crate::simd::{self, Kernel, LANES, Simd};
use std::marker::PhantomData;

/// Runs a piece backward: writes dx (R·T, D), or adds to it if that is not the first gradient to
/// come there, given dy (R·T, H), both sequence-major, and the gradients of the states before the first
/// step, (R, H) each, where they are wanted. Where somebody watches, the gradients of the piece's states
/// go to their place in `watched`, (B·T, (1 + CELLS)·H).
pub fn piece<C: Cell>(
    layout: &Layout,
    weights: &BackwardWeights,
    piece: Piece,
    seq_len: usize,
    trace: &Trace,
    (dy, watched): (&[f32], Option<Shared<f32>>),
    (dx, is_first, initial): (&mut [f32], bool, [Option<&mut [f32]>; 1 + MOST_CELLS]),
) -> Partial {
    let Layout {
        input_blocks,
        hidden_blocks,
        ..
    } = *layout;
    let (hidden, input) = (hidden_blocks * LANES, input_blocks * LANES);
    let partial = Partial {
        input: Buffer::zeroed(C::GATES * hidden * input),
        hidden: Buffer::zeroed(C::GATES * hidden * hidden),
        bias: Buffer::zeroed(C::GRADIENTS * hidden),
    };
    let stride = (piece.chunk_steps + 1) * piece.rows * LANES;
    let work = Work {
        dgates: Buffer::zeroed(C::GRADIENTS * hidden_blocks * stride),
        dh: Buffer::zeroed(if C::DIRECT { piece.rows * hidden } else { 0 }),
        dc: Buffer::zeroed(piece.rows * hidden * C::CELLS),
    };
    for chunk in (0..piece.chunks).rev() {
        let first_step = chunk * piece.chunk_steps;
        let steps = piece.chunk_steps.min(seq_len - first_step);
        // Behind the last step: the first step of the chunk after, or zeros.
        if first_step + steps < seq_len {
            for block in 0..C::GRADIENTS * hidden_blocks {
                let n = piece.rows * LANES;
                // SAFETY: a block has room for the chunk's steps and one more.
                unsafe {
                    let start = work.dgates.at(block * stride);
                    start.add(steps * n).copy_from(start, n);
                }
            }
        }
        let run = Run::<C> {
            layout,
            weights,
            piece,
            seq_len,
            trace,
            dy,
            watched,
            dx: Shared::new(dx),
            is_first,
            work: &work,
            partial: &partial,
            chunk,
            steps,
            cell: PhantomData,
        };
        simd::dispatch_at(layout.level, run);
    }
    let [dh, dc @ ..] = initial;
    if let Some(to) = dh {
        let last = Initial::<C> {
            layout,
            weights,
            rows: piece.rows,
            stride,
            work: &work,
            to,
            cell: PhantomData,
        };
        simd::dispatch_at(layout.level, last);
    }
    for (v, to) in dc.into_iter().enumerate() {
        for (i, to) in to.into_iter().flatten().enumerate() {
            let (r, unit) = (i / layout.hidden, i % layout.hidden);
            let row = unit / LANES * piece.rows + r;
            let at = (row * C::CELLS + v) * LANES + unit % LANES;
            // SAFETY: within (hidden blocks, R, CELLS, LANES).
            *to += unsafe { *work.dc.at(at) };
        }
    }
    partial
}

/// What is left after the first step: dh before it = da(0) W_hh + the direct part, added to `to` (R, H).
struct Initial<'a, C> {
    layout: &'a Layout,
    weights: &'a BackwardWeights,
    rows: usize,
    /// Floats between blocks of the gates' gradients.
    stride: usize,
    work: &'a Work,
    to: &'a mut [f32],
    cell: PhantomData<C>,
}

impl<C: Cell> Kernel for Initial<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (hidden, blocks) = (self.layout.hidden, self.layout.hidden_blocks);
        let mut tile = Tile::new();
        for (first, wide) in panels(blocks, S::TILE_VECTORS) {
            for (r0, rows) in tiles(self.rows, S::TILE_ROWS) {
                let sums = tile.sums(rows, wide);
                // SAFETY: the buffers are as their types say; tiles cover rows and blocks that exist.
                unsafe {
                    let zeros = Sums::equal_rows(ZEROS.0.as_ptr(), sums);
                    let gate = (C::GRADIENTS - C::GATES) * blocks * self.stride;
                    let da = Rows {
                        start: self.work.dgates.at(gate + r0 * LANES),
                        block_stride: self.stride,
                        blocks: C::GATES * blocks,
                    };
                    let depth = C::GATES * blocks * LANES;
                    let panel = self.weights.hidden.at(first * LANES * depth);
                    product(s, zeros, None, sums, da, panel);
                    for (r, v) in (0..rows).flat_map(|r| (0..wide).map(move |v| (r, v))) {
                        let mut dh = s.load(sums.at::<S>(r, v));
                        if C::DIRECT {
                            let carried = ((first + v) * self.rows + r0 + r) * LANES;
                            dh = s.add(dh, s.load(self.work.dh.at(carried)));
                        }
                        let at = (r0 + r) * hidden + (first + v) * LANES;
                        let valid = (hidden - (first + v) * LANES).min(LANES);
                        let to = self.to.as_mut_ptr().add(at);
                        s.put(to, valid, s.add(s.get(to, valid), dh));
                    }
                }
            }
        }
    }
}

/// What passes from step to step, and from chunk to chunk.
struct Work {
    /// Gradients of the pre-activations: (GRADIENTS, hidden blocks, chunk rows + R, LANES).
    dgates: Buffer,
    /// The part of dh that does not pass through W_hh: (hidden blocks, R, LANES).
    dh: Buffer,
    /// (hidden blocks, R, CELLS, LANES).
    dc: Buffer,
}

struct Run<'a, C> {
    layout: &'a Layout,
    weights: &'a BackwardWeights,
    piece: Piece,
    seq_len: usize,
    trace: &'a Trace,
    dy: &'a [f32],
    watched: Option<Shared<f32>>,
    dx: Shared<f32>,
    is_first: bool,
    work: &'a Work,
    partial: &'a Partial,
    chunk: usize,
    steps: usize,
    cell: PhantomData<C>,
}

impl<C: Cell> Kernel for Run<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Layout {
            input_blocks,
            hidden_blocks,
            ..
        } = *self.layout;
        let mut tile = Tile::new();
        for t in (0..self.steps).rev() {
            for (first, blocks) in panels(hidden_blocks, S::TILE_VECTORS) {
                for (r, rows) in tiles(self.piece.rows, S::TILE_ROWS) {
                    self.step(s, first, t, r, tile.sums(rows, blocks));
                }
            }
        }
        for (first, blocks) in panels(input_blocks, S::TILE_VECTORS) {
            for (row, rows) in tiles(self.steps * self.piece.rows, S::TILE_ROWS) {
                self.input_gradient(s, first, row, tile.sums(rows, blocks));
            }
        }
        self.weight_gradients(s);
    }
}

impl<C: Cell> Run<'_, C> {
    #[inline(always)]
    fn chunk_rows(&self) -> usize {
        self.piece.chunk_steps * self.piece.rows
    }

    /// Floats between blocks of `dgates`, and of `h` and `c` in the trace.
    #[inline(always)]
    fn stride<S: Simd>(&self) -> usize {
        (self.chunk_rows() + self.piece.rows) * LANES
    }

    /// Rows of the gradients from `row`, of the G gates from position `gate`.
    #[inline(always)]
    fn gradients<S: Simd>(&self, gate: usize, row: usize) -> Rows {
        let (blocks, stride) = (self.layout.hidden_blocks, self.stride::<S>());
        Rows {
            start: self.work.dgates.at(gate * blocks * stride + row * LANES),
            block_stride: stride,
            blocks: C::GATES * blocks,
        }
    }

    /// (h, c) of the trace at `at`.
    #[inline(always)]
    fn state<S: Simd>(&self, s: S, at: usize) -> (S::F32, Cells<S>) {
        // SAFETY: callers give addresses within the trace.
        unsafe {
            let c = self.cells(s, &self.trace.c, at);
            (s.load(self.trace.h.at(at)), c)
        }
    }

    /// The vectors of a row whose h, if it had one, would lie at `at`.
    /// # Safety
    /// They can be read.
    #[inline(always)]
    unsafe fn cells<S: Simd>(&self, s: S, from: &Buffer, at: usize) -> Cells<S> {
        let mut c = [s.zero(); MOST_CELLS];
        for v in 0..C::CELLS {
            // SAFETY: by contract.
            c[v] = unsafe { s.load(from.at(at * C::CELLS + v * LANES)) };
        }
        c
    }

    /// Step t of the sequences from r0, for the blocks from `first`: as many as `sums` has rows and
    /// vectors.
    #[inline(always)]
    fn step<S: Simd>(&self, s: S, first: usize, t: usize, r0: usize, sums: Sums) {
        let (layout, rows) = (self.layout, self.piece.rows);
        let (row, stride, blocks) = (t * rows + r0, self.stride::<S>(), layout.hidden_blocks);
        self.prefetch(s, first, t, r0, sums);
        // SAFETY: the buffers are as their types say; tiles cover rows and blocks that exist.
        unsafe {
            // a(t + 1) = … + W_hh h(t), so dh(t) = dy(t) + da(t + 1) W_hh + the direct part.
            for r in 0..sums.rows {
                let step = self.chunk * self.piece.chunk_steps + t;
                let at = ((r0 + r) * self.seq_len + step) * layout.hidden;
                for v in 0..sums.vectors {
                    let unit = (first + v) * LANES;
                    let valid = (layout.hidden - unit).min(LANES);
                    let mut dh = s.get(self.dy.as_ptr().add(at + unit), valid);
                    if C::DIRECT {
                        let carried = ((first + v) * rows + r0 + r) * LANES;
                        dh = s.add(dh, s.load(self.work.dh.at(carried)));
                    }
                    s.store(sums.at::<S>(r, v), dh);
                }
            }
            let later = self.gradients::<S>(C::GRADIENTS - C::GATES, row + rows);
            let depth = C::GATES * blocks * LANES;
            let panel = self.weights.hidden.at(first * LANES * depth);
            product(s, sums, None, sums, later, panel);

            for v in 0..sums.vectors {
                let block = first + v;
                // Row by row from what is there: how rows are cut into tiles changes no bit.
                let sum_of = |g| self.partial.bias.at((g * blocks + block) * LANES);
                let mut bias = [s.zero(); 4];
                for g in 0..C::GRADIENTS {
                    bias[g] = s.load(sum_of(g));
                }
                for r in 0..sums.rows {
                    let dh = s.load(sums.at::<S>(r, v));
                    let before = (self.chunk * blocks + block) * stride + (row + r) * LANES;
                    let after = before + rows * LANES;
                    let at = (self.chunk * blocks + block) * self.chunk_rows() + row + r;
                    let mut saved = [s.zero(); 4];
                    for i in 0..C::SAVED {
                        saved[i] = s.load(self.trace.saved.at((at * C::SAVED + i) * LANES));
                    }
                    let carried = (block * rows + r0 + r) * LANES;
                    let dc = self.cells(s, &self.work.dc, carried);
                    if let Some(watched) = self.watched {
                        self.watch(s, watched, (block, r0 + r, t), (dh, dc));
                    }
                    let d = C::backward(
                        s,
                        saved,
                        self.state(s, before),
                        self.state(s, after),
                        dh,
                        dc,
                    );
                    for v in 0..C::CELLS {
                        s.store(self.work.dc.at(carried * C::CELLS + v * LANES), d.dc[v]);
                    }
                    if C::DIRECT {
                        s.store(self.work.dh.at(carried), d.dh);
                    }
                    for g in 0..C::GRADIENTS {
                        let to = (g * blocks + block) * stride + (row + r) * LANES;
                        s.store(self.work.dgates.at(to), d.dgates[g]);
                        bias[g] = s.add(bias[g], d.dgates[g]);
                    }
                }
                for g in 0..C::GRADIENTS {
                    s.store(sum_of(g), bias[g]);
                }
            }
        }
    }

    /// Brings near what the cell will read of the trace while the product runs, and dy of the step that
    /// comes next: so many places in memory are more than the hardware follows.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, s: S, first: usize, t: usize, r0: usize, sums: Sums) {
        let (layout, rows) = (self.layout, self.piece.rows);
        let (row, stride, blocks) = (t * rows + r0, self.stride::<S>(), layout.hidden_blocks);
        for (v, r) in (0..sums.vectors).flat_map(|v| (0..sums.rows).map(move |r| (v, r))) {
            let block = self.chunk * blocks + first + v;
            let before = block * stride + (row + r) * LANES;
            s.prefetch(self.trace.h.at(before));
            for c in 0..C::CELLS {
                s.prefetch(self.trace.c.at(before * C::CELLS + c * LANES));
            }
            let saved = (block * self.chunk_rows() + row + r) * C::SAVED * LANES;
            for i in 0..C::SAVED {
                s.prefetch(self.trace.saved.at(saved + i * LANES));
            }
            let step = self.chunk * self.piece.chunk_steps + t;
            let next = ((r0 + r) * self.seq_len + step.max(1) - 1) * layout.hidden;
            s.prefetch(self.dy.as_ptr().wrapping_add(next + (first + v) * LANES));
        }
    }

    /// Writes down the gradients of h and c after step t of a sequence of the piece, for one block.
    /// They are those of the state that is handed on, its parts taken by themselves: what reaches
    /// c through this step's own h is not among the gradient of c.
    #[inline(always)]
    fn watch<S: Simd>(
        &self,
        s: S,
        watched: Shared<f32>,
        (block, sequence, t): (usize, usize, usize),
        (dh, dc): (S::F32, Cells<S>),
    ) {
        let hidden = self.layout.hidden;
        let parts = 1 + C::CELLS;
        let step = self.chunk * self.piece.chunk_steps + t;
        let row = (self.piece.first + sequence) * self.seq_len + step;
        let valid = (hidden - block * LANES).min(LANES);
        for (part, gradient) in [dh].into_iter().chain(dc).enumerate().take(parts) {
            let at = (row * parts + part) * hidden + block * LANES;
            // SAFETY: the row is of a sequence of this piece, and the units are the block's.
            unsafe { s.store_first(watched.pointer().add(at), valid, gradient) };
        }
    }

    /// a = W_ih x + …, so dx = da W_ih, of the chunk's rows from `row` and the blocks from `first`.
    #[inline(always)]
    fn input_gradient<S: Simd>(&self, s: S, first: usize, row: usize, sums: Sums) {
        let layout = self.layout;
        let depth = C::GATES * layout.hidden_blocks * LANES;
        // SAFETY: as in `step`.
        unsafe {
            let to = |r: usize| {
                let (t, sequence) = ((row + r) / self.piece.rows, (row + r) % self.piece.rows);
                let step = self.chunk * self.piece.chunk_steps + t;
                let to = (sequence * self.seq_len + step) * layout.input;
                self.dx.pointer().wrapping_add(to + first * LANES)
            };
            for r in 0..sums.rows {
                (0..sums.vectors).for_each(|v| s.prefetch(to(r).wrapping_add(v * LANES)));
            }
            let panel = self.weights.input.at(first * LANES * depth);
            let zeros = Sums::equal_rows(ZEROS.0.as_ptr(), sums);
            product(s, zeros, None, sums, self.gradients::<S>(0, row), panel);
            for r in 0..sums.rows {
                for v in 0..sums.vectors {
                    let valid = (layout.input - (first + v) * LANES).min(LANES);
                    let to = to(r).add(v * LANES);
                    let before = match self.is_first {
                        true => s.zero(),
                        false => s.get(to, valid),
                    };
                    s.put(to, valid, s.add(before, s.load(sums.at::<S>(r, v))));
                }
            }
        }
    }

    /// a(t) = W_ih x(t) + W_hh h(t − 1), so dW_ih = Σ da(t) x(t)ᵀ and dW_hh = Σ da(t) h(t − 1)ᵀ.
    #[inline(always)]
    fn weight_gradients<S: Simd>(&self, s: S) {
        let Layout {
            input_blocks,
            hidden_blocks,
            ..
        } = *self.layout;
        let x_stride = self.chunk_rows() * LANES;
        let x = Rows {
            start: self.trace.x.at(self.chunk * input_blocks * x_stride),
            block_stride: x_stride,
            blocks: input_blocks,
        };
        // Row t of h is the state before step t.
        let stride = self.stride::<S>();
        let h = Rows {
            start: self.trace.h.at(self.chunk * hidden_blocks * stride),
            block_stride: stride,
            blocks: hidden_blocks,
        };
        for (position, b, sum) in [
            (0, x, &self.partial.input),
            (C::GRADIENTS - C::GATES, h, &self.partial.hidden),
        ] {
            let da = self.gradients::<S>(position, 0);
            let width = b.blocks * LANES;
            for (first, blocks) in panels(b.blocks, S::TILE_VECTORS) {
                for m in 0..da.blocks {
                    // SAFETY: as in `step`.
                    unsafe {
                        let outer = Outer {
                            rows: self.steps * self.piece.rows,
                            a: da.start.add(m * da.block_stride),
                            b: Rows {
                                start: b.start.add(first * b.block_stride),
                                blocks,
                                ..b
                            },
                            sum: sum.at((m * width + first) * LANES),
                            sum_row: width,
                        };
                        add_outer(s, outer);
                    }
                }
            }
        }
    }
}
