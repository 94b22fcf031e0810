use super::*;
use crate::testing::*;
use crate::{Matrix, Tape, values};

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

/// The rotation as a product with a fixed matrix would be long-winded: tested by its own properties
/// below; here q and k are turned in f64.
fn reference64(x: &[f64], shape: AttentionShape, dh: usize) -> Vec<f64> {
    let AttentionShape {
        batch,
        seq_len: t,
        heads,
        causal,
        rotary,
        alibi,
    } = shape;
    let d = heads * dh;
    let slopes = slopes(heads);
    let mut y = vec![0.0; batch * t * d];
    for b in 0..batch {
        for h in 0..heads {
            let row = |which: usize, i: usize| -> Vec<f64> {
                let start = (b * t + i) * 3 * d + which * d + h * dh;
                let x = &x[start..start + dh];
                let mut out = x.to_vec();
                if rotary && which < 2 {
                    let half = dh / 2;
                    for c in 0..half {
                        let angle = i as f64 * 10_000f64.powf(-2.0 * c as f64 / (2 * half) as f64);
                        out[c] = x[c] * angle.cos() - x[c + half] * angle.sin();
                        out[c + half] = x[c + half] * angle.cos() + x[c] * angle.sin();
                    }
                }
                out
            };
            let (k, v): (Vec<_>, Vec<_>) = (0..t).map(|j| (row(1, j), row(2, j))).unzip();
            for i in 0..t {
                let q = row(0, i);
                let seen = if causal { i + 1 } else { t };
                let p: Vec<f64> = (0..seen)
                    .map(|j| {
                        let s: f64 = q.iter().zip(&k[j]).map(|(a, b)| a * b).sum();
                        let fall = if alibi { slopes[h] as f64 } else { 0.0 };
                        (s / (dh as f64).sqrt() - fall * i.abs_diff(j) as f64).exp()
                    })
                    .collect();
                let total: f64 = p.iter().sum();
                for c in 0..dh {
                    y[(b * t + i) * d + h * dh + c] =
                        (0..seen).map(|j| p[j] * v[j][c]).sum::<f64>() / total;
                }
            }
        }
    }
    y
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x as f64).collect()
}

#[test]
fn values_equal_the_formula_in_f64() {
    for (batch, seq_len, heads, dh) in SHAPES {
        for (causal, rotary, alibi) in [
            (true, false, false),
            (false, false, false),
            (true, true, false),
            (false, true, false),
            (true, false, true),
            (false, false, true),
        ] {
            let shape = AttentionShape {
                batch,
                seq_len,
                heads,
                causal,
                rotary,
                alibi,
            };
            let x: Vec<f32> = noise(batch * seq_len * 3 * heads * dh, 1)
                .iter()
                .map(|x| 3.0 * x)
                .collect();
            let want: Vec<f32> = reference64(&wide(&x), shape, dh)
                .iter()
                .map(|&y| y as f32)
                .collect();
            let qkv = matrix(x, batch * seq_len, 3 * heads * dh);
            for (level, got) in
                at_every_level(|| vec![values(&attention(qkv.clone().put_tape(Tape::Off), shape))])
            {
                assert_close(&format!("{shape:?} {dh} {level:?}"), &got[0], &want, 3e-6);
            }
        }
    }
}

#[test]
fn gradients_equal_dfdx_primitives() {
    for (batch, seq_len, heads, dh) in SHAPES {
        for (causal, alibi) in [(true, false), (false, false), (true, true), (false, true)] {
            let shape = AttentionShape {
                batch,
                seq_len,
                heads,
                causal,
                rotary: false,
                alibi,
            };
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
                let y = attention(qkv.clone().put_tape(Tape::on()), shape);
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
        for (causal, rotary, alibi) in [
            (true, true, false),
            (false, true, false),
            (true, false, false),
            (true, false, true),
        ] {
            let shape = AttentionShape {
                batch,
                seq_len,
                heads,
                causal,
                rotary,
                alibi,
            };
            let (n, d) = (batch * seq_len, heads * dh);
            let x = noise(n * 3 * d, 1);
            let r = noise(n * d, 4);
            let loss = |x: &[f64]| -> f64 {
                reference64(x, shape, dh)
                    .iter()
                    .zip(&r)
                    .map(|(y, &r)| y * r as f64)
                    .sum()
            };
            let qkv = matrix(x.clone(), n, 3 * d);
            let y = attention(qkv.clone().put_tape(Tape::on()), shape);
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
    let shape = AttentionShape {
        batch: 2,
        seq_len: 5,
        heads: 3,
        causal: true,
        rotary: false,
        alibi: false,
    };
    let qkv = noise_matrix(10, 3 * 12, 1);
    let ((), costs) = cost::counting(|| {
        let y = attention(qkv.clone().put_tape(Tape::on()), shape);
        gradients(weighed(y, 4), &[&qkv]);
    });
    let flops: Vec<f64> = costs.iter().map(|c| c.flops).collect();
    // 2 sequences, width 12, 15 pairs: 2 and 5 products of 2 FLOPs.
    assert_eq!(
        flops,
        [2.0 * 2.0 * 2.0 * 12.0 * 15.0, 5.0 * 2.0 * 2.0 * 12.0 * 15.0]
    );
}
