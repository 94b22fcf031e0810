use super::super::testing::*;
use super::super::{Tape, values};
use super::reference::*;
use super::*;
use crate::watch::watch;

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
