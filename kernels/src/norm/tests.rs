use super::super::testing::*;
use super::super::values;
use super::*;

const SIZES: [(usize, usize); 6] = [(1, 1), (1, 7), (3, 16), (65, 33), (130, 64), (200, 5)];

fn composed(x: DfdxActivation, w: &Matrix, b: &Matrix, n: usize) -> Activation {
    let rows = |v: &Matrix| {
        matrix(vec![1.0; n], n, 1)
            .leaky_trace()
            .matmul(v.leaky_trace())
    };
    recorded(x.normalize::<Axis<1>>(1e-5) * rows(w) + rows(b))
}

#[test]
fn equals_dfdx_primitives() {
    for (n, d) in SIZES {
        let (x, w, b) = (
            noise_matrix(n, d, 1),
            noise_matrix(1, d, 2),
            noise_matrix(1, d, 3),
        );
        let y = composed(x.leaky_trace(), &w, &b, n);
        let y_want = values(&y);
        let (_, want) = gradients(weighed(y, 4), &[&x, &w, &b]);
        for (level, got) in at_every_level(|| {
            let y = layer_norm(x.clone().put_tape(Tape::on()), &w, &b, 1e-5);
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&x, &w, &b]).1);
            out
        }) {
            let name = format!("{n}x{d} {level:?}");
            assert_close(&name, &got[0], &y_want, 4e-6);
            // With one column the gradient of x is 0 up to rounding.
            for (got, want) in got[1..].iter().zip(&want).skip((d == 1) as usize) {
                assert_close(&name, got, want, 2e-5);
            }
        }
    }
}

#[test]
fn the_sum_and_its_norm_receive_and_pass_on_gradients() {
    for (n, d) in SIZES.into_iter().skip(1) {
        let (a, c) = (noise_matrix(n, d, 1), noise_matrix(n, d, 5));
        let (w, b) = (noise_matrix(1, d, 2), noise_matrix(1, d, 3));
        let all = [&a, &c, &w, &b];
        let (plain, tape) = (a.leaky_trace() + c.clone()).split_tape();
        let y = composed(plain.clone().put_tape(tape), &w, &b, n);
        let later = plain.clone().put_tape(Tape::on());
        let (_, want) = gradients(weighed(y, 4) + weighed(later, 6), &all);
        for (level, got) in at_every_level(|| {
            let branch = c.clone().put_tape(Tape::on());
            let (sum, y) = add_layer_norm(a.clone(), branch, &w, &b, 1e-5);
            assert_eq!(values(&sum), values(&plain));
            let later = sum.put_tape(Tape::on());
            gradients(weighed(y, 4) + weighed(later, 6), &all).1
        }) {
            for (got, want) in got.iter().zip(&want) {
                assert_close(&format!("{n}x{d} {level:?}"), got, want, 2e-5);
            }
        }
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let (n, d) = (3, 5);
    let x = noise(n * d, 1);
    let (w, b, r) = (noise(d, 2), noise(d, 3), noise(n * d, 4));
    let loss = |x: &[f64]| -> f64 {
        let rows = x.chunks(d).zip(r.chunks(d));
        rows.map(|(x, r)| {
            let mean = x.iter().sum::<f64>() / d as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d as f64;
            let scale = 1.0 / (variance + 1e-5f32 as f64).sqrt();
            let y = |j: usize| (x[j] - mean) * scale * w[j] as f64 + b[j] as f64;
            (0..d).map(|j| y(j) * r[j] as f64).sum::<f64>()
        })
        .sum()
    };
    let xm = matrix(x.clone(), n, d);
    let (wm, bm) = (matrix(w.clone(), 1, d), matrix(b.clone(), 1, d));
    let y = layer_norm(xm.clone().put_tape(Tape::on()), &wm, &bm, 1e-5);
    let (_, got) = gradients(weighed(y, 4), &[&xm]);
    assert_close("dx", &got[0], &finite_differences(&x, loss), 1e-5);
}

/// r = 1 / √(mean x² + ε), y = x r (offset + w), by primitives.
fn rms_composed(x: DfdxActivation, w: &Matrix, offset: f32, n: usize) -> Activation {
    let d = w.shape().1;
    let ones = |rows, columns| matrix(vec![1.0; rows * columns], rows, columns);
    let (x, tape) = x.split_tape();
    let squares = x.clone().put_tape(tape).square();
    let mean = squares.matmul(ones(d, 1)) / d as f32; // (n, 1)
    let scale = (mean + 1e-6).sqrt().recip().matmul(ones(1, d)); // (n, D)
    let gain = ones(n, 1).leaky_trace().matmul(w.leaky_trace() + offset);
    recorded(scale * x * gain)
}

#[test]
fn rms_norm_equals_dfdx_primitives() {
    for (n, d) in SIZES {
        for offset in [0.0, 1.0] {
            let (x, w) = (noise_matrix(n, d, 1), noise_matrix(1, d, 2));
            let y = rms_composed(x.leaky_trace(), &w, offset, n);
            let y_want = values(&y);
            let (_, want) = gradients(weighed(y, 4), &[&x, &w]);
            for (level, got) in at_every_level(|| {
                let y = rms_norm(x.clone().put_tape(Tape::on()), &w, offset, 1e-6);
                let mut out = vec![values(&y)];
                out.extend(gradients(weighed(y, 4), &[&x, &w]).1);
                out
            }) {
                let name = format!("{n}x{d} {level:?} + {offset}");
                assert_close(&name, &got[0], &y_want, 2e-6);
                // With one column the gradient of x is 0 up to rounding.
                for (got, want) in got[1..].iter().zip(&want).skip((d == 1) as usize) {
                    assert_close(&name, got, want, 1e-5);
                }
            }
            let mut plain = Vec::new();
            let gain = gains(&w, offset);
            super::super::decode::rms_norm(&values(&x), &gain, 1e-6, &mut plain);
            assert_close("decode", &plain, &y_want, 2e-6);
        }
    }
}

#[test]
fn the_sum_and_its_rms_norm_receive_and_pass_on_gradients() {
    for (n, d) in SIZES.into_iter().skip(1) {
        let (a, c, w) = (
            noise_matrix(n, d, 1),
            noise_matrix(n, d, 5),
            noise_matrix(1, d, 2),
        );
        let all = [&a, &c, &w];
        let (plain, tape) = (a.leaky_trace() + c.clone()).split_tape();
        let y = rms_composed(plain.clone().put_tape(tape), &w, 1.0, n);
        let later = plain.clone().put_tape(Tape::on());
        let (_, want) = gradients(weighed(y, 4) + weighed(later, 6), &all);
        for (level, got) in at_every_level(|| {
            let branch = c.clone().put_tape(Tape::on());
            let (sum, y) = add_rms_norm(a.clone(), branch, &w, 1.0, 1e-6);
            let later = sum.put_tape(Tape::on());
            gradients(weighed(y, 4) + weighed(later, 6), &all).1
        }) {
            for (got, want) in got.iter().zip(&want) {
                assert_close(&format!("{n}x{d} {level:?}"), got, want, 2e-5);
            }
        }
    }
}

#[test]
fn rms_gradient_equals_finite_differences() {
    let (n, d) = (3, 5);
    let (x, w, r) = (noise(n * d, 1), noise(d, 2), noise(n * d, 4));
    let loss = |x: &[f64], w: &[f64]| -> f64 {
        let rows = x.chunks(d).zip(r.chunks(d));
        rows.map(|(x, r)| {
            let mean = x.iter().map(|x| x * x).sum::<f64>() / d as f64;
            let scale = 1.0 / (mean + 1e-6f32 as f64).sqrt();
            (0..d)
                .map(|j| x[j] * scale * (1.0 + w[j]) * r[j] as f64)
                .sum::<f64>()
        })
        .sum()
    };
    let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|&v| v.into()).collect() };
    let (xm, wm) = (matrix(x.clone(), n, d), matrix(w.clone(), 1, d));
    let y = rms_norm(xm.clone().put_tape(Tape::on()), &wm, 1.0, 1e-6);
    let (_, got) = gradients(weighed(y, 4), &[&xm, &wm]);
    let dx = finite_differences(&x, |x| loss(x, &wide(&w)));
    assert_close("dx", &got[0], &dx, 1e-5);
    let dw = finite_differences(&w, |w| loss(&wide(&x), w));
    assert_close("dw", &got[1], &dw, 1e-5);
}

#[test]
fn heads_are_normed_as_rows_of_their_own_and_values_pass() {
    for (n, heads, kv_heads, dh) in [(1, 1, 1, 1), (3, 2, 1, 7), (130, 4, 2, 8)] {
        let columns = (heads + 2 * kv_heads) * dh;
        let x = noise_matrix(n, columns, 1);
        let w = [noise_matrix(1, dh, 2), noise_matrix(1, dh, 3)];
        let norm = HeadNorm {
            heads,
            kv_heads,
            offset: 1.0,
            eps: 1e-6,
        };
        // The parts as tensors of their own, each through the norm of rows, a head a row.
        let all = values(&x);
        let part = |from: usize, count: usize| -> Vec<f32> {
            let rows = all.chunks_exact(columns);
            let parts = rows.flat_map(|row| &row[from * dh..(from + count) * dh]);
            parts.copied().collect()
        };
        let q = matrix(part(0, heads), n * heads, dh);
        let k = matrix(part(heads, kv_heads), n * kv_heads, dh);
        let noise = values(&noise_matrix(n, columns, 4));
        let upstream = |from: usize, count: usize| -> Vec<f32> {
            let rows = noise.chunks_exact(columns);
            let parts = rows.flat_map(|row| &row[from * dh..(from + count) * dh]);
            parts.copied().collect()
        };
        let of = |x: &Matrix, w: &Matrix, up: Vec<f32>| {
            let y = rms_norm(x.clone().put_tape(Tape::on()), w, 1.0, 1e-6);
            let (rows, columns) = *y.shape();
            let value = values(&y);
            let loss = (y * matrix(up, rows, columns)).sum::<(), _>();
            (value, gradients(loss, &[x, w]).1)
        };
        let (q_want, dq) = of(&q, &w[0], upstream(0, heads));
        let (k_want, dk) = of(&k, &w[1], upstream(heads, kv_heads));
        let dv = upstream(heads + kv_heads, kv_heads);
        let joined = |q: &[f32], k: &[f32], v: &[f32]| -> Vec<f32> {
            let (qs, ks) = (heads * dh, kv_heads * dh);
            (0..n)
                .flat_map(|i| {
                    let parts = [&q[i * qs..][..qs], &k[i * ks..][..ks], &v[i * ks..][..ks]];
                    parts.concat()
                })
                .collect()
        };
        let y_want = joined(&q_want, &k_want, &part(heads + kv_heads, kv_heads));
        for (level, got) in at_every_level(|| {
            let y = head_norm(x.clone().put_tape(Tape::on()), [&w[0], &w[1]], norm);
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&x, &w[0], &w[1]]).1);
            out
        }) {
            let name = format!("{n} {heads} {kv_heads} {dh} {level:?}");
            assert_close(&name, &got[0], &y_want, 1e-6);
            assert_close(&name, &got[2], &dq[1], 1e-5);
            assert_close(&name, &got[3], &dk[1], 1e-5);
            if dh > 1 {
                assert_close(&name, &got[1], &joined(&dq[0], &dk[0], &dv), 1e-5);
            }
        }
        let mut rows = all.clone();
        let gain = w.each_ref().map(|w| gains(w, 1.0));
        norm.apply([&gain[0], &gain[1]], &mut rows);
        assert_close("plain", &rows, &y_want, 1e-6);
    }
}
