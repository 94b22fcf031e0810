//! Steps of incremental decoding on plain slices: a token a sequence, no tape.
//!
//! The same formulas as [`linear`](super::linear()), [`layer_norm`](super::layer_norm()) and
//! [`attention`](super::attention()), laid out for few rows: every weight is read once, in order,
//! and multiplied with all rows while it is in a register.
//! Cost: 2·B·in·out FLOPs and 4·in·out bytes a linear map; 4·B·D FLOPs and 8·B·D bytes for every
//! token in the context, an attention.

use super::attention::{Rotary, bias, slopes};
use super::cost::{self, Cost};
use super::norm::Forward;
use super::parallel::{self, Shared, scratch};
use super::simd::{Kernel, Simd, dispatch_at, level};
use super::{Nonlinearity, math};

/// Work smaller than this many multiply-adds stays on one thread: starting others costs as much.
const PARALLEL_FROM: usize = 1 << 19;
/// Outputs that a thread takes at a time.
const OUTPUTS: usize = 64;

/// `out` = f(x Wᵀ + b): x (B, `inputs`), weight (out, `inputs`), bias (out) → (B, out).
/// Panics if the lengths do not fit.
pub fn linear(
    x: &[f32],
    inputs: usize,
    weight: &[f32],
    bias: Option<&[f32]>,
    f: Nonlinearity,
    out: &mut Vec<f32>,
) {
    let (batch, outputs) = (x.len() / inputs, weight.len() / inputs);
    assert!(
        batch * inputs == x.len() && outputs * inputs == weight.len(),
        "decode::linear: {} values and {} weights do not make rows of {inputs}",
        x.len(),
        weight.len()
    );
    assert!(
        bias.is_none_or(|b| b.len() == outputs),
        "decode::linear: bias is not ({outputs})"
    );
    out.resize(batch * outputs, 0.0);
    let (level, shared) = (level(), Shared::new(out));
    let part = |i: usize| {
        let range = parallel::piece(outputs, OUTPUTS, i);
        let weight = &weight[range.start * inputs..range.end * inputs];
        let bias = bias.map(|b| &b[range.clone()]);
        let first = range.start;
        dispatch_at(
            level,
            Linear {
                x,
                inputs,
                weight,
                bias,
                f,
                out: shared,
                first,
                outputs,
            },
        );
    };
    let pieces = outputs.div_ceil(OUTPUTS);
    if batch * inputs * outputs < PARALLEL_FROM {
        (0..pieces).for_each(part);
    } else {
        parallel::for_each(pieces, part);
    }
    cost::report(|| Cost {
        name: "decode.linear",
        flops: 2.0 * (batch * inputs * outputs) as f64,
        bytes: 4.0 * (x.len() + weight.len() + batch * outputs) as f64,
        span: 2.0 * inputs as f64,
    });
}

/// Some outputs of every row; `out` is (B, `outputs`), these begin at `first`.
struct Linear<'a> {
    x: &'a [f32],
    inputs: usize,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    f: Nonlinearity,
    out: Shared<f32>,
    first: usize,
    outputs: usize,
}

impl Kernel for Linear<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let count = self.weight.len() / self.inputs;
        let batch = self.x.len() / self.inputs;
        // Sums of one row's outputs, rounded up to whole vectors.
        let mut sums = [0.0f32; OUTPUTS + 16];
        let mut b = 0;
        while b < batch {
            let rows = if batch - b >= 4 { 4 } else { 1 };
            let mut all = [[0.0f32; OUTPUTS]; 4];
            let mut o = 0;
            while o < count {
                let outputs = if count - o >= 4 { 4 } else { 1 };
                match (rows, outputs) {
                    (4, 4) => self.dots::<S, 4, 4>(s, b, o, &mut all),
                    (4, _) => self.dots::<S, 4, 1>(s, b, o, &mut all),
                    (_, 4) => self.dots::<S, 1, 4>(s, b, o, &mut all),
                    _ => self.dots::<S, 1, 1>(s, b, o, &mut all),
                }
                o += outputs;
            }
            for (r, all) in all.iter().enumerate().take(rows) {
                sums[..count].copy_from_slice(&all[..count]);
                let start = (b + r) * self.outputs + self.first;
                // SAFETY: these outputs of this row belong to this piece alone.
                let out = unsafe { self.out.slice(start..start + count) };
                for j in (0..count).step_by(S::LANES) {
                    let z = s.read_at(&sums, j);
                    let z = match self.bias {
                        Some(bias) => s.add(z, s.read_at(bias, j)),
                        None => z,
                    };
                    let y = match self.f {
                        Nonlinearity::Identity => z,
                        Nonlinearity::Gelu => math::gelu(s, z),
                    };
                    s.write_at(out, j, y);
                }
            }
            b += rows;
        }
    }
}

impl Linear<'_> {
    /// R rows of x times C rows of the weight, summed along both.
    #[inline(always)]
    fn dots<S: Simd, const R: usize, const C: usize>(
        &self,
        s: S,
        b: usize,
        o: usize,
        all: &mut [[f32; OUTPUTS]; 4],
    ) {
        let n = self.inputs;
        let x = &self.x[b * n..(b + R) * n];
        let w = &self.weight[o * n..(o + C) * n];
        let mut sums = [[s.zero(); C]; R];
        let whole = n - n % S::LANES;
        for j in (0..n).step_by(S::LANES) {
            let count = if j < whole { S::LANES } else { n - whole };
            for c in 0..C {
                // SAFETY: `count` floats from column j on lie within each row of both slices.
                unsafe {
                    let w = read(s, w.as_ptr().add(c * n + j), count);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        sums[c] = s.fma(read(s, x.as_ptr().add(r * n + j), count), w, sums[c]);
                    }
                }
            }
        }
        for (all, sums) in all.iter_mut().zip(sums) {
            for (c, sum) in sums.into_iter().enumerate() {
                all[o + c] = s.sum(sum);
            }
        }
    }
}

/// # Safety
/// `p` is valid for `count` ≤ LANES reads.
#[inline(always)]
unsafe fn read<S: Simd>(s: S, p: *const f32, count: usize) -> S::F32 {
    // SAFETY: by contract.
    unsafe {
        if count == S::LANES {
            s.load(p)
        } else {
            s.load_first(p, count)
        }
    }
}

/// `out` = layer norm of each row of x (B, D) with weight and bias (D).
/// Panics if the lengths do not fit.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut Vec<f32>) {
    let d = weight.len();
    assert!(
        d > 0 && bias.len() == d && x.len().is_multiple_of(d),
        "decode::layer_norm: {} values, {d} weights, {} biases",
        x.len(),
        bias.len()
    );
    out.resize(x.len(), 0.0);
    let mut moments = scratch(2 * x.len() / d);
    let kernel = Forward {
        x,
        w: weight,
        b: bias,
        eps,
        y: out,
        moments: &mut moments,
    };
    dispatch_at(level(), kernel);
}

/// One token's causal attention in one layer: qkv (B, 3D) of the token at `position`; appends its
/// key and value to `cache`, (position, B, 2D); writes (B, D) to `out`.
/// Panics if the lengths do not fit.
#[allow(clippy::too_many_arguments)]
pub fn attention_step(
    qkv: &[f32],
    batch: usize,
    heads: usize,
    rotary: bool,
    alibi: bool,
    position: usize,
    cache: &mut Vec<f32>,
    out: &mut Vec<f32>,
) {
    let width = qkv.len() / (3 * batch);
    let dh = width / heads;
    assert!(
        qkv.len() == 3 * batch * heads * dh && cache.len() == position * batch * 2 * width,
        "decode::attention_step: {} values for {batch} sequences and {heads} heads, {} cached at \
         position {position}",
        qkv.len(),
        cache.len()
    );
    let table = rotary.then(|| Rotary::cached(dh, position + 1));
    let mut q = scratch(batch * width);
    for (row, q) in qkv.chunks_exact(3 * width).zip(q.chunks_exact_mut(width)) {
        let start = cache.len();
        cache.extend_from_slice(&row[width..]);
        q.copy_from_slice(&row[..width]);
        if let Some(table) = &table {
            for h in 0..heads {
                table.turn(&mut q[h * dh..(h + 1) * dh], position);
                table.turn(&mut cache[start + h * dh..][..dh], position);
            }
        }
    }
    out.resize(batch * width, 0.0);
    let (level, shared, cache, q) = (level(), Shared::new(out), &cache[..], &q[..]);
    let tokens = position + 1;
    let slopes = alibi.then(|| slopes(heads));
    let head = |i: usize| {
        let own = i * dh..(i + 1) * dh;
        let (b, h) = (i / heads, i % heads);
        // SAFETY: one head's part of one row.
        let out = unsafe { shared.slice(own.clone()) };
        let keys = &cache[b * 2 * width + h * dh..];
        dispatch_at(
            level,
            Head {
                q: &q[own],
                keys,
                stride: batch * 2 * width,
                width,
                tokens,
                slope: slopes.as_ref().map(|slopes| slopes[h]),
                out,
            },
        );
    };
    if batch * width * tokens < PARALLEL_FROM {
        (0..batch * heads).for_each(head);
    } else {
        parallel::for_each(batch * heads, head);
    }
    let pairs = (batch * width * tokens) as f64;
    cost::report(|| Cost {
        name: "decode.attention",
        flops: 4.0 * pairs,
        bytes: 8.0 * pairs,
        span: 4.0 * tokens as f64,
    });
}

/// One head of one sequence: key t at `t * stride` of `keys`, its value `width` further.
struct Head<'a> {
    q: &'a [f32],
    keys: &'a [f32],
    stride: usize,
    width: usize,
    tokens: usize,
    /// With ALiBi.
    slope: Option<f32>,
    out: &'a mut [f32],
}

impl Kernel for Head<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let dh = self.q.len();
        let scale = 1.0 / (dh as f32).sqrt();
        let mut scores = scratch(self.tokens.next_multiple_of(S::LANES));
        for (t, score) in scores[..self.tokens].iter_mut().enumerate() {
            let key = &self.keys[t * self.stride..][..dh];
            let mut sum = s.zero();
            for j in (0..dh).step_by(S::LANES) {
                sum = s.fma(s.read_at(self.q, j), s.read_at(key, j), sum);
            }
            *score = s.sum(sum) * scale;
        }
        if let Some(slope) = self.slope {
            let position = self.tokens - 1;
            bias(S::LEVEL, &mut scores[..self.tokens], slope, position, 0);
        }
        // Past the last token e^−∞ = 0.
        scores[self.tokens..].fill(f32::NEG_INFINITY);
        let mut top = s.splat(f32::NEG_INFINITY);
        for j in (0..self.tokens).step_by(S::LANES) {
            top = s.max(top, s.read_at(&scores, j));
        }
        let top = s.splat(s.largest(top));
        let mut sums = s.zero();
        for j in (0..self.tokens).step_by(S::LANES) {
            let e = math::exp(s, s.sub(s.read_at(&scores, j), top));
            sums = s.add(sums, e);
            s.write_at(&mut scores, j, e);
        }
        let norm = s.splat(1.0 / s.sum(sums));
        // Four vectors of the output at a time stay in registers over all tokens.
        for first in (0..dh).step_by(4 * S::LANES) {
            let part = &mut self.out[first..dh.min(first + 4 * S::LANES)];
            let mut sums = [s.zero(); 4];
            for (t, &p) in scores[..self.tokens].iter().enumerate() {
                let value = &self.keys[t * self.stride + self.width + first..][..part.len()];
                let p = s.splat(p);
                for (v, sum) in sums.iter_mut().enumerate() {
                    if v * S::LANES < part.len() {
                        *sum = s.fma(p, s.read_at(value, v * S::LANES), *sum);
                    }
                }
            }
            for (v, sum) in sums.into_iter().enumerate() {
                if v * S::LANES < part.len() {
                    s.write_at(part, v * S::LANES, s.mul(sum, norm));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{AttentionShape, Tape, attention, matrix, values};
    use super::*;
    use dfdx::prelude::PutTape;

    #[test]
    fn linear_equals_the_operation() {
        for (batch, inputs, outputs) in [
            (1, 1, 1),
            (1, 33, 7),
            (3, 5, 66),
            (9, 64, 130),
            (2, 300, 1000),
        ] {
            for f in [Nonlinearity::Identity, Nonlinearity::Gelu] {
                let (x, w, b) = (
                    noise(batch * inputs, 1),
                    noise(outputs * inputs, 2),
                    noise(outputs, 3),
                );
                let xm = matrix(x.clone(), batch, inputs).put_tape(Tape::Off);
                let wm = matrix(w.clone(), outputs, inputs);
                let with = super::super::linear(xm, &wm, Some(&matrix(b.clone(), 1, outputs)), f);
                for (level, got) in at_every_level(|| {
                    let mut out = vec![7.0; 3];
                    linear(&x, inputs, &w, Some(&b), f, &mut out);
                    vec![out]
                }) {
                    let name = format!("{batch} {inputs} {outputs} {f:?} {level:?}");
                    assert_close(&name, &got[0], &values(&with), 3e-6);
                }
            }
        }
    }

    #[test]
    fn layer_norm_equals_the_operation() {
        for (batch, d) in [(1, 1), (3, 17), (2, 64)] {
            let (x, w, b) = (noise(batch * d, 1), noise(d, 2), noise(d, 3));
            let want = super::super::layer_norm(
                matrix(x.clone(), batch, d).put_tape(Tape::Off),
                &matrix(w.clone(), 1, d),
                &matrix(b.clone(), 1, d),
                1e-5,
            );
            let mut out = Vec::new();
            layer_norm(&x, &w, &b, 1e-5, &mut out);
            assert_eq!(out, values(&want));
        }
    }

    #[test]
    fn attention_step_by_step_equals_the_whole_sequence() {
        for (batch, seq_len, heads, dh) in [
            (1, 1, 1, 1),
            (2, 9, 3, 5),
            (3, 40, 2, 16),
            (1, 70, 1, 64),
            (1, 20, 2, 129),
        ] {
            for (rotary, alibi) in [(false, false), (true, false), (false, true)] {
                let (n, d) = (batch * seq_len, heads * dh);
                let x = noise(n * 3 * d, 1);
                let shape = AttentionShape {
                    batch,
                    seq_len,
                    heads,
                    causal: true,
                    rotary,
                    alibi,
                };
                let qkv = matrix(x.clone(), n, 3 * d).put_tape(Tape::Off);
                let want = values(&attention(qkv, shape));
                for (level, got) in at_every_level(|| {
                    let (mut cache, mut out) = (Vec::new(), Vec::new());
                    let mut all = vec![0.0; n * d];
                    for t in 0..seq_len {
                        let rows =
                            (0..batch).flat_map(|b| &x[(b * seq_len + t) * 3 * d..][..3 * d]);
                        let token: Vec<f32> = rows.copied().collect();
                        attention_step(
                            &token, batch, heads, rotary, alibi, t, &mut cache, &mut out,
                        );
                        for b in 0..batch {
                            all[(b * seq_len + t) * d..][..d].copy_from_slice(&out[b * d..][..d]);
                        }
                    }
                    vec![all]
                }) {
                    let name = format!("{batch} {seq_len} {heads} {dh} {rotary} {alibi} {level:?}");
                    assert_close(&name, &got[0], &want, 3e-6);
                }
            }
        }
    }
}
