//! The backward pass, and one piece of it.

use super::super::gemm::Block;
use super::super::math;
use super::super::parallel::{self, Scratch, Shared, scratch};
use super::super::simd::{Kernel, LANES, Simd, dispatch_at};
use super::gradient::{KeySum, Target, send};
use super::pack::{Columns, Rows, pack_transposed};
use super::plan::{Plan, ROWS, Sources};
use super::soft_cap::{Multiply, soft_cap};
use std::ops::Range;

/// Keys whose scores exist at a time, for [`ROWS`] rows: a multiple of every panel's width.
const KEYS: usize = 256;

/// What the backward pass reads.
pub struct Inputs<'a> {
    pub x: Sources<'a>,
    pub y: &'a [f32],
    pub dy: &'a [f32],
    /// Of each row of scores: the largest, and the factor of its exponentials.
    pub norms: &'a [f32],
}

/// Writes the gradients of q, and of k and v, or adds them; of packed ones these are the same.
///
/// # Safety
/// They are as long as what they are the gradients of, and nobody else uses them.
pub unsafe fn run(plan: &Plan, inputs: &Inputs, dq: Target, dkv: Target) {
    let cuts = plan.pieces_per_head();
    // The pieces that read one head of keys: of the heads of queries that share it.
    let own = cuts * plan.shape.group();
    let keys_heads = plan.shape.batch * plan.shape.kv_heads;
    if cuts <= 1 {
        parallel::for_each(keys_heads, |head| {
            let mut sum = KeySum::new(plan, head, dkv);
            for i in (head * own..(head + 1) * own).rev() {
                let piece = plan.piece(i);
                // SAFETY: all pieces that read this head of keys, one after the other.
                unsafe {
                    let (mut dk, mut dv) = rows_of(plan, i, inputs, [dq, dkv]);
                    sum.add(&piece, &mut dk, &mut dv);
                }
            }
            // SAFETY: as above.
            unsafe { sum.finish() };
        });
        return;
    }
    // The blocks of rows of one head each sum their part of dk and dv; parts are added in order.
    let mut parts = parallel::map(plan.pieces(), |i| {
        // SAFETY: the rows of q's gradient are the piece's own; those of k and v come below.
        let (dk, dv) = unsafe { rows_of(plan, i, inputs, [dq, dkv]) };
        (dk.to_vec(), dv.to_vec())
    });
    let parts = Shared::new(&mut parts);
    parallel::for_each(keys_heads, |head| {
        let mut sum = KeySum::new(plan, head, dkv);
        for i in (head * own..(head + 1) * own).rev() {
            // SAFETY: a head's rows of the gradients of k and v belong to this iteration, as its
            // pieces' parts do.
            unsafe {
                let (dk, dv) = &mut parts.slice(i..i + 1)[0];
                sum.add(&plan.piece(i), dk, dv);
            }
        }
        // SAFETY: as above.
        unsafe { sum.finish() };
    });
}

/// Adds dq of a piece's rows to `to`; returns its part of dk (not turned back) and dv, dense rows
/// padded to whole vectors, of all keys it sees.
///
/// # Safety
/// Nobody else uses these rows of this head in the gradient of q.
unsafe fn rows_of(plan: &Plan, i: usize, inputs: &Inputs, to: [Target; 2]) -> (Scratch, Scratch) {
    let rows = Backward {
        plan,
        i,
        inputs,
        to,
    };
    dispatch_at(plan.level, rows)
}

/// What [`rows_of`] does, under its contract.
struct Backward<'a> {
    plan: &'a Plan,
    /// Which piece.
    i: usize,
    inputs: &'a Inputs<'a>,
    /// The gradients of q, and of k and v.
    to: [Target; 2],
}

impl Kernel for Backward<'_> {
    type Output = (Scratch, Scratch);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (Scratch, Scratch) {
        let Backward {
            plan,
            i: own,
            inputs,
            to,
        } = self;
        let piece = &plan.piece(own);
        let (dh, level) = (plan.dh, plan.level);
        // From here on a key is known by its place in what the piece sees.
        let all = plan.span(piece, piece.rows.clone());
        let place = |keys: Range<usize>| keys.start - all.start..keys.end - all.start;
        let seen = all.len();
        let columns = Columns::new::<S>(dh);
        let padded = columns.padded;
        let keys_width = S::TILE_VECTORS * LANES;
        let group = columns.group();

        // kᵀ and vᵀ for scores and their gradients, k for dq.
        let whole = seen.next_multiple_of(keys_width);
        let mut turned = scratch(if plan.turns(1) { seen * dh } else { 0 });
        let (mut k_t, mut v_t) = (scratch(whole * dh), scratch(whole * dh));
        let v = plan.rows(piece, 2, all.clone(), inputs.x, &mut []);
        pack_transposed(s, v, seen, &mut v_t);
        let keys = plan.rows(piece, 1, all.clone(), inputs.x, &mut turned);
        pack_transposed(s, keys, seen, &mut k_t);
        let mut k = scratch(seen * padded);
        columns.pack(s, keys, seen, &mut k);
        let (mut dk, mut dv) = (scratch(seen * padded), scratch(seen * padded));
        dk.fill(0.0);
        dv.fill(0.0);

        // One more vector than needed, so that rows do not fall on the same cache sets.
        let stride = KEYS + LANES;
        let (mut p, mut ds) = (scratch(ROWS * stride), scratch(ROWS * stride));
        let mut slopes = plan.shape.soft_cap.map(|_| scratch(KEYS));
        let mut q = scratch(ROWS * dh);
        let width = plan.width();
        let (mut q_panels, mut dy_panels) = (scratch(ROWS * padded), scratch(ROWS * padded));
        let mut dq = scratch(ROWS * padded);
        let (mut norms, mut deltas) = ([[0.0f32; 2]; ROWS], [0.0f32; ROWS]);
        for first in piece.rows.clone().step_by(ROWS) {
            let count = ROWS.min(piece.rows.end - first);
            let outputs = [inputs.y, inputs.dy].map(<[f32]>::as_ptr);
            plan.prefetch(s, own, first..first + count, inputs.x, outputs);
            for (which, to) in [(0, to[0]), (1, to[1]), (2, to[1])] {
                plan.prefetch_rows(s, piece, which, first..first + count, to.dx.pointer());
            }
            plan.queries(s, piece, first..first + count, inputs.x, &mut q);
            let (start, _) = plan.at_output(piece, first);
            let dy = Rows {
                values: &inputs.dy[start..],
                stride: width,
                d: dh,
            };
            for i in 0..count {
                let (start, place) = plan.at_output(piece, first + i);
                deltas[i] = dot(s, dy.row(i), &inputs.y[start..start + dh]);
                norms[i] = [inputs.norms[place], inputs.norms[place + 1]];
            }
            let dense = Rows {
                values: &q,
                stride: dh,
                d: dh,
            };
            columns.pack(s, dense, count, &mut q_panels);
            columns.pack(s, dy, count, &mut dy_panels);

            let span = place(plan.span(piece, first..first + count));
            if span.is_empty() {
                dq.fill(0.0);
            }
            for begin in span.clone().step_by(KEYS) {
                let keys = KEYS.min(span.end - begin);
                // S = q kᵀ and dP = dy vᵀ.
                for column in (0..keys).step_by(keys_width) {
                    let n = (keys - column).min(keys_width);
                    let place = all.start + begin + column;
                    for (rows, vectors) in plan.bands(first, count, place, n) {
                        for (a, panels, c) in [(dense, &k_t, &mut p), (dy, &v_t, &mut ds)] {
                            let block = Block {
                                m: rows.len(),
                                k: dh,
                                a: a.row(rows.start).as_ptr(),
                                row: a.stride,
                                column: 1,
                                panel: panels[(begin + column) * dh..].as_ptr(),
                                panel_row: keys_width,
                                vectors,
                                start: None,
                                c: c[rows.start * stride + column..].as_mut_ptr(),
                                c_row: stride,
                                accumulate: false,
                            };
                            // SAFETY: a holds `count` rows, panels are whole, c's rows hold whole
                            // vectors.
                            unsafe { block.run(s) };
                        }
                    }
                }
                // P = e^(S − m) r, dS = P ⊙ (dP − Δ), both 0 where a row does not see a key.
                for i in 0..count {
                    let own = place(plan.sees(piece, first + i));
                    let (from, end) = (own.start.max(begin) - begin, own.end.max(begin) - begin);
                    let own = from.min(keys)..end.min(keys);
                    let (p, ds) = (
                        &mut p[i * stride..][..stride],
                        &mut ds[i * stride..][..stride],
                    );
                    p[..own.start].fill(0.0);
                    ds[..own.start].fill(0.0);
                    // Groups of rows and of keys read no further than this past the last.
                    s.write_at(p, own.end, s.zero());
                    s.write_at(ds, own.end, s.zero());
                    let at = all.start + begin + own.start;
                    let (p, ds) = (&mut p[own.clone()], &mut ds[own]);
                    let mut slopes = slopes.as_mut().map(|slopes| &mut slopes[..p.len()]);
                    if let Some(cap) = plan.shape.soft_cap {
                        soft_cap(level, cap, p, slopes.as_deref_mut());
                    }
                    plan.bias(piece, first + i, at, p);
                    score_gradient(s, p, ds, norms[i], deltas[i]);
                    if let Some(slopes) = slopes {
                        dispatch_at(level, Multiply(ds, slopes));
                    }
                }
                // dv += Pᵀ dy, dk += dSᵀ q, of the rows that see any of a group of keys.
                for j in (0..keys).step_by(group) {
                    let height = group.min(keys - j);
                    let own = all.start + begin + j;
                    let rows = plan.rows_that_see(first, count, own..own + height);
                    for (column, width) in columns.panels() {
                        let place = (begin + j) * padded + column;
                        for (a, panels, c) in [(&p, &dy_panels, &mut dv), (&ds, &q_panels, &mut dk)]
                        {
                            let block = Block {
                                m: height,
                                k: rows.len(),
                                a: a[rows.start * stride + j..].as_ptr(),
                                row: 1,
                                column: stride,
                                panel: panels[column * count + rows.start * width..].as_ptr(),
                                panel_row: width,
                                vectors: width / LANES,
                                start: None,
                                c: c[place..].as_mut_ptr(),
                                c_row: padded,
                                accumulate: true,
                            };
                            // SAFETY: panels hold `count` rows, c one padded row a key.
                            unsafe { block.run(s) };
                        }
                    }
                }
                // dq += dS k.
                for (column, width) in columns.panels() {
                    for i in (0..count).step_by(group) {
                        let height = group.min(count - i);
                        let end = place(plan.sees(piece, first + i + height - 1)).end;
                        let end = end.min(begin + keys);
                        let block = Block {
                            m: height,
                            k: end.saturating_sub(begin),
                            a: ds[i * stride..].as_ptr(),
                            row: stride,
                            column: 1,
                            panel: k[column * seen + begin * width..].as_ptr(),
                            panel_row: width,
                            vectors: width / LANES,
                            start: None,
                            c: dq[i * padded + column..].as_mut_ptr(),
                            c_row: padded,
                            accumulate: begin > span.start,
                        };
                        // SAFETY: ds holds `keys` columns, k all keys seen, dq whole vectors.
                        unsafe { block.run(s) };
                    }
                }
            }
            for i in 0..count {
                let row = &mut dq[i * padded..][..dh];
                for j in (0..dh).step_by(LANES) {
                    s.write_at(row, j, s.mul(s.read_at(row, j), s.splat(plan.scale())));
                }
                if let Some((rotary, position)) = plan.turn(0, first + i) {
                    rotary.turn_back(row, position);
                }
                let start = plan.at(piece, 0, first + i);
                // SAFETY: by contract.
                let dq = unsafe { to[0].dx.slice(start..start + dh) };
                send(s, dq, row, to[0].is_first);
            }
        }
        (dk, dv)
    }
}

/// Σ aᵢ bᵢ
#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = s.zero();
    for j in (0..a.len()).step_by(LANES) {
        sum = s.fma(s.read_at(a, j), s.read_at(b, j), sum);
    }
    s.sum(sum)
}

/// Of one row: S becomes P = e^(S − m) r, dP becomes dS = P ⊙ (dP − Δ).
#[inline(always)]
fn score_gradient<S: Simd>(s: S, p: &mut [f32], ds: &mut [f32], norm: [f32; 2], delta: f32) {
    let ([top, factor], delta) = (norm.map(|x| s.splat(x)), s.splat(delta));
    for j in (0..p.len()).step_by(LANES) {
        let e = s.mul(math::exp(s, s.sub(s.read_at(p, j), top)), factor);
        let d = s.mul(e, s.sub(s.read_at(ds, j), delta));
        s.write_at(p, j, e);
        s.write_at(ds, j, d);
    }
}
