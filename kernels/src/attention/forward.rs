//! One piece of the forward pass.

use super::super::gemm::Block;
use super::super::math;
use super::super::parallel::{self, Shared, scratch};
use super::super::simd::{Kernel, LANES, Simd, dispatch_at};
use super::pack::{Columns, pack_transposed};
use super::plan::{Plan, ROWS, Sources};
use super::soft_cap::soft_cap;
use std::ops::Range;

/// Keys whose products with P are summed together: so many rows of the widest panel are half of the
/// first cache.
const VALUES: usize = 64;

/// Writes y (B·Tq, H·dh) and of each row of scores the largest and 1 / Σ e^(S − largest), (B·Tq, H, 2);
/// these stay 0 where a query sees nothing.
///
/// # Safety
/// Both are as long as that, and nobody else uses them.
pub unsafe fn run(plan: &Plan, x: Sources, y: Shared<f32>, norms: Shared<f32>) {
    parallel::for_each(plan.pieces(), |i| {
        // Every row of every head belongs to one piece, which writes it.
        let forward = Forward {
            plan,
            i,
            x,
            y,
            norms,
        };
        dispatch_at(plan.level, forward);
    });
}

/// Writes the piece's rows of y and of the norms, which nobody else uses.
struct Forward<'a> {
    plan: &'a Plan,
    /// Which piece.
    i: usize,
    x: Sources<'a>,
    y: Shared<f32>,
    norms: Shared<f32>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward {
            plan, i: own, x, ..
        } = self;
        let piece = &plan.piece(own);
        let dh = plan.dh;
        // From here on a key is known by its place in what the piece sees.
        let all = plan.span(piece, piece.rows.clone());
        let place = |keys: Range<usize>| keys.start - all.start..keys.end - all.start;
        let seen = all.len();
        let columns = Columns::new::<S>(dh);
        let keys_width = S::TILE_VECTORS * LANES;

        let mut turned = scratch(if plan.turns(1) { seen * dh } else { 0 });
        let mut keys = scratch(seen.next_multiple_of(keys_width) * dh);
        let k = plan.rows(piece, 1, all.clone(), x, &mut turned);
        pack_transposed(s, k, seen, &mut keys);
        drop(turned);
        let mut v = scratch(seen * columns.padded);
        columns.pack(
            s,
            plan.rows(piece, 2, all.clone(), x, &mut []),
            seen,
            &mut v,
        );

        let blocks = || {
            let firsts = piece.rows.clone().step_by(ROWS);
            firsts.map(|first| {
                let end = piece.rows.end.min(first + ROWS);
                (first..end, place(plan.span(piece, first..end)))
            })
        };
        let widest = blocks().map(|(_, span)| span.len()).max().unwrap_or(0);
        // A row has room for a vector past its last and one more.
        let stride = widest.next_multiple_of(LANES) + 2 * LANES;
        let mut scores = scratch(ROWS * stride);
        let mut q = scratch(ROWS * dh);
        let mut out = scratch(ROWS * columns.padded);
        let mut sums = [0.0; ROWS];
        for (block_rows, span) in blocks() {
            let (first, count) = (block_rows.start, block_rows.len());
            plan.prefetch(s, own, block_rows.clone(), x, []);
            plan.queries(s, piece, block_rows, x, &mut q);

            // S = q kᵀ, of each row what it sees, to whole vectors; column 0 is the span's first.
            for column in span.clone().step_by(keys_width) {
                let n = (span.end - column).min(keys_width);
                for (rows, vectors) in plan.bands(first, count, all.start + column, n) {
                    let block = Block {
                        m: rows.len(),
                        k: dh,
                        a: q[rows.start * dh..].as_ptr(),
                        row: dh,
                        column: 1,
                        panel: keys[column * dh..].as_ptr(),
                        panel_row: keys_width,
                        vectors,
                        start: None,
                        c: scores[rows.start * stride + column - span.start..].as_mut_ptr(),
                        c_row: stride,
                        accumulate: false,
                    };
                    // SAFETY: q holds `count` rows, keys whole panels, scores `stride` ≥ whole
                    // vectors.
                    unsafe { block.run(s) };
                }
            }

            // P, not yet divided by its row's sum; 0 around it as far as its group's product reads.
            let group = columns.group();
            let sees = |i: usize| place(plan.sees(piece, first + i));
            let group_end = |i: usize| sees((i / group * group + group).min(count) - 1).end;
            for (i, sum) in sums[..count].iter_mut().enumerate() {
                let own = sees(i);
                let row = &mut scores[i * stride..(i + 1) * stride];
                let (begin, end) = (own.start - span.start, own.end - span.start);
                row[..begin].fill(0.0);
                if own.is_empty() {
                    row[end..group_end(i) - span.start].fill(0.0);
                    *sum = 0.0;
                    continue;
                }
                let seen = &mut row[begin..end];
                if let Some(cap) = plan.shape.soft_cap {
                    soft_cap(plan.level, cap, seen, None);
                }
                plan.bias(piece, first + i, all.start + own.start, seen);
                let (total, largest) = softmax(s, &mut row[begin..], own.len());
                *sum = 1.0 / total;
                let (_, place) = plan.at_output(piece, first + i);
                // SAFETY: this row of this head is the piece's own.
                unsafe { self.norms.slice(place..place + 2) }.copy_from_slice(&[largest, *sum]);
            }

            // y = P v, by blocks of keys whose values stay in the first cache.
            for begin in span.clone().step_by(VALUES) {
                for (column, width) in columns.panels() {
                    for i in (0..count).step_by(group) {
                        let end = group_end(i).min(begin + VALUES);
                        if end <= begin {
                            continue;
                        }
                        let block = Block {
                            m: group.min(count - i),
                            k: end - begin,
                            a: scores[i * stride + begin - span.start..].as_ptr(),
                            row: stride,
                            column: 1,
                            panel: v[column * seen + begin * width..].as_ptr(),
                            panel_row: width,
                            vectors: width / LANES,
                            start: None,
                            c: out[i * columns.padded + column..].as_mut_ptr(),
                            c_row: columns.padded,
                            accumulate: begin > span.start,
                        };
                        // SAFETY: scores hold the group's keys, v all keys seen, out whole vectors.
                        unsafe { block.run(s) };
                    }
                }
            }
            for i in 0..count {
                let (start, _) = plan.at_output(piece, first + i);
                // SAFETY: this row of this head is the piece's own.
                let y = unsafe { self.y.slice(start..start + dh) };
                if sums[i] == 0.0 {
                    y.fill(0.0); // sees nothing
                    continue;
                }
                let (out, sum) = (&out[i * columns.padded..], s.splat(sums[i]));
                for j in (0..dh).step_by(LANES) {
                    s.write_at(y, j, s.mul(s.read_at(out, j), sum));
                }
            }
        }
    }
}

/// The first `n` (at least one) of a row ← e^(x − largest), and what follows as far as a tile of P v
/// reads ← 0; the row has two more vectors. Returns their sum and the largest.
#[inline(always)]
fn softmax<S: Simd>(s: S, row: &mut [f32], n: usize) -> (f32, f32) {
    // Whole vectors: past the last, e^−∞ = 0.
    s.write_at(&mut row[..n + LANES], n, s.splat(f32::NEG_INFINITY));
    let whole = n.next_multiple_of(LANES);
    let found = math::exponentials(s, &mut row[..whole]);
    s.write_at(row, whole, s.zero());
    found
}
