//! Weights in the order in which the register tiles read them.

use super::buffer::Buffer;
use super::{Cell, Layout, RecurrentWeights};
use crate::gemm::transpose_padded;
use crate::simd::{self, Kernel, LANES, Simd};
use crate::{parallel, read};

/// Cuts `blocks` into panels of `wide` blocks and then single ones: (first block, blocks).
pub fn panels(blocks: usize, wide: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = blocks / wide;
    (0..whole)
        .map(move |i| (i * wide, wide))
        .chain((whole * wide..blocks).map(|i| (i, 1)))
}

/// Blocks whose gates one forward tile holds.
pub const fn forward_blocks<C: Cell>(vectors: usize) -> usize {
    if C::GATES == 1 { vectors } else { 1 }
}

/// For W_ih x and W_hh h: panels of one or more blocks of units with all their gates; vector
/// u·G + g of a panel is gate g of its block u.
pub struct ForwardWeights {
    /// W_ih: (panels, parts, input blocks · LANES, vectors of a part, LANES).
    pub input: Buffer,
    /// W_hh, likewise over hidden blocks.
    pub hidden: Buffer,
    /// What the input projection starts from, (hidden blocks, G, LANES): b_ih + b_hh, of a gate
    /// that is apart b_ih.
    pub bias: Buffer,
    /// b_hh of the gate that is apart, (hidden blocks, LANES).
    pub apart: Buffer,
}

impl ForwardWeights {
    /// Copies and packs; `is_shared` says whether several threads are to read it.
    pub fn new<C: Cell>(layout: &Layout, weights: RecurrentWeights, is_shared: bool) -> Self {
        let Layout {
            hidden,
            hidden_blocks,
            ..
        } = *layout;
        let (bias_ih, bias_hh) = (read(weights.bias_ih), read(weights.bias_hh));
        let bias = Buffer::zeroed(hidden_blocks * C::GATES * LANES);
        let apart = Buffer::zeroed(hidden_blocks * LANES);
        for unit in 0..hidden {
            let (block, lane) = (unit / LANES, unit % LANES);
            for gate in 0..C::GATES {
                let i = gate * hidden + unit;
                let separate = C::APART && gate == C::GATES - 1;
                let joined = bias_ih[i] + if separate { 0.0 } else { bias_hh[i] };
                // SAFETY: within the buffers' sizes above.
                unsafe {
                    *bias.at((block * C::GATES + gate) * LANES + lane) = joined;
                    if separate {
                        *apart.at(block * LANES + lane) = bias_hh[i];
                    }
                }
            }
        }
        ForwardWeights {
            input: interleave::<C>(layout, &read(weights.weight_ih), layout.input, is_shared),
            hidden: interleave::<C>(layout, &read(weights.weight_hh), layout.hidden, is_shared),
            bias,
            apart,
        }
    }
}

fn interleave<C: Cell>(layout: &Layout, weight: &[f32], columns: usize, is_shared: bool) -> Buffer {
    let Layout {
        hidden,
        hidden_blocks,
        vectors,
        level,
        ..
    } = *layout;
    let depth = columns.next_multiple_of(LANES);
    let out = Buffer::new(hidden_blocks * C::GATES * LANES * depth);
    let panels: Vec<_> = panels(hidden_blocks, forward_blocks::<C>(vectors)).collect();
    parallel::for_each_if(is_shared, panels.len(), |panel| {
        let (first, blocks) = panels[panel];
        let in_panel = blocks * C::GATES;
        // What one pass over the left operand keeps in registers.
        let in_part = in_panel.min(vectors);
        for v in 0..in_panel {
            let (block, gate) = (first + v / C::GATES, v % C::GATES);
            let row = gate * hidden + block * LANES;
            let start = first * C::GATES * LANES * depth
                + v / in_part * in_part * depth * LANES
                + v % in_part * LANES;
            let units = Units {
                weight: &weight[row * columns..],
                columns,
                count: (hidden - block * LANES).min(LANES),
                to: out.at(start),
                to_row: in_part * LANES,
            };
            simd::dispatch_at(level, units);
        }
    });
    out
}

/// Copies a block of units to a vector of a panel: unit u of column k goes to lane u of row k, zeros
/// to LANES without a unit and rows past the columns up to whole vectors.
struct Units<'a> {
    /// From the first unit's row on.
    weight: &'a [f32],
    columns: usize,
    count: usize,
    to: *mut f32,
    to_row: usize,
}

impl Kernel for Units<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let size = (self.count, self.columns);
        let padded = (LANES, self.columns.next_multiple_of(LANES));
        // SAFETY: within the panel, which is one piece's own.
        unsafe {
            transpose_padded(
                s,
                self.weight,
                self.columns,
                size,
                self.to,
                self.to_row,
                padded,
            );
        }
    }
}

/// For da · W_ih and da · W_hh: panels of blocks of columns over the gradients of all gates.
pub struct BackwardWeights {
    /// W_ih: (panels of input blocks, G · hidden blocks · LANES, blocks of a panel, LANES).
    pub input: Buffer,
    /// W_hh, likewise with panels of hidden blocks.
    pub hidden: Buffer,
}

impl BackwardWeights {
    /// Copies and packs; `is_shared` says whether several threads are to read it.
    pub fn new<C: Cell>(layout: &Layout, weights: RecurrentWeights, is_shared: bool) -> Self {
        let offset = C::GRADIENTS - C::GATES;
        let hidden_position = C::HIDDEN_POSITION.map(|p| p.saturating_sub(offset));
        let (ih, hh) = (read(weights.weight_ih), read(weights.weight_hh));
        BackwardWeights {
            input: stack::<C>(layout, &ih, layout.input, C::INPUT_POSITION, is_shared),
            hidden: stack::<C>(layout, &hh, layout.hidden, hidden_position, is_shared),
        }
    }
}

fn stack<C: Cell>(
    layout: &Layout,
    weight: &[f32],
    columns: usize,
    position: [usize; 4],
    is_shared: bool,
) -> Buffer {
    let Layout {
        hidden,
        hidden_blocks,
        vectors,
        ..
    } = *layout;
    let (padded, column_blocks) = (hidden_blocks * LANES, columns.div_ceil(LANES));
    let depth = C::GATES * padded;
    let out = Buffer::new(depth * column_blocks * LANES);
    let panels: Vec<_> = panels(column_blocks, vectors).collect();
    parallel::for_each_if(is_shared, panels.len(), |panel| {
        let (first, blocks) = panels[panel];
        let width = blocks * LANES;
        let filled = columns.saturating_sub(first * LANES).min(width);
        for (gate, &position) in position.iter().enumerate().take(C::GATES) {
            for unit in 0..padded {
                let to = first * LANES * depth + (position * padded + unit) * width;
                let filled = if unit < hidden { filled } else { 0 };
                // SAFETY: one row of the panel, which is this piece's own.
                unsafe {
                    let row = out.at(to);
                    row.write_bytes(0, width);
                    let from = weight
                        .as_ptr()
                        .add((gate * hidden + unit.min(hidden - 1)) * columns);
                    row.copy_from_nonoverlapping(from.add(first * LANES), filled);
                }
            }
        }
    });
    out
}
