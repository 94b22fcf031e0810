//! One piece of the forward pass.

use super::super::gemm::{Block, K_BLOCK, tile_shape};
use super::super::math;
use super::super::parallel::{Shared, scratch};
use super::super::simd::{Kernel, Simd, dispatch_at};
use super::pack::{Columns, pack_transposed};
use super::{Piece, Plan, ROWS};

/// Writes the piece's rows of y and of the log-sums (B·T, H).
///
/// # Safety
/// Nobody else uses those rows of this head in `y` and `log_sums`.
pub unsafe fn run(plan: &Plan, piece: &Piece, x: &[f32], y: Shared<f32>, log_sums: Shared<f32>) {
    let (dh, tile) = (plan.dh, tile_shape(plan.level));
    let seen = plan.seen(piece.rows.end);
    let columns = Columns::new(tile, dh);
    let keys_width = tile.lanes * tile.vectors;

    let mut rows = scratch(seen * dh);
    let mut keys = scratch(seen.next_multiple_of(keys_width) * dh);
    gather(plan, piece, 1, 0..seen, x, &mut rows);
    pack_transposed(plan.level, &rows, dh, &mut keys);
    let mut v = scratch(seen * columns.padded);
    gather(plan, piece, 2, 0..seen, x, &mut rows);
    columns.pack(&rows, dh, &mut v);
    drop(rows);

    // One more vector than needed, so that rows do not fall on the same cache sets.
    let stride = seen.next_multiple_of(tile.lanes) + tile.lanes;
    let mut scores = scratch(ROWS * stride);
    let mut q = scratch(ROWS * dh);
    let mut out = scratch(ROWS * columns.padded);
    let mut sums = [0.0; ROWS];
    for first in piece.rows.clone().step_by(ROWS) {
        let count = ROWS.min(piece.rows.end - first);
        let seen = plan.seen(first + count);
        gather(plan, piece, 0, first..first + count, x, &mut q);
        q[..count * dh].iter_mut().for_each(|q| *q *= plan.scale());

        // S = q kᵀ, of each row what it sees, to whole vectors.
        for column in (0..seen).step_by(keys_width) {
            let n = (seen - column).min(keys_width);
            for (rows, vectors) in plan.bands(first, count, column, n, tile.lanes) {
                let block = Block {
                    m: rows.len(),
                    k: dh,
                    a: q[rows.start * dh..].as_ptr(),
                    row: dh,
                    column: 1,
                    panel: keys[column * dh..].as_ptr(),
                    panel_row: keys_width,
                    vectors,
                    c: scores[rows.start * stride + column..].as_mut_ptr(),
                    c_row: stride,
                    accumulate: false,
                };
                // SAFETY: q holds `count` rows, keys whole panels, scores `stride` ≥ whole vectors.
                unsafe { block.run_at(plan.level) };
            }
        }

        // P, not yet divided by its row's sum.
        let group = columns.group(tile);
        let group_end =
            |i: usize| plan.seen((first + i / group * group + group).min(first + count));
        for (i, sum) in sums[..count].iter_mut().enumerate() {
            let row = &mut scores[i * stride..(i + 1) * stride];
            let seen = plan.seen(first + i + 1);
            plan.bias(piece, first + i, 0, &mut row[..seen]);
            let (total, largest) = dispatch_at(plan.level, Softmax { row, seen });
            scores[i * stride..][seen..group_end(i)].fill(0.0);
            // SAFETY: this row of this head is the piece's own.
            unsafe {
                let t = piece.batch * plan.shape.seq_len + first + i;
                *log_sums.pointer().add(t * plan.shape.heads + piece.head) = largest + total.ln();
            }
            *sum = 1.0 / total;
        }

        // y = P v, summed over blocks of tokens that stay in cache.
        for begin in (0..seen).step_by(K_BLOCK) {
            for i in (0..count).step_by(group) {
                let end = group_end(i).min(begin + K_BLOCK);
                if end <= begin {
                    continue;
                }
                for (column, width) in columns.panels() {
                    let block = Block {
                        m: group.min(count - i),
                        k: end - begin,
                        a: scores[i * stride + begin..].as_ptr(),
                        row: stride,
                        column: 1,
                        panel: v[column * (v.len() / columns.padded) + begin * width..].as_ptr(),
                        panel_row: width,
                        vectors: width / tile.lanes,
                        c: out[i * columns.padded + column..].as_mut_ptr(),
                        c_row: columns.padded,
                        accumulate: begin > 0,
                    };
                    // SAFETY: scores hold the group's tokens, v all tokens seen, out whole vectors.
                    unsafe { block.run_at(plan.level) };
                }
            }
        }
        for i in 0..count {
            let start = plan.at_output(piece, first + i);
            // SAFETY: this row of this head is the piece's own.
            let y = unsafe { y.slice(start..start + dh) };
            for (y, o) in y.iter_mut().zip(&out[i * columns.padded..]) {
                *y = o * sums[i];
            }
        }
    }
}

/// Dense rows `range` of q (0), k (1) or v (2) of a head, q and k turned by their position.
pub(super) fn gather(
    plan: &Plan,
    piece: &Piece,
    which: usize,
    range: std::ops::Range<usize>,
    x: &[f32],
    out: &mut [f32],
) {
    let dh = plan.dh;
    for (t, out) in range.zip(out.chunks_exact_mut(dh.max(1))) {
        out.copy_from_slice(&x[plan.at(piece, which, t)..][..dh]);
        if let (Some(rotary), 0 | 1) = (&plan.rotary, which) {
            rotary.turn(out, t);
        }
    }
}

/// The first `seen` of a row ← e^(x − largest). Returns their sum and the largest.
struct Softmax<'a> {
    row: &'a mut [f32],
    seen: usize,
}

impl Kernel for Softmax<'_> {
    type Output = (f32, f32);
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, f32) {
        let whole = self.seen - self.seen % S::LANES;
        let row = &mut self.row[..self.seen];
        let mut top = s.splat(f32::NEG_INFINITY);
        for j in (0..whole).step_by(S::LANES) {
            top = s.max(top, s.read_at(row, j));
        }
        let largest = row[whole..]
            .iter()
            .fold(s.largest(top), |m, &x| if x > m { x } else { m });
        let top = s.splat(largest);
        let mut sums = s.zero();
        for j in (0..whole).step_by(S::LANES) {
            let e = math::exp(s, s.sub(s.read_at(row, j), top));
            sums = s.add(sums, e);
            s.write_at(row, j, e);
        }
        let mut sum = s.sum(sums);
        if whole < self.seen {
            let e = math::exp(s, s.sub(s.read_at(row, whole), top));
            s.write_at(row, whole, e);
            sum += row[whole..].iter().sum::<f32>();
        }
        (sum, largest)
    }
}
