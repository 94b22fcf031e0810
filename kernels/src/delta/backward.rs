//! The way back in time, for one head of one sequence, chunk by chunk from the last.
//!
//! Gradients of what was written come first, with vectors along dv as forward: they need the gradient of
//! the state alone. Those of keys, queries and α are sums over dv; for them state and gradient run once
//! more with vectors along dk, so that no vector is summed across its lanes: the state forward in time
//! from where the chunk began, each token's kept where there is a decay, then the gradient back.

use super::gradients::{Gradients, ToRows};
use super::shape::Decay;
use super::tokens::{CHUNK, Head, Tokens};
use crate::parallel::{self, Shared, scratch};
use crate::simd::{Kernel, LANES, Simd};

/// All tokens of a head, last chunk first.
pub struct Backward<'a> {
    pub head: Head<'a>,
    /// As [`Kept`](super::forward::Kept).
    pub states: &'a [f32],
    pub errors: &'a [f32],
    /// (B·T, H·dv)
    pub d_o: &'a [f32],
    pub to: ToRows,
    /// (B·T, H·dk·dv), where somebody watches: the gradients of the head's states go there.
    pub watched: Option<Shared<f32>>,
    /// Gradients of a and b of the head's α, to be added to.
    pub of_decay: &'a mut [f32; 2],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let shape = self.head.shape;
        let (keys, values) = (shape.keys(), shape.values());
        let mut memory = scratch(Tokens::floats(shape));
        let mut tokens = Tokens::new(&mut memory, shape);
        let mut memory = scratch(Gradients::sizes(shape).iter().sum());
        let mut gradients = Gradients::new(&mut memory, shape);
        for chunk in (0..shape.seq_len.div_ceil(CHUNK)).rev() {
            tokens.read(s, &self.head, parallel::piece(shape.seq_len, CHUNK, chunk));
            if shape.delta {
                let own = tokens.range.start * values..tokens.range.end * values;
                let errors = &self.errors[own];
                tokens.e[..errors.len()].copy_from_slice(errors);
            }
            gradients.read(s, &self.head, self.d_o, &tokens);
            let size = keys * values;
            let before = chunk
                .checked_sub(1)
                .map(|c| &self.states[c * size..][..size]);
            let mut chunk = Chunk {
                head: &self.head,
                tokens: &tokens,
                before,
                watched: self.watched,
                g: &mut gradients,
            };
            match (shape.decay != Decay::None, shape.delta) {
                (false, false) => chunk.run::<S, false, false>(s),
                (false, true) => chunk.run::<S, false, true>(s),
                (true, false) => chunk.run::<S, true, false>(s),
                (true, true) => chunk.run::<S, true, true>(s),
            }
            gradients.send(s, &self.head, &tokens, &self.to, self.of_decay);
        }
    }
}

struct Chunk<'a, 'b> {
    head: &'a Head<'a>,
    tokens: &'a Tokens<'a>,
    /// The state before the first token, (dk, dv); `None` if it is 0.
    before: Option<&'a [f32]>,
    watched: Option<Shared<f32>>,
    g: &'a mut Gradients<'b>,
}

impl Chunk<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const DECAY: bool, const DELTA: bool>(&mut self, s: S) {
        let (keys, values) = (self.head.shape.keys(), self.head.shape.values());
        let mut column = 0;
        // SAFETY: all working memory is whole vectors wide, and blocks end at the last of them.
        unsafe {
            while column < values {
                if column + 2 * LANES <= values {
                    self.writes::<S, 2, DECAY, DELTA>(s, column);
                    column += 2 * LANES;
                } else {
                    self.writes::<S, 1, DECAY, DELTA>(s, column);
                    column += LANES;
                }
            }
            for row in (0..keys).step_by(LANES) {
                self.states_forward::<S, DECAY, DELTA>(s, row);
                self.states_backward::<S, DECAY, DELTA>(s, row);
            }
        }
    }

    /// du and dv of J vectors of columns. With G the gradient of the state after the token from later
    /// ones: du = (G + q doᵀ)ᵀ k = Gᵀ k + (q · k) do; then G ← α (G + q doᵀ − k dvᵀ).
    /// # Safety
    /// They are columns of the state, in whole vectors.
    #[inline(always)]
    unsafe fn writes<S: Simd, const J: usize, const DECAY: bool, const DELTA: bool>(
        &mut self,
        s: S,
        column: usize,
    ) {
        let (shape, tokens, g) = (self.head.shape, self.tokens, &mut *self.g);
        let (dk, keys, values) = (shape.key_width, shape.keys(), shape.values());
        let (q, k) = (tokens.q.as_ptr(), tokens.k.as_ptr());
        let last = tokens.len() - 1;
        // SAFETY: rows of whole vectors, as `Gradients` and `Tokens` cut them.
        unsafe {
            let gradient = g.by_rows.as_mut_ptr().add(column);
            let mut at_k = [s.zero(); J];
            for i in 0..dk {
                let ki = s.splat(*k.add(last * keys + i));
                for j in 0..J {
                    let x = s.load(gradient.add(i * values + j * LANES));
                    at_k[j] = s.fma(ki, x, at_k[j]);
                }
            }
            for t in (0..=last).rev() {
                let (alpha, beta) = (s.splat(tokens.alpha[t]), s.splat(tokens.beta[t]));
                let qk = s.splat(tokens.qk[t]);
                let (mut d_o, mut dv) = ([s.zero(); J], [s.zero(); J]);
                for j in 0..J {
                    let at = t * values + column + j * LANES;
                    d_o[j] = s.load(g.d_o.as_ptr().add(at));
                    let du = s.fma(qk, d_o[j], at_k[j]);
                    dv[j] = s.mul(beta, du);
                    s.store(g.du.as_mut_ptr().add(at), du);
                    s.store(g.dv.as_mut_ptr().add(at), dv[j]);
                }
                if let Some(watched) = self.watched {
                    let row = self.head.states(tokens.range.start + t);
                    let row = watched.slice(row).chunks_exact_mut(shape.value_width);
                    for (i, row) in row.enumerate() {
                        let qi = s.splat(*q.add(t * keys + i));
                        for j in 0..J {
                            let x = s.load(gradient.add(i * values + j * LANES));
                            s.write_at(row, column + j * LANES, s.fma(qi, d_o[j], x));
                        }
                    }
                }
                // Before the first token of the chunk the sum is for nobody.
                let next = t.saturating_sub(1) * keys;
                at_k = [s.zero(); J];
                for i in 0..dk {
                    let (qi, ki) = (s.splat(*q.add(t * keys + i)), s.splat(*k.add(t * keys + i)));
                    let next_k = s.splat(*k.add(next + i));
                    for j in 0..J {
                        let at = gradient.add(i * values + j * LANES);
                        let mut x = s.fma(qi, d_o[j], s.load(at));
                        if DELTA {
                            x = s.fnma(ki, dv[j], x);
                        }
                        if DECAY {
                            x = s.mul(alpha, x);
                        }
                        s.store(at, x);
                        at_k[j] = s.fma(next_k, x, at_k[j]);
                    }
                }
            }
        }
    }

    /// Where a token's state is kept: all in one place if nobody needs them later.
    #[inline(always)]
    fn place<const DECAY: bool>(&self, t: usize) -> usize {
        match DECAY {
            true => t * self.head.shape.values() * LANES,
            false => 0,
        }
    }

    /// dq = S do and the part −S′ dv of dk, of LANES rows from `row` on; keeps the states if there is a
    /// decay. Sums run in two chains, so that no multiply-add waits for the one before: an odd dv has a
    /// column of zeros after it.
    /// # Safety
    /// They are rows of the state, in whole vectors.
    #[inline(always)]
    unsafe fn states_forward<S: Simd, const DECAY: bool, const DELTA: bool>(
        &mut self,
        s: S,
        row: usize,
    ) {
        let shape = self.head.shape;
        let (keys, values) = (shape.keys(), shape.values());
        let states = self.g.states.as_mut_ptr();
        // SAFETY: as in `writes`; tiles of LANES rows and columns fit in (dk, dv) in whole vectors.
        unsafe {
            match self.before {
                None => std::slice::from_raw_parts_mut(states, values * LANES).fill(0.0),
                Some(before) => {
                    for column in (0..values).step_by(LANES) {
                        let from = before.as_ptr().add(row * values + column);
                        s.transpose(from, values, states.add(column * LANES), LANES);
                    }
                }
            }
            for t in 0..self.tokens.len() {
                let k = s.load(self.tokens.k.as_ptr().add(t * keys + row));
                let alpha = s.splat(self.tokens.alpha[t]);
                let (from, to) = (
                    states.add(self.place::<DECAY>(t)),
                    states.add(self.place::<DECAY>(t + 1)),
                );
                let at = t * values;
                let (d_o, u) = (self.g.d_o.as_ptr().add(at), self.g.u.as_ptr().add(at));
                let dv = self.g.dv.as_ptr().add(at);
                let (mut dq, mut dk) = ([s.zero(); 2], [s.zero(); 2]);
                for j in (0..shape.value_width).step_by(2) {
                    for half in 0..2 {
                        let j = j + half;
                        let mut x = s.load(from.add(j * LANES));
                        if DELTA {
                            dk[half] = s.fnma(s.splat(*dv.add(j)), x, dk[half]);
                        }
                        if DECAY {
                            x = s.mul(alpha, x);
                        }
                        x = s.fma(s.splat(*u.add(j)), k, x);
                        s.store(to.add(j * LANES), x);
                        dq[half] = s.fma(s.splat(*d_o.add(j)), x, dq[half]);
                    }
                }
                let mut dk = s.add(dk[0], dk[1]);
                if DECAY {
                    dk = s.mul(alpha, dk);
                }
                let at = t * keys + row;
                s.store(self.g.dq.as_mut_ptr().add(at), s.add(dq[0], dq[1]));
                s.store(self.g.dk.as_mut_ptr().add(at), dk);
            }
        }
    }

    /// The part dS u of dk, dS = G + q doᵀ, and dα = ⟨dS′, S⟩ with dS′ = dS − k dvᵀ and S the state before
    /// the token, of the same rows.
    /// # Safety
    /// As [`Chunk::states_forward`], after it.
    #[inline(always)]
    unsafe fn states_backward<S: Simd, const DECAY: bool, const DELTA: bool>(
        &mut self,
        s: S,
        row: usize,
    ) {
        let shape = self.head.shape;
        let (keys, values) = (shape.keys(), shape.values());
        // SAFETY: as there.
        unsafe {
            let gradient = self.g.by_columns.as_mut_ptr().add(row * values);
            for t in (0..self.tokens.len()).rev() {
                let q = s.load(self.tokens.q.as_ptr().add(t * keys + row));
                let k = s.load(self.tokens.k.as_ptr().add(t * keys + row));
                let alpha = s.splat(self.tokens.alpha[t]);
                let state = self.g.states.as_ptr().add(self.place::<DECAY>(t));
                let at = t * values;
                let (d_o, u) = (self.g.d_o.as_ptr().add(at), self.g.u.as_ptr().add(at));
                let dv = self.g.dv.as_ptr().add(at);
                let to = self.g.dk.as_mut_ptr().add(t * keys + row);
                let (mut dk, mut dalpha) = ([s.load(to), s.zero()], [s.zero(); 2]);
                for j in (0..shape.value_width).step_by(2) {
                    for half in 0..2 {
                        let j = j + half;
                        let at = gradient.add(j * LANES);
                        let mut x = s.fma(s.splat(*d_o.add(j)), q, s.load(at));
                        dk[half] = s.fma(s.splat(*u.add(j)), x, dk[half]);
                        if DELTA {
                            x = s.fnma(s.splat(*dv.add(j)), k, x);
                        }
                        if DECAY {
                            dalpha[half] = s.fma(x, s.load(state.add(j * LANES)), dalpha[half]);
                            x = s.mul(alpha, x);
                        }
                        s.store(at, x);
                    }
                }
                s.store(to, s.add(dk[0], dk[1]));
                if DECAY {
                    self.g.dalpha[t] += s.sum(s.add(dalpha[0], dalpha[1]));
                }
            }
        }
    }
}
