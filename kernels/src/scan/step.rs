//! One step at a time, or many, for decoding.

use super::gates::{Gates, MinGru, MinLstm};
use super::kernels::{Forward, Inputs};
use super::plan::Piece;
use crate::decode::PackedLinear;
use crate::parallel::{self, Shared};
use crate::simd::{dispatch_at, level};
use crate::{Matrix, Nonlinearity, values};
use std::marker::PhantomData;

/// Fewer states than this are updated on one thread.
const PARALLEL_FROM: usize = 1 << 13;
/// Units that a thread takes at a time.
const UNITS: usize = 128;

/// A layer's product and recurrence, one step at a time.
pub struct Stepper<G> {
    /// (COUNT·H, D) and (COUNT·H)
    product: PackedLinear,
    input: usize,
    hidden: usize,
    gates: PhantomData<fn() -> G>,
}

impl<G: Gates> Stepper<G> {
    /// Copies weight (G·H, D) and bias (1, G·H). Panics if they do not fit each other.
    pub fn new(weight: &Matrix, bias: &Matrix) -> Self {
        use dfdx::prelude::HasShape;
        let ((rows, input), gates) = (*weight.shape(), PhantomData);
        assert!(
            rows % G::COUNT == 0 && *bias.shape() == (1, rows),
            "{}: weight ({rows}, {input}) and bias {:?} are not (G·H, D) and (1, G·H)",
            G::NAME,
            bias.shape()
        );
        Stepper {
            product: PackedLinear::new(&values(weight), &values(bias), input),
            input,
            hidden: rows / G::COUNT,
            gates,
        }
    }

    /// Consumes one token of each of B sequences, x (B, D), and updates the states h (B, H);
    /// `scratch` is working memory to be kept between steps. Panics if lengths disagree.
    pub fn step(&self, x: &[f32], h: &mut [f32], scratch: &mut Vec<f32>) {
        let before = h.to_vec();
        self.run(x, 1, &before, h, scratch);
    }

    /// Consumes n tokens of each of B sequences, x (B·n, D), row b·n + t; updates the states h
    /// (B, H), and writes h after each token to y (B·n, H). Panics if lengths disagree.
    pub fn extend(&self, x: &[f32], h: &mut [f32], y: &mut [f32], scratch: &mut Vec<f32>) {
        if y.is_empty() {
            return;
        }
        let steps = y.len() / h.len().max(1);
        assert_eq!(y.len(), steps * h.len(), "{}: y is (B·n, H)", G::NAME);
        self.run(x, steps, h, y, scratch);
        let ends = y.chunks_exact(steps * self.hidden);
        for (h, y) in h.chunks_exact_mut(self.hidden).zip(ends) {
            h.copy_from_slice(&y[(steps - 1) * self.hidden..]);
        }
    }

    /// y (B·n, H) from the states before, (B, H): the product of all tokens, then the recurrence.
    fn run(&self, x: &[f32], steps: usize, before: &[f32], y: &mut [f32], scratch: &mut Vec<f32>) {
        let (hidden, n) = (self.hidden, x.len() / self.input);
        assert_eq!(n * hidden, y.len(), "{}: h is (B, H)", G::NAME);
        self.product.apply(x, Nonlinearity::Identity, scratch);
        let inputs = Inputs::<G>::new(scratch, hidden);
        advance(n / steps, steps, |_| inputs, before, y);
    }
}

/// y (B·n, H): n `steps` of `batch` sequences, from what those of one read and the states before,
/// (B, H).
pub fn advance<'a, G: Gates>(
    batch: usize,
    steps: usize,
    inputs: impl Fn(usize) -> Inputs<'a, G> + Sync,
    before: &[f32],
    y: &mut [f32],
) {
    let (is_worth, hidden) = (y.len() >= PARALLEL_FROM, before.len() / batch.max(1));
    let (level, blocks, y) = (level(), hidden.div_ceil(UNITS), Shared::new(y));
    parallel::for_each_if(is_worth, batch * blocks, |i| {
        let (batch, units) = (i / blocks, parallel::piece(hidden, UNITS, i % blocks));
        let before = &before[batch * hidden..][units.clone()];
        let piece = Piece {
            batch,
            chunk: 0,
            rows: batch * steps..(batch + 1) * steps,
            units,
        };
        let forward = Forward {
            inputs: inputs(batch),
            piece,
            before,
            y,
        };
        dispatch_at(level, forward);
    });
}

/// One step of minGRU at a time, for decoding.
pub type MinGruCell = Stepper<MinGru>;
/// One step of minLSTM at a time, for decoding.
pub type MinLstmCell = Stepper<MinLstm>;
