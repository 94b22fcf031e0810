//! Against the equations at the head of the operation, in f64, head by head.

use super::super::testing::*;
use super::super::{Tape, values};
use super::*;
use crate::watch::watch;

/// Every combination of switches that has a name, and some that have none.
const KINDS: [(&str, bool, bool, Decay, Beta); 11] = [
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

fn shape_of(kind: usize, size: (usize, usize, usize, usize, usize)) -> DeltaShape {
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
const SIZES: [(usize, usize, usize, usize, usize); 6] = [
    (1, 1, 1, 1, 1),
    (3, 67, 3, 5, 7),
    (2, 130, 2, 16, 16),
    (1, 65, 2, 32, 32),
    (2, 64, 1, 17, 50),
    (1, 9, 2, 64, 64),
];

/// The operation's inputs.
struct Case {
    shape: DeltaShape,
    qkv: Matrix,
    gates: Option<Matrix>,
    decay: Option<[Matrix; 2]>,
}

impl Case {
    fn new(shape: DeltaShape) -> Self {
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

    fn inputs(&self) -> Vec<&Matrix> {
        let all = [&self.qkv].into_iter().chain(&self.gates);
        all.chain(self.decay.iter().flatten()).collect()
    }

    fn run(&self, tape: Tape) -> Activation {
        let decay = self.decay.as_ref().map(|d| d.each_ref());
        delta_rule(
            self.qkv.clone().put_tape(tape),
            self.gates.clone(),
            decay,
            self.shape,
        )
    }

    /// Values, then the gradients of all inputs.
    fn fused(&self) -> Vec<Vec<f32>> {
        let o = self.run(Tape::on());
        let mut out = vec![values(&o)];
        assert_eq!(values(&self.run(Tape::Off)), out[0]);
        out.extend(gradients(weighed(o, 9), &self.inputs()).1);
        out
    }

    /// Where what head h of sequence b reads stands: (which input, index), token by token, then a and b.
    fn places(&self, b: usize, h: usize) -> Vec<(usize, usize)> {
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

    fn at_places(&self, places: &[(usize, usize)]) -> Vec<f32> {
        let all: Vec<_> = self.inputs().into_iter().map(values).collect();
        places
            .iter()
            .map(|&(which, i)| all[which.min(all.len() - 1)][i])
            .collect()
    }

    /// o (T, dv) of head h from what [`Case::places`] lists, and the states after every token.
    fn head64(&self, h: usize, x: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
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
    fn outputs(&self, b: usize, h: usize) -> Vec<usize> {
        let s = &self.shape;
        let rows = b * s.seq_len..(b + 1) * s.seq_len;
        rows.flat_map(|row| {
            let start = (row * s.heads + h) * s.value_width;
            start..start + s.value_width
        })
        .collect()
    }

    fn heads(&self) -> Vec<(usize, usize)> {
        let heads = self.shape.heads;
        (0..self.shape.batch * heads)
            .map(|i| (i / heads, i % heads))
            .collect()
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

#[test]
fn values_equal_the_equations_in_f64() {
    for size in SIZES {
        for (kind, (name, ..)) in KINDS.iter().enumerate() {
            let case = Case::new(shape_of(kind, size));
            let mut want = vec![0.0; values(&case.run(Tape::Off)).len()];
            for (b, h) in case.heads() {
                let x = wide(&case.at_places(&case.places(b, h)));
                for (i, o) in case.outputs(b, h).into_iter().zip(case.head64(h, &x).0) {
                    want[i] = o as f32;
                }
            }
            for (level, got) in at_every_level(|| vec![values(&case.run(Tape::on()))]) {
                assert_close(&format!("{name} {size:?} {level:?}"), &got[0], &want, 5e-6);
            }
        }
    }
}

/// Of all inputs, by differences of the loss of one head after the other: heads do not see each other.
fn differences(case: &Case) -> Vec<Vec<f32>> {
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

#[test]
fn gradients_equal_finite_differences() {
    // Widths that make blocks of one vector and of two, with a rest; more than one chunk, and two.
    for size in [
        (1, 1, 1, 1, 1),
        (2, 5, 3, 3, 2),
        (1, 4, 1, 17, 50),
        (1, 67, 2, 5, 7),
        (1, 130, 1, 3, 2),
    ] {
        for (kind, (name, ..)) in KINDS.iter().enumerate() {
            let case = Case::new(shape_of(kind, size));
            let want = differences(&case);
            for (level, got) in at_every_level(|| case.fused()) {
                for (i, (got, want)) in got[1..].iter().zip(&want).enumerate() {
                    let what = ["qkv", "gates", "a", "b"][i];
                    let name = format!("d{what} {name} {size:?} {level:?}");
                    assert_close(&name, got, want, 2e-5);
                }
            }
        }
    }
}

#[test]
fn gradients_of_the_odd_and_long_equal_finite_differences() {
    for kind in [3, 8, 9] {
        let case = Case::new(shape_of(kind, (3, 67, 3, 5, 7)));
        let (got, want) = (case.fused(), differences(&case));
        for (got, want) in got[1..].iter().zip(&want) {
            assert_close(KINDS[kind].0, got, want, 2e-5);
        }
    }
}

#[test]
fn decays_that_forget_nearly_everything_have_gradients_of_their_own_size() {
    // dα is a product of state and gradient, not a difference of large sums.
    let shape = shape_of(8, (1, 70, 1, 4, 6));
    let mut case = Case::new(shape);
    case.decay = Some([matrix(vec![2.3], 1, 1), matrix(vec![3.0], 1, 1)]);
    let (got, want) = (case.fused(), differences(&case));
    let largest = |of: &[f32]| of.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let by_alpha = |of: &[f32]| -> Vec<f32> { of.iter().skip(1).step_by(2).copied().collect() };
    assert!(largest(&by_alpha(&want[1])) < 0.1 * largest(&want[1]));
    assert_close("dw", &by_alpha(&got[2]), &by_alpha(&want[1]), 1e-4);
    assert_close("da", &got[3], &want[2], 1e-4);
    // Nothing is left of the state at all: no gradient, and no NaN.
    case.decay = Some([matrix(vec![9.0], 1, 1), matrix(vec![80.0], 1, 1)]);
    let got = case.fused();
    assert!(got.iter().flatten().all(|x| x.is_finite()));
    assert_eq!(largest(&by_alpha(&got[2])), 0.0);
}

#[test]
fn a_beta_of_two_reflects_and_a_repeated_key_is_overwritten() {
    // Two tokens with one key: by the delta rule with β = 1 only the second value is there.
    let shape = DeltaShape {
        beta: Beta::Off,
        ..shape_of(5, (1, 3, 1, 2, 2))
    };
    let run = |qkv: Vec<f32>, gates: Option<Matrix>, shape| {
        let qkv = matrix(qkv, 3, 6).put_tape(Tape::Off);
        values(&delta_rule(qkv, gates, None, shape))
    };
    let root = 2f32.sqrt();
    let o = run(
        vec![
            1.0, 0.0, 3.0, 0.0, 5.0, 6.0, // k along the first axis
            1.0, 0.0, 2.0, 0.0, -1.0, 4.0, // the same, whatever its length
            1.0, 0.0, 0.0, 2.0, 9.0, 9.0, // another key does not disturb
        ],
        None,
        shape,
    );
    assert_close(
        "o",
        &o,
        &[5.0, 6.0, -1.0, 4.0, -1.0, 4.0].map(|x| x / root),
        1e-5,
    );
    // With β = 2 and v = 0 the state is reflected: a bit that is flipped with every token.
    let flipping = DeltaShape {
        beta: Beta::TwiceSigmoid,
        ..shape
    };
    let token = |v: f32| vec![1.0, 0.0, 1.0, 0.0, v, 0.0];
    let o = run(
        [token(1.0), token(0.0), token(0.0)].concat(),
        Some(matrix(vec![0.0, 40.0, 40.0], 3, 1)),
        flipping,
    );
    assert_close(
        "flips",
        &[o[0], o[2], o[4]],
        &[1.0, -1.0, 1.0].map(|x| x / root),
        1e-5,
    );
}

#[test]
fn no_token_sees_a_later_one_and_no_sequence_or_head_another() {
    let shape = shape_of(9, (2, 70, 2, 5, 7));
    let case = Case::new(shape);
    let before = values(&case.run(Tape::Off));
    let (row, columns) = (shape.seq_len + 66, shape.columns());
    let mut qkv = values(&case.qkv);
    // Token 66 of the second sequence, key of the second head.
    qkv[row * columns + (2 + 1) * 5] += 1.0;
    let changed = Case {
        qkv: matrix(qkv, 2 * shape.seq_len, columns),
        ..case
    };
    let after = values(&changed.run(Tape::Off));
    let width = shape.value_width;
    let differs = |i: usize| before[i * width..][..width] != after[i * width..][..width];
    for i in 0..before.len() / width {
        let (at, head) = (i / 2, i % 2);
        assert_eq!(differs(i), at >= row && head == 1, "row {at}, head {head}");
    }
}

#[test]
fn some_tokens_at_a_time_have_the_bits_of_the_whole_sequence() {
    for size in [(3, 67, 3, 5, 7), (2, 130, 2, 16, 16), (1, 9, 2, 64, 64)] {
        for (kind, (name, ..)) in KINDS.iter().enumerate() {
            let case = Case::new(shape_of(kind, size));
            let shape = case.shape;
            let [qkv, gates] =
                [Some(&case.qkv), case.gates.as_ref()].map(|m| m.map_or(vec![], values));
            let decay: Option<Vec<_>> = case.decay.as_ref().map(|d| d.iter().map(values).collect());
            let decay = decay.as_ref().map(|d| [&d[0][..], &d[1][..]]);
            let want = values(&case.run(Tape::Off));
            at_every_level(|| {
                let want = values(&case.run(Tape::Off));
                for turns in [&[1][..], &[64, 1], &[7, 1, 30], &[1000]] {
                    let mut states = vec![0.0; shape.batch * shape.state_floats()];
                    let (mut o, mut t) = (Vec::new(), 0);
                    for &n in turns.iter().cycle() {
                        let n = n.min(shape.seq_len - t);
                        let rows = |all: &[f32], width: usize| -> Vec<f32> {
                            let start = |b: usize| (b * shape.seq_len + t) * width;
                            let of = |b: usize| all[start(b)..][..n * width].to_vec();
                            (0..shape.batch).flat_map(of).collect()
                        };
                        let (qkv, gates) =
                            (rows(&qkv, shape.columns()), rows(&gates, shape.gates()));
                        let some = DeltaShape {
                            seq_len: n,
                            ..shape
                        };
                        delta_extend(&qkv, &gates, decay, some, &mut states, &mut o);
                        let want = rows(&want, shape.heads * shape.value_width);
                        assert_eq!(o, want, "{name} {size:?} {turns:?} {t}");
                        t += n;
                        if t == shape.seq_len {
                            break;
                        }
                    }
                }
                vec![]
            });
            assert!(want.iter().any(|o| *o != 0.0));
        }
    }
}

#[test]
fn the_state_is_that_of_the_equations() {
    let case = Case::new(shape_of(9, (2, 70, 2, 5, 7)));
    let shape = case.shape;
    let decay = case
        .decay
        .as_ref()
        .expect("of the token")
        .each_ref()
        .map(values);
    let mut states = vec![0.0; shape.batch * shape.state_floats()];
    let gates = values(case.gates.as_ref().expect("there are"));
    let decay = Some([&decay[0][..], &decay[1][..]]);
    delta_extend(
        &values(&case.qkv),
        &gates,
        decay,
        shape,
        &mut states,
        &mut Vec::new(),
    );
    for ((b, h), got) in case.heads().into_iter().zip(states.chunks(5 * 7)) {
        let (_, want) = case.head64(h, &wide(&case.at_places(&case.places(b, h))));
        let want: Vec<f32> = want[shape.seq_len - 1].iter().map(|&x| x as f32).collect();
        assert_close(&format!("{b} {h}"), got, &want, 5e-6);
    }
}

#[test]
fn gradients_add_to_what_is_there() {
    for kind in [0, 9] {
        let case = Case::new(shape_of(kind, (2, 5, 3, 3, 2)));
        let single = gradients(case.run(Tape::on()).sum::<(), _>(), &case.inputs()).1;
        let (o, tape) = case.run(Tape::on()).split_tape();
        let both = case.run(tape) + o;
        let double = gradients(both.sum::<(), _>(), &case.inputs()).1;
        for (single, double) in single.iter().zip(&double) {
            let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
            assert_close("twice", double, &twice, 1e-6);
        }
    }
}

#[test]
fn watching_gives_the_gradient_of_every_state() {
    let case = Case::new(shape_of(9, (2, 67, 2, 3, 5)));
    let shape = case.shape;
    let (_, seen) = watch(|| gradients(weighed(case.run(Tape::on()), 9), &case.inputs()));
    let state = &seen[0];
    assert_eq!(
        (state.of, state.width),
        (Watchable::State, shape.state_floats())
    );
    // A change of v by δ changes the state by β k̂ δᵀ: dv = β dSᵀ k̂.
    let qkv = values(&case.qkv);
    let gates = values(case.gates.as_ref().expect("there are"));
    let dqkv = &case.fused()[1];
    for row in 0..2 * shape.seq_len {
        for h in 0..2 {
            let k = &qkv[row * shape.columns() + (2 + h) * 3..][..3];
            let length = (k.iter().map(|k| k * k).sum::<f32>() + 1e-6).sqrt();
            let beta = 2.0 / (1.0 + (-gates[row * shape.gates() + h]).exp());
            let d = &state.gradient[(row * 2 + h) * 15..][..15];
            let want: Vec<f32> = (0..5)
                .map(|j| beta * (0..3).map(|i| k[i] / length * d[i * 5 + j]).sum::<f32>())
                .collect();
            let dv = &dqkv[row * shape.columns() + 12 + h * 5..][..5];
            assert_close(&format!("{row} {h}"), dv, &want, 1e-4);
        }
    }
}

#[test]
fn costs_say_what_was_done_and_how_deep() {
    let of = |kind: usize, seq_len: usize| {
        let case = Case::new(shape_of(kind, (2, seq_len, 3, 8, 4)));
        let (_, costs) = cost::counting(|| {
            gradients(weighed(case.run(Tape::on()), 9), &case.inputs());
        });
        costs
    };
    let costs = of(9, 10);
    let elements = (2 * 10 * 3 * 8 * 4) as f64;
    let names: Vec<_> = costs.iter().map(|c| (c.name, c.flops)).collect();
    assert_eq!(
        names,
        [
            ("delta_rule", 7.0 * elements),
            ("delta_rule.backward", 23.0 * elements)
        ]
    );
    let flops: Vec<f64> = of(0, 10).iter().map(|c| c.flops).collect();
    assert_eq!(flops, [4.0 * elements, 12.0 * elements]);
    // A step of Gated DeltaNet: α, a sum of 8 products, the subtraction, β, and k u added.
    assert_eq!(of(9, 30)[0].span() - of(9, 10)[0].span(), 20.0 * 9.0);
    assert_eq!(of(0, 30)[0].span() - of(0, 10)[0].span(), 20.0);
}

#[test]
#[should_panic(expected = "are not (6, 12) and (6, 1)")]
fn gates_that_are_missing_are_refused() {
    let shape = shape_of(5, (2, 3, 1, 5, 2));
    delta_rule(
        noise_matrix(6, 12, 1).put_tape(Tape::on()),
        None,
        None,
        shape,
    );
}

#[test]
#[should_panic(expected = "delta_rule: a and b None do not fit")]
fn parameters_that_are_missing_are_refused() {
    let shape = shape_of(3, (2, 3, 1, 5, 2));
    let qkv = noise_matrix(6, 12, 1).put_tape(Tape::on());
    delta_rule(qkv, Some(noise_matrix(6, 1, 2)), None, shape);
}
