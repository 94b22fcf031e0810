//! One step at a time, for decoding.

use super::gates::{Gates, MinGru, MinLstm};
use super::kernels::{Forward, Inputs};
use super::plan::Piece;
use crate::decode::PackedLinear;
use crate::parallel::Shared;
use crate::simd::dispatch;
use crate::{Matrix, Nonlinearity, values};
use std::marker::PhantomData;

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
        let hidden = self.hidden;
        let n = x.len() / self.input;
        assert_eq!(h.len(), n * hidden, "{}: h is (B, H)", G::NAME);
        self.product.apply(x, Nonlinearity::Identity, scratch);
        let before = h.to_vec();
        let y = Shared::new(h);
        for (row, before) in before.chunks_exact(hidden).enumerate() {
            let piece = Piece {
                batch: row,
                chunk: 0,
                rows: row..row + 1,
                units: 0..hidden,
            };
            let inputs = Inputs::<G>::new(scratch, hidden);
            dispatch(Forward {
                inputs,
                piece,
                before,
                y,
            });
        }
    }
}

/// One step of minGRU at a time, for decoding.
pub type MinGruCell = Stepper<MinGru>;
/// One step of minLSTM at a time, for decoding.
pub type MinLstmCell = Stepper<MinLstm>;
