use super::kernels::Combine;
use super::reference::{ALGORITHMS, REFERENCES, SIZES};
use super::*;
use crate::testing::*;
use crate::{Tape, linear};

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
        dispatch_at(crate::simd::level(), kernel);
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
    let spans = |scan| [1024, 4096, 16384].map(|t| cost_of(t, scan)[0].span());
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
        let p = linear(xs, &weight, Some(&bias), crate::Nonlinearity::Identity);
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
fn many_steps_at_once_have_the_bits_of_single_ones() {
    let (batch, seq_len, input, hidden) = (2, 70, 6, 150);
    let x = noise(batch * seq_len * input, 1);
    let (weight, bias) = (
        noise_matrix(2 * hidden, input, 2),
        noise_matrix(1, 2 * hidden, 3),
    );
    at_every_level(|| {
        let cell = MinGruCell::new(&weight, &bias);
        let in_turns = |turns: &[usize]| {
            let (mut h, mut scratch) = (vec![0.5; batch * hidden], Vec::new());
            let mut all = vec![0.0; batch * seq_len * hidden];
            let mut t = 0;
            for &n in turns.iter().cycle() {
                let n = n.min(seq_len - t);
                let rows = (0..batch).flat_map(|b| &x[(b * seq_len + t) * input..][..n * input]);
                let x: Vec<f32> = rows.copied().collect();
                let mut y = vec![0.0; batch * n * hidden];
                if n == 1 {
                    cell.step(&x, &mut h, &mut scratch);
                    y.copy_from_slice(&h);
                } else {
                    cell.extend(&x, &mut h, &mut y, &mut scratch);
                }
                for (b, y) in y.chunks(n * hidden).enumerate() {
                    all[(b * seq_len + t) * hidden..][..n * hidden].copy_from_slice(y);
                }
                t += n;
                if t == seq_len {
                    break;
                }
            }
            vec![all, h]
        };
        let want = in_turns(&[1]);
        for turns in [&[1000][..], &[2, 1], &[33, 1, 7]] {
            assert_eq!(in_turns(turns), want, "{turns:?}");
        }
        want
    });
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
