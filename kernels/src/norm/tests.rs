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
