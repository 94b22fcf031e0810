//! One step at a time, or a few more, for decoding: chunks of the forward pass from a given state.

use super::chunk::{Chunk, Gather};
use super::forward::{Phase, run_blocks};
use super::pack::ForwardWeights;
use super::{CHUNK_ROWS, Cell, Layout, RecurrentWeights};
use crate::parallel::{self, Shared};
use crate::simd::LANES;
use dfdx::prelude::*;
use std::iter;
use std::marker::PhantomData;

/// Steps of fewer multiply-adds than this stay on one thread.
const PARALLEL_FROM: usize = 1 << 18;
/// Blocks that a thread takes at a time: as many as the widest panel holds.
const PART: usize = 4;

/// A recurrent layer that runs one step at a time: its weights, copied and packed.
pub struct Stepper<C> {
    layout: Layout,
    weights: ForwardWeights,
    cell: PhantomData<fn() -> C>,
}

impl<C: Cell> Stepper<C> {
    /// Copies and packs the weights.
    pub fn new(weights: RecurrentWeights) -> Self {
        let (_, input) = *weights.weight_ih.shape();
        let layout = Layout::new(input, weights.check::<C>(input));
        let weights = ForwardWeights::new::<C>(&layout, weights, true);
        Stepper {
            layout,
            weights,
            cell: PhantomData,
        }
    }

    /// Consumes one token of each of B sequences, x (B, D), and updates the states h and, of cells
    /// that have one, c (B, H), else empty; `scratch` is working memory to be kept between steps.
    /// Panics if lengths disagree.
    pub fn step(&self, x: &[f32], h: &mut [f32], c: &mut [f32], scratch: &mut Vec<f32>) {
        let (state, len) = (Shared::new(h), h.len());
        let (cells, y) = (&mut [c], state.pointer());
        // SAFETY: h is as long as it says, and y of one step as long as h.
        unsafe { self.run(x, 1, (state, len, Self::cells(cells)), y, scratch) };
    }

    /// Consumes n tokens of each of B sequences, x (B·n, D), row b·n + t; updates the states as
    /// [`Stepper::step`] does, and writes h after each token to y (B·n, H).
    /// Panics if lengths disagree.
    pub fn extend(
        &self,
        x: &[f32],
        (h, c): (&mut [f32], &mut [f32]),
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        self.extend_all(x, h, Self::cells(&mut [c]), y, scratch);
    }

    /// The same of cells with any number of states beside h, `cells`, each (B, H).
    pub fn extend_all(
        &self,
        x: &[f32],
        h: &mut [f32],
        cells: &mut [&mut [f32]],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let hidden = self.layout.hidden;
        if y.is_empty() {
            return;
        }
        let (state, len) = (Shared::new(h), h.len());
        let steps = y.len() / len.max(1);
        assert_eq!(y.len(), steps * len, "{}: y is (B·n, H)", C::NAME);
        // SAFETY: h is as long as it says, and y as it has to be, just checked.
        unsafe { self.run(x, steps, (state, len, cells), y.as_mut_ptr(), scratch) };
        let ends = y.chunks_exact(steps * hidden);
        for (h, y) in h.chunks_exact_mut(hidden).zip(ends) {
            h.copy_from_slice(&y[(steps - 1) * hidden..]);
        }
    }

    /// The one state beside h, or none of an empty one.
    fn cells<'a, 'b>(c: &'a mut [&'b mut [f32]; 1]) -> &'a mut [&'b mut [f32]] {
        let is_none = C::CELLS == 0 && c[0].is_empty();
        if is_none { &mut [] } else { c }
    }

    /// Runs `steps` steps, chunk by chunk, and updates the states beside h; h is read before y is
    /// written, which may be in the same place.
    ///
    /// # Safety
    /// h is so long, and `y` (B·steps, H); nobody else uses them.
    unsafe fn run(
        &self,
        x: &[f32],
        steps: usize,
        (h, len, cells): (Shared<f32>, usize, &mut [&mut [f32]]),
        y: *mut f32,
        scratch: &mut Vec<f32>,
    ) {
        let Layout {
            input,
            hidden,
            input_blocks,
            hidden_blocks,
            ..
        } = self.layout;
        let rows = len / hidden;
        assert_eq!(len, rows * hidden, "{}: h is (B, H)", C::NAME);
        assert_eq!(x.len(), rows * steps * input, "{}: x is (B·n, D)", C::NAME);
        assert!(
            cells.len() == C::CELLS && cells.iter().all(|c| c.len() == len),
            "{}: beside h it has {} states (B, H)",
            C::NAME,
            C::CELLS
        );
        if rows == 0 {
            return;
        }
        let most = CHUNK_ROWS.div_ceil(rows).min(steps);
        let state_stride = (most + 1) * rows * LANES;
        let states = hidden_blocks * state_stride;
        let x_len = input_blocks * most * rows * LANES;
        let projected_len = hidden_blocks * C::GATES * most * rows * LANES;
        let needed = x_len + projected_len + (1 + C::CELLS) * states + 16;
        if scratch.len() < needed {
            scratch.resize(needed, 0.0);
        }
        let aligned = scratch.as_ptr().align_offset(64).min(16);
        let xs = scratch[aligned..].as_mut_ptr();
        // SAFETY: scratch is as long as the parts together, and they hold what `Chunk` says.
        unsafe {
            let projected = xs.add(x_len);
            let hs = projected.add(projected_len);
            let cs = hs.add(states);
            let mut chunk = Chunk {
                rows,
                steps: 0,
                block_stride: most * rows * LANES,
                state_stride,
                x: xs,
                projected,
                h: hs,
                c: cs,
                saved: None,
                y,
                y_row: steps * hidden,
            };
            let given = cells.iter().map(|c| &**c);
            for (i, from) in iter::once(&*h.slice(0..len)).chain(given).enumerate() {
                let (to, vectors) = chunk.state::<C>(i);
                let state = Gather {
                    from,
                    row: hidden,
                    width: hidden,
                    rows,
                    steps: 1,
                    to,
                    block_stride: state_stride * vectors,
                    to_row: vectors * LANES,
                };
                state.run_at(self.layout.level);
            }
            for first in (0..steps).step_by(most) {
                // The state before the chunk is the last of the chunk before.
                for block in (0..hidden_blocks).filter(|_| first > 0) {
                    for (state, vectors) in [(hs, 1), (cs, C::CELLS)] {
                        let (row, to) = (rows * LANES * vectors, block * state_stride * vectors);
                        let to = state.add(to);
                        to.copy_from(to.add(chunk.steps * row), row);
                    }
                }
                chunk.steps = most.min(steps - first);
                chunk.y = y.add(first * hidden);
                let inputs = Gather {
                    from: &x[first * input..],
                    row: steps * input,
                    width: input,
                    rows,
                    steps: chunk.steps,
                    to: xs,
                    block_stride: chunk.block_stride,
                    to_row: LANES,
                };
                inputs.run_at(self.layout.level);
                self.run_chunk(&chunk);
            }
            for (v, c) in cells.iter_mut().enumerate() {
                let (from, vectors) = chunk.state::<C>(1 + v);
                for (i, c) in c.iter_mut().enumerate() {
                    let (row, unit) = (chunk.steps * rows + i / hidden, i % hidden);
                    let block = unit / LANES * state_stride * vectors;
                    *c = *from.add(block + row * vectors * LANES + unit % LANES);
                }
            }
        }
    }

    /// The chunk, on all threads where that pays: units do not depend on each other within a step,
    /// nor within the products with the inputs of all steps.
    ///
    /// # Safety
    /// The chunk's buffers are as it says.
    unsafe fn run_chunk(&self, chunk: &Chunk) {
        let Layout {
            input,
            hidden,
            hidden_blocks,
            ..
        } = self.layout;
        let weights = &self.weights;
        // SAFETY: by contract; parts hold different blocks.
        let part = |blocks, phase| unsafe {
            run_blocks::<C>(&self.layout, weights, chunk, blocks, phase);
        };
        let shared = |is_worth: bool, phase: Phase| {
            let part_of = |i| part(parallel::piece(hidden_blocks, PART, i), phase);
            parallel::for_each_if(is_worth, hidden_blocks.div_ceil(PART), part_of);
        };
        let gates = chunk.rows * C::GATES * hidden;
        let shares_steps = gates * (input + hidden) >= PARALLEL_FROM;
        if chunk.steps == 1 {
            let phase = Phase {
                project: true,
                first: 0,
                end: 1,
            };
            shared(shares_steps, phase);
            return;
        }
        let project = Phase {
            project: true,
            first: 0,
            end: 0,
        };
        shared(chunk.steps * gates * input >= PARALLEL_FROM, project);
        let steps = |first, end| Phase {
            project: false,
            first,
            end,
        };
        match shares_steps {
            true => (0..chunk.steps).for_each(|t| shared(true, steps(t, t + 1))),
            false => part(0..hidden_blocks, steps(0, chunk.steps)),
        }
    }
}
