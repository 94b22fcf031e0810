//! One head's tokens of a chunk: what the recurrences read, made from the rows of the operation, and
//! gradients on their way back into those rows.

use super::shape::{Beta, Decay, DeltaShape};
use crate::math;
use crate::parallel::Shared;
use crate::simd::{LANES, Simd};
use std::ops::Range;

/// Tokens of a chunk: the state before each is kept for the backward pass.
pub const CHUNK: usize = 64;
/// Tokens ahead of the one at hand that are asked for from memory: heads lie far apart.
const AHEAD: usize = 8;
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
    fn part(&self, t: usize, which: usize) -> Range<usize> {
        let (start, width) = self.shape.parts(self.h)[which];
        let start = self.row(t) * self.shape.columns() + start;
        start..start + width
    }
    /// Where the pre-activation of β or α of a token is.
    fn gate(&self, t: usize, of: Gate) -> usize {
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

#[derive(Clone, Copy)]
enum Gate {
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
    log_alpha: &'a mut [f32],
    biased: &'a mut [f32],
    pub beta: &'a mut [f32],
    /// (CHUNK) each: what q and k were multiplied by.
    scales: [&'a mut [f32]; 2],
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
            let [q, k] = [0, 1].map(|which| &head.qkv[head.part(t, which)]);
            let (mut qq, mut kk, mut qk) = (s.zero(), s.zero(), s.zero());
            for j in (0..q.len()).step_by(LANES) {
                let (q, k) = (s.read_at(q, j), s.read_at(k, j));
                (qq, kk, qk) = (s.fma(q, q, qq), s.fma(k, k, kk), s.fma(q, k, qk));
            }
            (of_q[i], of_k[i], self.qk[i]) = (s.sum(qq), s.sum(kk), s.sum(qk));
        }
        let scale = s.splat(1.0 / (head.shape.key_width as f32).sqrt());
        let over = |squares: S::F32| match head.shape.normalise {
            true => s.sqrt(s.add(squares, s.splat(EPS))),
            false => s.splat(1.0),
        };
        for i in (0..self.range.len()).step_by(LANES) {
            let by_q = s.div(scale, over(s.read_at(of_q, i)));
            let by_k = s.div(s.splat(1.0), over(s.read_at(of_k, i)));
            s.write_at(of_q, i, by_q);
            s.write_at(of_k, i, by_k);
            s.write_at(self.qk, i, s.mul(s.read_at(self.qk, i), s.mul(by_q, by_k)));
        }
        for (i, t) in self.range.clone().enumerate() {
            let parts = [
                (&mut self.q[i * keys..][..keys], of_q[i]),
                (&mut self.k[i * keys..][..keys], of_k[i]),
                (&mut self.e[i * values..][..values], 1.0),
            ];
            for (which, (to, by)) in parts.into_iter().enumerate() {
                let (x, by) = (&head.qkv[head.part(t, which)], s.splat(by));
                for j in (0..x.len()).step_by(LANES) {
                    s.write_at(to, j, s.mul(s.read_at(x, j), by));
                }
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
                let [rate, bias] = head.decay.map(|x| s.splat(x));
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

    /// Sends the gradients of the chunk back through all of the above, and adds those of a and b, of the
    /// head's α, to `of_decay`.
    #[inline(always)]
    pub fn send<S: Simd>(
        &mut self,
        s: S,
        head: &Head,
        from: &FromTokens,
        to: &ToRows,
        of_decay: &mut [f32; 2],
    ) {
        let shape = head.shape;
        let (keys, values) = (shape.keys(), shape.values());
        let over = shape.key_width as f32;
        for (i, t) in self.range.clone().enumerate() {
            // x̂ = c x / |x|: dx = c/|x| (dx̂ − x̂ (x̂ · dx̂) / c²), c = 1/√dk for q and 1 for k.
            let parts = [(&*self.q, from.dq, over), (&*self.k, from.dk, 1.0)];
            for (which, (hats, gradients, over)) in parts.into_iter().enumerate() {
                let (hat, d) = (&hats[i * keys..][..keys], &gradients[i * keys..][..keys]);
                let mut along = s.zero();
                if shape.normalise {
                    for j in (0..keys).step_by(LANES) {
                        along = s.fma(s.read_at(hat, j), s.read_at(d, j), along);
                    }
                }
                let along = s.splat(over * s.sum(along));
                let by = s.splat(self.scales[which][i]);
                let own = head.part(t, which);
                // SAFETY: the head's part of a row is its own.
                let row = unsafe { to.dqkv.slice(own) };
                for j in (0..row.len()).step_by(LANES) {
                    let d = s.fnma(s.read_at(hat, j), along, s.read_at(d, j));
                    to.write(s, row, j, s.mul(by, d));
                }
            }
            // SAFETY: likewise.
            let row = unsafe { to.dqkv.slice(head.part(t, 2)) };
            let (dv, du) = (
                &from.dv[i * values..][..values],
                &from.du[i * values..][..values],
            );
            let e = &self.e[i * values..][..values];
            let mut written = s.zero();
            for j in (0..values).step_by(LANES) {
                written = s.fma(s.read_at(du, j), s.read_at(e, j), written);
                if j < row.len() {
                    to.write(s, row, j, s.read_at(dv, j));
                }
            }
            if shape.beta != Beta::Off {
                let beta = self.beta[i];
                let slope = beta * (1.0 - beta / shape.beta.range());
                to.write_gate(head.gate(t, Gate::Beta), s.sum(written) * slope);
            }
        }
        if shape.decay == Decay::Input {
            self.send_alpha(s, head, from, to, of_decay);
        }
    }

    #[inline(always)]
    fn send_alpha<S: Simd>(
        &mut self,
        s: S,
        head: &Head,
        from: &FromTokens,
        to: &ToRows,
        of_decay: &mut [f32; 2],
    ) {
        let rate = s.splat(head.decay[0]);
        let (mut of_a, mut of_b) = (s.zero(), s.zero());
        for i in (0..self.range.len()).step_by(LANES) {
            // ln α = −e^a softplus(x), x = w + b. Past the last token dα is 0.
            let dlog = s.mul(s.read_at(from.dalpha, i), s.read_at(self.alpha, i));
            of_a = s.fma(dlog, s.read_at(self.log_alpha, i), of_a);
            let slope = math::sigmoid(s, s.read_at(self.biased, i));
            let dx = s.neg(s.mul(s.mul(dlog, rate), slope));
            of_b = s.add(of_b, dx);
            s.write_at(self.biased, i, dx);
        }
        for (dx, t) in self.biased.iter().zip(self.range.clone()) {
            to.write_gate(head.gate(t, Gate::Alpha), *dx);
        }
        of_decay[0] += s.sum(of_a);
        of_decay[1] += s.sum(of_b);
    }
}

/// Gradients of what the recurrences read: (CHUNK, dk) and (CHUNK, dv) each, and (CHUNK), zeros past the
/// last token.
pub struct FromTokens<'a> {
    pub dq: &'a [f32],
    pub dk: &'a [f32],
    pub dv: &'a [f32],
    /// Of what is written, u.
    pub du: &'a [f32],
    pub dalpha: &'a [f32],
}

/// The rows gradients go to, with whether they are written, or added to what is there.
#[derive(Clone, Copy)]
pub struct ToRows {
    pub dqkv: Shared<f32>,
    pub dqkv_is_first: bool,
    pub dgates: Shared<f32>,
    pub dgates_is_first: bool,
}

impl ToRows {
    #[inline(always)]
    fn write<S: Simd>(&self, s: S, row: &mut [f32], j: usize, d: S::F32) {
        let sum = match self.dqkv_is_first {
            true => d,
            false => s.add(s.read_at(row, j), d),
        };
        s.write_at(row, j, sum);
    }

    #[inline(always)]
    fn write_gate(&self, at: usize, d: f32) {
        // SAFETY: the head's gates of a token are its own.
        let to = unsafe { self.dgates.slice(at..at + 1) };
        to[0] = match self.dgates_is_first {
            true => d,
            false => to[0] + d,
        };
    }
}
