//! A piece of the batch forward through time.

use super::buffer::Buffer;
use super::chunk::{Chunk, Gather};
use super::pack::{ForwardWeights, forward_blocks, panels};
use super::product::{BESIDE, Rows, Sums, Tile, product, product_of_panels, tiles};
use super::{Cell, Layout, MOST_CELLS, Piece, Trace};
use crate::simd::{self, Kernel, LANES, Simd};
use std::marker::PhantomData;
use std::ops::Range;

/// Runs all chunks of a piece; x is (R·T, D), y (R·T, H), sequence-major, and `initial` the states
/// before the first step, (R, H) each, where they are not zero. With `training` the trace holds every
/// chunk, else only room for one.
pub fn piece<C: Cell>(
    layout: &Layout,
    weights: &ForwardWeights,
    piece: Piece,
    seq_len: usize,
    (x, initial): (&[f32], [Option<&[f32]>; 1 + MOST_CELLS]),
    y: &mut [f32],
    training: bool,
) -> Trace {
    let Layout {
        input_blocks,
        hidden_blocks,
        ..
    } = *layout;
    let kept = if training { piece.chunks } else { 1 };
    let rows = piece.chunk_steps * piece.rows;
    let states = kept * hidden_blocks * (rows + piece.rows) * LANES;
    let trace = Trace {
        x: Buffer::new(kept * input_blocks * rows * LANES),
        h: Buffer::new(states),
        c: Buffer::new(C::CELLS * states),
        saved: Buffer::new(if training {
            kept * hidden_blocks * rows * C::SAVED * LANES
        } else {
            0
        }),
    };
    let projected = Buffer::new(hidden_blocks * C::GATES * rows * LANES);
    let state_stride = (rows + piece.rows) * LANES;
    for i in 0..piece.chunks {
        let slab = if training { i } else { 0 };
        let first_step = i * piece.chunk_steps;
        let before = slab.saturating_sub(1) * hidden_blocks * state_stride;
        let chunk = Chunk {
            rows: piece.rows,
            steps: piece.chunk_steps.min(seq_len - first_step),
            block_stride: rows * LANES,
            state_stride,
            x: trace.x.at(slab * input_blocks * rows * LANES),
            projected: projected.at(0),
            h: trace.h.at(slab * hidden_blocks * state_stride),
            c: trace.c.at(slab * hidden_blocks * state_stride * C::CELLS),
            saved: training.then(|| {
                trace
                    .saved
                    .at(slab * hidden_blocks * rows * C::SAVED * LANES)
            }),
            y: y[first_step * layout.hidden..].as_mut_ptr(),
            y_row: seq_len * layout.hidden,
        };
        // SAFETY: the buffers hold what `Chunk` says, by their sizes above.
        unsafe {
            let inputs = Gather {
                from: &x[first_step * layout.input..],
                row: seq_len * layout.input,
                width: layout.input,
                rows: chunk.rows,
                steps: chunk.steps,
                to: chunk.x,
                block_stride: chunk.block_stride,
                to_row: LANES,
            };
            inputs.run_at(layout.level);
            // The state before the chunk: zeros, or the last of the chunk before.
            for block in 0..hidden_blocks {
                let (to, n) = (block * state_stride, piece.rows * LANES);
                let from = before + block * state_stride + piece.chunk_steps * n;
                let states = [(&trace.h, chunk.h, 1), (&trace.c, chunk.c, C::CELLS)];
                for (state, at, vectors) in states {
                    let at = at.add(to * vectors);
                    if i == 0 {
                        at.write_bytes(0, n * vectors);
                    } else {
                        at.copy_from(state.at(from * vectors), n * vectors);
                    }
                }
            }
            for (state, given) in initial.into_iter().enumerate().filter(|_| i == 0) {
                let Some(from) = given else { continue };
                let (to, vectors) = chunk.state::<C>(state);
                let states = Gather {
                    from,
                    row: layout.hidden,
                    width: layout.hidden,
                    rows: piece.rows,
                    steps: 1,
                    to,
                    block_stride: state_stride * vectors,
                    to_row: vectors * LANES,
                };
                states.run_at(layout.level);
            }
            run::<C>(layout, weights, chunk);
        }
    }
    trace
}

/// Projects the chunk's inputs and runs its steps.
/// # Safety
/// The chunk's buffers are as it says, and the weights packed for this layout and cell.
pub unsafe fn run<C: Cell>(layout: &Layout, weights: &ForwardWeights, chunk: Chunk) {
    let (blocks, end) = (0..layout.hidden_blocks, chunk.steps);
    let all = Phase {
        project: true,
        first: 0,
        end,
    };
    // SAFETY: by contract.
    unsafe { run_blocks::<C>(layout, weights, &chunk, blocks, all) }
}

/// A part of a chunk's work.
#[derive(Clone, Copy)]
pub struct Phase {
    /// Whether the inputs of all steps are projected, before any step.
    pub project: bool,
    /// The first of the steps that run.
    pub first: usize,
    /// The one after the last.
    pub end: usize,
}

/// A phase of [`run`] for the hidden blocks `blocks`, which begin at a panel; where these are not
/// all, it has one step at most.
/// # Safety
/// As for [`run`], nobody else uses the blocks' part of the chunk, and the phases before this one
/// have run.
pub unsafe fn run_blocks<C: Cell>(
    layout: &Layout,
    weights: &ForwardWeights,
    chunk: &Chunk,
    blocks: Range<usize>,
    phase: Phase,
) {
    simd::dispatch_at(
        layout.level,
        Run::<C> {
            layout,
            weights,
            chunk,
            blocks,
            phase,
            cell: PhantomData,
        },
    );
}

struct Run<'a, C> {
    layout: &'a Layout,
    weights: &'a ForwardWeights,
    chunk: &'a Chunk,
    blocks: Range<usize>,
    phase: Phase,
    cell: PhantomData<C>,
}

impl<C: Cell> Kernel for Run<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let wide = forward_blocks::<C>(S::TILE_VECTORS);
        let mut tile = Tile::new();
        // SAFETY: by contract of `run_blocks`.
        unsafe {
            for panel in self.panels(wide).filter(|_| self.phase.project) {
                self.project(s, panel);
            }
            for t in self.phase.first..self.phase.end {
                if self.chunk.rows == 1 {
                    self.step_of_one(s, wide, t, &mut tile);
                    continue;
                }
                for panel in self.panels(wide) {
                    for (r, rows) in tiles(self.chunk.rows, S::TILE_ROWS) {
                        let sums = tile.sums(rows, panel.1 * C::GATES);
                        self.step(s, panel.0, t, r, sums);
                    }
                }
            }
        }
    }
}

impl<C: Cell> Run<'_, C> {
    /// The panels of these blocks: (first block, blocks).
    #[inline(always)]
    fn panels(&self, wide: usize) -> impl Iterator<Item = (usize, usize)> {
        let own = self.blocks.clone();
        panels(self.layout.hidden_blocks, wide).filter(move |(first, _)| own.contains(first))
    }

    /// projected = x W_ihᵀ + b for one panel.
    #[inline(always)]
    unsafe fn project<S: Simd>(&self, s: S, (first, blocks): (usize, usize)) {
        let (layout, chunk, vectors) = (self.layout, self.chunk, blocks * C::GATES);
        let depth = layout.input_blocks * LANES;
        for (row, rows) in tiles(chunk.steps * chunk.rows, S::TILE_ROWS) {
            let sums = self.projected::<S>(first, row, (rows, vectors));
            // SAFETY: by contract of `run_blocks`.
            unsafe {
                // Every row starts from the same bias.
                let bias = self.weights.bias.at(first * C::GATES * LANES);
                let bias = Sums::equal_rows(bias, sums);
                let x = Rows {
                    start: chunk.x.add(row * LANES),
                    block_stride: chunk.block_stride,
                    blocks: layout.input_blocks,
                };
                let panel = self.weights.input.at(first * C::GATES * LANES * depth);
                product(s, bias, None, sums, x, panel);
            }
        }
    }

    /// The sums of so many rows and vectors that the projection of a panel has left.
    #[inline(always)]
    fn projected<S: Simd>(
        &self,
        first: usize,
        row: usize,
        (rows, vectors): (usize, usize),
    ) -> Sums {
        let panel = first * C::GATES * self.chunk.block_stride;
        Sums {
            // SAFETY: by contract of `run_blocks`.
            start: unsafe { self.chunk.projected.add(panel + row * vectors * LANES) },
            row: vectors * LANES,
            rows,
            vectors,
        }
    }

    /// h from this row on.
    #[inline(always)]
    fn state(&self, row: usize) -> Rows {
        Rows {
            start: self.chunk.h.wrapping_add(row * LANES),
            block_stride: self.chunk.state_stride,
            blocks: self.layout.hidden_blocks,
        }
    }

    /// Step t of the sequences from r0, as many as `sums` has rows, for the panel of blocks from
    /// `first`.
    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, first: usize, t: usize, r0: usize, sums: Sums) {
        let (layout, chunk) = (self.layout, self.chunk);
        let row = t * chunk.rows + r0;
        let projected = self.projected::<S>(first, row, (sums.rows, sums.vectors));
        // SAFETY: by contract of `run_blocks`.
        unsafe {
            // The last gate starts from its other bias; what is projected joins it later.
            let apart = C::APART.then(|| self.weights.apart.at(first * LANES).cast_const());
            // a = W_ih x + b + W_hh h: the state before step t lies at row t of h.
            let h = self.state(row);
            let depth = layout.hidden_blocks * LANES;
            let panel = self.weights.hidden.at(first * C::GATES * LANES * depth);
            product(s, projected, apart, sums, h, panel);
            self.finish(s, first, t, r0, (sums, projected));
        }
    }

    /// Step t where there is one sequence alone. A panel's few sums would wait for each other's last
    /// addition, so several panels go side by side; each sum is the same.
    #[inline(always)]
    unsafe fn step_of_one<S: Simd>(&self, s: S, wide: usize, t: usize, tile: &mut Tile) {
        let layout = self.layout;
        let mut panels = self.panels(wide).peekable();
        while let Some((first, blocks)) = panels.next() {
            let vectors = blocks * C::GATES;
            let mut count = 1;
            while (count + 1) * vectors <= BESIDE
                && panels.next_if(|next| next.1 == blocks).is_some()
            {
                count += 1;
            }
            let all = tile.line(count * vectors);
            // SAFETY: by contract of `run_blocks`; panels of equal size lie one after the other.
            unsafe {
                let panel = |i: usize| {
                    let start = first + i * blocks;
                    let projected = self.projected::<S>(start, t, (1, vectors));
                    let sums = Sums {
                        start: all.at::<S>(0, i * vectors),
                        vectors,
                        ..all
                    };
                    (start, sums, projected)
                };
                for i in 0..count {
                    let (start, sums, projected) = panel(i);
                    for v in 0..vectors {
                        let from = match C::APART && v + 1 == vectors {
                            true => self.weights.apart.at(start * LANES),
                            false => projected.at::<S>(0, v),
                        };
                        s.store(sums.at::<S>(0, v), s.load(from));
                    }
                }
                let h = self.state(t);
                let depth = layout.hidden_blocks * LANES;
                let weights = self.weights.hidden.at(first * C::GATES * LANES * depth);
                product_of_panels(s, all, vectors, h, weights);
                for i in 0..count {
                    let (start, sums, projected) = panel(i);
                    self.finish(s, start, t, 0, (sums, projected));
                }
            }
        }
    }

    /// What the cell makes of the pre-activations of a tile of step t, from sequence r0 on.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        s: S,
        first: usize,
        t: usize,
        r0: usize,
        (sums, projected): (Sums, Sums),
    ) {
        let (layout, chunk) = (self.layout, self.chunk);
        let row = t * chunk.rows + r0;
        // SAFETY: by contract of `run_blocks`.
        unsafe {
            for u in 0..sums.vectors / C::GATES {
                let block = first + u;
                let valid = (layout.hidden - block * LANES).min(LANES);
                for r in 0..sums.rows {
                    let mut gates = [s.zero(); 4];
                    for g in 0..C::GATES {
                        gates[g] = s.load(sums.at::<S>(r, u * C::GATES + g));
                    }
                    let input = s.load(projected.at::<S>(r, (u + 1) * C::GATES - 1));
                    let before = block * chunk.state_stride + (row + r) * LANES;
                    let after = before + chunk.rows * LANES;
                    let mut c = [s.zero(); MOST_CELLS];
                    for v in 0..C::CELLS {
                        c[v] = s.load(chunk.c.add(before * C::CELLS + v * LANES));
                    }
                    let h = s.load(chunk.h.add(before));
                    let next = C::forward(s, gates, input, h, c);
                    s.store(chunk.h.add(after), next.h);
                    for v in 0..C::CELLS {
                        s.store(chunk.c.add(after * C::CELLS + v * LANES), next.c[v]);
                    }
                    if let Some(saved) = chunk.saved {
                        let to = (block * chunk.block_stride + (row + r) * LANES) * C::SAVED;
                        for v in 0..C::SAVED {
                            s.store(saved.add(to + v * LANES), next.saved[v]);
                        }
                    }
                    let y = (r0 + r) * chunk.y_row + t * layout.hidden + block * LANES;
                    s.put(chunk.y.add(y), valid, next.h);
                }
            }
        }
    }
}
