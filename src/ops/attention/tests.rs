use super::super::testing::{assert_close, noise};
use super::super::{Tape, backward, with_threads};
use super::*;
use crate::ops::simd::{available, with_level};

const SHAPES: [(usize, usize, usize, usize); 7] = [
    // B, T, heads, head size
    (1, 1, 1, 1),
    (1, 1, 2, 3),
    (2, 7, 1, 5),
    (1, 65, 3, 16),
    (2, 50, 2, 34),
    (1, 130, 1, 64),
    (1, 300, 1, 8),
];

/// Values and the gradient of Σ out · weights with respect to qkv.
fn run(
    shape: AttentionShape,
    qkv: &[f32],
    weights: &[f32],
    threads: usize,
) -> (Vec<f32>, Vec<f32>) {
    with_threads(threads, || {
        let rows = shape.batch * shape.seq_len;
        let x = matrix(qkv.to_vec(), rows, qkv.len() / rows);
        let out = attention(x.clone().put_tape(Tape::on()), shape);
        let result = values(&out);
        let w = matrix(weights.to_vec(), rows, weights.len() / rows);
        let gradients = backward((out * w).sum::<(), _>());
        (result, gradients.get(&x).as_vec())
    })
}

/// The same in f64, written from the formula, for one (sequence, head) at a time.
fn reference(shape: AttentionShape, qkv: &[f64], width: usize) -> Vec<f64> {
    let (t_len, head) = (shape.seq_len, width / shape.heads);
    let turned = |row: usize, t: usize, start: usize| -> Vec<f64> {
        let x = &qkv[row * 3 * width + start..][..head];
        if !shape.rotary {
            return x.to_vec();
        }
        let half = head / 2;
        let mut out = vec![0.0; head];
        for i in 0..half {
            let angle = t as f64 * 10000f64.powf(-2.0 * i as f64 / head as f64);
            out[i] = x[i] * angle.cos() - x[i + half] * angle.sin();
            out[i + half] = x[i + half] * angle.cos() + x[i] * angle.sin();
        }
        out
    };
    let mut out = vec![0.0; shape.batch * t_len * width];
    for b in 0..shape.batch {
        for h in 0..shape.heads {
            for i in 0..t_len {
                let q = turned(b * t_len + i, i, h * head);
                let seen = if shape.causal { i + 1 } else { t_len };
                let score = |j: usize| {
                    let k = turned(b * t_len + j, j, width + h * head);
                    q.iter().zip(&k).map(|(q, k)| q * k).sum::<f64>() / (head as f64).sqrt()
                };
                let weights: Vec<f64> = (0..seen).map(|j| score(j).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (j, w) in weights.iter().enumerate() {
                    let v = &qkv[(b * t_len + j) * 3 * width + 2 * width + h * head..][..head];
                    for (d, v) in v.iter().enumerate() {
                        out[(b * t_len + i) * width + h * head + d] += w / sum * v;
                    }
                }
            }
        }
    }
    out
}

fn kinds(shape: AttentionShape, head: usize) -> Vec<AttentionShape> {
    let mut kinds = vec![
        shape,
        AttentionShape {
            causal: false,
            ..shape
        },
    ];
    if head % 2 == 0 {
        kinds.push(AttentionShape {
            rotary: true,
            ..shape
        });
    }
    kinds
}

fn shape(batch: usize, seq_len: usize, heads: usize) -> AttentionShape {
    AttentionShape {
        batch,
        seq_len,
        heads,
        causal: true,
        rotary: false,
    }
}

#[test]
fn values_follow_the_formula_at_every_level() {
    for (b, t, heads, head) in SHAPES {
        let width = heads * head;
        let qkv = noise(b * t * 3 * width, 1);
        let wide: Vec<f64> = qkv.iter().map(|&x| x as f64).collect();
        for kind in kinds(shape(b, t, heads), head) {
            let want: Vec<f32> = reference(kind, &wide, width)
                .iter()
                .map(|&x| x as f32)
                .collect();
            for &level in available() {
                let weights = vec![1.0; b * t * width];
                let (got, _) = with_level(level, || run(kind, &qkv, &weights, 1));
                assert_close(
                    &format!("{kind:?} head {head} {level:?}"),
                    &got,
                    &want,
                    3e-6,
                );
            }
        }
    }
}

#[test]
fn gradients_match_finite_differences_in_f64_at_every_level() {
    for (b, t, heads, head) in [(1, 1, 1, 1), (1, 2, 2, 3), (2, 7, 1, 5), (1, 9, 3, 4)] {
        let width = heads * head;
        let qkv = noise(b * t * 3 * width, 2);
        let weights = noise(b * t * width, 3);
        let wide: Vec<f64> = qkv.iter().map(|&x| x as f64).collect();
        for kind in kinds(shape(b, t, heads), head) {
            let objective = |x: &[f64]| -> f64 {
                reference(kind, x, width)
                    .iter()
                    .zip(&weights)
                    .map(|(o, &w)| o * w as f64)
                    .sum()
            };
            let want: Vec<f32> = (0..wide.len())
                .map(|i| {
                    let at = |h: f64| {
                        let mut x = wide.clone();
                        x[i] += h;
                        objective(&x)
                    };
                    ((at(1e-5) - at(-1e-5)) / 2e-5) as f32
                })
                .collect();
            for &level in available() {
                let (_, got) = with_level(level, || run(kind, &qkv, &weights, 1));
                let scale = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                    assert!(
                        (got - want).abs() <= 1e-5 * scale.max(1e-2),
                        "{kind:?} head {head} {level:?}: entry {i} is {got}, not {want}"
                    );
                }
            }
        }
    }
}

/// The same composed of dfdx primitives, one head at a time.
#[test]
fn values_and_gradients_match_dfdx_primitives() {
    for (t, head) in [(1usize, 3usize), (65, 16), (130, 33)] {
        let (qkv, weights) = (noise(t * 3 * head, 4), noise(t * head, 5));
        let (got, got_gradient) = run(shape(1, t, 1), &qkv, &weights, 2);
        let part = |p: usize| {
            let rows = qkv
                .chunks(3 * head)
                .flat_map(|row| row[p * head..(p + 1) * head].to_vec());
            matrix(rows.collect(), t, head)
        };
        let (q, k, v) = (part(0), part(1), part(2));
        let mask = (0..t * t)
            .map(|i| if i % t > i / t { -1e30 } else { 0.0 })
            .collect();
        let kt = k.clone().put_tape(Tape::on()).permute::<_, Axes2<1, 0>>();
        let scores = q.clone().put_tape(Tape::on()).matmul(kt) * (1.0 / (head as f32).sqrt());
        let p = (scores + matrix(mask, t, t)).softmax::<Axis<1>>();
        let out = p.matmul(v.clone());
        assert_close("values", &got, &values(&out), 3e-6);
        let gradients = backward((out * matrix(weights, t, head)).sum::<(), _>());
        let want: [Vec<f32>; 3] = [&q, &k, &v].map(|x| gradients.get(x).as_vec());
        for (p, want) in want.iter().enumerate() {
            let rows = got_gradient
                .chunks(3 * head)
                .flat_map(|row| row[p * head..(p + 1) * head].to_vec());
            let got: Vec<f32> = rows.collect();
            let scale = want.iter().fold(0.0f32, |m, x| m.max(x.abs())).max(1e-3);
            for (got, want) in got.iter().zip(want) {
                assert!(
                    (got - want).abs() < 1e-5 * scale,
                    "part {p}: {got} is not {want}"
                );
            }
        }
    }
}

#[test]
fn large_scores_neither_overflow_nor_vanish() {
    let qkv: Vec<f32> = noise(40 * 12, 6).iter().map(|x| x * 100.0).collect();
    let (out, gradient) = run(shape(1, 40, 1), &qkv, &vec![1.0; 160], 1);
    assert!(out.iter().chain(&gradient).all(|x| x.is_finite()));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let kind = AttentionShape {
        rotary: true,
        ..shape(2, 77, 3)
    };
    let (qkv, weights) = (noise(2 * 77 * 3 * 24, 7), noise(2 * 77 * 24, 8));
    let one = run(kind, &qkv, &weights, 1);
    for threads in [2, 3] {
        assert!(
            one == run(kind, &qkv, &weights, threads),
            "{threads} threads"
        );
    }
}

#[test]
fn costs_count_visible_pairs_only() {
    let (_, costs) = cost::counting(|| run(shape(2, 3, 1), &noise(72, 9), &noise(24, 1), 1));
    let flops: Vec<f64> = costs.iter().map(|c| c.flops).collect();
    // 6 visible pairs, 4 wide, 2 sequences: 2 products of 2 · 6 · 4 · 2, then 5.
    assert_eq!(flops, [192.0, 480.0]);
}
