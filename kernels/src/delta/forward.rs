//! The recurrence forward in time, for one head of one sequence.
//!
//! Columns of the state do not see each other, so blocks of them go through a chunk one after the other,
//! each in the first-level cache, vectors along dv. The state is written for one token and read for the
//! next in one pass over it. Reading it before it is written needs S′ᵀ k and, with (q · k) u added, gives
//! Sᵀ q as well.

use super::shape::{Decay, DeltaShape};
use super::tokens::{CHUNK, Head, Tokens};
use crate::parallel::{self, Shared, scratch};
use crate::simd::{Kernel, LANES, Simd};

/// All tokens of a head.
pub struct Forward<'a> {
    pub head: Head<'a>,
    /// Rows dk, `row` apart, of dv in whole vectors: before the first token, then after the last.
    pub state: &'a mut [f32],
    pub row: usize,
    /// (B·T, H·dv), of which the head's columns are written.
    pub o: Shared<f32>,
    pub kept: Option<Kept<'a>>,
}

/// What the backward pass of a head needs, whole vectors wide.
pub struct Kept<'a> {
    /// (chunks − 1, dk, dv): the states after all chunks but the last, with zeros below.
    pub states: &'a mut [f32],
    /// (T, dv): v − S′ᵀ k; empty without the delta rule.
    pub errors: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let shape = self.head.shape;
        let mut memory = scratch(Tokens::floats(shape));
        let mut tokens = Tokens::new(&mut memory, shape);
        let chunks = shape.seq_len.div_ceil(CHUNK);
        for chunk in 0..chunks {
            let range = parallel::piece(shape.seq_len, CHUNK, chunk);
            tokens.read(s, &self.head, range);
            match (shape.decay != Decay::None, shape.delta) {
                (false, false) => self.chunk::<S, false, false>(s, &mut tokens),
                (false, true) => self.chunk::<S, false, true>(s, &mut tokens),
                (true, false) => self.chunk::<S, true, false>(s, &mut tokens),
                (true, true) => self.chunk::<S, true, true>(s, &mut tokens),
            }
            if let Some(kept) = &mut self.kept {
                kept.keep(shape, chunk, self.state, &tokens);
            }
        }
    }
}

impl Kept<'_> {
    fn keep(&mut self, shape: &DeltaShape, chunk: usize, state: &[f32], tokens: &Tokens) {
        let (keys, values) = (shape.keys(), shape.values());
        if let Some(to) = self.states.chunks_exact_mut(keys * values).nth(chunk) {
            to.copy_from_slice(state);
        }
        if shape.delta {
            let own = tokens.range.start * values..tokens.range.end * values;
            let errors = &mut self.errors[own];
            errors.copy_from_slice(&tokens.e[..errors.len()]);
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn chunk<S: Simd, const DECAY: bool, const DELTA: bool>(&mut self, s: S, tokens: &mut Tokens) {
        let values = self.head.shape.values();
        let mut column = 0;
        while column < values {
            // SAFETY: `state` has dk rows of all columns, `tokens` as many of its own; a block ends at
            // the last whole vector.
            unsafe {
                if column + 2 * LANES <= values {
                    self.block::<S, 2, DECAY, DELTA>(s, tokens, column);
                    column += 2 * LANES;
                } else {
                    self.block::<S, 1, DECAY, DELTA>(s, tokens, column);
                    column += LANES;
                }
            }
        }
    }

    /// J vectors of columns through the chunk.
    /// # Safety
    /// They are columns of the state, in whole vectors.
    #[inline(always)]
    unsafe fn block<S: Simd, const J: usize, const DECAY: bool, const DELTA: bool>(
        &mut self,
        s: S,
        tokens: &mut Tokens,
        column: usize,
    ) {
        let shape = self.head.shape;
        let (dk, keys, values) = (shape.key_width, shape.keys(), shape.values());
        assert!(self.state.len() >= dk * self.row && self.row >= values);
        let (q, k, e) = (tokens.q.as_ptr(), tokens.k.as_ptr(), tokens.e.as_mut_ptr());
        // SAFETY: indices stay within the assertion and the rows of `tokens`; rows of `o` are cut to dv.
        unsafe {
            let state = self.state.as_mut_ptr().add(column);
            // What the state before the token holds at its key, and at its query.
            let (mut at_k, mut at_q) = ([s.zero(); J], [s.zero(); J]);
            for i in 0..dk {
                let (ki, qi) = (s.splat(*k.add(i)), s.splat(*q.add(i)));
                for j in 0..J {
                    let x = s.load(state.add(i * self.row + j * LANES));
                    if DELTA {
                        at_k[j] = s.fma(ki, x, at_k[j]);
                    }
                    at_q[j] = s.fma(qi, x, at_q[j]);
                }
            }
            let last = tokens.len() - 1;
            for t in 0..=last {
                let (alpha, beta) = (s.splat(tokens.alpha[t]), s.splat(tokens.beta[t]));
                let qk = s.splat(tokens.qk[t]);
                let o = self.o.slice(self.head.values(tokens.range.start + t));
                let mut u = [s.zero(); J];
                for j in 0..J {
                    let at = e.add(t * values + column + j * LANES);
                    let mut error = s.load(at);
                    if DELTA {
                        error = match DECAY {
                            true => s.fnma(alpha, at_k[j], error),
                            false => s.sub(error, at_k[j]),
                        };
                        s.store(at, error);
                    }
                    u[j] = s.mul(beta, error);
                    let seen = match DECAY {
                        true => s.mul(alpha, at_q[j]),
                        false => at_q[j],
                    };
                    s.write_at(o, column + j * LANES, s.fma(qk, u[j], seen));
                }
                // S = α S + k uᵀ, and what it holds for the next token (after the last, for nobody).
                let next = (t + 1).min(last) * keys;
                (at_k, at_q) = ([s.zero(); J], [s.zero(); J]);
                for i in 0..dk {
                    let ki = s.splat(*k.add(t * keys + i));
                    let (next_k, next_q) = (s.splat(*k.add(next + i)), s.splat(*q.add(next + i)));
                    for j in 0..J {
                        let at = state.add(i * self.row + j * LANES);
                        let mut x = s.load(at);
                        if DECAY {
                            x = s.mul(alpha, x);
                        }
                        x = s.fma(ki, u[j], x);
                        s.store(at, x);
                        if DELTA {
                            at_k[j] = s.fma(next_k, x, at_k[j]);
                        }
                        at_q[j] = s.fma(next_q, x, at_q[j]);
                    }
                }
            }
        }
    }
}
