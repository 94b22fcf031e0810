use super::kernels::Combine;
use super::*;
use crate::ops::testing::*;
use crate::ops::{Tape, linear};
use dfdx::tensor::Merge;

type Operation = fn(Activation, Option<&Matrix>, ScanShape) -> Activation;

/// An operation with its mathematics in f64: (a, b) from a unit's pre-activations; and composed of
/// dfdx primitives: (a, b) of (B, H) from pre-activations (B, H) each.
struct Reference {
    name: &'static str,
    count: usize,
    operation: Operation,
    plain: fn(&[f64]) -> (f64, f64),
    composed: fn(&[Activation]) -> (Activation, Activation),
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn g(x: f64) -> f64 {
    if x < 0.0 { sigmoid(x) } else { x + 0.5 }
}

/// Another handle to `x` whose gradient joins the same tape.
fn again(x: &Activation) -> Activation {
    x.with_empty_tape().split_tape().0.put_tape(Tape::on())
}

/// g with 0/1 masks of the sign.
fn g_composed(x: &Activation) -> Activation {
    let (rows, columns) = *x.shape();
    let mask = |of: fn(f32) -> bool| {
        let bits = values(x)
            .iter()
            .map(|&x| f32::from(u8::from(of(x))))
            .collect();
        matrix(bits, rows, columns)
    };
    let above = (again(x) + 0.5) * mask(|x| x >= 0.0);
    above + again(x).sigmoid() * mask(|x| x < 0.0)
}

const REFERENCES: [Reference; 3] = [
    Reference {
        name: "linear",
        count: 2,
        operation: linear_scan,
        plain: |p| (p[0], p[1]),
        composed: |p| (again(&p[0]), again(&p[1])),
    },
    Reference {
        name: "mingru",
        count: 2,
        operation: min_gru,
        plain: |p| (1.0 - sigmoid(p[0]), sigmoid(p[0]) * g(p[1])),
        composed: |p| {
            let z = again(&p[0]).sigmoid();
            (-again(&z) + 1.0, z * g_composed(&p[1]))
        },
    },
    Reference {
        name: "minlstm",
        count: 3,
        operation: min_lstm,
        plain: |p| {
            let (f, i) = (sigmoid(p[0]), sigmoid(p[1]));
            (f / (f + i), i / (f + i) * g(p[2]))
        },
        composed: |p| {
            let (f, i) = (again(&p[0]).sigmoid(), again(&p[1]).sigmoid());
            let sum = again(&f) + again(&i);
            (f / again(&sum), i / sum * g_composed(&p[2]))
        },
    },
];

const ALGORITHMS: [Scan; 2] = [Scan::Sequential, Scan::Parallel];

/// B, T, H: one of everything, odd widths, lengths around one and several chunks.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (3, 1, 5),
    (2, 7, 17),
    (1, 64, 3),
    (2, 65, 33),
    (1, 129, 40),
    (1, 450, 2),
    (5, 130, 1),
    (1, 70, 130),
];

impl Reference {
    /// Pre-activations, and the state before.
    fn inputs(&self, (batch, seq_len, hidden): (usize, usize, usize)) -> (Vec<f32>, Vec<f32>) {
        let p = noise(batch * seq_len * self.count * hidden, 1);
        // Gates of both signs and sizes; a of the plain recurrence within ±1.
        let scale = if self.name == "linear" { 1.0 } else { 3.0 };
        let p = p.iter().map(|p| scale * p).collect();
        (p, noise(batch * hidden, 2))
    }

    /// h (B·T, H) in f64.
    fn values64(
        &self,
        (batch, seq_len, hidden): (usize, usize, usize),
        p: &[f64],
        start: &[f64],
    ) -> Vec<f64> {
        let mut y = vec![0.0; batch * seq_len * hidden];
        for b in 0..batch {
            for u in 0..hidden {
                let mut h = start[b * hidden + u];
                for row in b * seq_len..(b + 1) * seq_len {
                    let at = |g: usize| p[(row * self.count + g) * hidden + u];
                    let gates: Vec<f64> = (0..self.count).map(at).collect();
                    let (a, b) = (self.plain)(&gates);
                    h = a * h + b;
                    y[row * hidden + u] = h;
                }
            }
        }
        y
    }

    fn fused(
        &self,
        (batch, seq_len, hidden): (usize, usize, usize),
        scan: Scan,
        (p, start): &(Vec<f32>, Vec<f32>),
    ) -> Vec<Vec<f32>> {
        let shape = ScanShape {
            batch,
            seq_len,
            scan,
        };
        let p = matrix(p.clone(), batch * seq_len, self.count * hidden);
        let start = matrix(start.clone(), batch, hidden);
        let y = (self.operation)(p.clone().put_tape(Tape::on()), Some(&start), shape);
        let mut out = vec![values(&y)];
        let plain = (self.operation)(p.clone().put_tape(Tape::Off), Some(&start), shape);
        assert_eq!(values(&plain), out[0]);
        out.extend(gradients(weighed(y, 4), &[&p, &start]).1);
        out
    }

    /// Step by step of dfdx primitives; rows and columns are taken by products with 0/1 matrices.
    fn by_primitives(
        &self,
        (batch, seq_len, hidden): (usize, usize, usize),
        (p, start): &(Vec<f32>, Vec<f32>),
    ) -> Vec<Vec<f32>> {
        let (n, columns) = (batch * seq_len, self.count * hidden);
        let pick = |rows: usize, columns: usize, hot: &dyn Fn(usize, usize) -> bool| {
            let bit = |i: usize| f32::from(u8::from(hot(i / columns, i % columns)));
            matrix((0..rows * columns).map(bit).collect(), rows, columns)
        };
        let p = matrix(p.clone(), n, columns);
        let start = matrix(start.clone(), batch, hidden);
        let mut h = start.clone().put_tape(Tape::on());
        let mut y = matrix(vec![0.0; n * hidden], n, hidden).put_tape(Tape::on());
        for t in 0..seq_len {
            let rows = pick(batch, n, &|b, row| row == b * seq_len + t);
            let parts: Vec<Activation> = (0..self.count)
                .map(|g| {
                    let units = pick(columns, hidden, &|c, u| c == g * hidden + u);
                    let rows = rows.clone().put_tape(Tape::on());
                    rows.matmul(p.clone()).matmul(units)
                })
                .collect();
            let (a, b) = (self.composed)(&parts);
            // The pre-activations' own tapes, which their other handles do not carry.
            let (a, mut tape) = a.split_tape();
            for part in parts {
                tape = Merge::merge(tape, part.split_tape().1);
            }
            h = a.put_tape(tape) * h + b;
            let back = pick(n, batch, &|row, b| row == b * seq_len + t);
            y = y + back.put_tape(Tape::on()).matmul(again(&h));
        }
        let (y, tape) = y.split_tape();
        let y = y.put_tape(Merge::merge(tape, h.split_tape().1));
        let mut out = vec![values(&y)];
        out.extend(gradients(weighed(y, 4), &[&p, &start]).1);
        out
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x as f64).collect()
}

#[test]
fn values_equal_the_recurrence_in_f64() {
    for reference in &REFERENCES {
        for size in SIZES {
            let inputs = reference.inputs(size);
            let want = reference.values64(size, &wide(&inputs.0), &wide(&inputs.1));
            let want: Vec<f32> = want.iter().map(|&y| y as f32).collect();
            for scan in ALGORITHMS {
                for (level, got) in at_every_level(|| reference.fused(size, scan, &inputs)) {
                    let name = format!("{} {size:?} {scan:?} {level:?}", reference.name);
                    assert_close(&name, &got[0], &want, 2e-6);
                }
            }
        }
    }
}

#[test]
fn values_and_gradients_equal_dfdx_primitives() {
    for reference in &REFERENCES {
        for size in SIZES {
            let inputs = reference.inputs(size);
            let want = reference.by_primitives(size, &inputs);
            for scan in ALGORITHMS {
                for (level, got) in at_every_level(|| reference.fused(size, scan, &inputs)) {
                    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                        let what = ["y", "dp", "dstart"][i];
                        let name = format!("{} {what} {size:?} {scan:?} {level:?}", reference.name);
                        assert_close(&name, got, want, 5e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for reference in &REFERENCES {
        for size in [(1, 1, 2), (2, 3, 3), (1, 130, 1)] {
            let (p, start) = reference.inputs(size);
            let r = noise(size.0 * size.1 * size.2, 4);
            let loss = |p: &[f64], start: &[f64]| -> f64 {
                let y = reference.values64(size, p, start);
                y.iter().zip(&r).map(|(y, &r)| y * r as f64).sum()
            };
            let by_p = finite_differences(&p, |p| loss(p, &wide(&start)));
            let by_start = finite_differences(&start, |start| loss(&wide(&p), start));
            for scan in ALGORITHMS {
                let got = reference.fused(size, scan, &(p.clone(), start.clone()));
                let name = format!("{} {size:?} {scan:?}", reference.name);
                assert_close(&name, &got[1], &by_p, 1e-5);
                assert_close(&name, &got[2], &by_start, 1e-5);
            }
        }
    }
}

#[test]
fn both_algorithms_agree_over_long_sequences_that_remember() {
    for reference in &REFERENCES[1..] {
        for (batch, seq_len, hidden) in [(1, 4096, 20), (3, 1000, 7)] {
            let size = (batch, seq_len, hidden);
            let (mut p, start) = reference.inputs(size);
            // Memories of hundreds of steps: what is written is kept.
            let keep = if reference.count == 2 { -6.0 } else { 6.0 };
            for row in p.chunks_exact_mut(reference.count * hidden) {
                row[..hidden].iter_mut().for_each(|p| *p += keep);
            }
            let inputs = (p, start);
            let [one, other] = ALGORITHMS.map(|scan| reference.fused(size, scan, &inputs));
            for (one, other) in one.iter().zip(&other) {
                assert_close(&format!("{} {size:?}", reference.name), other, one, 1e-5);
            }
        }
    }
}

#[test]
fn gates_beyond_every_exponent_stay_finite() {
    let extremes = [-200.0f32, -90.0, -1e-3, 0.0, 1e-3, 90.0, 200.0];
    for reference in &REFERENCES[1..] {
        // Every combination of pre-activations, a unit each.
        let hidden = extremes.len().pow(reference.count as u32);
        let mut row = Vec::new();
        for g in 0..reference.count {
            row.extend((0..hidden).map(|u| extremes[u / extremes.len().pow(g as u32) % 7]));
        }
        let size = (1, 3, hidden);
        let inputs = (row.repeat(3), noise(hidden, 2));
        // In f64 σ(−200) is a normal number: the plain quotient is exact.
        let want = reference.values64(size, &wide(&inputs.0), &wide(&inputs.1));
        for (_, got) in at_every_level(|| reference.fused(size, Scan::Sequential, &inputs)) {
            for (got, want) in got[0].iter().zip(&want) {
                assert!((*got as f64 - want).abs() <= 2e-6 * want.abs().max(1.0));
            }
            assert!(got.iter().flatten().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn no_start_is_a_start_of_zeros() {
    let (batch, seq_len, hidden) = (2, 70, 5);
    let p = noise_matrix(batch * seq_len, 2 * hidden, 1);
    let zeros = matrix(vec![0.0; batch * hidden], batch, hidden);
    for scan in ALGORITHMS {
        let shape = ScanShape {
            batch,
            seq_len,
            scan,
        };
        let run = |start| {
            let y = min_gru(p.clone().put_tape(Tape::on()), start, shape);
            (values(&y), gradients(weighed(y, 4), &[&p]).1)
        };
        assert_eq!(run(None), run(Some(&zeros)));
    }
}

#[test]
fn gradients_add_to_what_is_there() {
    let p = noise_matrix(6, 4, 1);
    let shape = ScanShape {
        batch: 2,
        seq_len: 3,
        scan: Scan::Sequential,
    };
    let once = min_gru(p.clone().put_tape(Tape::on()), None, shape);
    let single = gradients(once.sum::<(), _>(), &[&p]).1;
    let (y, tape) = min_gru(p.clone().put_tape(Tape::on()), None, shape).split_tape();
    let both = min_gru(p.clone().put_tape(tape), None, shape) + y;
    let double = gradients(both.sum::<(), _>(), &[&p]).1;
    let twice: Vec<f32> = single[0].iter().map(|x| 2.0 * x).collect();
    assert_close("twice", &double[0], &twice, 1e-6);
}

#[test]
fn carries_combine_into_prefixes() {
    for n in 0..40 {
        // With A = 1 the states are sums, with h = 0 the products are products.
        let mut carries = Vec::new();
        for i in 0..n {
            carries.extend([1.0, 2.0, (i + 1) as f32, 0.0]);
        }
        let kernel = Combine {
            carries: &mut carries,
            hidden: 2,
        };
        dispatch_at(crate::ops::simd::level(), kernel);
        for i in 0..n {
            let sum = ((i + 1) * (i + 2) / 2) as f32;
            let product = 2f32.powi(i as i32 + 1);
            assert_eq!(carries[4 * i..][..4], [1.0, product, sum, 0.0], "{n} {i}");
        }
    }
}

#[test]
fn costs_say_what_was_done_and_how_deep() {
    let cost_of = |seq_len: usize, scan: Scan| {
        let shape = ScanShape {
            batch: 2,
            seq_len,
            scan,
        };
        let p = noise_matrix(2 * seq_len, 6, 1);
        let ((), costs) = cost::counting(|| {
            let y = min_gru(p.clone().put_tape(Tape::on()), None, shape);
            gradients(weighed(y, 4), &[&p]);
        });
        costs
    };
    let names = |costs: &[Cost]| costs.iter().map(|c| c.name).collect::<Vec<_>>();
    for scan in ALGORITHMS {
        assert_eq!(names(&cost_of(5, scan)), ["mingru", "mingru.backward"]);
    }
    let spans = |scan| [1024, 4096, 16384].map(|t| cost_of(t, scan)[0].span);
    let [short, middle, long] = spans(Scan::Sequential);
    assert_eq!(
        [middle - short, long - middle],
        [2.0 * 3072.0, 2.0 * 12288.0]
    );
    let [short, middle, long] = spans(Scan::Parallel);
    // Four times the length: two more levels up and two down, of a product and a sum each.
    assert_eq!([middle - short, long - middle], [8.0, 8.0]);
    assert!(long < 0.02 * 2.0 * 16384.0);
    // Two sequences of three units.
    let flops = |scan| {
        cost_of(4096, scan)
            .iter()
            .map(|c| c.flops)
            .collect::<Vec<_>>()
    };
    let cells = (2 * 3 * 4096) as f64;
    assert_eq!(flops(Scan::Sequential), [2.0 * cells, 3.0 * cells]);
    let parallel = flops(Scan::Parallel);
    let (forward, backward) = (parallel[0], parallel[1]);
    assert_eq!(backward - forward, cells);
    assert!((4.9 * cells..5.15 * cells).contains(&forward), "{forward}");
}

#[test]
fn a_step_at_a_time_equals_the_whole_sequence() {
    let (batch, seq_len, input, hidden) = (3, 9, 6, 19);
    let x = noise(batch * seq_len * input, 1);
    for count in [2, 3] {
        let weight = noise_matrix(count * hidden, input, 2);
        let bias = noise_matrix(1, count * hidden, 3);
        let xs = matrix(x.clone(), batch * seq_len, input).put_tape(Tape::Off);
        let p = linear(xs, &weight, Some(&bias), crate::ops::Nonlinearity::Identity);
        let shape = ScanShape {
            batch,
            seq_len,
            scan: Scan::Parallel,
        };
        let operation = if count == 2 { min_gru } else { min_lstm };
        let want = values(&operation(p, None, shape));
        let (gru, lstm) = (count == 2)
            .then(|| MinGruCell::new(&weight, &bias))
            .map_or_else(
                || (None, Some(MinLstmCell::new(&weight, &bias))),
                |cell| (Some(cell), None),
            );
        let (mut h, mut scratch) = (vec![0.0; batch * hidden], Vec::new());
        for t in 0..seq_len {
            let rows = (0..batch).flat_map(|b| &x[(b * seq_len + t) * input..][..input]);
            let token: Vec<f32> = rows.copied().collect();
            match (&gru, &lstm) {
                (Some(cell), _) => cell.step(&token, &mut h, &mut scratch),
                (_, Some(cell)) => cell.step(&token, &mut h, &mut scratch),
                _ => unreachable!("one of the two"),
            }
            for b in 0..batch {
                let want = &want[(b * seq_len + t) * hidden..][..hidden];
                assert_close("step", &h[b * hidden..][..hidden], want, 2e-6);
            }
        }
    }
}

#[test]
#[should_panic(expected = "mingru: gates (6, 4) are not (2 * 4, 2 * hidden)")]
fn shapes_that_do_not_fit_are_refused() {
    let shape = ScanShape {
        batch: 2,
        seq_len: 4,
        scan: Scan::Sequential,
    };
    min_gru(noise_matrix(6, 4, 1).put_tape(Tape::Off), None, shape);
}
