//! Where the gradients of q, k and v go.

use super::super::parallel::Shared;
use super::super::simd::{Kernel, LANES, Simd, dispatch_at};
use super::plan::{Piece, Plan};
use std::ops::Range;

/// The gradient of a matrix that holds q, or k and v.
#[derive(Clone, Copy)]
pub struct Target {
    pub dx: Shared<f32>,
    /// Whether it has no values yet, so that it is written and not added to.
    pub is_first: bool,
}

/// The gradients of one head of keys and values, to which its pieces add one after the other.
pub struct KeySum<'a> {
    plan: &'a Plan,
    /// Stands for the head.
    any: Piece,
    to: Target,
    /// Keys that have a value already, if it is the first gradient.
    written: Range<usize>,
}

impl<'a> KeySum<'a> {
    /// Of the `head`-th head of keys of all sequences.
    pub fn new(plan: &'a Plan, head: usize, to: Target) -> Self {
        let shape = plan.shape;
        let any = Piece {
            batch: head / shape.kv_heads,
            head: head % shape.kv_heads * shape.group(),
            rows: 0..0,
            len: shape.keys,
        };
        KeySum {
            plan,
            any,
            to,
            written: 0..0,
        }
    }

    /// Adds dk, turned back, and dv of the keys a piece sees; both are (keys, dh padded to whole
    /// vectors).
    ///
    /// # Safety
    /// Nobody else uses these rows of this head in the gradients of k and v.
    pub unsafe fn add(&mut self, piece: &Piece, dk: &mut [f32], dv: &mut [f32]) {
        let plan = self.plan;
        let padded = plan.dh.next_multiple_of(LANES);
        let seen = plan.span(piece, piece.rows.clone());
        if plan.turns(1) {
            for (t, row) in seen.clone().zip(dk.chunks_exact_mut(padded)) {
                if let Some((rotary, position)) = plan.turn(1, t) {
                    rotary.turn_back(&mut row[..plan.dh], position);
                }
            }
        }
        dispatch_at(plan.level, Add(self, piece, seen.clone(), [dk, dv]));
        // Pieces come in the order of their rows, which leave no gap between what they see.
        self.written = match self.written.is_empty() {
            true => seen,
            false => self.written.start.min(seen.start)..self.written.end.max(seen.end),
        };
    }

    /// Nothing is the gradient of keys that no query sees.
    ///
    /// # Safety
    /// As for [`KeySum::add`].
    pub unsafe fn finish(self) {
        if !self.to.is_first {
            return;
        }
        let (plan, keys) = (self.plan, self.plan.shape.keys);
        for t in (0..self.written.start).chain(self.written.end..keys) {
            for which in [1, 2] {
                let start = plan.at(&self.any, which, t);
                // SAFETY: by contract.
                unsafe { self.to.dx.slice(start..start + plan.dh) }.fill(0.0);
            }
        }
    }
}

/// Sends the rows of dk and dv of these keys.
struct Add<'a>(&'a KeySum<'a>, &'a Piece, Range<usize>, [&'a [f32]; 2]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Add(sum, piece, seen, from) = self;
        let (plan, dh) = (sum.plan, sum.plan.dh);
        let padded = dh.next_multiple_of(LANES);
        let starts = [1, 2].map(|which| plan.at(piece, which, seen.start));
        for (i, t) in seen.enumerate() {
            let is_first = sum.to.is_first && !sum.written.contains(&t);
            for (start, from) in starts.into_iter().zip(from) {
                let start = start + i * plan.stride(1);
                // SAFETY: by contract of `KeySum::add`.
                let to = unsafe { sum.to.dx.slice(start..start + dh) };
                send(s, to, &from[i * padded..][..dh], is_first);
            }
        }
    }
}

/// to ← x if it is the first, else to += x.
#[inline(always)]
pub fn send<S: Simd>(s: S, to: &mut [f32], x: &[f32], is_first: bool) {
    for j in (0..to.len()).step_by(LANES) {
        let x = s.read_at(x, j);
        let sum = match is_first {
            true => x,
            false => s.add(s.read_at(to, j), x),
        };
        s.write_at(to, j, sum);
    }
}
