//! The gradients of the weights: what each piece adds.

use super::buffer::Buffer;
use super::{Cell, Layout};
use crate::parallel::{self, Shared, add_in_order};
use crate::simd::LANES;
use crate::{Gradients, Slot};

/// What one piece adds to the gradients of the weights, units padded to whole blocks.
pub struct Partial {
    /// W_ih: (G · hidden blocks · LANES, input blocks · LANES), gates by position.
    pub input: Buffer,
    /// W_hh: (G · hidden blocks · LANES, hidden blocks · LANES).
    pub hidden: Buffer,
    /// Sums of the gates' gradients: (GRADIENTS, hidden blocks · LANES).
    pub bias: Buffer,
}

/// Adds the partial sums, in the order of the pieces, to the gradients of W_ih, W_hh, b_ih and b_hh,
/// one after the other: they may be the same tensor's.
pub fn add_partials<C: Cell>(
    layout: &Layout,
    partials: &[Partial],
    slots: &[Slot; 4],
    gradients: &mut Gradients,
) {
    let padded = layout.hidden_blocks * LANES;
    let padded_input = layout.input_blocks * LANES;
    let offset = C::GRADIENTS - C::GATES;
    // Row of a partial sum that holds a gate's unit.
    let unit = |positions: [usize; 4], row: usize| {
        positions[row / layout.hidden] * padded + row % layout.hidden
    };
    let [w_ih, w_hh, b_ih, b_hh] = slots;
    let mut add =
        |slot: &Slot, columns: usize, from: &(dyn Fn(&Partial, usize) -> *const f32 + Sync)| {
            slot.add(gradients, |sum| {
                let rows = C::GATES * layout.hidden;
                let sum = Shared::new(sum);
                // One piece leaves its sums in the cache of the thread that goes on.
                parallel::for_each_if(partials.len() > 1 && columns > 1, rows, |row| {
                    // SAFETY: a gradient has `columns` floats a row, and every row is its own.
                    let sum = unsafe { sum.slice(row * columns..(row + 1) * columns) };
                    // SAFETY: a partial sum's rows are at least as long, and written.
                    let part = |p| unsafe { std::slice::from_raw_parts(from(p, row), columns) };
                    add_in_order(sum, partials.iter().map(part));
                });
            });
        };
    add(w_ih, layout.input, &|p, row| {
        p.input.at(unit(C::INPUT_POSITION, row) * padded_input)
    });
    add(w_hh, layout.hidden, &|p, row| {
        p.hidden
            .at((unit(C::HIDDEN_POSITION, row) - offset * padded) * padded)
    });
    add(b_ih, 1, &|p, row| p.bias.at(unit(C::INPUT_POSITION, row)));
    add(b_hh, 1, &|p, row| p.bias.at(unit(C::HIDDEN_POSITION, row)));
}
