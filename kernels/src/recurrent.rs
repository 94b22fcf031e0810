//! How a recurrent layer runs over whole sequences, for any [`Cell`].
//!
//! The batch is cut into pieces of a few sequences; a thread runs one piece through all its steps,
//! so that no step waits for another thread. Within a piece, time is cut into chunks of about
//! [`CHUNK_ROWS`] rows (a row is one token of one sequence, time-major: row t·R + r): a chunk's
//! input projection, its steps and their backward stay in cache. Weights are packed once a call so
//! that one register tile holds all gates of a block of units (a block is one vector, LANES units),
//! and the cell's mathematics runs on the accumulators.
//!
//! Working buffers are *blocked*: (blocks, rows, LANES), padded with zeros to whole blocks. That
//! one layout serves as left operand of the forward and backward products and as both operands of
//! the weight gradient; the padding is computed with and stays zero.
//!
//! Cost: 2·B·T·G·H·(D+H) FLOPs forward, twice that backward; the longest chain is T steps, each a
//! product of depth 1 + ⌈log₂ H⌉ (backward G·H) and the cell; the products with x and those for the
//! gradients of the weights are outside that chain.

mod backward;
mod buffer;
mod cell;
mod chunk;
mod forward;
mod pack;
mod partial;
mod product;
mod step;
#[cfg(test)]
pub(super) mod testing;

pub use cell::{Backward, Cell, Cells, Forward, MOST_CELLS};
pub use step::Stepper;

use super::cost::{self, Cost, Id, Phase};
use super::gemm::tile_shape;
use super::simd::{self, LANES, Level};
use super::watch::{self, Watchable};
use super::{Activation, Matrix, Output, Slot, matrix, parallel, read};
use buffer::Buffer;
use dfdx::prelude::*;

/// The parameters of one recurrent layer, as PyTorch shapes and orders them; G gates, hidden
/// size H, input width D.
#[derive(Clone, Copy)]
pub struct RecurrentWeights<'a> {
    /// (G·H, D), gates stacked.
    pub weight_ih: &'a Matrix,
    /// (G·H, H).
    pub weight_hh: &'a Matrix,
    /// (1, G·H).
    pub bias_ih: &'a Matrix,
    /// (1, G·H).
    pub bias_hh: &'a Matrix,
}

/// Rows of a chunk: its buffers fit the second-level cache, its products are long enough.
const CHUNK_ROWS: usize = 256;
/// Most sequences in a piece; fewer where that makes two pieces of a small batch.
const PIECE_ROWS: usize = 8;

/// The sizes of a layer and how they are cut into blocks at one SIMD level.
#[derive(Debug, Clone, Copy)]
struct Layout {
    level: Level,
    /// Blocks side by side in a register tile.
    vectors: usize,
    /// D
    input: usize,
    /// H
    hidden: usize,
    /// ⌈D / LANES⌉
    input_blocks: usize,
    /// ⌈H / LANES⌉
    hidden_blocks: usize,
}

impl Layout {
    fn new(input: usize, hidden: usize) -> Self {
        let level = simd::level();
        let vectors = tile_shape(level).vectors;
        Layout {
            level,
            vectors,
            input,
            hidden,
            input_blocks: input.div_ceil(LANES),
            hidden_blocks: hidden.div_ceil(LANES),
        }
    }
}

/// How B sequences of T tokens are cut; depends on the sizes alone, never on the threads.
#[derive(Debug, Clone, Copy)]
struct Plan {
    batch: usize,
    seq_len: usize,
    /// Sequences in a piece; the last may have fewer.
    piece_rows: usize,
}

/// One piece: `rows` sequences from `first`, in chunks of `chunk_steps` steps.
#[derive(Debug, Clone, Copy)]
struct Piece {
    first: usize,
    rows: usize,
    chunk_steps: usize,
    chunks: usize,
}

impl Plan {
    fn new(batch: usize, seq_len: usize) -> Self {
        let piece_rows = batch.div_ceil(2).clamp(1, PIECE_ROWS);
        Plan {
            batch,
            seq_len,
            piece_rows,
        }
    }
    fn pieces(&self) -> usize {
        self.batch.div_ceil(self.piece_rows)
    }
    fn piece(&self, i: usize) -> Piece {
        let sequences = parallel::piece(self.batch, self.piece_rows, i);
        let rows = sequences.len();
        let chunk_steps = CHUNK_ROWS.div_ceil(rows).min(self.seq_len);
        let chunks = self.seq_len.div_ceil(chunk_steps);
        Piece {
            first: sequences.start,
            rows,
            chunk_steps,
            chunks,
        }
    }
}

/// What a piece's forward pass leaves for its backward pass; blocked, one slab a chunk.
struct Trace {
    /// x: (chunks, input blocks, chunk rows, LANES).
    x: Buffer,
    /// h: (chunks, hidden blocks, R + chunk rows, LANES); the first R rows are the state before.
    h: Buffer,
    /// c: (chunks, hidden blocks, R + chunk rows, CELLS, LANES).
    c: Buffer,
    /// Activated gates: (chunks, hidden blocks, chunk rows, SAVED, LANES).
    saved: Buffer,
}

/// Runs `C` over B sequences of T tokens from a zero state: x (B·T, D) to h (B·T, H).
/// Panics if shapes disagree.
pub fn layer<C: Cell>(
    x: Activation,
    weights: RecurrentWeights,
    batch: usize,
    seq_len: usize,
) -> Activation {
    layer_from::<C>(x, [None; 1 + MOST_CELLS], weights, batch, seq_len)
}

/// The same from the states h and c, as many as the cell has, each (B, H), zero where there is none; x
/// carries the tape of both, and gradients flow to them.
pub fn layer_from<C: Cell>(
    x: Activation,
    initial: [Option<&Matrix>; 1 + MOST_CELLS],
    weights: RecurrentWeights,
    batch: usize,
    seq_len: usize,
) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (rows, input) = *x.shape();
    let hidden = weights.check::<C>(input);
    assert_eq!(
        rows,
        batch * seq_len,
        "{}: {batch}·{seq_len} tokens need as many rows",
        C::NAME
    );
    for state in initial.into_iter().flatten() {
        let wanted = (batch, hidden);
        assert_eq!(*state.shape(), wanted, "{}: a state is (B, H)", C::NAME);
    }
    let more = &initial[1 + C::CELLS..];
    assert!(
        more.iter().all(Option::is_none),
        "{}: has no such state",
        C::NAME
    );
    let layout = Layout::new(input, hidden);
    let plan = Plan::new(batch, seq_len);
    let training = tape.is_on();

    let is_shared = plan.pieces() > 1;
    let packed = pack::ForwardWeights::new::<C>(&layout, weights, is_shared);
    let xs = read(&x);
    let states = initial.map(|state| state.map(read));
    let mut traces = Vec::new();
    let run = |shared: parallel::Shared<f32>| {
        traces = parallel::map(plan.pieces(), |i| {
            let piece = plan.piece(i);
            let tokens = piece.first * seq_len..(piece.first + piece.rows) * seq_len;
            let x = &xs[tokens.start * input..tokens.end * input];
            // SAFETY: a piece's sequences are its own.
            let y = unsafe { shared.slice(tokens.start * hidden..tokens.end * hidden) };
            let own = piece.first * hidden..(piece.first + piece.rows) * hidden;
            let states = states
                .each_ref()
                .map(|s| s.as_ref().map(|s| &s[own.clone()]));
            forward::piece::<C>(&layout, &packed, piece, seq_len, (x, states), y, training)
        })
    };
    // SAFETY: every sequence belongs to a piece, which writes all its tokens.
    let y = unsafe { parallel::filled(rows * hidden, run) };
    drop((packed, xs, states));
    let y = matrix(y, rows, hidden);
    let ids = weights.ids();
    let (x_id, y_id) = (Id::value(&x), Id::value(&y));
    let from: Vec<Id> = initial.into_iter().flatten().map(Id::value).collect();
    cost::report(|| Cost {
        reads: ids.into_iter().chain([x_id]).chain(from).collect(),
        writes: vec![y_id],
        ..forward_cost::<C>(&plan, &layout)
    });

    if training {
        let packed = pack::BackwardWeights::new::<C>(&layout, weights, is_shared);
        let (dx, dy) = (Slot::of(&x), Output::of(&y));
        let to_states = initial.map(|state| state.map(Slot::of));
        let slots = [
            Slot::of(weights.weight_ih),
            Slot::of(weights.weight_hh),
            Slot::of(weights.bias_ih),
            Slot::of(weights.bias_hh),
        ];
        tape.record(move |gradients| {
            let dy_id = dy.id();
            let dy = dy.take(gradients);
            let mut sum = dx.open(gradients);
            let (shared, is_first) = (sum.shared(), sum.is_first);
            let state = hidden * (1 + C::CELLS);
            let mut of_states = to_states
                .each_ref()
                .map(|s| s.as_ref().map(|s| s.take(gradients)));
            let before = of_states
                .each_mut()
                .map(|s| s.as_mut().map(|s| parallel::Shared::new(s)));
            let mut states = watch::is_on().then(|| vec![0.0; rows * state]);
            let watched = states.as_mut().map(|s| parallel::Shared::new(s));
            let partials = parallel::map(plan.pieces(), |i| {
                let piece = plan.piece(i);
                let tokens = piece.first * seq_len..(piece.first + piece.rows) * seq_len;
                let dy = &dy[tokens.start * hidden..tokens.end * hidden];
                // SAFETY: a piece's sequences are its own.
                let dx = unsafe { shared.slice(tokens.start * input..tokens.end * input) };
                let own = piece.first * hidden..(piece.first + piece.rows) * hidden;
                // SAFETY: as above.
                let before = before.map(|s| s.map(|s| unsafe { s.slice(own.clone()) }));
                backward::piece::<C>(
                    &layout,
                    &packed,
                    piece,
                    seq_len,
                    &traces[i],
                    (dy, watched),
                    (dx, is_first, before),
                )
            });
            for (slot, sum) in to_states.iter().zip(of_states) {
                if let (Some(slot), Some(sum)) = (slot, sum) {
                    slot.put(gradients, sum);
                }
            }
            watch::report(Watchable::State, state, || states.unwrap_or_default());
            // SAFETY: every sequence belongs to a piece, which writes all its tokens.
            unsafe { dx.close(gradients, sum) };
            partial::add_partials::<C>(&layout, &partials, &slots, gradients);
            let [chain, input, weights] = backward_costs::<C>(&plan, &layout);
            // The gradients of the gates are named as that of y is, from which they are made, and so
            // is the product more that the states before the first step take.
            cost::report(|| Cost {
                reads: vec![dy_id, y_id, ids[1]],
                writes: [dy_id]
                    .into_iter()
                    .chain(to_states.iter().flatten().map(Slot::id))
                    .collect(),
                ..chain
            });
            cost::report(|| Cost {
                reads: vec![dy_id, ids[0], if is_first { Id::Unknown } else { dx.id() }],
                writes: vec![dx.id()],
                ..input
            });
            cost::report(|| {
                let sums = slots.each_ref().map(Slot::id);
                Cost {
                    reads: sums.into_iter().chain([dy_id, x_id, y_id]).collect(),
                    writes: sums.to_vec(),
                    ..weights
                }
            });
        });
    }
    y.put_tape(tape)
}

impl RecurrentWeights<'_> {
    /// W_ih, W_hh, b_ih, b_hh.
    fn ids(&self) -> [Id; 4] {
        [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh].map(Id::value)
    }

    /// Panics unless the shapes fit each other and inputs of width `input`; returns H.
    fn check<C: Cell>(&self, input: usize) -> usize {
        let (rows, hidden) = *self.weight_hh.shape();
        assert_eq!(
            rows,
            C::GATES * hidden,
            "{}: weight_hh is (G·H, H)",
            C::NAME
        );
        assert_eq!(
            *self.weight_ih.shape(),
            (rows, input),
            "{}: weight_ih is (G·H, D)",
            C::NAME
        );
        assert_eq!(
            *self.bias_ih.shape(),
            (1, rows),
            "{}: bias_ih is (1, G·H)",
            C::NAME
        );
        assert_eq!(
            *self.bias_hh.shape(),
            (1, rows),
            "{}: bias_hh is (1, G·H)",
            C::NAME
        );
        hidden
    }
}

/// The products with x of all steps at once, then T steps, each a product with the state and the
/// cell.
fn forward_cost<C: Cell>(plan: &Plan, layout: &Layout) -> Cost {
    let (d, h) = (layout.input, layout.hidden);
    let (tokens, rows) = (plan.batch * plan.seq_len, C::GATES * h);
    let input = Phase::product(tokens, d, rows);
    let step = Phase::product(plan.batch, h, rows);
    Cost {
        name: C::NAME,
        flops: 2.0 * (tokens * rows * (d + h)) as f64,
        bytes: bytes::<C>(plan, layout),
        phases: vec![input, chain::<C>(plan, layout, step)],
        ..Cost::default()
    }
}

/// The chain of steps back in time, which gives the gradients of the gates; from these the
/// gradient of x, and those of the weights.
fn backward_costs<C: Cell>(plan: &Plan, layout: &Layout) -> [Cost; 3] {
    let (d, h) = (layout.input, layout.hidden);
    let (tokens, rows) = (plan.batch * plan.seq_len, C::GATES * h);
    let flops = |width: usize| 2.0 * (tokens * rows * width) as f64;
    let part = |flops, bytes, phases| Cost {
        name: C::BACKWARD_NAME,
        flops,
        bytes,
        phases,
        ..Cost::default()
    };
    let steps = chain::<C>(plan, layout, Phase::product(plan.batch, rows, h));
    let bytes = 2.0 * bytes::<C>(plan, layout);
    [
        part(flops(h), bytes, vec![steps]),
        part(flops(d), 0.0, vec![Phase::product(tokens, rows, d)]),
        part(
            flops(d + h),
            0.0,
            vec![
                Phase::product(rows, tokens, d + h),
                Phase::elementwise(rows * (d + h), 1.0),
            ],
        ),
    ]
}

/// T steps, each this product of the whole batch and the cell: as many operations as its chain is
/// long for every gate of every unit.
fn chain<C: Cell>(plan: &Plan, layout: &Layout, product: Phase) -> Phase {
    let gates = (plan.batch * C::GATES * layout.hidden) as f64;
    let steps = plan.seq_len as f64;
    Phase {
        work: steps * (product.work + gates * C::DEPTH),
        span: steps * (product.span + C::DEPTH),
    }
}

fn bytes<C: Cell>(plan: &Plan, layout: &Layout) -> f64 {
    let (d, h) = (layout.input, layout.hidden);
    let tokens = plan.batch * plan.seq_len;
    let saved = (C::SAVED + 1 + C::CELLS.max(1)) * h;
    4.0 * (tokens * (d + h + saved) + C::GATES * h * (d + h + 2)) as f64
}
