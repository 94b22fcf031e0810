//! The backward pass, and one piece of it.

use super::super::gemm::{Block, TileShape, tile_shape};
use super::super::math;
use super::super::parallel::{self, Scratch, Shared, scratch};
use super::super::simd::{Kernel, Level, Simd, dispatch_at};
use super::forward::gather;
use super::pack::{Columns, pack_transposed};
use super::{Piece, Plan, ROWS};

/// Tokens whose scores exist at a time, for [`ROWS`] rows: a multiple of every panel's width.
const TOKENS: usize = 256;

/// What the backward pass reads.
pub struct Inputs<'a> {
    pub x: &'a [f32],
    pub y: &'a [f32],
    pub dy: &'a [f32],
    pub log_sums: &'a [f32],
}

/// The gradient of qkv.
#[derive(Clone, Copy)]
pub struct Target {
    pub dx: Shared<f32>,
    /// Whether it has no values yet, so that it is written and not added to.
    pub is_first: bool,
}

/// Writes the gradient of qkv to `dx`, or adds it.
///
/// # Safety
/// It is as long as qkv, and nobody else uses it.
pub unsafe fn run(plan: &Plan, inputs: &Inputs, dx: Target) {
    let cuts = plan.pieces_per_head();
    if cuts <= 1 {
        parallel::for_each(plan.pieces(), |i| {
            let piece = plan.piece(i);
            // SAFETY: a piece is a whole head, whose part of dx is its own.
            unsafe {
                let (dk, dv) = rows_of(plan, &piece, inputs, dx);
                add_keys(plan, &piece, 0, &dk, &dv, dx);
            }
        });
        return;
    }
    // The blocks of rows of one head each sum their part of dk and dv; parts are added in order.
    let parts = parallel::map(plan.pieces(), |i| {
        // SAFETY: the rows of q's gradient are the piece's own; those of k and v come below.
        let (dk, dv) = unsafe { rows_of(plan, &plan.piece(i), inputs, dx) };
        (dk.to_vec(), dv.to_vec())
    });
    parallel::for_each(plan.pieces() / cuts, |head| {
        let mut written = 0;
        for i in (head * cuts..(head + 1) * cuts).rev() {
            let (piece, (dk, dv)) = (plan.piece(i), &parts[i]);
            // SAFETY: a head's rows of the gradients of k and v belong to this iteration.
            unsafe { add_keys(plan, &piece, written, dk, dv, dx) };
            written = plan.seen(piece.rows.end);
        }
    });
}

/// Adds dk, turned back, and dv of the tokens a piece sees; other pieces of the head have written
/// the first `written` tokens.
///
/// # Safety
/// Nobody else uses these rows of this head in the gradients of k and v.
unsafe fn add_keys(plan: &Plan, piece: &Piece, written: usize, dk: &[f32], dv: &[f32], dx: Target) {
    let dh = plan.dh;
    let padded = Columns::new(tile_shape(plan.level), dh).padded;
    let mut turned = vec![0.0; dh];
    for t in 0..plan.seen(piece.rows.end) {
        for (which, from) in [(1, dk), (2, dv)] {
            let mut row = &from[t * padded..][..dh];
            if let (Some(rotary), 1) = (&plan.rotary, which) {
                turned.copy_from_slice(row);
                rotary.turn_back(&mut turned, t);
                row = &turned;
            }
            let start = plan.at(piece, which, t);
            // SAFETY: by contract.
            let to = unsafe { dx.dx.slice(start..start + dh) };
            send(plan.level, to, row, dx.is_first && t >= written);
        }
    }
}

/// to ← x if it is the first, else to += x.
fn send(level: Level, to: &mut [f32], x: &[f32], is_first: bool) {
    if is_first {
        to.copy_from_slice(x);
    } else {
        dispatch_at(level, math::Add(to, x));
    }
}

/// Adds dq of a piece's rows to `dx`; returns its part of dk (not turned back) and dv, dense rows
/// padded to whole vectors, of all tokens it sees.
///
/// # Safety
/// Nobody else uses these rows of this head in the gradient of q.
unsafe fn rows_of(plan: &Plan, piece: &Piece, inputs: &Inputs, dx: Target) -> (Scratch, Scratch) {
    let (dh, level, tile) = (plan.dh, plan.level, tile_shape(plan.level));
    let TileShape { lanes, vectors, .. } = tile;
    let seen = plan.seen(piece.rows.end);
    let columns = Columns::new(tile, dh);
    let padded = columns.padded;
    let keys_width = lanes * vectors;
    let group = columns.group(tile);

    // kᵀ and vᵀ for scores and their gradients, k for dq.
    let whole = seen.next_multiple_of(keys_width);
    let (mut rows, mut k_t, mut v_t) =
        (scratch(seen * dh), scratch(whole * dh), scratch(whole * dh));
    gather(plan, piece, 2, 0..seen, inputs.x, &mut rows);
    pack_transposed(level, &rows, dh, &mut v_t);
    gather(plan, piece, 1, 0..seen, inputs.x, &mut rows);
    pack_transposed(level, &rows, dh, &mut k_t);
    let mut k = scratch(seen * padded);
    columns.pack(&rows, dh, &mut k);
    drop(rows);
    let (mut dk, mut dv) = (scratch(seen * padded), scratch(seen * padded));
    dk.fill(0.0);
    dv.fill(0.0);

    // One more vector than needed, so that rows do not fall on the same cache sets.
    let stride = TOKENS + lanes;
    let (mut p, mut ds) = (scratch(ROWS * stride), scratch(ROWS * stride));
    let (mut q, mut dy) = (scratch(ROWS * dh), scratch(ROWS * dh));
    let (mut q_panels, mut dy_panels) = (scratch(ROWS * padded), scratch(ROWS * padded));
    let mut dq = scratch(ROWS * padded);
    let (mut logs, mut deltas) = ([0.0f32; ROWS], [0.0f32; ROWS]);
    for first in piece.rows.clone().step_by(ROWS) {
        let count = ROWS.min(piece.rows.end - first);
        gather(plan, piece, 0, first..first + count, inputs.x, &mut q);
        q[..count * dh].iter_mut().for_each(|q| *q *= plan.scale());
        for i in 0..count {
            let start = plan.at_output(piece, first + i);
            let row = &inputs.dy[start..start + dh];
            dy[i * dh..(i + 1) * dh].copy_from_slice(row);
            deltas[i] = dispatch_at(level, Dot(row, &inputs.y[start..start + dh]));
            let t = piece.batch * plan.shape.seq_len + first + i;
            logs[i] = inputs.log_sums[t * plan.shape.heads + piece.head];
        }
        columns.pack(&q[..count * dh], dh, &mut q_panels);
        columns.pack(&dy[..count * dh], dh, &mut dy_panels);

        let seen_here = plan.seen(first + count);
        for begin in (0..seen_here).step_by(TOKENS) {
            let tokens = TOKENS.min(seen_here - begin);
            // The first row that sees a token: rows before it have nothing to compute.
            let first_row = |token: usize| {
                if plan.shape.causal {
                    token.saturating_sub(first)
                } else {
                    0
                }
            };
            // S = q kᵀ and dP = dy vᵀ.
            for column in (0..tokens).step_by(keys_width) {
                let n = (tokens - column).min(keys_width);
                for (rows, vectors) in plan.bands(first, count, begin + column, n, lanes) {
                    for (a, panels, c) in [(&q, &k_t, &mut p), (&dy, &v_t, &mut ds)] {
                        let block = Block {
                            m: rows.len(),
                            k: dh,
                            a: a[rows.start * dh..].as_ptr(),
                            row: dh,
                            column: 1,
                            panel: panels[(begin + column) * dh..].as_ptr(),
                            panel_row: keys_width,
                            vectors,
                            c: c[rows.start * stride + column..].as_mut_ptr(),
                            c_row: stride,
                            accumulate: false,
                        };
                        // SAFETY: a holds `count` rows, panels are whole, c's rows hold whole
                        // vectors.
                        unsafe { block.run_at(level) };
                    }
                }
            }
            // P = e^(S − L), dS = P ⊙ (dP − Δ), both 0 where a row does not see a token.
            for i in 0..count {
                let seen = plan.seen(first + i + 1).saturating_sub(begin).min(tokens);
                let (p, ds) = (
                    &mut p[i * stride..][..stride],
                    &mut ds[i * stride..][..stride],
                );
                plan.bias(piece, first + i, begin, &mut p[..seen]);
                let (log, delta) = (logs[i], deltas[i]);
                dispatch_at(
                    level,
                    ScoreGradient {
                        p: &mut p[..seen],
                        ds: &mut ds[..seen],
                        log,
                        delta,
                    },
                );
                p[seen..tokens].fill(0.0);
                ds[seen..tokens].fill(0.0);
            }
            // dv += Pᵀ dy, dk += dSᵀ q.
            for j in (0..tokens).step_by(group) {
                let skip = first_row(begin + j);
                for (column, width) in columns.panels() {
                    let place = (begin + j) * padded + column;
                    for (a, panels, c) in [(&p, &dy_panels, &mut dv), (&ds, &q_panels, &mut dk)] {
                        let block = Block {
                            m: group.min(tokens - j),
                            k: count - skip,
                            a: a[skip * stride + j..].as_ptr(),
                            row: 1,
                            column: stride,
                            panel: panels[column * count + skip * width..].as_ptr(),
                            panel_row: width,
                            vectors: width / lanes,
                            c: c[place..].as_mut_ptr(),
                            c_row: padded,
                            accumulate: true,
                        };
                        // SAFETY: panels hold `count` rows, c one padded row a token.
                        unsafe { block.run_at(level) };
                    }
                }
            }
            // dq += dS k.
            for i in (0..count).step_by(group) {
                let height = group.min(count - i);
                let end = plan.seen(first + i + height).min(begin + tokens);
                for (column, width) in columns.panels() {
                    let block = Block {
                        m: height,
                        k: end.saturating_sub(begin),
                        a: ds[i * stride..].as_ptr(),
                        row: stride,
                        column: 1,
                        panel: k[column * seen + begin * width..].as_ptr(),
                        panel_row: width,
                        vectors: width / lanes,
                        c: dq[i * padded + column..].as_mut_ptr(),
                        c_row: padded,
                        accumulate: begin > 0,
                    };
                    // SAFETY: ds holds `tokens` columns, k all tokens seen, dq whole vectors.
                    unsafe { block.run_at(level) };
                }
            }
        }
        for i in 0..count {
            let row = &mut dq[i * padded..][..dh];
            row.iter_mut().for_each(|q| *q *= plan.scale());
            if let Some(rotary) = &plan.rotary {
                rotary.turn_back(row, first + i);
            }
            let start = plan.at(piece, 0, first + i);
            // SAFETY: by contract.
            let to = unsafe { dx.dx.slice(start..start + dh) };
            send(level, to, row, dx.is_first);
        }
    }
    (dk, dv)
}

struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = s.zero();
        for j in (0..self.0.len()).step_by(S::LANES) {
            sum = s.fma(s.read_at(self.0, j), s.read_at(self.1, j), sum);
        }
        s.sum(sum)
    }
}

struct ScoreGradient<'a> {
    p: &'a mut [f32],
    ds: &'a mut [f32],
    log: f32,
    delta: f32,
}

impl Kernel for ScoreGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (log, delta) = (s.splat(self.log), s.splat(self.delta));
        for j in (0..self.p.len()).step_by(S::LANES) {
            let p = math::exp(s, s.sub(s.read_at(self.p, j), log));
            let ds = s.mul(p, s.sub(s.read_at(self.ds, j), delta));
            s.write_at(self.p, j, p);
            s.write_at(self.ds, j, ds);
        }
    }
}
