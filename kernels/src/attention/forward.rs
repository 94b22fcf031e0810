//! One piece of the forward pass.

use super::super::gemm::{Block, K_BLOCK, tile_shape};
use super::super::math;
use super::super::parallel::{self, Shared, scratch};
use super::super::simd::{Kernel, Simd, dispatch_at};
use super::pack::{Columns, pack_transposed};
use super::plan::{Piece, Plan, ROWS, Sources};
use super::soft_cap::soft_cap;

/// Writes y (B·Tq, H·dh) and the log-sums (B·Tq, H), which stay 0 where a query sees nothing.
///
/// # Safety
/// Both are as long as that, and nobody else uses them.
pub unsafe fn run(plan: &Plan, x: Sources, y: Shared<f32>, log_sums: Shared<f32>) {
    parallel::for_each(plan.pieces(), |i| {
        // SAFETY: every row of every head belongs to one piece, which writes it.
        unsafe { piece(plan, &plan.piece(i), x, y, log_sums) };
    });
}

/// Writes the piece's rows of y and of the log-sums.
///
/// # Safety
/// Nobody else uses those rows of this head in `y` and `log_sums`.
unsafe fn piece(plan: &Plan, piece: &Piece, x: Sources, y: Shared<f32>, log_sums: Shared<f32>) {
    let (dh, tile) = (plan.dh, tile_shape(plan.level));
    // From here on a key is known by its place in what the piece sees.
    let all = plan.span(piece, piece.rows.clone());
    let place = |keys: std::ops::Range<usize>| keys.start - all.start..keys.end - all.start;
    let seen = all.len();
    let columns = Columns::new(tile, dh);
    let keys_width = tile.lanes * tile.vectors;

    let mut rows = scratch(seen * dh);
    let mut keys = scratch(seen.next_multiple_of(keys_width) * dh);
    plan.gather(piece, 1, all.clone(), x, &mut rows);
    pack_transposed(plan.level, &rows, dh, &mut keys);
    let mut v = scratch(seen * columns.padded);
    plan.gather(piece, 2, all.clone(), x, &mut rows);
    columns.pack(&rows, dh, &mut v);
    drop(rows);

    let blocks = || {
        let firsts = piece.rows.clone().step_by(ROWS);
        firsts.map(|first| {
            let end = piece.rows.end.min(first + ROWS);
            (first..end, place(plan.span(piece, first..end)))
        })
    };
    let widest = blocks().map(|(_, span)| span.len()).max().unwrap_or(0);
    // One more vector than needed, so that rows do not fall on the same cache sets.
    let stride = widest.next_multiple_of(tile.lanes) + tile.lanes;
    let mut scores = scratch(ROWS * stride);
    let mut q = scratch(ROWS * dh);
    let mut out = scratch(ROWS * columns.padded);
    let mut sums = [0.0; ROWS];
    for (block_rows, span) in blocks() {
        let (first, count) = (block_rows.start, block_rows.len());
        plan.gather(piece, 0, block_rows, x, &mut q);
        q[..count * dh].iter_mut().for_each(|q| *q *= plan.scale());

        // S = q kᵀ, of each row what it sees, to whole vectors; column 0 is the span's first.
        for column in span.clone().step_by(keys_width) {
            let n = (span.end - column).min(keys_width);
            for (rows, vectors) in plan.bands(first, count, all.start + column, n, tile.lanes) {
                let block = Block {
                    m: rows.len(),
                    k: dh,
                    a: q[rows.start * dh..].as_ptr(),
                    row: dh,
                    column: 1,
                    panel: keys[column * dh..].as_ptr(),
                    panel_row: keys_width,
                    vectors,
                    c: scores[rows.start * stride + column - span.start..].as_mut_ptr(),
                    c_row: stride,
                    accumulate: false,
                };
                // SAFETY: q holds `count` rows, keys whole panels, scores `stride` ≥ whole vectors.
                unsafe { block.run_at(plan.level) };
            }
        }

        // P, not yet divided by its row's sum; 0 around it as far as its group's product reads.
        let group = columns.group(tile);
        let sees = |i: usize| place(plan.sees(piece, first + i));
        let group_end = |i: usize| sees((i / group * group + group).min(count) - 1).end;
        for (i, sum) in sums[..count].iter_mut().enumerate() {
            let own = sees(i);
            let row = &mut scores[i * stride..(i + 1) * stride];
            let (begin, end) = (own.start - span.start, own.end - span.start);
            row[..begin].fill(0.0);
            row[end..group_end(i) - span.start].fill(0.0);
            if own.is_empty() {
                *sum = 0.0;
                continue;
            }
            let row = &mut row[begin..end];
            if let Some(cap) = plan.shape.soft_cap {
                soft_cap(plan.level, cap, row, None);
            }
            plan.bias(piece, first + i, all.start + own.start, row);
            let (total, largest) = dispatch_at(plan.level, Softmax(row));
            // SAFETY: this row of this head is the piece's own.
            unsafe {
                let (_, place) = plan.at_output(piece, first + i);
                *log_sums.pointer().add(place) = largest + libm::logf(total);
            }
            *sum = 1.0 / total;
        }

        // y = P v, summed over blocks of keys that stay in cache.
        for begin in span.clone().step_by(K_BLOCK) {
            for i in (0..count).step_by(group) {
                let end = group_end(i).min(begin + K_BLOCK);
                if end <= begin {
                    continue;
                }
                for (column, width) in columns.panels() {
                    let block = Block {
                        m: group.min(count - i),
                        k: end - begin,
                        a: scores[i * stride + begin - span.start..].as_ptr(),
                        row: stride,
                        column: 1,
                        panel: v[column * seen + begin * width..].as_ptr(),
                        panel_row: width,
                        vectors: width / tile.lanes,
                        c: out[i * columns.padded + column..].as_mut_ptr(),
                        c_row: columns.padded,
                        accumulate: begin > span.start,
                    };
                    // SAFETY: scores hold the group's keys, v all keys seen, out whole vectors.
                    unsafe { block.run_at(plan.level) };
                }
            }
        }
        for i in 0..count {
            let (start, _) = plan.at_output(piece, first + i);
            // SAFETY: this row of this head is the piece's own.
            let y = unsafe { y.slice(start..start + dh) };
            if sums[i] == 0.0 {
                y.fill(0.0); // sees nothing
                continue;
            }
            for (y, o) in y.iter_mut().zip(&out[i * columns.padded..]) {
                *y = o * sums[i];
            }
        }
    }
}

/// A row ← e^(x − largest). Returns their sum and the largest.
struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = (f32, f32);
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, f32) {
        let row = self.0;
        let whole = row.len() - row.len() % S::LANES;
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
        if whole < row.len() {
            let e = math::exp(s, s.sub(s.read_at(row, whole), top));
            s.write_at(row, whole, e);
            sum += row[whole..].iter().sum::<f32>();
        }
        (sum, largest)
    }
}
