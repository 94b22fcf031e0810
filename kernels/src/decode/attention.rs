//! One token's attention over a cache of keys and values.
//!
//! The cache grows by pages of [`PAGE`] tokens. A page holds for each head its keys, transposed in
//! blocks of [`BLOCK`] tokens, (blocks, dh, BLOCK), so that a vector of scores is a plain sum of
//! products; then its values, (PAGE, dh padded to whole blocks). Both are read in order.

use super::super::attention::{Rotary, bias, slopes};
use super::super::cost::{self, Cost, Phase, depth, levels};
use super::super::math;
use super::super::parallel::{self, Shared, scratch};
use super::super::simd::{Kernel, Simd, dispatch_at, level};
use super::{PARALLEL_FROM, add_product};

/// Tokens whose keys are transposed together: a multiple of every level's lanes.
const BLOCK: usize = 16;
/// Tokens in a page.
const PAGE: usize = 64;

/// The sizes of a cache.
#[derive(Clone, Copy)]
struct Layout {
    /// Heads of all sequences.
    heads: usize,
    /// Width of a head.
    dh: usize,
}

impl Layout {
    fn keys(self) -> usize {
        PAGE * self.dh
    }
    fn padded(self) -> usize {
        self.dh.next_multiple_of(BLOCK)
    }
    /// Floats of one head in a page: keys, then values.
    fn head(self) -> usize {
        self.keys() + PAGE * self.padded()
    }
    fn page(self) -> usize {
        self.heads * self.head()
    }

    /// Writes a head's key and value of the token at `position`, whose page exists.
    fn store(self, cache: &mut [f32], head: usize, position: usize, key: &[f32], value: &[f32]) {
        let (page, t) = (position / PAGE, position % PAGE);
        let own = &mut cache[page * self.page() + head * self.head()..][..self.head()];
        let (keys, values) = own.split_at_mut(self.keys());
        let block = &mut keys[t / BLOCK * BLOCK * self.dh..][..BLOCK * self.dh];
        for (column, &k) in block.chunks_exact_mut(BLOCK).zip(key) {
            column[t % BLOCK] = k;
        }
        values[t * self.padded()..][..self.dh].copy_from_slice(value);
    }
}

/// Floats that the cache of one layer holds for one sequence after `tokens` tokens: whole pages, heads
/// padded to whole vectors.
pub fn cache_floats(heads: usize, dh: usize, tokens: usize) -> usize {
    tokens.div_ceil(PAGE) * Layout { heads, dh }.page()
}

/// One token's causal attention in one layer: qkv (B, 3D) of the token at `position`; appends its
/// key and value to `cache`, empty at position 0; writes (B, D) to `out`.
/// Panics if the lengths do not fit.
#[allow(clippy::too_many_arguments)]
pub fn attention_step(
    qkv: &[f32],
    batch: usize,
    heads: usize,
    rotary: bool,
    alibi: bool,
    position: usize,
    cache: &mut Vec<f32>,
    out: &mut Vec<f32>,
) {
    let width = qkv.len() / (3 * batch);
    let dh = width / heads;
    let layout = Layout {
        heads: batch * heads,
        dh,
    };
    assert!(
        qkv.len() == 3 * batch * heads * dh
            && cache.len() == position.div_ceil(PAGE) * layout.page(),
        "decode::attention_step: {} values for {batch} sequences and {heads} heads, {} cached at \
         position {position}",
        qkv.len(),
        cache.len()
    );
    if position.is_multiple_of(PAGE) {
        cache.resize(cache.len() + layout.page(), 0.0);
    }
    // A page ahead: the copy that growing takes falls on the first token after a change of state,
    // and then on one token in as many as there were before.
    cache.reserve(layout.page());

    let table = rotary.then(|| Rotary::cached(dh, position + 1));
    let scale = 1.0 / (dh as f32).sqrt();
    let mut q = scratch(batch * width);
    let mut key = scratch(dh);
    for (b, row) in qkv.chunks_exact(3 * width).enumerate() {
        for h in 0..heads {
            let part = |which: usize| &row[which * width + h * dh..][..dh];
            let q = &mut q[b * width + h * dh..][..dh];
            q.copy_from_slice(part(0));
            key.copy_from_slice(part(1));
            if let Some(table) = &table {
                table.turn(q, position);
                table.turn(&mut key, position);
            }
            q.iter_mut().for_each(|q| *q *= scale);
            layout.store(cache, b * heads + h, position, &key, part(2));
        }
    }
    out.resize(batch * width, 0.0);
    let (level, shared, cache, q) = (level(), Shared::new(out), &cache[..], &q[..]);
    let tokens = position + 1;
    let slopes = alibi.then(|| slopes(heads));
    let head = |i: usize| {
        let own = i * dh..(i + 1) * dh;
        // SAFETY: one head's part of one row.
        let out = unsafe { shared.slice(own.clone()) };
        let head = Head {
            layout,
            q: &q[own],
            cache: &cache[i * layout.head()..],
            tokens,
            slope: slopes.as_ref().map(|slopes| slopes[i % heads]),
            out,
        };
        dispatch_at(level, head);
    };
    parallel::for_each_if(batch * width * tokens >= PARALLEL_FROM, batch * heads, head);
    let pairs = (batch * width * tokens) as f64;
    let span = depth(width / heads) + 2.0 * levels(tokens) + depth(tokens);
    let phase = Phase::new(4.0 * pairs, span);
    cost::report(|| Cost::new("decode.attention", 4.0 * pairs, 8.0 * pairs, phase));
}

/// One head of one sequence; its part of page p begins at `p * layout.page()` of `cache`.
struct Head<'a> {
    layout: Layout,
    /// Scaled.
    q: &'a [f32],
    cache: &'a [f32],
    tokens: usize,
    /// With ALiBi.
    slope: Option<f32>,
    out: &'a mut [f32],
}

impl Kernel for Head<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let pages = self.tokens.div_ceil(PAGE);
        let mut p = scratch(pages * PAGE);
        for (page, p) in p.chunks_exact_mut(PAGE).enumerate() {
            let keys = &self.cache[page * self.layout.page()..][..self.layout.keys()];
            for (keys, p) in keys
                .chunks_exact(4 * BLOCK * self.q.len())
                .zip(p.chunks_exact_mut(4 * BLOCK))
            {
                for part in (0..BLOCK).step_by(S::LANES) {
                    self.scores(s, keys, p, part);
                }
            }
        }
        if let Some(slope) = self.slope {
            bias(S::LEVEL, &mut p[..self.tokens], slope, self.tokens - 1, 0);
        }
        // Past the last token e^−∞ = 0.
        p[self.tokens..].fill(f32::NEG_INFINITY);
        let mut top = s.splat(f32::NEG_INFINITY);
        for j in (0..self.tokens).step_by(S::LANES) {
            top = s.max(top, s.read_at(&p, j));
        }
        let top = s.splat(s.largest(top));
        let mut sums = s.zero();
        for j in (0..self.tokens).step_by(S::LANES) {
            let e = math::exp(s, s.sub(s.read_at(&p, j), top));
            sums = s.add(sums, e);
            s.write_at(&mut p, j, e);
        }
        let norm = 1.0 / s.sum(sums);
        let vectors = self.q.len().div_ceil(S::LANES);
        let mut first = 0;
        while first < vectors {
            let count = match vectors - first {
                1 => 1,
                2 | 3 => 2,
                _ => 4,
            };
            match count {
                4 => self.sum_values::<S, 4, 2>(s, &p, first, norm),
                2 => self.sum_values::<S, 2, 4>(s, &p, first, norm),
                _ => self.sum_values::<S, 1, 8>(s, &p, first, norm),
            }
            first += count;
        }
    }
}

impl Head<'_> {
    /// The scores of lanes `part..part + LANES` of four blocks of keys, a chain each.
    #[inline(always)]
    fn scores<S: Simd>(&self, s: S, keys: &[f32], scores: &mut [f32], part: usize) {
        let dh = self.q.len();
        let mut sums = [s.zero(); 4];
        assert!(keys.len() == 4 * BLOCK * dh && scores.len() == 4 * BLOCK);
        for (j, &q) in self.q.iter().enumerate() {
            let q = s.splat(q);
            for block in 0..4 {
                // SAFETY: part + LANES ≤ BLOCK, j < dh and block < 4.
                let k = unsafe { s.load(keys.as_ptr().add((block * dh + j) * BLOCK + part)) };
                sums[block] = s.fma(q, k, sums[block]);
            }
        }
        for block in 0..4 {
            s.write_at(scores, block * BLOCK + part, sums[block]);
        }
    }

    /// V vectors of Σ pₜ vₜ from vector `first` on, in C chains.
    #[inline(always)]
    fn sum_values<S: Simd, const V: usize, const C: usize>(
        &mut self,
        s: S,
        p: &[f32],
        first: usize,
        norm: f32,
    ) {
        let padded = self.layout.padded();
        let mut sums = [[[s.zero(); V]; 1]; C];
        assert!((first + V) * S::LANES <= padded);
        for (page, p) in p[..self.tokens].chunks(PAGE).enumerate() {
            let start = page * self.layout.page() + self.layout.keys();
            let values = &self.cache[start..][..PAGE * padded];
            let count = p.len();
            let whole = p.len() - p.len() % C;
            // SAFETY: t < PAGE, and the vectors lie within a padded row, just checked.
            unsafe {
                let row = |t: usize| values.as_ptr().add(t * padded + first * S::LANES);
                let p = p.as_ptr();
                for t in (0..whole).step_by(C) {
                    for chain in 0..C {
                        add_product(s, p.add(t + chain), 0, row(t + chain), &mut sums[chain]);
                    }
                }
                for t in whole..count {
                    add_product(s, p.add(t), 0, row(t), &mut sums[t - whole]);
                }
            }
        }
        for v in 0..V {
            let mut sum = sums[0][0][v];
            for chain in 1..C {
                sum = s.add(sum, sums[chain][0][v]);
            }
            s.write_at(self.out, (first + v) * S::LANES, s.mul(sum, s.splat(norm)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::super::super::{AttentionShape, Tape, attention, matrix, values};
    use super::*;
    use dfdx::prelude::PutTape;

    #[test]
    fn attention_step_by_step_equals_the_whole_sequence() {
        for (batch, seq_len, heads, dh) in [
            (1, 1, 1, 1),
            (2, 9, 3, 5),
            (3, 40, 2, 16),
            (1, 70, 1, 64),
            (1, 20, 2, 129),
            (2, 130, 2, 40),
        ] {
            for (rotary, alibi) in [(false, false), (true, false), (false, true)] {
                let (n, d) = (batch * seq_len, heads * dh);
                let x = noise(n * 3 * d, 1);
                let shape = AttentionShape {
                    batch,
                    seq_len,
                    heads,
                    causal: true,
                    rotary,
                    alibi,
                };
                let qkv = matrix(x.clone(), n, 3 * d).put_tape(Tape::Off);
                let want = values(&attention(qkv, shape));
                for (level, got) in at_every_level(|| {
                    let (mut cache, mut out) = (Vec::new(), Vec::new());
                    let mut all = vec![0.0; n * d];
                    for t in 0..seq_len {
                        let rows =
                            (0..batch).flat_map(|b| &x[(b * seq_len + t) * 3 * d..][..3 * d]);
                        let token: Vec<f32> = rows.copied().collect();
                        attention_step(
                            &token, batch, heads, rotary, alibi, t, &mut cache, &mut out,
                        );
                        for b in 0..batch {
                            all[(b * seq_len + t) * d..][..d].copy_from_slice(&out[b * d..][..d]);
                        }
                    }
                    vec![all]
                }) {
                    let name = format!("{batch} {seq_len} {heads} {dh} {rotary} {alibi} {level:?}");
                    assert_close(&name, &got[0], &want, 3e-6);
                }
            }
        }
    }
}
