use super::super::testing::*;
use super::super::{Tape, values};
use super::*;
use Nonlinearity::{Identity, Silu};

/// B, T, C, K: one of everything, fewer tokens than taps, odd widths around one and two pieces.
const SIZES: [(usize, usize, usize, usize); 7] = [
    (1, 1, 1, 1),
    (2, 2, 3, 4),
    (3, 67, 7, 4),
    (1, 130, 70, 4),
    (4, 9, 64, 3),
    (2, 20, 129, 4),
    (3, 5, 16, 1),
];

struct Case {
    batch: usize,
    x: Matrix,
    w: Matrix,
    b: Matrix,
}

impl Case {
    fn new((batch, seq_len, channels, taps): (usize, usize, usize, usize)) -> Self {
        Case {
            batch,
            x: noise_matrix(batch * seq_len, channels, 1),
            w: noise_matrix(channels, taps, 2),
            b: noise_matrix(1, channels, 3),
        }
    }

    /// Values, then the gradients.
    fn fused(&self, has_bias: bool, f: Nonlinearity) -> Vec<Vec<f32>> {
        let bias = has_bias.then_some(&self.b);
        let run = |tape| causal_conv(self.x.clone().put_tape(tape), &self.w, bias, f, self.batch);
        let y = run(Tape::on());
        let mut out = vec![values(&y)];
        assert_eq!(values(&run(Tape::Off)), out[0]);
        let mut inputs = vec![&self.x, &self.w];
        inputs.extend(bias);
        out.extend(gradients(weighed(y, 4), &inputs).1);
        out
    }

    /// The same as products with 0/1 matrices that move rows and pick taps.
    fn composed(&self, has_bias: bool, f: Nonlinearity) -> Vec<Vec<f32>> {
        let ((rows, _), (_, taps)) = (*self.x.shape(), *self.w.shape());
        let seq_len = rows / self.batch;
        let pick = |columns: usize, hot: &dyn Fn(usize, usize) -> bool| {
            let bit = |i: usize| f32::from(u8::from(hot(i / columns, i % columns)));
            matrix((0..rows * columns).map(bit).collect(), rows, columns).leaky_trace()
        };
        let mut z = pick(1, &|_, _| has_bias).matmul(self.b.leaky_trace());
        for j in 0..taps {
            let back = taps - 1 - j;
            let moved = pick(rows, &|row, from| {
                row % seq_len >= back && from == row - back
            });
            let w = self.w.leaky_trace().permute::<_, Axes2<1, 0>>();
            z = z + moved.matmul(self.x.leaky_trace()) * pick(taps, &|_, tap| tap == j).matmul(w);
        }
        let y = match f {
            Identity => z,
            _ => z.with_empty_tape().sigmoid() * z,
        };
        let y = recorded(y);
        let mut out = vec![values(&y)];
        let mut inputs = vec![&self.x, &self.w];
        inputs.extend(has_bias.then_some(&self.b));
        out.extend(gradients(weighed(y, 4), &inputs).1);
        out
    }
}

#[test]
fn values_and_gradients_equal_dfdx_primitives() {
    for size in SIZES {
        let case = Case::new(size);
        for (has_bias, f) in [
            (true, Silu),
            (false, Silu),
            (true, Identity),
            (false, Identity),
        ] {
            let want = case.composed(has_bias, f);
            for (level, got) in at_every_level(|| case.fused(has_bias, f)) {
                for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                    let what = ["y", "dx", "dw", "db"][i];
                    let name = format!("{what} {size:?} {has_bias} {f:?} {level:?}");
                    assert_close(&name, got, want, 5e-6);
                }
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let (batch, seq_len, channels, taps) = (2, 6, 3, 4);
    let case = Case::new((batch, seq_len, channels, taps));
    let r = noise(batch * seq_len * channels, 4);
    let loss = |x: &[f64], w: &[f64], b: &[f64]| -> f64 {
        let mut sum = 0.0;
        for (i, r) in r.iter().enumerate() {
            let (row, c) = (i / channels, i % channels);
            let mut z = b[c];
            for back in 0..taps.min(row % seq_len + 1) {
                z += w[c * taps + taps - 1 - back] * x[(row - back) * channels + c];
            }
            sum += z / (1.0 + (-z).exp()) * f64::from(*r);
        }
        sum
    };
    let [x, w, b] = [&case.x, &case.w, &case.b].map(values);
    let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|&v| v.into()).collect() };
    let got = case.fused(true, Silu);
    let by_x = finite_differences(&x, |x| loss(x, &wide(&w), &wide(&b)));
    let by_w = finite_differences(&w, |w| loss(&wide(&x), w, &wide(&b)));
    let by_b = finite_differences(&b, |b| loss(&wide(&x), &wide(&w), b));
    assert_close("dx", &got[1], &by_x, 1e-5);
    assert_close("dw", &got[2], &by_w, 1e-5);
    assert_close("db", &got[3], &by_b, 1e-5);
}

#[test]
fn some_tokens_at_a_time_have_the_bits_of_the_whole_sequence() {
    for size in SIZES {
        let (batch, seq_len, channels, _) = size;
        let case = Case::new(size);
        let x = values(&case.x);
        at_every_level(|| {
            let want = case.fused(true, Silu).swap_remove(0);
            let cell = ConvCell::new(&case.w, Some(&case.b), Silu);
            for turns in [&[1][..], &[2, 1], &[7, 1, 3], &[1000]] {
                let mut state = vec![0.0; batch * cell.state_floats()];
                let (mut y, mut t) = (Vec::new(), 0);
                for &n in turns.iter().cycle() {
                    let n = n.min(seq_len - t);
                    let of = |b: usize| (b * seq_len + t) * channels;
                    let rows = (0..batch).flat_map(|b| &x[of(b)..][..n * channels]);
                    let rows: Vec<f32> = rows.copied().collect();
                    cell.extend(&rows, batch, &mut state, &mut y);
                    for (b, y) in y.chunks_exact(n * channels).enumerate() {
                        assert_eq!(y, &want[of(b)..][..n * channels], "{size:?} {turns:?} {t}");
                    }
                    t += n;
                    if t == seq_len {
                        break;
                    }
                }
            }
            vec![want]
        });
    }
}

#[test]
fn gradients_add_to_what_is_there() {
    let case = Case::new((2, 5, 3, 4));
    let run = |tape| causal_conv(case.x.clone().put_tape(tape), &case.w, None, Silu, 2);
    let single = gradients(run(Tape::on()).sum::<(), _>(), &[&case.x, &case.w]).1;
    let (y, tape) = run(Tape::on()).split_tape();
    let both = run(tape) + y;
    let double = gradients(both.sum::<(), _>(), &[&case.x, &case.w]).1;
    for (single, double) in single.iter().zip(&double) {
        let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
        assert_close("twice", double, &twice, 1e-6);
    }
}

#[test]
fn costs_say_what_was_done() {
    let case = Case::new((2, 10, 3, 4));
    let (_, costs) = cost::counting(|| case.fused(true, Silu));
    let names: Vec<_> = costs.iter().map(|c| (c.name, c.flops)).collect();
    let products = (2 * 20 * 3 * 4) as f64;
    assert_eq!(
        names,
        [
            ("causal_conv", products),
            ("causal_conv", products),
            ("causal_conv.backward", products),
            ("causal_conv.backward", products)
        ]
    );
    assert_eq!(costs[0].span(), 1.0 + 2.0 + 2.0);
}

#[test]
#[should_panic(expected = "causal_conv: x (6, 4) of 2 sequences, weight (3, 4)")]
fn shapes_that_do_not_fit_are_refused() {
    causal_conv(
        noise_matrix(6, 4, 1).put_tape(Tape::on()),
        &noise_matrix(3, 4, 2),
        None,
        Silu,
        2,
    );
}
