//! Gradients of what the recurrences read in a chunk, and their way back into the rows of the operation.

use super::shape::{Beta, Decay, DeltaShape};
use super::tokens::{AHEAD, CHUNK, Gate, Head, Tokens, cut};
use crate::math;
use crate::parallel::Shared;
use crate::simd::{LANES, Simd};
use std::ops::Range;

/// Working memory of a chunk, whole vectors wide.
pub struct Gradients<'a> {
    /// (CHUNK, dv) each: do, u, du, and dv = β du.
    pub d_o: &'a mut [f32],
    pub u: &'a mut [f32],
    pub du: &'a mut [f32],
    pub dv: &'a mut [f32],
    /// (CHUNK, dk) each.
    pub dq: &'a mut [f32],
    pub dk: &'a mut [f32],
    /// (CHUNK)
    pub dalpha: &'a mut [f32],
    /// Gradient of the state after the token at hand: (dk, dv), and with its vectors along dk,
    /// (dk / LANES, dv, LANES).
    pub by_rows: &'a mut [f32],
    pub by_columns: &'a mut [f32],
    /// States of LANES rows with vectors along dk: (CHUNK + 1, dv, LANES).
    pub states: &'a mut [f32],
}

impl<'a> Gradients<'a> {
    pub fn sizes(shape: &DeltaShape) -> [usize; 10] {
        let (keys, values) = (shape.keys(), shape.values());
        let (of_k, of_v, state) = (CHUNK * keys, CHUNK * values, keys * values);
        let states = (CHUNK + 1) * values * LANES;
        [
            of_v, of_v, of_v, of_v, of_k, of_k, CHUNK, state, state, states,
        ]
    }

    pub fn new(memory: &'a mut [f32], shape: &DeltaShape) -> Self {
        let parts = cut(memory, Self::sizes(shape));
        let [d_o, u, du, dv, dq, dk, dalpha, by_rows, by_columns, states] = parts;
        by_rows.fill(0.0);
        by_columns.fill(0.0);
        Gradients {
            d_o,
            u,
            du,
            dv,
            dq,
            dk,
            dalpha,
            by_rows,
            by_columns,
            states,
        }
    }

    /// do, and u = β e, of the chunk's tokens.
    #[inline(always)]
    pub fn read<S: Simd>(&mut self, s: S, head: &Head, d_o: &[f32], tokens: &Tokens) {
        let values = head.shape.values();
        for (i, t) in tokens.range.clone().enumerate() {
            let from = &d_o[head.values(t)];
            for ahead in head.values(t + AHEAD).step_by(LANES) {
                s.prefetch(d_o.as_ptr().wrapping_add(ahead));
            }
            let own = i * values..(i + 1) * values;
            let (to, u, e) = (
                &mut self.d_o[own.clone()],
                &mut self.u[own.clone()],
                &tokens.e[own],
            );
            let beta = s.splat(tokens.beta[i]);
            for j in (0..from.len()).step_by(LANES) {
                s.write_at(to, j, s.read_at(from, j));
                s.write_at(u, j, s.mul(beta, s.read_at(e, j)));
            }
        }
        self.dalpha.fill(0.0);
    }

    /// Sends them back through what [`Tokens::read`] did, and adds those of a and b, of the head's α, to
    /// `of_decay`.
    #[inline(always)]
    pub fn send<S: Simd>(
        &mut self,
        s: S,
        head: &Head,
        tokens: &Tokens,
        to: &ToRows,
        of_decay: &mut [f32; 2],
    ) {
        let shape = head.shape;
        let (keys, values) = (shape.keys(), shape.values());
        let over = shape.key_width as f32; // q has c = 1/√dk, k has 1
        for (i, t) in tokens.range.clone().enumerate() {
            let own = i * keys..(i + 1) * keys;
            let (hats, gradients) = (&tokens.q[own.clone()], &self.dq[own.clone()]);
            let by = tokens.scales[0][i];
            to.write_hat(s, head, head.part(t, 0), (hats, gradients, by, over));
            let (hats, gradients) = (&tokens.k[own.clone()], &self.dk[own]);
            let by = tokens.scales[1][i];
            to.write_hat(s, head, head.part(t, 1), (hats, gradients, by, 1.0));
            // SAFETY: the head's part of a row is its own.
            let row = unsafe { to.dqkv.slice(head.part(t, 2)) };
            let (dv, du) = (
                &self.dv[i * values..][..values],
                &self.du[i * values..][..values],
            );
            for j in (0..row.len()).step_by(LANES) {
                to.write(s, row, j, s.read_at(dv, j));
            }
            if shape.beta != Beta::Off {
                let e = &tokens.e[i * values..][..values];
                let mut written = s.zero();
                for j in (0..values).step_by(LANES) {
                    written = s.fma(s.read_at(du, j), s.read_at(e, j), written);
                }
                let beta = tokens.beta[i];
                let slope = beta * (1.0 - beta / shape.beta.range());
                to.write_gate(head.gate(t, Gate::Beta), s.sum(written) * slope);
            }
        }
        if shape.decay == Decay::Input {
            self.send_alpha(s, head, tokens, to, of_decay);
        }
    }

    #[inline(always)]
    fn send_alpha<S: Simd>(
        &mut self,
        s: S,
        head: &Head,
        tokens: &Tokens,
        to: &ToRows,
        of_decay: &mut [f32; 2],
    ) {
        let rate = s.splat(head.decay[0]);
        let (mut of_a, mut of_b) = (s.zero(), s.zero());
        for i in (0..tokens.range.len()).step_by(LANES) {
            // ln α = −e^a softplus(x), x = w + b. Past the last token dα is 0.
            let dlog = s.mul(s.read_at(self.dalpha, i), s.read_at(tokens.alpha, i));
            of_a = s.fma(dlog, s.read_at(tokens.log_alpha, i), of_a);
            let slope = math::sigmoid(s, s.read_at(tokens.biased, i));
            let dx = s.neg(s.mul(s.mul(dlog, rate), slope));
            of_b = s.add(of_b, dx);
            s.write_at(self.dalpha, i, dx);
        }
        for (dx, t) in self.dalpha.iter().zip(tokens.range.clone()) {
            to.write_gate(head.gate(t, Gate::Alpha), *dx);
        }
        of_decay[0] += s.sum(of_a);
        of_decay[1] += s.sum(of_b);
    }
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
    /// The gradient of q or k from that of x̂ = c x / |x|: dx = c/|x| (dx̂ − x̂ (x̂ · dx̂) / c²), from x̂,
    /// dx̂, what x was multiplied by, and 1/c².
    #[inline(always)]
    fn write_hat<S: Simd>(
        &self,
        s: S,
        head: &Head,
        place: Range<usize>,
        (hat, d, by, over): (&[f32], &[f32], f32, f32),
    ) {
        let mut along = s.zero();
        if head.shape.normalise {
            for j in (0..hat.len()).step_by(LANES) {
                along = s.fma(s.read_at(hat, j), s.read_at(d, j), along);
            }
            along = s.splat(over * s.sum(along));
        }
        // SAFETY: the head's part of a row is its own.
        let row = unsafe { self.dqkv.slice(place) };
        for j in (0..row.len()).step_by(LANES) {
            let d = s.fnma(s.read_at(hat, j), along, s.read_at(d, j));
            self.write(s, row, j, s.mul(s.splat(by), d));
        }
    }

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
