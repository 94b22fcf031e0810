//! The equations at the head of the operation in f64, head by head, and inputs to try them on.

use super::{Beta, Decay, DeltaShape, delta_rule};
use crate::testing::*;
use crate::{Activation, Matrix, Tape, matrix, values};
use dfdx::prelude::*;

/// Every combination of switches that has a name, and some that have none.
pub const KINDS: [(&str, bool, bool, Decay, Beta); 11] = [
    ("linear attention", false, false, Decay::None, Beta::Off),
    (
        "linear attention, written by σ",
        false,
        true,
        Decay::None,
        Beta::Sigmoid,
    ),
    ("RetNet", false, false, Decay::Fixed, Beta::Off),
    ("Mamba-2", false, false, Decay::Input, Beta::Off),
    (
        "Mamba-2, written by 2σ",
        false,
        true,
        Decay::Input,
        Beta::TwiceSigmoid,
    ),
    ("DeltaNet", true, true, Decay::None, Beta::Sigmoid),
    ("DeltaNet, 2σ", true, true, Decay::None, Beta::TwiceSigmoid),
    ("DeltaNet, β 1", true, true, Decay::None, Beta::Off),
    ("Gated DeltaNet", true, true, Decay::Input, Beta::Sigmoid),
    (
        "Gated DeltaNet, 2σ",
        true,
        true,
        Decay::Input,
        Beta::TwiceSigmoid,
    ),
    (
        "delta rule, fixed decay",
        true,
        true,
        Decay::Fixed,
        Beta::Sigmoid,
    ),
];

pub fn shape_of(kind: usize, size: (usize, usize, usize, usize, usize)) -> DeltaShape {
    let (_, delta, normalise, decay, beta) = KINDS[kind];
    let (batch, seq_len, heads, key_width, value_width) = size;
    DeltaShape {
        batch,
        seq_len,
        heads,
        key_width,
        value_width,
        delta,
        normalise,
        decay,
        beta,
    }
}

/// B, T, H, dk, dv: one of everything, odd widths, lengths around one and two chunks, blocks of one and
/// of two vectors.
pub const SIZES: [(usize, usize, usize, usize, usize); 6] = [
    (1, 1, 1, 1, 1),
    (3, 67, 3, 5, 7),
    (2, 130, 2, 16, 16),
    (1, 65, 2, 32, 32),
    (2, 64, 1, 17, 50),
    (1, 9, 2, 64, 64),
];

/// The operation's inputs.
pub struct Case {
    pub shape: DeltaShape,
    pub qkv: Matrix,
    pub gates: Option<Matrix>,
    pub decay: Option<[Matrix; 2]>,
}

impl Case {
    pub fn new(shape: DeltaShape) -> Self {
        let (rows, columns) = (shape.batch * shape.seq_len, shape.gates());
        let scaled = |n: usize, seed: u64, by: f32, to: f32| -> Vec<f32> {
            noise(n, seed).iter().map(|x| by * x + to).collect()
        };
        let gates =
            (columns > 0).then(|| matrix(scaled(rows * columns, 2, 3.0, 0.0), rows, columns));
        let heads = shape.heads;
        let decay = (shape.decay == Decay::Input).then(|| {
            let a = matrix(scaled(heads, 3, 1.0, -1.5), 1, heads);
            [a, matrix(scaled(heads, 4, 1.0, -0.5), 1, heads)]
        });
        // Without lengths of 1 the delta rule of long keys diverges.
        let by = if shape.normalise { 1.0 } else { 0.5 };
        let qkv = scaled(rows * shape.columns(), 1, by, 0.0);
        Case {
            shape,
            qkv: matrix(qkv, rows, shape.columns()),
            gates,
            decay,
        }
    }

    pub fn inputs(&self) -> Vec<&Matrix> {
        let all = [&self.qkv].into_iter().chain(&self.gates);
        all.chain(self.decay.iter().flatten()).collect()
    }

    pub fn run(&self, tape: Tape) -> Activation {
        let decay = self.decay.as_ref().map(|d| d.each_ref());
        delta_rule(
            self.qkv.clone().put_tape(tape),
            self.gates.clone(),
            decay,
            self.shape,
        )
    }

    /// Values, then the gradients of all inputs.
    pub fn fused(&self) -> Vec<Vec<f32>> {
        let o = self.run(Tape::on());
        let mut out = vec![values(&o)];
        assert_eq!(values(&self.run(Tape::Off)), out[0]);
        out.extend(gradients(weighed(o, 9), &self.inputs()).1);
        out
    }

    /// Where what head h of sequence b reads stands: (which input, index), token by token, then a and b.
    pub fn places(&self, b: usize, h: usize) -> Vec<(usize, usize)> {
        let (s, columns) = (&self.shape, self.shape.columns());
        let (dk, dv, heads) = (s.key_width, s.value_width, s.heads);
        let starts = [
            (h * dk, dk),
            ((heads + h) * dk, dk),
            (2 * heads * dk + h * dv, dv),
        ];
        let mut places = Vec::new();
        for row in b * s.seq_len..(b + 1) * s.seq_len {
            for (start, width) in starts {
                places.extend((start..start + width).map(|c| (0, row * columns + c)));
            }
            let gates = (0..s.gates() / heads).map(|g| (1, row * s.gates() + g * heads + h));
            places.extend(gates);
        }
        if s.decay == Decay::Input {
            places.extend([(2, h), (3, h)]);
        }
        places
    }

    pub fn at_places(&self, places: &[(usize, usize)]) -> Vec<f32> {
        let all: Vec<_> = self.inputs().into_iter().map(values).collect();
        places
            .iter()
            .map(|&(which, i)| all[which.min(all.len() - 1)][i])
            .collect()
    }

    /// o (T, dv) of head h from what [`Case::places`] lists, and the states after every token.
    pub fn head64(&self, h: usize, x: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let s = &self.shape;
        let (dk, dv) = (s.key_width, s.value_width);
        let gates = s.gates() / s.heads;
        let row = 2 * dk + dv + gates;
        let parameters = &x[s.seq_len * row..];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mut state = vec![0.0; dk * dv];
        let (mut o, mut states) = (Vec::new(), Vec::new());
        for x in x.chunks_exact(row).take(s.seq_len) {
            let unit = |x: &[f64], by: f64| -> Vec<f64> {
                let square: f64 = x.iter().map(|x| x * x).sum();
                let length = if s.normalise {
                    (square + 1e-6).sqrt()
                } else {
                    1.0
                };
                x.iter().map(|x| x / length * by).collect()
            };
            let q = unit(&x[..dk], 1.0 / (dk as f64).sqrt());
            let k = unit(&x[dk..2 * dk], 1.0);
            let v = &x[2 * dk..2 * dk + dv];
            let gates = &x[2 * dk + dv..];
            let beta = match s.beta {
                Beta::Off => 1.0,
                Beta::Sigmoid => sigmoid(gates[0]),
                Beta::TwiceSigmoid => 2.0 * sigmoid(gates[0]),
            };
            let alpha = match s.decay {
                Decay::None => 1.0,
                Decay::Fixed => 1.0 - 2f64.powi(-5 - h as i32),
                Decay::Input => {
                    let x = gates[gates.len() - 1] + parameters[1];
                    (-parameters[0].exp() * (1.0 + x.exp()).ln()).exp()
                }
            };
            state.iter_mut().for_each(|x| *x *= alpha);
            for j in 0..dv {
                let read: f64 = (0..dk).map(|i| k[i] * state[i * dv + j]).sum();
                let u = beta * (v[j] - if s.delta { read } else { 0.0 });
                (0..dk).for_each(|i| state[i * dv + j] += k[i] * u);
                o.push((0..dk).map(|i| q[i] * state[i * dv + j]).sum());
            }
            states.push(state.clone());
        }
        (o, states)
    }

    /// Where o of a head stands.
    pub fn outputs(&self, b: usize, h: usize) -> Vec<usize> {
        let s = &self.shape;
        let rows = b * s.seq_len..(b + 1) * s.seq_len;
        rows.flat_map(|row| {
            let start = (row * s.heads + h) * s.value_width;
            start..start + s.value_width
        })
        .collect()
    }

    pub fn heads(&self) -> Vec<(usize, usize)> {
        let heads = self.shape.heads;
        (0..self.shape.batch * heads)
            .map(|i| (i / heads, i % heads))
            .collect()
    }
}

pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

/// Of all inputs, by differences of the loss of one head after the other: heads do not see each other.
pub fn differences(case: &Case) -> Vec<Vec<f32>> {
    let inputs = case.inputs();
    let mut all: Vec<_> = inputs.iter().map(|m| vec![0.0; values(*m).len()]).collect();
    let o = case.run(Tape::Off);
    let r = noise(values(&o).len(), 9);
    for (b, h) in case.heads() {
        let places = case.places(b, h);
        let r: Vec<f64> = case
            .outputs(b, h)
            .into_iter()
            .map(|i| r[i].into())
            .collect();
        let by_place = finite_differences(&case.at_places(&places), |x| {
            case.head64(h, x).0.iter().zip(&r).map(|(o, r)| o * r).sum()
        });
        for ((which, i), d) in places.into_iter().zip(by_place) {
            all[which.min(inputs.len() - 1)][i] += d;
        }
    }
    all
}
