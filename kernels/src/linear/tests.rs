use super::super::testing::*;
use super::super::{Tape, values};
use super::*;

fn gelu64(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + u.tanh())
}

const ALL: [Nonlinearity; 5] = [
    Nonlinearity::Identity,
    Nonlinearity::Gelu,
    Nonlinearity::Relu,
    Nonlinearity::Tanh,
    Nonlinearity::Silu,
];

const SIZES: [(usize, usize, usize); 7] = [
    (1, 1, 1),
    (1, 5, 3),
    (7, 3, 33),
    (65, 17, 9),
    (6, 64, 64),
    (130, 40, 70),
    (300, 96, 64),
];

#[test]
fn equals_dfdx_primitives() {
    for (n, inputs, outputs) in SIZES {
        for f in ALL {
            let (x, w, b) = (
                noise_matrix(n, inputs, 1),
                noise_matrix(outputs, inputs, 2),
                noise_matrix(1, outputs, 3),
            );
            let traced = |m: &Matrix| m.clone().put_tape(Tape::on());
            let z = traced(&x).matmul(traced(&w).permute::<_, Axes2<1, 0>>());
            let ones = matrix(vec![1.0; n], n, 1);
            let z = z + ones.put_tape(Tape::on()).matmul(traced(&b));
            let y = match f {
                Nonlinearity::Identity => z,
                Nonlinearity::Gelu => z.fast_gelu(),
                Nonlinearity::Relu => z.relu(),
                Nonlinearity::Tanh => z.tanh(),
                Nonlinearity::Silu => {
                    let (z, tape) = z.split_tape();
                    z.clone().put_tape(tape).sigmoid() * z
                }
            };
            let y_want = values(&y);
            let (_, want) = gradients(weighed(y, 4), &[&x, &w, &b]);
            for (level, got) in at_every_level(|| {
                let y = linear(x.clone().put_tape(Tape::on()), &w, Some(&b), f);
                let mut out = vec![values(&y)];
                let plain = linear(x.clone().put_tape(Tape::Off), &w, Some(&b), f);
                assert_eq!(values(&plain), out[0]);
                out.extend(gradients(weighed(y, 4), &[&x, &w, &b]).1);
                out
            }) {
                let name = format!("{n}x{inputs}x{outputs} {f:?} {level:?}");
                // tanh lets the rounding of a sum near 0 through and flattens the large values that the
                // difference is measured by.
                let wider = if f == Nonlinearity::Tanh { 4.0 } else { 1.0 };
                assert_close(&name, &got[0], &y_want, wider * 2e-6);
                for (got, want) in got[1..].iter().zip(&want) {
                    assert_close(&name, got, want, wider * 4e-6);
                }
            }
        }
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let (n, inputs, outputs) = (3, 4, 5);
    let (x, w) = (noise(n * inputs, 1), noise(outputs * inputs, 2));
    let r = noise(n * outputs, 4);
    let loss = |x: &[f64], w: &[f64]| -> f64 {
        let mut sum = 0.0;
        for i in 0..n {
            for o in 0..outputs {
                let z: f64 = (0..inputs)
                    .map(|j| x[i * inputs + j] * w[o * inputs + j])
                    .sum();
                sum += gelu64(z) * r[i * outputs + o] as f64;
            }
        }
        sum
    };
    let wide = |v: &[f32]| v.iter().map(|&x| x as f64).collect::<Vec<_>>();
    let (xm, wm) = (
        matrix(x.clone(), n, inputs),
        matrix(w.clone(), outputs, inputs),
    );
    let y = linear(
        xm.clone().put_tape(Tape::on()),
        &wm,
        None,
        Nonlinearity::Gelu,
    );
    let (_, got) = gradients(weighed(y, 4), &[&xm, &wm]);
    let (xs, ws) = (wide(&x), wide(&w));
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
fn gradient_adds_to_what_is_there_and_cost_is_exact() {
    let (x, w) = (noise_matrix(3, 4, 1), noise_matrix(5, 4, 2));
    let (loss, costs) = cost::counting(|| {
        let (y, tape) = linear(
            x.clone().put_tape(Tape::on()),
            &w,
            None,
            Nonlinearity::Identity,
        )
        .split_tape();
        let again = linear(x.clone().put_tape(tape), &w, None, Nonlinearity::Identity);
        let (_, g) = gradients((again + y).sum::<(), _>(), &[&x, &w]);
        g
    });
    let once = linear(
        x.clone().put_tape(Tape::on()),
        &w,
        None,
        Nonlinearity::Identity,
    );
    let (_, single) = gradients(once.sum::<(), _>(), &[&x, &w]);
    for (double, single) in loss.iter().zip(&single) {
        let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
        assert_close("twice", double, &twice, 1e-6);
    }
    assert_eq!(
        costs.iter().map(|c| c.flops).sum::<f64>(),
        2.0 * 3.0 * 2.0 * 3.0 * 4.0 * 5.0
    );
}
