//! The GRU layer as one writes it first: token by token, gate by gate, of dfdx primitives alone. It
//! computes what [`super::gru`] does and is what that is measured against: no input projection ahead
//! of the loop, no weights packed once, no backward of its own.

use super::{Activation, Matrix, Scalar, Tape, device};
use dfdx::prelude::*;
use dfdx::tensor::Merge;

/// Weights gate by gate, in the order r, z, n.
pub struct StepwiseGru {
    input: [Gate; 3],
    hidden: [Gate; 3],
    width: usize,
}

/// One product: (H, columns) and (H).
struct Gate {
    weight: Matrix,
    bias: Tensor<(usize,), f32, Cpu>,
}

impl StepwiseGru {
    /// Takes PyTorch's stacked weights apart: `weight_ih` (3H, D), `weight_hh` (3H, H) and both
    /// biases (3H), row-major. Panics if lengths disagree.
    pub fn new(weight_ih: &[f32], weight_hh: &[f32], bias_ih: &[f32], bias_hh: &[f32]) -> Self {
        let width = bias_ih.len() / 3;
        let gates = |weight: &[f32], bias: &[f32]| {
            let columns = weight.len() / (3 * width);
            assert_eq!((weight.len(), bias.len()), (3 * width * columns, 3 * width));
            std::array::from_fn(|g| {
                let rows = &weight[g * width * columns..][..width * columns];
                Gate {
                    weight: device().tensor_from_vec(rows.to_vec(), (width, columns)),
                    bias: device().tensor_from_vec(bias[g * width..][..width].to_vec(), (width,)),
                }
            })
        };
        StepwiseGru {
            input: gates(weight_ih, bias_ih),
            hidden: gates(weight_hh, bias_hh),
            width,
        }
    }

    /// Σ h_t over all sequences and tokens of x (B·T, D), from a zero state, on a tape.
    pub fn sum(&self, x: &Matrix, batch: usize, seq_len: usize) -> Scalar {
        let shape = (batch, self.width);
        let mut h: Activation = device().zeros_like(&shape).put_tape(Tape::on());
        let mut total: Scalar = device().zeros().put_tape(Tape::on());
        for t in 0..seq_len {
            let rows: Vec<usize> = (0..batch).map(|b| b * seq_len + t).collect();
            let rows = device().tensor_from_vec(rows, (batch,));
            let x: Activation = taped(x).gather(rows); // (B, D)
            let [r, z, n] = self.input.each_ref().map(|gate| gate.apply(&x, shape));
            let [r_hidden, z_hidden, m] = self.hidden.each_ref().map(|gate| gate.apply(&h, shape));
            let r = (r + r_hidden).sigmoid();
            let z = (z + z_hidden).sigmoid();
            let n = (n + r * m).tanh();
            // h' = n + z (h − n); what x was picked by joins through the loss.
            let next = again(&n) + z * (h - n);
            total = total + again(&next).sum();
            let (values, recorded) = next.split_tape();
            let (sum, before) = total.split_tape();
            let picked = x.split_tape().1;
            total = sum.put_tape(before.merge(recorded).merge(picked));
            h = values.put_tape(Tape::on());
        }
        total
    }

    /// The gradients by the stacked weights, in the order of [`StepwiseGru::new`].
    pub fn gradients(&self, all: &super::Gradients) -> [Vec<f32>; 4] {
        let weights = |gates: &[Gate; 3]| -> Vec<f32> {
            let each = gates.iter().map(|gate| all.get(&gate.weight).as_vec());
            each.collect::<Vec<_>>().concat()
        };
        let biases = |gates: &[Gate; 3]| -> Vec<f32> {
            let each = gates.iter().map(|gate| all.get(&gate.bias).as_vec());
            each.collect::<Vec<_>>().concat()
        };
        [
            weights(&self.input),
            weights(&self.hidden),
            biases(&self.input),
            biases(&self.hidden),
        ]
    }
}

impl Gate {
    /// x Wᵀ + b: (B, columns) to `shape` (B, H).
    fn apply(&self, x: &Activation, shape: (usize, usize)) -> Activation {
        let weight = taped(&self.weight).permute::<_, Axes2<1, 0>>();
        let bias = self.bias.clone().put_tape(Tape::on());
        again(x).matmul(weight) + bias.broadcast_like::<_, Axis<0>>(&shape)
    }
}

fn taped(x: &Matrix) -> Activation {
    x.clone().put_tape(Tape::on())
}

/// Another handle to `x` whose gradient joins the same tape later.
fn again(x: &Activation) -> Activation {
    x.with_empty_tape().split_tape().0.put_tape(Tape::on())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise};
    use super::super::{RecurrentWeights, backward, backward_from, gru, matrix, on_tape, values};
    use super::*;

    #[test]
    fn equals_the_fused_layer_in_value_and_gradients() {
        for (batch, seq_len, input, hidden) in [(1, 1, 1, 1), (3, 5, 7, 19), (2, 9, 33, 8)] {
            let rows = 3 * hidden;
            let x = matrix(noise(batch * seq_len * input, 1), batch * seq_len, input);
            let [w_ih, w_hh] = [(input, 2), (hidden, 3)].map(|(n, seed)| noise(rows * n, seed));
            let [b_ih, b_hh] = [4, 5].map(|seed| noise(rows, seed));

            let stepwise = StepwiseGru::new(&w_ih, &w_hh, &b_ih, &b_hh);
            let sum = stepwise.sum(&x, batch, seq_len);
            let got_sum = values(&sum)[0];
            let gradients = backward(sum);
            let got = stepwise.gradients(&gradients);
            let got_dx = gradients.get(&x).as_vec();

            let m = [
                matrix(w_ih, rows, input),
                matrix(w_hh, rows, hidden),
                matrix(b_ih, 1, rows),
                matrix(b_hh, 1, rows),
            ];
            let weights = RecurrentWeights {
                weight_ih: &m[0],
                weight_hh: &m[1],
                bias_ih: &m[2],
                bias_hh: &m[3],
            };
            let y = gru(on_tape(&x), weights, batch, seq_len);
            let want_sum = values(&y).iter().sum::<f32>();
            let fused = backward_from(y, vec![1.0; batch * seq_len * hidden]);

            let what = format!("B {batch}, T {seq_len}, D {input}, H {hidden}");
            assert_close(&what, &[got_sum], &[want_sum], 1e-4);
            assert_close(&what, &got_dx, &fused.get(&x).as_vec(), 1e-4);
            for (got, m) in got.iter().zip(&m) {
                assert_close(&what, got, &fused.get(m).as_vec(), 1e-4);
            }
        }
    }
}
