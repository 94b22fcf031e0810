//! The backward pass of one head: scores recomputed block by block.

use super::forward::{ROWS, score_tile};
use super::tile::accumulate;
use super::{Rotation, Unit, pack};
use crate::ops::math;
use crate::ops::parallel::{Shared, scratch};
use crate::ops::simd::{Kernel, Simd};

/// Queries and keys of a block: P and dS of a block stay in the second-level cache.
const QUERY_BLOCK: usize = 8 * ROWS;
const KEY_BLOCK: usize = 256;
/// Rows of a tile of dK and dV; divides every panel.
const KEY_ROWS: usize = 4;

pub(super) struct Backward<'a> {
    pub unit: Unit,
    pub rotation: Option<&'a Rotation>,
    /// (B·T, 3D)
    pub qkv: &'a [f32],
    /// (B·T, D): what the forward pass returned.
    pub out: &'a [f32],
    /// (B·T, D)
    pub dout: &'a [f32],
    /// (T)
    pub log_sum: &'a [f32],
    /// (B·T, 3D), to add to.
    pub dqkv: Shared<f32>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Unit {
            seq_len,
            width,
            head,
            column,
            ..
        } = self.unit;
        let panel = S::TILE_VECTORS * S::LANES;
        let padded = head.next_multiple_of(S::LANES);
        let vectors = padded / S::LANES;
        let keys = seq_len.next_multiple_of(panel);
        let queries = seq_len.next_multiple_of(QUERY_BLOCK);
        let pack = |part: usize, rows: usize, rotation, scale| {
            let place = (3 * width, part * width + column);
            pack::rows(&self.unit, self.qkv, place, (rows, padded), rotation, scale)
        };
        let scale = self.unit.scale();
        let q = pack(0, queries, self.rotation, scale);
        let k = pack(1, keys, self.rotation, 1.0);
        let v = pack(2, keys, None, 1.0);
        let size = (queries, padded);
        let dout = pack::rows(&self.unit, self.dout, (width, column), size, None, 1.0);
        let kt = pack::panels(&self.unit, &k, padded, panel);
        let vt = pack::panels(&self.unit, &v, padded, panel);
        let mut dq = scratch(queries * padded);
        let mut dk = scratch(keys * padded);
        let mut dv = scratch(keys * padded);
        dq.fill(0.0);
        dk.fill(0.0);
        dv.fill(0.0);
        let mut p = scratch(QUERY_BLOCK * KEY_BLOCK);
        let mut ds = scratch(QUERY_BLOCK * KEY_BLOCK);

        for first in (0..seq_len).step_by(QUERY_BLOCK) {
            let last = (first + QUERY_BLOCK).min(seq_len) - 1;
            let mut log_sum = [f32::INFINITY; QUERY_BLOCK];
            log_sum[..=last - first].copy_from_slice(&self.log_sum[first..=last]);
            // δᵢ = Σ dOᵢ · Oᵢ, which is Σⱼ Pᵢⱼ dPᵢⱼ
            let mut delta = [0.0f32; QUERY_BLOCK];
            for (i, delta) in (first..=last).zip(&mut delta) {
                let start = (self.unit.row + i) * width + column;
                let pairs = self.out[start..start + head]
                    .iter()
                    .zip(&dout[i * padded..]);
                *delta = pairs.map(|(o, d)| o * d).sum();
            }
            let seen = self.unit.limit(last).next_multiple_of(panel);
            for key in (0..seen).step_by(KEY_BLOCK) {
                let block = KEY_BLOCK.min(seen - key);
                // SAFETY: blocks lie within the packed sizes; p and ds hold QUERY_BLOCK rows of
                // KEY_BLOCK.
                unsafe {
                    for r in (0..QUERY_BLOCK).step_by(ROWS) {
                        for j in (0..block).step_by(panel) {
                            let at = r * KEY_BLOCK + j;
                            let row = (first + r) * padded;
                            let column = (key + j) * head;
                            // forward: S = Q Kᵀ / √dₕ (into p); O = P V gives dP = dO Vᵀ (into ds)
                            let (a, b) = (q.as_ptr().add(row), kt.as_ptr().add(column));
                            score_tile(s, head, a, padded, b, p.as_mut_ptr().add(at), KEY_BLOCK);
                            let (a, b) = (dout.as_ptr().add(row), vt.as_ptr().add(column));
                            score_tile(s, head, a, padded, b, ds.as_mut_ptr().add(at), KEY_BLOCK);
                        }
                    }
                }
                for r in 0..QUERY_BLOCK {
                    let range = r * KEY_BLOCK..r * KEY_BLOCK + block;
                    let (p, ds) = (&mut p[range.clone()], &mut ds[range]);
                    softmax_gradient(s, p, ds, log_sum[r], delta[r]);
                    let seen = self.unit.limit(first + r).saturating_sub(key).min(block);
                    p[seen..].fill(0.0);
                    ds[seen..].fill(0.0);
                }
                // SAFETY: as above; dq, dk and dv have the packed sizes.
                unsafe {
                    // forward: S = Q Kᵀ / √dₕ, so dQ += dS K (scaled at the end), dK += dSᵀ Q / √dₕ
                    let size = (QUERY_BLOCK, block, vectors);
                    let b = k.as_ptr().add(key * padded);
                    let c = dq.as_mut_ptr().add(first * padded);
                    accumulate::<S, ROWS>(
                        s,
                        size,
                        ds.as_ptr(),
                        (KEY_BLOCK, 1),
                        b,
                        padded,
                        c,
                        padded,
                    );
                    let size = (block, QUERY_BLOCK, vectors);
                    let b = q.as_ptr().add(first * padded);
                    let c = dk.as_mut_ptr().add(key * padded);
                    let strides = (1, KEY_BLOCK);
                    accumulate::<S, KEY_ROWS>(s, size, ds.as_ptr(), strides, b, padded, c, padded);
                    // forward: O = P V, so dV += Pᵀ dO
                    let b = dout.as_ptr().add(first * padded);
                    let c = dv.as_mut_ptr().add(key * padded);
                    accumulate::<S, KEY_ROWS>(s, size, p.as_ptr(), strides, b, padded, c, padded);
                }
            }
        }

        for t in 0..seq_len {
            for (part, gradient) in [&mut dq, &mut dk, &mut dv].into_iter().enumerate() {
                let row = &mut gradient[t * padded..t * padded + head];
                if part == 0 {
                    row.iter_mut().for_each(|x| *x *= scale);
                }
                // forward: q and k were turned; the transpose of a turn is the turn back
                if let (0 | 1, Some(rotation)) = (part, self.rotation) {
                    rotation.turn(t, row, -1.0);
                }
                let start = (self.unit.row + t) * 3 * width + part * width + column;
                // SAFETY: this unit's columns of this row, which no other unit writes.
                let out = unsafe { self.dqkv.slice(start..start + head) };
                for (out, x) in out.iter_mut().zip(row) {
                    *out += *x;
                }
            }
        }
    }
}

/// forward: P = exp(S − log Σ exp S). Replaces scores by P, and dP by dS = P (dP − δ).
#[inline(always)]
fn softmax_gradient<S: Simd>(s: S, p: &mut [f32], ds: &mut [f32], log_sum: f32, delta: f32) {
    let (shift, delta) = (s.splat(log_sum), s.splat(delta));
    for (p, ds) in p
        .chunks_exact_mut(S::LANES)
        .zip(ds.chunks_exact_mut(S::LANES))
    {
        let weight = math::exp(s, s.sub(s.read(p), shift));
        let gradient = s.mul(weight, s.sub(s.read(ds), delta));
        s.write(p, weight);
        s.write(ds, gradient);
    }
}
