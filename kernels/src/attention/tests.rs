//! The reference in f64 that all tests share; what they compare with it is in the files below.

mod decoder_only;
mod general;
mod padding;

use super::*;
use crate::simd::Level;
use crate::testing::*;
use crate::{Tape, values};
use dfdx::prelude::PutTape;

/// What an attention reads, in f64.
#[derive(Clone, Copy)]
struct Given<'a> {
    shape: AttentionShape,
    lengths: Option<&'a [usize]>,
    dh: usize,
}

impl Given<'_> {
    /// The formula, one pair of query and key after the other, on q (B·Tq, H·dh) and kv
    /// (B·Tk, 2·`kv_heads`·dh).
    fn reference(self, q: &[f64], kv: &[f64]) -> Vec<f64> {
        let (shape, dh) = (self.shape, self.dh);
        let AttentionShape {
            batch,
            queries,
            keys,
            heads,
            kv_heads,
            offset,
            ..
        } = shape;
        let slopes = slopes(heads);
        let mut y = vec![0.0; batch * queries * heads * dh];
        for (b, h) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let shared = h / (heads / kv_heads);
            let key = |j: usize, which: usize| {
                let start = ((b * keys + j) * 2 + which) * kv_heads * dh + shared * dh;
                &kv[start..start + dh]
            };
            let turned: Vec<_> = (0..keys).map(|j| self.turned(key(j, 0), j)).collect();
            let len = self.lengths.map_or(keys, |lengths| lengths[b]);
            for i in 0..queries {
                let at = ((b * queries + i) * heads + h) * dh;
                let place = offset + i;
                let query = self.turned(&q[at..at + dh], place);
                let seen: Vec<usize> = (0..len)
                    .filter(|&j| match shape.mask {
                        AttentionMask::All => true,
                        AttentionMask::Causal => j <= place,
                        AttentionMask::Window(n) => j <= place && j + n > place,
                    })
                    .collect();
                let p: Vec<f64> = seen
                    .iter()
                    .map(|&j| {
                        let dot: f64 = query.iter().zip(&turned[j]).map(|(a, b)| a * b).sum();
                        let mut score = dot / (dh as f64).sqrt();
                        if let Some(cap) = shape.soft_cap {
                            score = f64::from(cap) * (score / f64::from(cap)).tanh();
                        }
                        if shape.positions == AttentionPositions::Alibi {
                            score -= f64::from(slopes[h]) * place.abs_diff(j) as f64;
                        }
                        score.exp()
                    })
                    .collect();
                let total: f64 = p.iter().sum();
                for (p, &j) in p.iter().zip(&seen) {
                    let value = key(j, 1).iter().zip(&mut y[at..at + dh]);
                    value.for_each(|(v, y)| *y += p / total * v);
                }
            }
        }
        y
    }

    fn turned(self, x: &[f64], place: usize) -> Vec<f64> {
        let mut out = x.to_vec();
        if let AttentionPositions::Rotary { base, share } = self.shape.positions {
            let half = (share * self.dh as f64) as usize / 2;
            for c in 0..half {
                let angle = place as f64 * base.powf(-(c as f64) / half as f64);
                out[c] = x[c] * angle.cos() - x[c + half] * angle.sin();
                out[c + half] = x[c + half] * angle.cos() + x[c] * angle.sin();
            }
        }
        out
    }

    /// Rows and columns of q, and of kv.
    fn sizes(self) -> [(usize, usize); 2] {
        let shape = self.shape;
        [
            (shape.batch * shape.queries, shape.heads * self.dh),
            (shape.batch * shape.keys, 2 * shape.kv_heads * self.dh),
        ]
    }

    /// Reproducible q and kv, large enough that the softmax is not flat.
    fn noise(self) -> [Vec<f32>; 2] {
        let [q, kv] = self.sizes().map(|(rows, columns)| rows * columns);
        [noise(q, 1), noise(kv, 2)].map(|x| x.iter().map(|x| 2.0 * x).collect())
    }

    /// y and the gradients of q and kv at every level, weighed by noise.
    fn run(self, q: &[f32], kv: &[f32]) -> Vec<(Level, Vec<Vec<f32>>)> {
        let [q_size, kv_size] = self.sizes();
        let q = matrix(q.to_vec(), q_size.0, q_size.1);
        let kv = matrix(kv.to_vec(), kv_size.0, kv_size.1);
        at_every_level(|| {
            let kv_tape = kv.clone().put_tape(Tape::on());
            let q_tape = q.clone().put_tape(Tape::on());
            let y = cross_attention(q_tape, kv_tape, self.lengths, self.shape);
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&q, &kv]).1);
            out
        })
    }

    /// Values against the formula, and gradients against its finite differences, at every level.
    fn check(self) {
        let [q, kv] = self.noise();
        let (qs, kvs) = (wide(&q), wide(&kv));
        let want = narrow(&self.reference(&qs, &kvs));
        let r = noise(want.len(), 4);
        let loss = |q: &[f64], kv: &[f64]| -> f64 {
            let y = self.reference(q, kv);
            y.iter().zip(&r).map(|(y, &r)| y * f64::from(r)).sum()
        };
        // On one scale: where a query sees itself alone the gradient of q is 0, but for rounding.
        let dq = finite_differences(&q, |q| loss(q, &kvs));
        let dkv = finite_differences(&kv, |kv| loss(&qs, kv));
        let gradient = [dq, dkv].concat();
        for (level, got) in self.run(&q, &kv) {
            let name = format!("{:?} {:?} {} {level:?}", self.shape, self.lengths, self.dh);
            assert_close(&format!("y {name}"), &got[0], &want, 3e-6);
            let found = [&got[1][..], &got[2]].concat();
            assert_close(&format!("gradient {name}"), &found, &gradient, 1e-5);
        }
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// q and kv side by side.
fn packed(q: &[f32], kv: &[f32], rows: usize) -> Vec<f32> {
    if rows == 0 {
        return Vec::new();
    }
    let pairs = q.chunks(q.len() / rows).zip(kv.chunks(kv.len() / rows));
    pairs.flat_map(|(q, kv)| [q, kv].concat()).collect()
}
