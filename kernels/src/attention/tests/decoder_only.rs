//! Packed self-attention as a decoder-only transformer has it.

use super::*;
use crate::Matrix;

const SHAPES: [(usize, usize, usize, usize); 10] = [
    // B, T, H, dh
    (1, 1, 1, 1),
    (1, 5, 1, 3),
    (2, 1, 3, 4),
    (3, 7, 2, 5),
    (1, 49, 2, 16),
    (2, 65, 1, 32),
    (1, 100, 1, 64),
    (1, 130, 1, 65),
    (1, 300, 1, 7),
    (1, 801, 1, 9),
];

/// One head by dfdx primitives: (T, dh) each.
fn composed(
    q: DfdxActivation,
    k: DfdxActivation,
    v: DfdxActivation,
    causal: bool,
    slope: f32,
) -> DfdxActivation {
    let (t, dh) = *q.shape();
    let mask: Vec<f32> = (0..t * t)
        .map(|i| (i / t, i % t))
        .map(|(i, j)| match causal && j > i {
            true => -1e30,
            false => -slope * i.abs_diff(j) as f32,
        })
        .collect();
    let scores = q.matmul(k.permute::<_, Axes2<1, 0>>()) * (1.0 / (dh as f32).sqrt());
    (scores + matrix(mask, t, t)).softmax::<Axis<1>>().matmul(v)
}

/// Packed values by the formula.
fn reference(x: &[f64], shape: AttentionShape, dh: usize) -> Vec<f64> {
    let d = shape.heads * dh;
    let (q, kv): (Vec<_>, Vec<_>) = x.chunks(3 * d).map(|row| row.split_at(d)).unzip();
    let lengths = None;
    let given = Given { shape, lengths, dh };
    given.reference(&q.concat(), &kv.concat())
}

fn kind(
    (batch, seq_len, heads): (usize, usize, usize),
    causal: bool,
    positions: AttentionPositions,
) -> AttentionShape {
    AttentionShape {
        mask: if causal {
            AttentionMask::Causal
        } else {
            AttentionMask::All
        },
        positions,
        ..AttentionShape::causal(batch, seq_len, heads)
    }
}

const NONE: AttentionPositions = AttentionPositions::None;
const ROTARY: AttentionPositions = AttentionPositions::ROTARY;
const ALIBI: AttentionPositions = AttentionPositions::Alibi;

#[test]
fn values_equal_the_formula_in_f64() {
    for (batch, seq_len, heads, dh) in SHAPES {
        for (causal, positions) in [
            (true, NONE),
            (false, NONE),
            (true, ROTARY),
            (false, ROTARY),
            (true, ALIBI),
            (false, ALIBI),
        ] {
            let shape = kind((batch, seq_len, heads), causal, positions);
            let x: Vec<f32> = noise(batch * seq_len * 3 * heads * dh, 1)
                .iter()
                .map(|x| 3.0 * x)
                .collect();
            let want = narrow(&reference(&wide(&x), shape, dh));
            let qkv = matrix(x, batch * seq_len, 3 * heads * dh);
            for (level, got) in at_every_level(|| {
                vec![values(&attention(
                    qkv.clone().put_tape(Tape::Off),
                    None,
                    shape,
                ))]
            }) {
                assert_close(&format!("{shape:?} {dh} {level:?}"), &got[0], &want, 3e-6);
            }
        }
    }
}

#[test]
fn gradients_equal_dfdx_primitives() {
    for (batch, seq_len, heads, dh) in SHAPES {
        for (causal, alibi) in [(true, false), (false, false), (true, true), (false, true)] {
            let positions = if alibi { ALIBI } else { NONE };
            let shape = kind((batch, seq_len, heads), causal, positions);
            let (n, d) = (batch * seq_len, heads * dh);
            let x: Vec<f32> = noise(n * 3 * d, 1).iter().map(|x| 2.0 * x).collect();
            let r = noise(n * d, 4);
            // Reference: each head of each sequence by itself.
            let mut want = vec![0.0; n * 3 * d];
            for b in 0..batch {
                for h in 0..heads {
                    let part = |which: usize| -> Matrix {
                        let rows = (0..seq_len).flat_map(|t| {
                            let start = (b * seq_len + t) * 3 * d + which * d + h * dh;
                            x[start..start + dh].to_vec()
                        });
                        matrix(rows.collect(), seq_len, dh)
                    };
                    let (q, k, v) = (part(0), part(1), part(2));
                    let slope = if alibi { slopes(heads)[h] } else { 0.0 };
                    let [qt, kt, vt] = [&q, &k, &v].map(|x| x.leaky_trace());
                    let y = composed(qt, kt, vt, causal, slope);
                    let rows = (0..seq_len)
                        .flat_map(|t| r[(b * seq_len + t) * d + h * dh..][..dh].to_vec());
                    let weights = matrix(rows.collect(), seq_len, dh);
                    let loss = (recorded(y) * weights).sum::<(), _>();
                    for (which, g) in gradients(loss, &[&q, &k, &v]).1.iter().enumerate() {
                        for t in 0..seq_len {
                            let start = (b * seq_len + t) * 3 * d + which * d + h * dh;
                            want[start..start + dh].copy_from_slice(&g[t * dh..(t + 1) * dh]);
                        }
                    }
                }
            }
            let qkv = matrix(x, n, 3 * d);
            for (level, got) in at_every_level(|| {
                let y = attention(qkv.clone().put_tape(Tape::on()), None, shape);
                gradients(weighed(y, 4), &[&qkv]).1
            }) {
                assert_close(&format!("{shape:?} {dh} {level:?}"), &got[0], &want, 5e-6);
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for (batch, seq_len, heads, dh) in [(2, 1, 1, 2), (1, 5, 2, 3), (2, 4, 1, 4)] {
        for (causal, positions) in [(true, ROTARY), (false, ROTARY), (true, NONE), (true, ALIBI)] {
            let shape = kind((batch, seq_len, heads), causal, positions);
            let (n, d) = (batch * seq_len, heads * dh);
            let x = noise(n * 3 * d, 1);
            let r = noise(n * d, 4);
            let loss = |x: &[f64]| -> f64 {
                reference(x, shape, dh)
                    .iter()
                    .zip(&r)
                    .map(|(y, &r)| y * r as f64)
                    .sum()
            };
            let qkv = matrix(x.clone(), n, 3 * d);
            let y = attention(qkv.clone().put_tape(Tape::on()), None, shape);
            let (_, got) = gradients(weighed(y, 4), &[&qkv]);
            assert_close(
                &format!("{shape:?}"),
                &got[0],
                &finite_differences(&x, loss),
                1e-5,
            );
        }
    }
}

#[test]
fn cost_counts_causal_pairs_only() {
    let shape = AttentionShape::causal(2, 5, 3);
    let qkv = noise_matrix(10, 3 * 12, 1);
    let ((), costs) = cost::counting(|| {
        let y = attention(qkv.clone().put_tape(Tape::on()), None, shape);
        gradients(weighed(y, 4), &[&qkv]);
    });
    let flops: Vec<f64> = costs.iter().map(|c| c.flops).collect();
    // 2 sequences, width 12, 15 pairs: 2 and 5 products of 2 FLOPs.
    assert_eq!(
        flops,
        [2.0 * 2.0 * 2.0 * 12.0 * 15.0, 5.0 * 2.0 * 2.0 * 12.0 * 15.0]
    );
}
