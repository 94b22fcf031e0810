use super::super::testing::*;
use super::super::{Tape, on_tape, values};
use super::*;

/// n, H, dv.
const SIZES: [(usize, usize, usize); 5] =
    [(1, 1, 1), (3, 2, 7), (65, 3, 16), (130, 2, 33), (7, 4, 64)];

struct Case {
    o: Matrix,
    z: Matrix,
    w: Matrix,
}

impl Case {
    fn new((n, heads, dv): (usize, usize, usize)) -> Self {
        let z = noise(n * heads * dv, 2).iter().map(|z| 4.0 * z).collect();
        Case {
            o: noise_matrix(n, heads * dv, 1),
            z: matrix(z, n, heads * dv),
            w: noise_matrix(1, dv, 3),
        }
    }

    fn inputs(&self) -> [&Matrix; 3] {
        [&self.o, &self.z, &self.w]
    }

    fn fused(&self) -> Vec<Vec<f32>> {
        let y = gated_rms_norm(on_tape(&self.o), self.z.clone(), &self.w, 1e-6);
        let mut out = vec![values(&y)];
        out.extend(gradients(weighed(y, 4), &self.inputs()).1);
        out
    }

    /// Heads as rows of their own, and what dfdx has.
    fn composed(&self, (n, heads, dv): (usize, usize, usize)) -> Vec<Vec<f32>> {
        let rows = n * heads;
        let all = |rows, columns| matrix(vec![1.0; rows * columns], rows, columns);
        let o = self.o.leaky_trace().reshape_like(&(rows, dv));
        let mean = o.with_empty_tape().square();
        let mean = mean.matmul(all(dv, dv)) / dv as f32 + 1e-6;
        let w = all(rows, 1).leaky_trace().matmul(self.w.leaky_trace());
        let z = self.z.leaky_trace().reshape_like(&(rows, dv));
        let gate = z.with_empty_tape().sigmoid() * z;
        let y = o / mean.sqrt() * w * gate;
        let y = recorded(y.reshape_like(&(n, heads * dv)));
        let mut out = vec![values(&y)];
        out.extend(gradients(weighed(y, 4), &self.inputs()).1);
        out
    }
}

#[test]
fn values_and_gradients_equal_dfdx_primitives() {
    for size in SIZES {
        let case = Case::new(size);
        let want = case.composed(size);
        for (level, got) in at_every_level(|| case.fused()) {
            // With one value a head o is its sign, whose gradient is 0 up to rounding.
            let skipped = if size.2 == 1 { 1 } else { 9 };
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let name = format!("{} {size:?} {level:?}", ["y", "do", "dz", "dw"][i]);
                if i != skipped {
                    assert_close(&name, got, want, 5e-6);
                }
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let (n, heads, dv) = (3, 2, 5);
    let case = Case::new((n, heads, dv));
    let r = noise(n * heads * dv, 4);
    let loss = |o: &[f64], z: &[f64], w: &[f64]| -> f64 {
        let head = |i: usize| {
            let o = &o[i * dv..][..dv];
            let square = o.iter().map(|o| o * o).sum::<f64>() / dv as f64;
            let y = |j: usize| {
                let z = z[i * dv + j];
                o[j] / (square + 1e-6).sqrt() * w[j] * z / (1.0 + (-z).exp())
            };
            (0..dv)
                .map(|j| y(j) * f64::from(r[i * dv + j]))
                .sum::<f64>()
        };
        (0..n * heads).map(head).sum()
    };
    let wide = |m: &Matrix| -> Vec<f64> { values(m).iter().map(|&x| x.into()).collect() };
    let [o, z, w] = case.inputs().map(wide);
    let got = case.fused();
    let by_o = finite_differences(&values(&case.o), |o| loss(o, &z, &w));
    let by_z = finite_differences(&values(&case.z), |z| loss(&o, z, &w));
    let by_w = finite_differences(&values(&case.w), |w| loss(&o, &z, w));
    assert_close("do", &got[1], &by_o, 1e-5);
    assert_close("dz", &got[2], &by_z, 1e-5);
    assert_close("dw", &got[3], &by_w, 1e-5);
}

#[test]
fn plain_rows_have_the_same_bits_and_gradients_add_to_what_is_there() {
    let case = Case::new((65, 3, 7));
    at_every_level(|| {
        let want = case.fused();
        let mut y = Vec::new();
        let [o, z, w] = case.inputs().map(values);
        gate_rms_norm(&o, &z, &w, 1e-6, &mut y);
        assert_eq!(y, want[0]);
        want
    });
    let run = |tape| gated_rms_norm(case.o.clone().put_tape(tape), case.z.clone(), &case.w, 1e-6);
    let single = gradients(run(Tape::on()).sum::<(), _>(), &case.inputs()).1;
    let (y, tape) = run(Tape::on()).split_tape();
    let both = run(tape) + y;
    let double = gradients(both.sum::<(), _>(), &case.inputs()).1;
    for (single, double) in single.iter().zip(&double) {
        let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
        assert_close("twice", double, &twice, 1e-6);
    }
}

#[test]
#[should_panic(expected = "gated_rms_norm: o (2, 6), z (2, 6), weight (1, 4)")]
fn heads_that_do_not_fit_are_refused() {
    let (o, z) = (noise_matrix(2, 6, 1), noise_matrix(2, 6, 2));
    gated_rms_norm(on_tape(&o), z, &noise_matrix(1, 4, 3), 1e-6);
}

#[test]
#[should_panic(expected = "o and z are one tensor")]
fn a_tensor_that_gates_itself_is_refused() {
    let o = noise_matrix(2, 6, 1);
    gated_rms_norm(on_tape(&o), o.clone(), &noise_matrix(1, 3, 2), 1e-6);
}
