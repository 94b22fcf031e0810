use super::super::reference::{ALGORITHMS, SIZES};
use super::super::{Scan, linear_scan};
use super::*;
use crate::testing::*;
use crate::{cost, matrix, on_tape, side_by_side, values};
use dfdx::tensor::Merge;

type Size = (usize, usize, usize);

fn shape((batch, seq_len, _): Size, scan: Scan) -> ScanShape {
    ScanShape {
        batch,
        seq_len,
        scan,
    }
}

/// r̃, ĩ, x, Λ and a state before.
fn inputs((batch, seq_len, hidden): Size) -> [Matrix; 5] {
    let n = batch * seq_len;
    let scaled = |rows: usize, seed: u64, scale: f32| {
        let values = noise(rows * hidden, seed)
            .iter()
            .map(|v| scale * v)
            .collect();
        matrix(values, rows, hidden)
    };
    [
        scaled(n, 1, 3.0),
        scaled(n, 2, 3.0),
        scaled(n, 3, 1.0),
        // Rates from −8 softplus(−5), a memory of twenty steps, to −8 softplus(1), none.
        matrix(
            noise(hidden, 4).iter().map(|v| 3.0 * v - 2.0).collect(),
            1,
            hidden,
        ),
        scaled(batch, 5, 1.0),
    ]
}

/// The operation, recorded; the tape joins what `side_by_side` begins.
fn fused(m: &[Matrix; 5], has_start: bool, shape: ScanShape) -> Activation {
    let gates = side_by_side(m[0].clone(), on_tape(&m[1]));
    rg_lru(gates, &m[2], &m[3], has_start.then_some(&m[4]), shape)
}

/// y and all gradients.
fn all(y: Activation, m: &[Matrix; 5], has_start: bool) -> Vec<Vec<f32>> {
    let mut out = vec![values(&y)];
    let inputs: Vec<&Matrix> = m.iter().take(4 + usize::from(has_start)).collect();
    out.extend(gradients(weighed(y, 6), &inputs).1);
    out
}

/// a and b of dfdx primitives, whole sequences at a time, then the plain scan.
fn composed(m: &[Matrix; 5], has_start: bool, size: Size) -> Activation {
    let (batch, seq_len, hidden) = size;
    let n = batch * seq_len;
    let first = |row: usize| f32::from(u8::from(!has_start && row.is_multiple_of(seq_len)));
    let mask = |of: &dyn Fn(usize) -> f32| {
        matrix((0..n * hidden).map(|i| of(i / hidden)).collect(), n, hidden)
    };
    let (first, later) = (mask(&first), mask(&|row| 1.0 - first(row)));
    let softplus = (on_tape(&m[3]).exp() + 1.0).ln();
    let every = matrix(vec![1.0; n], n, 1);
    let rate = on_tape(&every).matmul(softplus) * -8.0;
    let a = (on_tape(&m[0]).sigmoid() * rate).exp();
    let (a_values, a_tape) = a.split_tape();
    let root = (-on_tape(&a_values).square() + 1.0).sqrt();
    let multiplier = root * later + first;
    let b = multiplier * (on_tape(&m[1]).sigmoid() * m[2].clone());
    let (b, b_tape) = b.split_tape();
    let tape = Merge::merge(a_tape, b_tape);
    let ab = side_by_side(a_values, b.put_tape(tape));
    linear_scan(
        ab,
        has_start.then_some(&m[4]),
        shape(size, Scan::Sequential),
    )
}

/// h in f64, from a state or, without one, from where nothing came before.
fn values64((batch, seq_len, hidden): Size, m: &[Vec<f64>; 5], has_start: bool) -> Vec<f64> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut y = vec![0.0; batch * seq_len * hidden];
    for (b, u) in (0..batch).flat_map(|b| (0..hidden).map(move |u| (b, u))) {
        let mut h = if has_start { m[4][b * hidden + u] } else { 0.0 };
        let rate = -8.0 * m[3][u].exp().ln_1p();
        for t in 0..seq_len {
            let at = (b * seq_len + t) * hidden + u;
            let a = (rate * sigmoid(m[0][at])).exp();
            let multiplier = match !has_start && t == 0 {
                true => 1.0,
                false => (1.0 - a * a).sqrt(),
            };
            h = a * h + multiplier * sigmoid(m[1][at]) * m[2][at];
            y[at] = h;
        }
    }
    y
}

fn wide(m: &[Matrix; 5]) -> [Vec<f64>; 5] {
    m.each_ref()
        .map(|m| values(m).iter().map(|&v| f64::from(v)).collect())
}

#[test]
fn values_equal_the_recurrence_in_f64() {
    for (size, has_start) in SIZES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
        let m = inputs(size);
        let want = values64(size, &wide(&m), has_start);
        let want: Vec<f32> = want.iter().map(|&y| y as f32).collect();
        for scan in ALGORITHMS {
            for (level, got) in at_every_level(|| {
                let y = values(&fused(&m, has_start, shape(size, scan)));
                let gates = side_by_side(m[0].clone(), on_tape(&m[1])).split_tape().0;
                let start = has_start.then_some(&m[4]);
                let gates = gates.put_tape(crate::Tape::Off);
                let plain = rg_lru(gates, &m[2], &m[3], start, shape(size, scan));
                assert_eq!(values(&plain), y);
                vec![y]
            }) {
                let name = format!("{size:?} {has_start} {scan:?} {level:?}");
                assert_close(&name, &got[0], &want, 2e-6);
            }
        }
    }
}

#[test]
fn values_and_gradients_equal_dfdx_primitives() {
    for (size, has_start) in SIZES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
        let m = inputs(size);
        let want = all(composed(&m, has_start, size), &m, has_start);
        for scan in ALGORITHMS {
            for (level, got) in
                at_every_level(|| all(fused(&m, has_start, shape(size, scan)), &m, has_start))
            {
                for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                    let what = ["y", "dr", "di", "dx", "dlambda", "dstart"][i];
                    // One step that begins a sequence is i x: r and Λ play no part.
                    if !has_start && size.1 == 1 && matches!(i, 1 | 4) {
                        assert!(got.iter().all(|&d| d == 0.0), "{what}");
                        continue;
                    }
                    let name = format!("{what} {size:?} {has_start} {scan:?} {level:?}");
                    // 1 − a² of the primitives cancels where a is near 1.
                    assert_close(&name, got, want, 2e-5);
                }
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for (size, has_start) in [(1, 1, 2), (2, 3, 3), (1, 130, 1)]
        .into_iter()
        .flat_map(|s| [(s, false), (s, true)])
    {
        let m = inputs(size);
        let r = noise(size.0 * size.1 * size.2, 6);
        for scan in ALGORITHMS {
            let got = all(fused(&m, has_start, shape(size, scan)), &m, has_start);
            for (i, got) in got[1..].iter().enumerate() {
                let want = finite_differences(&values(&m[i]), |moved| {
                    let mut m = wide(&m);
                    m[i] = moved.to_vec();
                    let y = values64(size, &m, has_start);
                    y.iter().zip(&r).map(|(y, &r)| y * f64::from(r)).sum()
                });
                let name = format!("{i} {size:?} {has_start} {scan:?}");
                assert_close(&name, got, &want, 1e-5);
            }
        }
    }
}

#[test]
fn the_slope_of_the_root_is_clipped_and_extremes_stay_finite() {
    // Gates shut: a = 1 to the last bit or all but, where √ is steepest.
    let extremes = [-200.0f32, -60.0, -20.0, 0.0, 20.0, 200.0];
    let hidden = extremes.len() * extremes.len();
    let pick = |each: usize| -> Vec<f32> {
        let of = |u: usize| extremes[u / extremes.len().pow(each as u32) % extremes.len()];
        (0..hidden).map(of).collect()
    };
    let (r, lambda) = (pick(0), pick(1));
    let m = [
        matrix(r.repeat(3), 3, hidden),
        noise_matrix(3, hidden, 2),
        noise_matrix(3, hidden, 3),
        matrix(lambda, 1, hidden),
        noise_matrix(1, hidden, 5),
    ];
    for (_, got) in at_every_level(|| {
        all(
            fused(&m, true, shape((1, 3, hidden), Scan::Sequential)),
            &m,
            true,
        )
    }) {
        assert!(got.iter().flatten().all(|x| x.is_finite()));
    }
    // One step from a state 0, σ(ĩ) = ½: dr̃ = −dy ½ x a² min(1/√(1 − a²), 2000) · c r (1 − r).
    for (r, clipped) in [(-20.0f32, true), (-4.0, false)] {
        let one = |v: f32| matrix(vec![v], 1, 1);
        let m = [one(r), one(0.0), one(1.0), one(0.0), one(0.0)];
        let y = fused(&m, true, shape((1, 1, 1), Scan::Sequential));
        let got = gradients(y.sum(), &[&m[0]]).1[0][0];
        let gate = 1.0 / (1.0 + f64::from(-r).exp());
        let rate = -8.0 * 2f64.ln();
        let a2 = (2.0 * rate * gate).exp();
        let steep = 1.0 / (1.0 - a2).sqrt();
        assert_eq!(steep > 2000.0, clipped);
        let want = -0.5 * a2 * steep.min(2000.0) * rate * gate * (1.0 - gate);
        assert_close("dr", &[got], &[want as f32], 2e-6);
    }
}

#[test]
fn a_step_at_a_time_and_many_have_the_bits_of_the_sequence() {
    let size = (3, 70, 150);
    let (batch, seq_len, hidden) = size;
    let m = inputs(size);
    let (x, gates) = (
        values(&m[2]),
        values(&side_by_side(m[0].clone(), on_tape(&m[1]))),
    );
    at_every_level(|| {
        let want = values(&fused(&m, false, shape(size, Scan::Sequential)));
        let cell = RgLruCell::new(&m[3]);
        for turns in [&[1][..], &[1000], &[2, 1], &[33, 1, 7]] {
            // Whatever the states held before.
            let mut h = vec![7.0; batch * hidden];
            let mut all = vec![0.0; batch * seq_len * hidden];
            let mut t = 0;
            for &n in turns.iter().cycle() {
                let n = n.min(seq_len - t);
                let part = |from: &[f32], width: usize| -> Vec<f32> {
                    let rows =
                        (0..batch).flat_map(|b| &from[(b * seq_len + t) * width..][..n * width]);
                    rows.copied().collect()
                };
                let mut y = vec![0.0; batch * n * hidden];
                let first = vec![t == 0; batch];
                cell.extend(
                    &part(&gates, 2 * hidden),
                    &part(&x, hidden),
                    &first,
                    &mut h,
                    &mut y,
                );
                for (b, y) in y.chunks(n * hidden).enumerate() {
                    all[(b * seq_len + t) * hidden..][..n * hidden].copy_from_slice(y);
                }
                t += n;
                if t == seq_len {
                    break;
                }
            }
            assert_eq!(all, want, "{turns:?}");
            let ends = all
                .chunks(seq_len * hidden)
                .flat_map(|y| &y[(seq_len - 1) * hidden..]);
            assert!(h.iter().eq(ends));
        }
        vec![want]
    });
}

#[test]
fn a_sequence_that_begins_beside_one_that_goes_on_is_its_own() {
    let (batch, hidden) = (2, 5);
    let m = inputs((batch, 1, hidden));
    let gates = values(&side_by_side(m[0].clone(), on_tape(&m[1])));
    let cell = RgLruCell::new(&m[3]);
    let run = |is_first: [bool; 2]| {
        let (mut h, mut y) = (values(&m[4]), vec![0.0; batch * hidden]);
        cell.extend(&gates, &values(&m[2]), &is_first, &mut h, &mut y);
        y
    };
    let (both, none, second) = (run([true; 2]), run([false; 2]), run([false, true]));
    assert_eq!(second[..hidden], none[..hidden]);
    assert_eq!(second[hidden..], both[hidden..]);
    assert_ne!(both, none);
}

#[test]
fn costs_say_what_was_done_and_how_deep() {
    let size = (2, 5, 3);
    let m = inputs(size);
    let (_, costs) = cost::counting(|| {
        all(fused(&m, false, shape(size, Scan::Sequential)), &m, false);
    });
    let own: Vec<_> = costs
        .iter()
        .filter(|c| c.name.starts_with("rg_lru"))
        .collect();
    let names: Vec<_> = own.iter().map(|c| c.name).collect();
    assert_eq!(names, ["rg_lru", "rg_lru.backward", "rg_lru.backward"]);
    let cells = (2 * 5 * 3) as f64;
    assert_eq!([own[0].flops, own[1].flops], [2.0 * cells, 3.0 * cells]);
    assert_eq!([own[0].span(), own[1].span()], [7.0 + 10.0, 14.0 + 10.0]);
    assert_eq!(own[0].bytes, 4.0 * cells * 4.0);
}

#[test]
#[should_panic(expected = "rg_lru: with gates (6, 4), x and Λ are not (6, 2) and (1, 2)")]
fn shapes_that_do_not_fit_are_refused() {
    let size = shape((2, 3, 2), Scan::Sequential);
    let (x, lambda) = (noise_matrix(6, 3, 1), noise_matrix(1, 2, 2));
    rg_lru(on_tape(&noise_matrix(6, 4, 3)), &x, &lambda, None, size);
}
