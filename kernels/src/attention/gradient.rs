//! Where the gradients of q, k and v go.

use super::super::gemm::tile_shape;
use super::super::math;
use super::super::parallel::Shared;
use super::super::simd::{Level, dispatch_at};
use super::pack::Columns;
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

    /// Adds dk, turned back, and dv of the keys a piece sees.
    ///
    /// # Safety
    /// Nobody else uses these rows of this head in the gradients of k and v.
    pub unsafe fn add(&mut self, piece: &Piece, dk: &[f32], dv: &[f32]) {
        let (plan, dh) = (self.plan, self.plan.dh);
        let padded = Columns::new(tile_shape(plan.level), dh).padded;
        let seen = plan.span(piece, piece.rows.clone());
        let mut turned = vec![0.0; dh];
        for (i, t) in seen.clone().enumerate() {
            for (which, from) in [(1, dk), (2, dv)] {
                let mut row = &from[i * padded..][..dh];
                if let Some((rotary, position)) = plan.turn(which, t) {
                    turned.copy_from_slice(row);
                    rotary.turn_back(&mut turned, position);
                    row = &turned;
                }
                let start = plan.at(piece, which, t);
                // SAFETY: by contract.
                let to = unsafe { self.to.dx.slice(start..start + dh) };
                let is_first = self.to.is_first && !self.written.contains(&t);
                send(plan.level, to, row, is_first);
            }
        }
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

/// to ← x if it is the first, else to += x.
pub fn send(level: Level, to: &mut [f32], x: &[f32], is_first: bool) {
    if is_first {
        to.copy_from_slice(x);
    } else {
        dispatch_at(level, math::Add(to, x));
    }
}
