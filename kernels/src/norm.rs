//! Layer normalisation (Ba, Kiros & Hinton 2016) and RMS normalisation (Zhang & Sennrich 2019), alone
//! and after adding a branch to a stream; RMS normalisation of the heads of queries and keys.
//!
//! For a row x of D values with mean μ and variance σ² (divided by D), r = 1 / √(σ² + ε),
//! x̂ = (x − μ) r: y = x̂ ⊙ w + b.
//! Backward with g = dy ⊙ w: dx = r (g − mean(g) − x̂ mean(g ⊙ x̂)), dw = Σ_rows dy ⊙ x̂,
//! db = Σ_rows dy.
//! RMS normalisation is the same with 0 in place of μ and of mean(g), and no b; Gemma's gain is 1 + w.
//! Cost, for n rows: about 8·n·D FLOPs forward and 14·n·D backward, 5 and 11 without means; span
//! 2·⌈log₂ D⌉ and a few operations forward, ⌈log₂ D⌉ and a few to dx, ⌈log₂ n⌉ to dw and db.

mod heads;

#[cfg(test)]
mod tests;

use super::cost::{self, Cost, Id, Phase, levels};
use super::parallel::{self, Shared, add_in_order, filled};
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, Tape, matrix, read};
use dfdx::prelude::*;
pub use heads::{HeadNorm, head_norm};
use std::borrow::Cow;

/// Rows that a thread takes at a time and whose weight gradients are summed together first.
const ROWS: usize = 64;

/// Layer norm of every row: x (n, D), weight and bias (1, D) → (n, D). Panics if widths differ.
pub fn layer_norm(x: Activation, weight: &Matrix, bias: &Matrix, eps: f32) -> Activation {
    alone(x, Gain::layer(weight, bias), eps)
}

/// RMS norm of every row: x (n, D), weight (1, D) → (n, D), its gain `offset` + weight: an offset of 1
/// is Gemma's, 0 everybody else's. Panics if widths differ.
pub fn rms_norm(x: Activation, weight: &Matrix, offset: f32, eps: f32) -> Activation {
    alone(x, Gain::rms(weight, offset), eps)
}

fn alone(x: Activation, gain: Gain, eps: f32) -> Activation {
    let (x, tape) = x.split_tape();
    let dx = [Slot::of(&x)];
    normalise(x, None, dx, tape, gain, eps).1
}

/// What a row is multiplied by and added to after it has been brought to one size.
#[derive(Clone, Copy)]
struct Gain<'a> {
    weight: &'a Matrix,
    offset: f32,
    /// Of layer norm, which takes the mean away too.
    bias: Option<&'a Matrix>,
}

impl<'a> Gain<'a> {
    fn layer(weight: &'a Matrix, bias: &'a Matrix) -> Self {
        Gain {
            weight,
            offset: 0.0,
            bias: Some(bias),
        }
    }

    fn rms(weight: &'a Matrix, offset: f32) -> Self {
        Gain {
            weight,
            offset,
            bias: None,
        }
    }
}

/// The weights with the offset added, which is nearly always 0.
fn gains(weight: &Matrix, offset: f32) -> Cow<'_, [f32]> {
    let weight = read(weight);
    match offset == 0.0 {
        true => weight,
        false => weight.iter().map(|w| offset + w).collect(),
    }
}

/// sum = stream + branch, and the layer norm of it: stream and branch (n, D) → both (n, D).
///
/// Gradients flow to stream, branch, weight and bias, from the norm and from every later use of
/// the returned sum. Panics if shapes differ.
pub fn add_layer_norm(
    stream: Matrix,
    branch: Activation,
    weight: &Matrix,
    bias: &Matrix,
    eps: f32,
) -> (Matrix, Activation) {
    after_adding(
        "add_layer_norm",
        stream,
        branch,
        Gain::layer(weight, bias),
        eps,
    )
}

/// The same with the RMS norm of the sum; `offset` as in [`rms_norm`].
pub fn add_rms_norm(
    stream: Matrix,
    branch: Activation,
    weight: &Matrix,
    offset: f32,
    eps: f32,
) -> (Matrix, Activation) {
    after_adding(
        "add_rms_norm",
        stream,
        branch,
        Gain::rms(weight, offset),
        eps,
    )
}

fn after_adding(
    name: &str,
    stream: Matrix,
    branch: Activation,
    gain: Gain,
    eps: f32,
) -> (Matrix, Activation) {
    let (branch, tape) = branch.split_tape();
    assert_eq!(
        branch.shape(),
        stream.shape(),
        "{name}: stream and branch differ in shape"
    );
    let dx = [Slot::of(&stream), Slot::of(&branch)];
    normalise(stream, Some(branch), dx, tape, gain, eps)
}

/// The sum of `x` and, if there is one, `branch`; and its norm, whose gradient, and that of the
/// sum's later uses, goes to all of `dx`.
fn normalise<const N: usize>(
    x: Matrix,
    branch: Option<Matrix>,
    dx: [Slot; N],
    mut tape: Tape,
    gain: Gain,
    eps: f32,
) -> (Matrix, Activation) {
    let (n, d) = *x.shape();
    let Gain {
        weight,
        offset,
        bias,
    } = gain;
    let (w, b) = (gains(weight, offset), bias.map(read));
    assert!(
        w.len() == d && b.as_ref().is_none_or(|b| b.len() == d),
        "norm: weight or bias is not (1, {d})"
    );
    let (name, backward_name) = match bias {
        Some(_) => ("layer_norm", "layer_norm.backward"),
        None => ("rms_norm", "rms_norm.backward"),
    };
    // Operations a value, forward and to dx: means are 3 and 2 of them.
    let (forward_flops, dx_flops) = match bias {
        Some(_) => (8.0, 10.0),
        None => (5.0, 8.0),
    };
    let level = level();
    let pieces = n.div_ceil(ROWS);
    let range = move |piece: usize, width: usize| {
        let rows = parallel::piece(n, ROWS, piece);
        rows.start * width..rows.end * width
    };
    // Mean and 1/√(variance + ε) of each row.
    let mut moments = vec![0.0; 2 * n];
    let shared = Shared::new(&mut moments);
    let norm = |i: usize, x: &[f32], y: Shared<f32>| {
        // SAFETY: pieces do not overlap.
        let (y, moments) = unsafe { (y.slice(range(i, d)), shared.slice(range(i, 2))) };
        dispatch_at(
            level,
            Forward {
                x,
                w: &w,
                b: b.as_deref(),
                eps,
                y,
                moments,
            },
        );
    };
    let (xs, read_id) = (read(&x), Id::value(&x));
    // SAFETY: pieces do not overlap, and each writes all its rows.
    let (sum, y) = unsafe {
        if let Some(branch) = &branch {
            let branch = read(branch);
            let mut y = Vec::new();
            let sum = filled(n * d, |sum| {
                y = filled(n * d, |y| {
                    parallel::for_each(pieces, |i| {
                        let sum = sum.slice(range(i, d));
                        dispatch_at(level, Add(&xs[range(i, d)], &branch[range(i, d)], sum));
                        norm(i, sum, y);
                    });
                });
            });
            (Some(sum), y)
        } else {
            let norm_only = |y| parallel::for_each(pieces, |i| norm(i, &xs[range(i, d)], y));
            (None, filled(n * d, norm_only))
        }
    };
    drop(xs);
    let sum = sum.map_or(x, |sum| matrix(sum, n, d));
    let cells = (n * d) as f64;
    let y = matrix(y, n, d);
    cost::report(|| {
        let mut reads = vec![read_id, Id::value(weight)];
        reads.extend(bias.map(Id::value));
        reads.extend(branch.as_ref().map(Id::value));
        let mut writes = vec![Id::value(&y)];
        writes.extend(branch.as_ref().map(|_| Id::value(&sum)));
        let bytes = if N == 1 { 8.0 } else { 16.0 } * cells;
        // Sum of the branch; mean; differences, squares and their mean; root and reciprocal, x̂, w
        // and b.
        let span = (N - 1) as f64 + 2.0 * levels(d) + 10.0;
        let phase = Phase::new((forward_flops + (N - 1) as f64) * cells, span);
        let cost = Cost::new(name, forward_flops * cells, bytes, phase);
        cost.reading(reads).writing(writes)
    });

    let (dy, dw, db) = (Output::of(&y), Slot::of(weight), bias.map(Slot::of));
    // Without a branch the sum is x itself, whose later uses reach it without this operation.
    let dsum = branch.map(|_| Output::of(&sum));
    let (saved, weight) = (sum.clone(), weight.clone());
    tape.record(move |g| {
        let mut reads = vec![dy.id(), Id::value(&saved), Id::value(&weight)];
        let (dy, x, w) = (dy.take(g), read(&saved), gains(&weight, offset));
        reads.extend(dsum.as_ref().map(Output::id));
        let dsum = dsum.and_then(|s| s.arrived(g));
        let mut targets = dx.each_ref().map(|slot| slot.open(g));
        let shared = targets.each_mut().map(|t| (t.shared(), t.is_first));
        let has_mean = db.is_some();
        let sums = parallel::map(pieces, |i| {
            let mut sums = vec![0.0; 2 * d];
            // SAFETY: pieces do not overlap; the targets are different tensors' gradients.
            let dx = shared.map(|(t, is_first)| unsafe { (t.slice(range(i, d)), is_first) });
            let kernel = Backward {
                x: &x[range(i, d)],
                dy: &dy[range(i, d)],
                dsum: dsum.as_ref().map(|s| &s[range(i, d)]),
                moments: &moments[range(i, 2)],
                w: &w,
                has_mean,
                dx,
                sums: &mut sums,
            };
            dispatch_at(level, kernel);
            sums
        });
        for (slot, target) in dx.iter().zip(targets) {
            // SAFETY: every row belongs to a piece.
            unsafe { slot.close(g, target) };
        }
        drop(dsum);
        let added = shared.iter().zip(&dx).filter(|((_, first), _)| !first);
        cost::report(|| {
            let bytes = if N == 1 { 16.0 } else { 28.0 } * cells;
            // x̂ and g, their means, and what is made of them.
            let phase = Phase::new(dx_flops * cells, levels(d) + 10.0);
            let cost = Cost::new(backward_name, dx_flops * cells, bytes, phase);
            let cost = cost
                .reading(reads.clone())
                .reading(added.map(|(_, s)| s.id()));
            cost.writing(dx.iter().map(Slot::id))
        });
        let (for_w, for_b): (Vec<_>, Vec<_>) = sums
            .into_iter()
            .map(|s| (s[..d].to_vec(), s[d..].to_vec()))
            .unzip();
        dw.add(g, |dw| add_in_order(dw, &for_w));
        if let Some(db) = &db {
            db.add(g, |db| add_in_order(db, &for_b));
        }
        cost::report(|| {
            let flops = if db.is_some() { 4.0 } else { 3.0 } * cells;
            let phase = Phase::new(flops, 3.0 + levels(n + 1));
            let cost = Cost::new(backward_name, flops, 0.0, phase);
            let sums = [Some(dw.id()), db.as_ref().map(Slot::id)];
            let sums = || sums.into_iter().flatten();
            cost.reading(reads).reading(sums()).writing(sums())
        });
    });
    (sum, y.put_tape(tape))
}

/// The third ← the sum of the first two, of equal lengths.
struct Add<'a>(&'a [f32], &'a [f32], &'a mut [f32]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.2.len()).step_by(LANES) {
            s.write_at(self.2, j, s.add(s.read_at(self.0, j), s.read_at(self.1, j)));
        }
    }
}

pub(super) struct Forward<'a> {
    pub x: &'a [f32],
    pub w: &'a [f32],
    /// Of layer norm; without it the mean stays.
    pub b: Option<&'a [f32]>,
    pub eps: f32,
    pub y: &'a mut [f32],
    /// (mean, 1/√(variance + ε)) of each row.
    pub moments: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.w.len();
        if d == 0 {
            return;
        }
        let rows = self.x.chunks_exact(d).zip(self.y.chunks_exact_mut(d));
        for ((x, y), moments) in rows.zip(self.moments.chunks_exact_mut(2)) {
            let mut mean = 0.0;
            if self.b.is_some() {
                let mut sum = s.zero();
                for j in (0..d).step_by(LANES) {
                    sum = s.add(sum, s.read_at(x, j));
                }
                mean = s.sum(sum) / d as f32;
            }
            let m = s.splat(mean);
            let mut squares = s.zero();
            let whole = d - d % LANES;
            for j in (0..whole).step_by(LANES) {
                let c = s.sub(s.read_at(x, j), m);
                squares = s.fma(c, c, squares);
            }
            let mut square = s.sum(squares);
            for x in &x[whole..] {
                square += (x - mean) * (x - mean);
            }
            let r = 1.0 / (square / d as f32 + self.eps).sqrt();
            let rs = s.splat(r);
            match self.b {
                Some(b) => {
                    for j in (0..d).step_by(LANES) {
                        let hat = s.mul(s.sub(s.read_at(x, j), m), rs);
                        s.write_at(y, j, s.fma(hat, s.read_at(self.w, j), s.read_at(b, j)));
                    }
                }
                None => {
                    for j in (0..d).step_by(LANES) {
                        let hat = s.mul(s.read_at(x, j), rs);
                        s.write_at(y, j, s.mul(hat, s.read_at(self.w, j)));
                    }
                }
            }
            moments.copy_from_slice(&[mean, r]);
        }
    }
}

struct Backward<'a, const N: usize> {
    x: &'a [f32],
    dy: &'a [f32],
    dsum: Option<&'a [f32]>,
    moments: &'a [f32],
    w: &'a [f32],
    /// Whether a row's mean was taken away.
    has_mean: bool,
    /// Gradients to write, or to add to if they are not the first.
    dx: [(&'a mut [f32], bool); N],
    /// dw, then db, of these rows.
    sums: &'a mut [f32],
}

impl<const N: usize> Kernel for Backward<'_, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let d = self.w.len();
        let (dw, db) = self.sums.split_at_mut(d);
        for (i, moments) in self.moments.chunks_exact(2).enumerate() {
            let (x, dy) = (&self.x[i * d..][..d], &self.dy[i * d..][..d]);
            let dsum = self.dsum.map(|t| &t[i * d..][..d]);
            let (mean, r) = (s.splat(moments[0]), s.splat(moments[1]));
            let (mut sum_g, mut sum_gx) = (s.zero(), s.zero());
            for j in (0..d).step_by(LANES) {
                let (dy, w) = (s.read_at(dy, j), s.read_at(self.w, j));
                // x̂ = (x − μ) r; past the end w and dy are 0, and so is what they make of it.
                let hat = s.mul(s.sub(s.read_at(x, j), mean), r);
                let g = s.mul(dy, w);
                sum_g = s.add(sum_g, g);
                sum_gx = s.fma(g, hat, sum_gx);
                s.write_at(dw, j, s.fma(dy, hat, s.read_at(dw, j)));
                s.write_at(db, j, s.add(dy, s.read_at(db, j)));
            }
            let mean_g = match self.has_mean {
                true => s.splat(s.sum(sum_g) / d as f32),
                false => s.zero(),
            };
            let mean_gx = s.splat(s.sum(sum_gx) / d as f32);
            for j in (0..d).step_by(LANES) {
                let hat = s.mul(s.sub(s.read_at(x, j), mean), r);
                let g = s.mul(s.read_at(dy, j), s.read_at(self.w, j));
                let mut dx = s.mul(r, s.fnma(hat, mean_gx, s.sub(g, mean_g)));
                if let Some(dsum) = dsum {
                    dx = s.add(dx, s.read_at(dsum, j));
                }
                for (target, is_first) in self.dx.iter_mut() {
                    let sum = if *is_first {
                        dx
                    } else {
                        s.add(s.read_at(target, i * d + j), dx)
                    };
                    // The vector may reach into the next row: write this row's part only.
                    s.write_at(&mut target[..(i + 1) * d], i * d + j, sum);
                }
            }
        }
    }
}
