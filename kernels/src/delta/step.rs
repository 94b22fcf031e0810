//! Some tokens at a time, for decoding.

use super::forward::Forward;
use super::tokens::Head;
use super::{Decay, DeltaShape, Rows, Sizes};
use crate::parallel::{self, Shared, scratch};
use crate::simd::{LANES, dispatch_at};
use std::borrow::Cow;

/// Fewer multiply-adds than this are done on one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// [`delta_rule`](super::delta_rule) of T more tokens of each of B sequences, without tape, on plain
/// rows: writes (B·T, H·dv) to `o` and updates the states (B, H, dk, dv), zeros before the first token.
/// The bits are those of whole sequences. `gates` is empty where there are none; `decay` = \[a, b\], (H)
/// each. Panics if lengths disagree.
pub fn delta_extend(
    qkv: &[f32],
    gates: &[f32],
    decay: Option<[&[f32]; 2]>,
    shape: DeltaShape,
    states: &mut [f32],
    o: &mut Vec<f32>,
) {
    let rows = shape.batch * shape.seq_len;
    assert!(
        qkv.len() == rows * shape.columns()
            && gates.len() == rows * shape.gates()
            && states.len() == shape.batch * shape.state_floats()
            && decay.map(|d| d.map(<[f32]>::len))
                == (shape.decay == Decay::Input).then_some([shape.heads; 2]),
        "delta_extend: {} values, {} gates and {} of the states do not fit {shape:?}",
        qkv.len(),
        gates.len(),
        states.len()
    );
    o.resize(rows * shape.heads * shape.value_width, 0.0);
    let (sizes, size) = (Sizes::new(&shape), shape.key_width * shape.value_width);
    let read = Rows::new(Cow::Borrowed(qkv), Cow::Borrowed(gates), decay);
    let (states, o) = (Shared::new(states), Shared::new(o));
    let is_worth = 4 * rows * shape.state_floats() >= PARALLEL_FROM;
    parallel::for_each_if(is_worth, sizes.heads, |i| {
        // SAFETY: every head has its own state.
        let state = unsafe { states.slice(i * size..(i + 1) * size) };
        let run = |head: Head, state: &mut [f32], row: usize| {
            let forward = Forward {
                head,
                state,
                row,
                o,
                kept: None,
            };
            dispatch_at(sizes.level, forward);
        };
        let (head, dv, row) = (read.head(&shape, i), shape.value_width, shape.values());
        if dv.is_multiple_of(LANES) {
            return run(head, state, dv);
        }
        // Rows of whole vectors, for as long as it takes.
        let mut wide = scratch(shape.key_width * row);
        wide.fill(0.0);
        for (wide, state) in wide.chunks_exact_mut(row).zip(state.chunks_exact(dv)) {
            wide[..dv].copy_from_slice(state);
        }
        run(head, &mut wide, row);
        for (wide, state) in wide.chunks_exact(row).zip(state.chunks_exact_mut(dv)) {
            state.copy_from_slice(&wide[..dv]);
        }
    });
}
