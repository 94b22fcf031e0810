//! Low-rank adapters (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models").
//!
//! Beside a frozen matrix W (out, in) stand A (r, in), uniform in ±1/√in, and B (out, r), zeros at first; the
//! model computes with W′ = W + s·B·A, where s = α/r = 2 at every rank. W′ is formed once a step, so that
//! every operation works as before, recurrent ones too, and what the backward pass gives is dL/dW′ =: G:
//!
//! dL/dB = s·G·Aᵀ, dL/dA = s·Bᵀ·G.
//!
//! Cost a step: 6·out·in·r operations beside those of full training; what is saved is the optimiser's state and
//! work, and nothing of the forward and backward passes.

use super::variable::{ADAPTERS, Variable};
use crate::nn::{Initializer, Parameter};
use kernels::gemm::{View, gemm};

/// α/r: α = 2r, as is usual today.
const SCALE: f32 = 2.0;

/// The adapter of one matrix.
pub(super) struct Lora {
    /// The frozen W.
    base: Vec<f32>,
    /// A.
    pub(super) down: Variable,
    /// B.
    pub(super) up: Variable,
}

impl Lora {
    /// One that changes nothing yet. Panics if the parameter is a vector.
    pub(super) fn new(parameter: &Parameter, rank: usize, init: &mut Initializer) -> Self {
        let (out, input) = (parameter.shape[0], parameter.shape[1]);
        let down = init.uniform(rank * input, 1.0 / (input as f32).sqrt());
        let variable = |kind: &str, shape: [usize; 2], values| {
            Variable::new(
                format!("{ADAPTERS}{kind}.{}", parameter.name),
                &shape,
                values,
            )
        };
        Lora {
            base: parameter.values(),
            down: variable("a", [rank, input], down),
            up: variable("b", [out, rank], vec![0.0; out * rank]),
        }
    }

    /// out, in, r.
    fn sides(&self) -> (usize, usize, usize) {
        (self.up.shape[0], self.down.shape[1], self.down.shape[0])
    }

    /// dL/dA and dL/dB of dL/dW′.
    pub(super) fn gradients(&self, of_merged: &[f32]) -> [Vec<f32>; 2] {
        let (out, input, rank) = self.sides();
        let (a, b) = (&self.down.values[..], &self.up.values[..]);
        let [mut of_down, mut of_up] = [vec![0.0; rank * input], vec![0.0; out * rank]];
        let g = View::new(of_merged, input);
        let transposed = View::new(b, rank).transposed();
        gemm(rank, input, out, transposed, g, &mut of_down, false);
        let transposed = View::new(a, input).transposed();
        gemm(out, rank, input, g, transposed, &mut of_up, false);
        for values in [&mut of_down, &mut of_up] {
            values.iter_mut().for_each(|v| *v *= SCALE);
        }
        [of_down, of_up]
    }

    /// W′.
    pub(super) fn merged(&self) -> Vec<f32> {
        let (out, input, rank) = self.sides();
        let scaled: Vec<f32> = self.up.values.iter().map(|v| SCALE * v).collect();
        let mut merged = self.base.clone();
        let (b, a) = (
            View::new(&scaled, rank),
            View::new(&self.down.values, input),
        );
        gemm(out, input, rank, b, a, &mut merged, true);
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An adapter of a matrix (7, 5) that has been trained a while.
    fn trained() -> Lora {
        let mut init = Initializer::new(3);
        let w = Parameter::new("w", &[7, 5], init.uniform(35, 0.5));
        let mut lora = Lora::new(&w, 3, &mut init);
        lora.up.values = init.uniform(21, 0.4);
        lora
    }

    #[test]
    fn a_new_adapter_changes_no_bit() {
        let mut init = Initializer::new(3);
        let w = Parameter::new("w", &[7, 5], init.uniform(35, 0.5));
        let lora = Lora::new(&w, 3, &mut init);
        assert_eq!(lora.merged(), w.values());
        assert!(lora.down.values.iter().all(|a| a.abs() < 1.0 / 5f32.sqrt()));
    }

    /// W′·x against W·x + s·B·(A·x), in f64.
    #[test]
    fn merged_is_the_sum_of_both_ways() {
        let lora = trained();
        let merged = lora.merged();
        let x: Vec<f64> = (0..5).map(|i| f64::from(i as f32) - 1.7).collect();
        let times = |m: &[f32], x: &[f64]| -> Vec<f64> {
            let row = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
            m.chunks(x.len()).map(row).collect()
        };
        let beside = times(&lora.up.values, &times(&lora.down.values, &x));
        let frozen = times(&lora.base, &x);
        for ((merged, frozen), beside) in times(&merged, &x).iter().zip(frozen).zip(beside) {
            assert!((merged - (frozen + 2.0 * beside)).abs() < 1e-5);
        }
    }

    /// Against the differences of Σ G·W′(A, B) in f64, which is linear in each.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let lora = trained();
        let g = Initializer::new(9).uniform(35, 1.0);
        let loss = |a: &[f64], b: &[f64]| -> f64 {
            let mut sum = 0.0;
            for o in 0..7 {
                for i in 0..5 {
                    let ba: f64 = (0..3).map(|k| b[o * 3 + k] * a[k * 5 + i]).sum();
                    sum += f64::from(g[o * 5 + i]) * (f64::from(lora.base[o * 5 + i]) + 2.0 * ba);
                }
            }
            sum
        };
        let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|v| f64::from(*v)).collect() };
        let (a, b) = (wide(&lora.down.values), wide(&lora.up.values));
        let [of_a, of_b] = lora.gradients(&g);
        let check = |found: &[f32], difference: &dyn Fn(usize, f64) -> f64| {
            for (i, found) in found.iter().enumerate() {
                let slope = (difference(i, 1e-3) - difference(i, -1e-3)) / 2e-3;
                assert!(
                    (f64::from(*found) - slope).abs() < 1e-5,
                    "{i}: {found} {slope}"
                );
            }
        };
        let moved = |v: &[f64], i: usize, by: f64| {
            let mut v = v.to_vec();
            v[i] += by;
            v
        };
        assert_eq!((of_a.len(), of_b.len()), (15, 21));
        check(&of_a, &|i, by| loss(&moved(&a, i, by), &b));
        check(&of_b, &|i, by| loss(&a, &moved(&b, i, by)));
    }
}
