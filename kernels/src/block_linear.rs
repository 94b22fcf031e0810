//! y = x Wᵀ + b with block-diagonal W: K blocks of outputs, each of which sees one of K blocks of
//! inputs alone, as gates and recurrences of several heads do (De et al. 2024, Griffin; Beck et al.
//! 2024, xLSTM).
//!
//! Several such maps of one x go side by side: block m of the outputs reads block m mod K of the
//! inputs. Block by block dx_k = Σ_m dy_m W_m, dW_m = dy_mᵀ x_k; db = Σ_rows dy.
//! Cost, for n rows: 2·n·in·out/K FLOPs forward, twice that backward; span 1 + ⌈log₂ in/K⌉ forward.

use super::linear::{Blocks, Nonlinearity, by_blocks};
use super::{Activation, Matrix};
use dfdx::prelude::*;

/// `maps` block-diagonal maps of x side by side: x (n, K·i), weight (`maps`·K·o, i), the blocks
/// (o, i) of the first map one below the other, then those of the next, bias (1, `maps`·K·o) →
/// (n, `maps`·K·o). Panics if shapes disagree.
pub fn block_linear(
    x: Activation,
    weight: &Matrix,
    bias: Option<&Matrix>,
    maps: usize,
) -> Activation {
    let ((n, inputs), (outputs, width)) = (*x.shape(), *weight.shape());
    let names = ["block_linear", "block_linear.backward"];
    let blocks = Blocks::diagonal([inputs, outputs, width], maps).unwrap_or_else(|| {
        panic!(
            "block_linear: x is ({n}, {inputs}), weight ({outputs}, {width}): not (n, K·i) and \
             ({maps}·K·o, i)"
        )
    });
    by_blocks(names, x, weight, bias, Nonlinearity::Identity, blocks)
}

impl Blocks {
    /// Of `maps` block-diagonal maps of x (n, inputs) by a weight (outputs, width); `None` if these do
    /// not fit.
    pub fn diagonal([inputs, outputs, width]: [usize; 3], maps: usize) -> Option<Self> {
        let fits = |whole: usize, part: usize| part > 0 && whole.is_multiple_of(part);
        let of_inputs = fits(inputs, width).then(|| inputs / width)?;
        let of_outputs = maps * of_inputs;
        fits(outputs, of_outputs).then_some(Blocks {
            inputs,
            of_inputs,
            outputs,
            of_outputs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::PackedBlockLinear;
    use super::super::testing::*;
    use super::super::{Tape, cost, linear, on_tape, values};
    use super::*;
    use crate::matrix;

    /// n, K, i, o, maps: one of everything, odd widths, several panels, parts and slabs of rows.
    const SIZES: [[usize; 5]; 7] = [
        [1, 1, 1, 1, 1],
        [3, 2, 5, 3, 1],
        [7, 3, 1, 4, 2],
        [65, 4, 17, 9, 2],
        [5, 2, 64, 64, 1],
        [300, 3, 40, 70, 1],
        [1030, 2, 33, 16, 2],
    ];

    /// The same map as one full matrix with zeros, whose rows read all inputs.
    fn full(w: &[f32], [_, blocks, i, o, maps]: [usize; 5]) -> Vec<f32> {
        let (rows, columns) = (maps * blocks * o, blocks * i);
        let mut all = vec![0.0; rows * columns];
        for row in 0..rows {
            let block = row / o % blocks;
            all[row * columns + block * i..][..i].copy_from_slice(&w[row * i..][..i]);
        }
        all
    }

    #[test]
    fn equals_dfdx_primitives_with_a_full_matrix() {
        for size in SIZES {
            let [n, blocks, i, o, maps] = size;
            let (rows, columns) = (maps * blocks * o, blocks * i);
            let x = noise_matrix(n, columns, 1);
            let (w, b) = (noise_matrix(rows, i, 2), noise_matrix(1, rows, 3));
            let all = matrix(full(&values(&w), size), rows, columns);
            let traced = |m: &Matrix| m.clone().put_tape(Tape::on());
            let z = traced(&x).matmul(traced(&all).permute::<_, Axes2<1, 0>>());
            let ones = matrix(vec![1.0; n], n, 1);
            let want = z + ones.put_tape(Tape::on()).matmul(traced(&b));
            let want_y = values(&want);
            let (_, mut want) = gradients(weighed(want, 4), &[&x, &all, &b]);
            // The gradient of the blocks alone.
            want[1] = (0..rows)
                .flat_map(|row| {
                    let start = row * columns + row / o % blocks * i;
                    want[1][start..start + i].to_vec()
                })
                .collect();
            for (level, got) in at_every_level(|| {
                let y = block_linear(on_tape(&x), &w, Some(&b), maps);
                let mut out = vec![values(&y)];
                out.extend(gradients(weighed(y, 4), &[&x, &w, &b]).1);
                let plain = block_linear(x.clone().put_tape(Tape::Off), &w, Some(&b), maps);
                assert_eq!(values(&plain), out[0]);
                out
            }) {
                let name = format!("{size:?} {level:?}");
                assert_close(&name, &got[0], &want_y, 2e-6);
                for (got, want) in got[1..].iter().zip(&want) {
                    assert_close(&name, got, want, 4e-6);
                }
            }
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let [n, blocks, i, o, maps] = [3, 2, 3, 2, 2];
        let (rows, columns) = (maps * blocks * o, blocks * i);
        let (x, w) = (noise(n * columns, 1), noise(rows * i, 2));
        let r = noise(n * rows, 4);
        let loss = |x: &[f64], w: &[f64]| -> f64 {
            let term = |a: usize, row: usize| -> f64 {
                let start = a * columns + row / o % blocks * i;
                let dot: f64 = (0..i).map(|j| x[start + j] * w[row * i + j]).sum();
                dot * f64::from(r[a * rows + row])
            };
            (0..n * rows).map(|at| term(at / rows, at % rows)).sum()
        };
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (xs, ws) = (wide(&x), wide(&w));
        let (xm, wm) = (matrix(x.clone(), n, columns), matrix(w.clone(), rows, i));
        let y = block_linear(on_tape(&xm), &wm, None, maps);
        let (_, got) = gradients(weighed(y, 4), &[&xm, &wm]);
        assert_close(
            "dx",
            &got[0],
            &finite_differences(&x, |x| loss(x, &ws)),
            2e-6,
        );
        assert_close(
            "dw",
            &got[1],
            &finite_differences(&w, |w| loss(&xs, w)),
            2e-6,
        );
    }

    #[test]
    fn one_block_has_the_bits_of_a_linear_map() {
        let (x, w, b) = (
            noise_matrix(70, 33, 1),
            noise_matrix(19, 33, 2),
            noise_matrix(1, 19, 3),
        );
        let run = |y: Activation| {
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&x, &w, &b]).1);
            out
        };
        let want = run(linear(on_tape(&x), &w, Some(&b), Nonlinearity::Identity));
        assert_eq!(run(block_linear(on_tape(&x), &w, Some(&b), 1)), want);
    }

    #[test]
    fn cost_counts_the_blocks_alone_and_gradients_add_up() {
        let (x, w) = (noise_matrix(6, 8, 1), noise_matrix(24, 4, 2));
        let run = |twice: bool| {
            let (y, tape) = block_linear(on_tape(&x), &w, None, 2).split_tape();
            let y = match twice {
                true => block_linear(x.clone().put_tape(tape), &w, None, 2) + y,
                false => y.put_tape(tape),
            };
            gradients(y.sum::<(), _>(), &[&x, &w]).1
        };
        let (single, costs) = cost::counting(|| run(false));
        for (double, single) in run(true).iter().zip(&single) {
            let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
            assert_close("twice", double, &twice, 1e-6);
        }
        let flops = costs.iter().map(|c| c.flops).sum::<f64>();
        assert_eq!(flops, 3.0 * 2.0 * 6.0 * 4.0 * 24.0);
        assert_eq!(costs[0].span(), 3.0);
    }

    #[test]
    fn few_rows_and_many_have_the_bits_of_the_layer() {
        for [_, blocks, i, o, maps] in SIZES {
            let (rows, columns) = (maps * blocks * o, blocks * i);
            let (w, b) = (noise_matrix(rows, i, 2), noise_matrix(1, rows, 3));
            let x = noise_matrix(15, columns, 1);
            at_every_level(|| {
                let map = PackedBlockLinear::new(&values(&w), &values(&b), columns, maps);
                let want = values(&block_linear(on_tape(&x), &w, Some(&b), maps));
                let mut out = Vec::new();
                for n in [0, 1, 2, 3, 7, 15] {
                    map.apply(&values(&x)[..n * columns], &mut out);
                    assert_eq!(out, want[..n * rows], "{n} rows, {blocks} {i} {o} {maps}");
                }
                vec![out]
            });
        }
    }

    #[test]
    #[should_panic(expected = "a weight of 30 values and 8 biases")]
    fn packed_lengths_that_do_not_fit_are_refused() {
        PackedBlockLinear::new(&[0.0; 30], &[0.0; 8], 6, 1);
    }

    #[test]
    fn no_rows_give_no_rows() {
        let (x, w) = (noise_matrix(0, 6, 1), noise_matrix(8, 3, 2));
        let y = block_linear(x.put_tape(Tape::Off), &w, None, 1);
        assert_eq!(*y.shape(), (0, 8));
    }

    #[test]
    #[should_panic(expected = "x is (2, 6), weight (8, 4): not (n, K·i) and (2·K·o, i)")]
    fn shapes_that_do_not_fit_are_refused() {
        block_linear(
            on_tape(&noise_matrix(2, 6, 1)),
            &noise_matrix(8, 4, 2),
            None,
            2,
        );
    }
}
