//! One step at a time, for decoding: a chunk of one step.

use super::forward::{Chunk, gather, run_blocks};
use super::pack::ForwardWeights;
use super::{Cell, Layout, RecurrentWeights};
use crate::parallel;
use dfdx::prelude::*;
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
        let Layout {
            lanes,
            input,
            hidden,
            input_blocks,
            hidden_blocks,
            ..
        } = self.layout;
        let rows = h.len() / hidden;
        assert_eq!(h.len(), rows * hidden, "{}: h is (B, H)", C::NAME);
        assert_eq!(x.len(), rows * input, "{}: x is (B, D)", C::NAME);
        assert_eq!(
            c.len(),
            if C::HAS_C { h.len() } else { 0 },
            "{}: c is (B, H)",
            C::NAME
        );
        if rows == 0 {
            return;
        }
        let state_stride = 2 * rows * lanes;
        let states = hidden_blocks * state_stride;
        let x_len = input_blocks * rows * lanes;
        let projected_len = hidden_blocks * C::GATES * rows * lanes;
        let needed = x_len + projected_len + 2 * states + 16;
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
            scatter_state(&self.layout, h, hs, state_stride);
            if C::HAS_C {
                scatter_state(&self.layout, c, cs, state_stride);
            }
            let chunk = Chunk {
                rows,
                steps: 1,
                block_stride: rows * lanes,
                state_stride,
                x: xs,
                projected,
                h: hs,
                c: cs,
                saved: None,
                y: h.as_mut_ptr(),
                y_row: hidden,
            };
            gather(&self.layout, x, input, &chunk);
            self.run_step(&chunk);
            for (i, c) in c.iter_mut().enumerate() {
                let (row, unit) = (rows + i / hidden, i % hidden);
                *c = *cs.add(unit / lanes * state_stride + row * lanes + unit % lanes);
            }
        }
    }
}

impl<C: Cell> Stepper<C> {
    /// The step, on all threads where that pays: units do not depend on each other within it.
    ///
    /// # Safety
    /// The chunk's buffers are as it says.
    unsafe fn run_step(&self, chunk: &Chunk) {
        let Layout {
            input,
            hidden,
            hidden_blocks,
            ..
        } = self.layout;
        // SAFETY: by contract; parts hold different blocks.
        let part = |blocks| unsafe { run_blocks::<C>(&self.layout, &self.weights, chunk, blocks) };
        let is_worth = chunk.rows * C::GATES * hidden * (input + hidden) >= PARALLEL_FROM;
        let part_of = |i| part(parallel::piece(hidden_blocks, PART, i));
        parallel::for_each_if(is_worth, hidden_blocks.div_ceil(PART), part_of);
    }
}

/// (B, H) into the first B rows of (hidden blocks, …, LANES), the padding zero.
unsafe fn scatter_state(layout: &Layout, from: &[f32], to: *mut f32, stride: usize) {
    let Layout {
        lanes,
        hidden,
        hidden_blocks,
        ..
    } = *layout;
    for (row, from) in from.chunks_exact(hidden).enumerate() {
        for block in 0..hidden_blocks {
            let part = &from[block * lanes..hidden.min((block + 1) * lanes)];
            // SAFETY: within by contract.
            unsafe {
                let to = to.add(block * stride + row * lanes);
                to.copy_from_nonoverlapping(part.as_ptr(), part.len());
                to.add(part.len()).write_bytes(0, lanes - part.len());
            }
        }
    }
}
