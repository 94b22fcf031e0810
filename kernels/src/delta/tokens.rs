//! One head's tokens of a chunk: what the recurrences read, made from the rows of the operation.

use super::shape::{Beta, Decay, DeltaShape};
use crate::math;
use crate::simd::{LANES, Simd};
use std::ops::Range;

/// Tokens of a chunk: the state before each is kept for the backward pass.
pub const CHUNK: usize = 64;
/// Tokens ahead of the one at hand that are asked for from memory: heads lie far apart.
pub const AHEAD: usize = 8;
/// Added to the square of a length, as in Qwen3-Next.
const EPS: f32 = 1e-6;

/// One head of one sequence.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub shape: &'a DeltaShape,
    /// Sequence.
    pub b: usize,
    /// Head.
    pub h: usize,
    /// (B·T, H·(2·dk + dv))
    pub qkv: &'a [f32],
    /// (B·T, G)
    pub gates: &'a [f32],
    /// e^a and b of the head's α.
    pub decay: [f32; 2],
}

impl Head<'_> {
    fn row(&self, t: usize) -> usize {
        self.b * self.shape.seq_len + t
    }
    /// Where the head's part of a row of (B·T, H·dv) is.
    pub fn values(&self, t: usize) -> Range<usize> {
        let (dv, heads) = (self.shape.value_width, self.shape.heads);
        let start = (self.row(t) * heads + self.h) * dv;
        start..start + dv
    }
    /// Where the head's part of a row of (B·T, H·dk·dv) is.
    pub fn states(&self, t: usize) -> Range<usize> {
        let size = self.shape.key_width * self.shape.value_width;
        let start = (self.row(t) * self.shape.heads + self.h) * size;
        start..start + size
    }
    /// Asks for q, k and v of a token.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, s: S, t: usize) {
        for which in 0..3 {
            let part = self.part(t, which);
            for at in part.step_by(LANES) {
                s.prefetch(self.qkv.as_ptr().wrapping_add(at));
            }
        }
    }
    /// Where q, k or v of a token is.
    pub fn part(&self, t: usize, which: usize) -> Range<usize> {
        let (start, width) = self.shape.parts(self.h)[which];
        let start = self.row(t) * self.shape.columns() + start;
        start..start + width
    }
    /// Where the pre-activation of β or α of a token is.
    pub fn gate(&self, t: usize, of: Gate) -> usize {
        let (heads, before) = (
            self.shape.heads,
            match of {
                Gate::Beta => 0,
                Gate::Alpha => self.shape.beta_gates(),
            },
        );
        self.row(t) * self.shape.gates() + before * heads + self.h
    }
}

/// A gate of a token.
#[derive(Clone, Copy)]
pub enum Gate {
    Beta,
    Alpha,
}

/// A head's tokens of one chunk. Rows are whole vectors wide, zeros past their end.
pub struct Tokens<'a> {
    /// Its tokens.
    pub range: Range<usize>,
    /// (CHUNK, dk) normalised, q times 1/√dk too.
    pub q: &'a mut [f32],
    pub k: &'a mut [f32],
    /// (CHUNK, dv): v; with the delta rule, once the state has been read, v − S′ᵀ k.
    pub e: &'a mut [f32],
    /// (CHUNK) each: q · k, α and ln α, w + b, β.
    pub qk: &'a mut [f32],
    pub alpha: &'a mut [f32],
    pub log_alpha: &'a mut [f32],
    pub biased: &'a mut [f32],
    pub beta: &'a mut [f32],
    /// (CHUNK) each: what q and k were multiplied by.
    pub scales: [&'a mut [f32]; 2],
}

/// Cuts working memory into parts.
pub fn cut<const N: usize>(mut memory: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut memory).split_at_mut(size);
        memory = rest;
        part
    })
}

impl<'a> Tokens<'a> {
    /// Floats of working memory.
    pub fn floats(shape: &DeltaShape) -> usize {
        CHUNK * (2 * shape.keys() + shape.values() + 7)
    }

    pub fn new(memory: &'a mut [f32], shape: &DeltaShape) -> Self {
        let (keys, values) = (CHUNK * shape.keys(), CHUNK * shape.values());
        let [q, k, e, rest] = cut(memory, [keys, keys, values, 7 * CHUNK]);
        let [qk, alpha, log_alpha, biased, beta, of_q, of_k] = cut(rest, [CHUNK; 7]);
        Tokens {
            range: 0..0,
            q,
            k,
            e,
            qk,
            alpha,
            log_alpha,
            biased,
            beta,
            scales: [of_q, of_k],
        }
    }

    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Reads the tokens of a chunk.
    #[inline(always)]
    pub fn read<S: Simd>(&mut self, s: S, head: &Head, range: Range<usize>) {
        self.range = range;
        let (keys, values) = (head.shape.keys(), head.shape.values());
        let [of_q, of_k] = &mut self.scales;
        for (i, t) in self.range.clone().enumerate() {
            head.prefetch(s, t + AHEAD);
            let (q, k) = (&head.qkv[head.part(t, 0)], &head.qkv[head.part(t, 1)]);
            let (mut qq, mut kk, mut qk) = (s.zero(), s.zero(), s.zero());
            for j in (0..q.len()).step_by(LANES) {
                let (q, k) = (s.read_at(q, j), s.read_at(k, j));
                (qq, kk, qk) = (s.fma(q, q, qq), s.fma(k, k, kk), s.fma(q, k, qk));
            }
            (of_q[i], of_k[i], self.qk[i]) = (s.sum(qq), s.sum(kk), s.sum(qk));
        }
        let scale = s.splat(1.0 / (head.shape.key_width as f32).sqrt());
        let (one, eps) = (s.splat(1.0), s.splat(EPS));
        for i in (0..self.range.len()).step_by(LANES) {
            let (mut by_q, mut by_k) = (scale, one);
            if head.shape.normalise {
                by_q = s.div(by_q, s.sqrt(s.add(s.read_at(of_q, i), eps)));
                by_k = s.div(by_k, s.sqrt(s.add(s.read_at(of_k, i), eps)));
            }
            s.write_at(of_q, i, by_q);
            s.write_at(of_k, i, by_k);
            s.write_at(self.qk, i, s.mul(s.read_at(self.qk, i), s.mul(by_q, by_k)));
        }
        for (i, t) in self.range.clone().enumerate() {
            let (q, k) = (&head.qkv[head.part(t, 0)], &head.qkv[head.part(t, 1)]);
            let (by_q, by_k) = (s.splat(of_q[i]), s.splat(of_k[i]));
            let own = i * keys..(i + 1) * keys;
            let (to_q, to_k) = (&mut self.q[own.clone()], &mut self.k[own]);
            for j in (0..q.len()).step_by(LANES) {
                s.write_at(to_q, j, s.mul(by_q, s.read_at(q, j)));
                s.write_at(to_k, j, s.mul(by_k, s.read_at(k, j)));
            }
            let (v, to) = (
                &head.qkv[head.part(t, 2)],
                &mut self.e[i * values..][..values],
            );
            for j in (0..v.len()).step_by(LANES) {
                s.write_at(to, j, s.read_at(v, j));
            }
        }
        self.read_beta(s, head);
        self.read_alpha(s, head);
    }

    #[inline(always)]
    fn read_beta<S: Simd>(&mut self, s: S, head: &Head) {
        self.beta.fill(1.0);
        if head.shape.beta == Beta::Off {
            return;
        }
        self.gather(head, Gate::Beta);
        let range = s.splat(head.shape.beta.range());
        for i in (0..self.range.len()).step_by(LANES) {
            let sigmoid = math::sigmoid(s, s.read_at(self.biased, i));
            s.write_at(self.beta, i, s.mul(range, sigmoid));
        }
    }

    #[inline(always)]
    fn read_alpha<S: Simd>(&mut self, s: S, head: &Head) {
        match head.shape.decay {
            Decay::None => self.alpha.fill(1.0),
            Decay::Fixed => self.alpha.fill(1.0 - libm::exp2f(-5.0 - head.h as f32)),
            Decay::Input => {
                self.gather(head, Gate::Alpha);
                let (rate, bias) = (s.splat(head.decay[0]), s.splat(head.decay[1]));
                for i in (0..self.range.len()).step_by(LANES) {
                    let x = s.add(s.read_at(self.biased, i), bias);
                    let log = s.neg(s.mul(rate, math::softplus_and_sigmoids(s, x).0));
                    s.write_at(self.biased, i, x);
                    s.write_at(self.log_alpha, i, log);
                    s.write_at(self.alpha, i, math::exp(s, log));
                }
            }
        }
    }

    /// The pre-activations of a gate into `biased`, zeros past the last token.
    fn gather(&mut self, head: &Head, of: Gate) {
        self.biased.fill(0.0);
        for (x, t) in self.biased.iter_mut().zip(self.range.clone()) {
            *x = head.gates[head.gate(t, of)];
        }
    }
}
