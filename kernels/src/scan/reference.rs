//! The recurrences as plain as can be: in f64, and step by step of dfdx primitives.

use super::*;
use crate::Tape;
use crate::testing::*;
use dfdx::tensor::Merge;

pub type Operation = fn(Activation, Option<&Matrix>, ScanShape) -> Activation;

/// An operation with its mathematics in f64: (a, b) from a unit's pre-activations; and composed of
/// dfdx primitives: (a, b) of (B, H) from pre-activations (B, H) each.
pub struct Reference {
    pub name: &'static str,
    pub count: usize,
    pub operation: Operation,
    pub plain: fn(&[f64]) -> (f64, f64),
    pub composed: fn(&[Activation]) -> (Activation, Activation),
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

pub const REFERENCES: [Reference; 3] = [
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

pub const ALGORITHMS: [Scan; 2] = [Scan::Sequential, Scan::Parallel];

/// B, T, H: one of everything, odd widths, lengths around one and several chunks.
pub const SIZES: [(usize, usize, usize); 9] = [
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
    pub fn inputs(&self, (batch, seq_len, hidden): (usize, usize, usize)) -> (Vec<f32>, Vec<f32>) {
        let p = noise(batch * seq_len * self.count * hidden, 1);
        // Gates of both signs and sizes; a of the plain recurrence within ±1.
        let scale = if self.name == "linear" { 1.0 } else { 3.0 };
        let p = p.iter().map(|p| scale * p).collect();
        (p, noise(batch * hidden, 2))
    }

    /// h (B·T, H) in f64.
    pub fn values64(
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

    pub fn fused(
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
    pub fn by_primitives(
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
