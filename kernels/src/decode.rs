//! Steps of incremental decoding on plain slices: a token a sequence, no tape.
//!
//! The same formulas as [`linear`](super::linear()), [`layer_norm`](super::layer_norm()) and
//! [`attention`](super::attention()), laid out for few rows. Weights are packed once, in panels of
//! a register tile's width, and read once a step, in order: the sums run over vectors of outputs,
//! so that no vector is summed across its lanes.
//! Cost: 2·B·in·out FLOPs and 4·in·out bytes a linear map; 4·B·D FLOPs and 8·B·D bytes for every
//! token in the context, an attention.

mod attention;

pub use attention::{attention_step, cache_floats};

use super::cost::{self, Cost, Phase};
use super::gemm::{Packed, View, tile_shape};
use super::norm::Forward;
use super::parallel::{self, Shared, scratch};
use super::simd::{Kernel, Simd, dispatch_at, level};
use super::{Nonlinearity, math};

/// Work smaller than this many multiply-adds stays on one thread: it takes a few microseconds, and
/// starting others about one.
pub(super) const PARALLEL_FROM: usize = 1 << 17;

/// A linear map's weight, packed, and its bias.
pub struct PackedLinear {
    weight: Packed,
    bias: Vec<f32>,
}

impl PackedLinear {
    /// Copies and packs weight (out, `inputs`) and bias (out). Panics if the lengths do not fit.
    pub fn new(weight: &[f32], bias: &[f32], inputs: usize) -> Self {
        assert_eq!(
            weight.len(),
            bias.len() * inputs,
            "decode: a weight of {} values is not ({}, {inputs})",
            weight.len(),
            bias.len()
        );
        let weight = View::new(weight, inputs).transposed();
        PackedLinear {
            weight: Packed::kept(weight, inputs, bias.len()),
            bias: bias.to_vec(),
        }
    }

    /// `out` = f(x Wᵀ + b): x (B, in) → (B, out). Panics if x is not whole rows.
    pub fn apply(&self, x: &[f32], f: Nonlinearity, out: &mut Vec<f32>) {
        let (inputs, outputs) = (self.weight.k(), self.bias.len());
        let batch = x.len() / inputs;
        assert_eq!(
            batch * inputs,
            x.len(),
            "decode: {} values do not make rows of {inputs}",
            x.len()
        );
        out.resize(batch * outputs, 0.0);
        let shared = Shared::new(out);
        let panel = |i: usize| {
            let rows = Rows {
                x,
                weight: &self.weight,
                bias: &self.bias,
                f,
                out: shared,
                panel: i,
            };
            dispatch_at(self.weight.level(), rows);
        };
        let tile = tile_shape(self.weight.level());
        let panels = outputs.div_ceil(tile.lanes * tile.vectors);
        parallel::for_each_if(batch * inputs * outputs >= PARALLEL_FROM, panels, panel);
        let product = Phase::product(batch, inputs, outputs);
        let floats = x.len() + inputs * outputs + batch * outputs;
        cost::report(|| Cost::new("decode.linear", product.work, 4.0 * floats as f64, product));
    }
}

/// One panel of outputs of every row; `out` is (B, outputs).
struct Rows<'a> {
    x: &'a [f32],
    weight: &'a Packed,
    bias: &'a [f32],
    f: Nonlinearity,
    out: Shared<f32>,
    panel: usize,
}

impl Kernel for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let batch = self.x.len() / self.weight.k();
        let width = S::LANES * S::TILE_VECTORS;
        let vectors = (self.bias.len() - self.panel * width)
            .min(width)
            .div_ceil(S::LANES);
        let mut row = 0;
        while row < batch {
            let rows = if batch - row >= 4 { 4 } else { 1 };
            let mut sums = [[s.zero(); 4]; 4];
            match (rows, vectors) {
                (4, 4) if S::TILE_VECTORS >= 4 => self.tile::<S, 4, 4, 1>(s, row, &mut sums),
                (4, 3) if S::TILE_VECTORS >= 4 => self.tile::<S, 4, 3, 1>(s, row, &mut sums),
                (4, 2) => self.tile::<S, 4, 2, 1>(s, row, &mut sums),
                (4, _) => self.tile::<S, 4, 1, 2>(s, row, &mut sums),
                (_, 4) if S::TILE_VECTORS >= 4 => self.tile::<S, 1, 4, 4>(s, row, &mut sums),
                (_, 3) if S::TILE_VECTORS >= 4 => self.tile::<S, 1, 3, 4>(s, row, &mut sums),
                (_, 2) => self.tile::<S, 1, 2, 4>(s, row, &mut sums),
                _ => self.tile::<S, 1, 1, 8>(s, row, &mut sums),
            }
            for (r, sums) in sums[..rows].iter().enumerate() {
                for (v, &sum) in sums[..vectors].iter().enumerate() {
                    self.finish(s, row + r, v, sum);
                }
            }
            row += rows;
        }
    }
}

impl Rows<'_> {
    /// Makes an output of the sum of vector `v` of a row.
    #[inline(always)]
    fn finish<S: Simd>(&self, s: S, row: usize, v: usize, sum: S::F32) {
        let column = (self.panel * S::TILE_VECTORS + v) * S::LANES;
        let z = s.add(sum, s.read_at(self.bias, column));
        let y = match self.f {
            Nonlinearity::Identity => z,
            Nonlinearity::Gelu => math::gelu(s, z),
        };
        let outputs = self.bias.len();
        let end = (column + S::LANES).min(outputs);
        // SAFETY: these outputs of this row belong to this panel alone.
        let out = unsafe { self.out.slice(row * outputs + column..row * outputs + end) };
        s.write_at(out, 0, y);
    }

    /// R rows of x times V vectors of outputs, in C chains each: one chain would wait for itself.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize, const C: usize>(
        &self,
        s: S,
        row: usize,
        out: &mut [[S::F32; 4]; 4],
    ) {
        let inputs = self.weight.k();
        let x = &self.x[row * inputs..(row + R) * inputs];
        let mut sums = [[[s.zero(); V]; R]; C];
        for (block, values) in self.weight.panel(self.panel) {
            assert!(values.len() >= block.len() * V * S::LANES);
            let whole = block.len() - block.len() % C;
            // SAFETY: k stays within the block, for which x and the panel have values.
            unsafe {
                let x = x.as_ptr().add(block.start);
                let row = |k: usize| values.as_ptr().add(k * V * S::LANES);
                for k in (0..whole).step_by(C) {
                    for chain in 0..C {
                        add_product(
                            s,
                            x.add(k + chain),
                            inputs,
                            row(k + chain),
                            &mut sums[chain],
                        );
                    }
                }
                for k in whole..block.len() {
                    add_product(s, x.add(k), inputs, row(k), &mut sums[k - whole]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                let mut sum = sums[0][r][v];
                for chain in 1..C {
                    sum = s.add(sum, sums[chain][r][v]);
                }
                out[r][v] = sum;
            }
        }
    }
}

/// sums += R values, `stride` floats apart from `x` on, times V vectors from `w` on.
/// # Safety
/// All of them can be read.
#[inline(always)]
pub(super) unsafe fn add_product<S: Simd, const R: usize, const V: usize>(
    s: S,
    x: *const f32,
    stride: usize,
    w: *const f32,
    sums: &mut [[S::F32; V]; R],
) {
    for v in 0..V {
        // SAFETY: by contract.
        unsafe {
            let w = s.load(w.add(v * S::LANES));
            for r in 0..R {
                sums[r][v] = s.fma(s.splat(*x.add(r * stride)), w, sums[r][v]);
            }
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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, matrix, values};
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
            (5, 20, 40),
            (4, 7, 20),
            (1, 513, 20),
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
                    PackedLinear::new(&w, &b, inputs).apply(&x, f, &mut out);
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
}
