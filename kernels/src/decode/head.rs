//! One query of one head over its keys and values in the cache.

use super::super::attention::{bias, soft_cap};
use super::super::math;
use super::super::parallel::scratch;
use super::super::simd::{Kernel, LANES, Simd};
use super::cache::{BLOCK, Layout, PAGE};
use super::linear::add_product;
use std::ops::Range;

/// Chains of the sum over tokens: token t is in chain t mod 4, whatever the level, the width of the
/// head and the batch. Four of at least two vectors keep the multiply-adds of a core busy.
const CHAINS: usize = 4;

/// One head of one query; its part of page p begins at `p * layout.page()` of `cache`.
pub struct Head<'a> {
    pub layout: Layout,
    /// Scaled.
    pub q: &'a [f32],
    pub cache: &'a [f32],
    /// Keys that the query sees.
    pub sees: Range<usize>,
    pub soft_cap: Option<f32>,
    /// With ALiBi: the slope, and the query's place.
    pub slope: Option<(f32, usize)>,
    pub out: &'a mut [f32],
}

impl Kernel for Head<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        if self.sees.is_empty() {
            return self.out.fill(0.0);
        }
        // From the page on in which the first key lies; what comes before it weighs e^−∞ = 0.
        let origin = self.sees.start / PAGE * PAGE;
        let (begin, end) = (self.sees.start - origin, self.sees.end - origin);
        self.cache = &self.cache[origin / PAGE * self.layout.page()..];
        let mut p = scratch(end.next_multiple_of(PAGE));
        for (page, p) in p.chunks_exact_mut(PAGE).enumerate() {
            let keys = &self.cache[page * self.layout.page()..][..self.layout.keys()];
            for (keys, p) in keys
                .chunks_exact(4 * BLOCK * self.q.len())
                .zip(p.chunks_exact_mut(4 * BLOCK))
            {
                self.scores(s, keys, p);
            }
        }
        if let Some(cap) = self.soft_cap {
            soft_cap(S::LEVEL, cap, &mut p[..end], None);
        }
        if let Some((slope, place)) = self.slope {
            bias(S::LEVEL, &mut p[..end], slope, place, origin);
        }
        p[..begin].fill(f32::NEG_INFINITY);
        p[end..].fill(f32::NEG_INFINITY);
        let (sum, _) = math::exponentials(s, &mut p[..end.next_multiple_of(LANES)]);
        let norm = 1.0 / sum;
        let (p, vectors) = (&p[..end], self.q.len().div_ceil(LANES));
        let mut first = 0;
        while first < vectors {
            first += match vectors - first {
                4.. if const { S::TILE_VECTORS >= 4 } => self.sum_values::<S, 4>(s, p, first, norm),
                2.. if const { S::TILE_VECTORS >= 2 } => self.sum_values::<S, 2>(s, p, first, norm),
                _ => self.sum_values::<S, 1>(s, p, first, norm),
            };
        }
    }
}

impl Head<'_> {
    /// The scores of four blocks of keys, a chain each.
    #[inline(always)]
    fn scores<S: Simd>(&self, s: S, keys: &[f32], scores: &mut [f32]) {
        let dh = self.q.len();
        let mut sums = [s.zero(); 4];
        assert!(keys.len() == 4 * BLOCK * dh && scores.len() == 4 * BLOCK);
        for (j, &q) in self.q.iter().enumerate() {
            let q = s.splat(q);
            for block in 0..4 {
                // SAFETY: a vector is a block, j < dh and block < 4.
                let k = unsafe { s.load(keys.as_ptr().add((block * dh + j) * BLOCK)) };
                sums[block] = s.fma(q, k, sums[block]);
            }
        }
        for block in 0..4 {
            s.write_at(scores, block * BLOCK, sums[block]);
        }
    }

    /// V vectors of Σ pₜ vₜ from vector `first` on. Returns V.
    #[inline(always)]
    fn sum_values<S: Simd, const V: usize>(
        &mut self,
        s: S,
        p: &[f32],
        first: usize,
        norm: f32,
    ) -> usize {
        let padded = self.layout.padded();
        let mut sums = [[[s.zero(); V]; 1]; CHAINS];
        assert!((first + V) * LANES <= padded);
        for (page, p) in p.chunks(PAGE).enumerate() {
            let start = page * self.layout.page() + self.layout.keys();
            let values = &self.cache[start..][..PAGE * padded];
            let count = p.len();
            let whole = count - count % CHAINS;
            // SAFETY: t < PAGE, and the vectors lie within a padded row, just checked.
            unsafe {
                let row = |t: usize| values.as_ptr().add(t * padded + first * LANES);
                let p = p.as_ptr();
                for t in (0..whole).step_by(CHAINS) {
                    for chain in 0..CHAINS {
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
            for chain in 1..CHAINS {
                sum = s.add(sum, sums[chain][0][v]);
            }
            s.write_at(self.out, (first + v) * LANES, s.mul(sum, s.splat(norm)));
        }
        V
    }
}
