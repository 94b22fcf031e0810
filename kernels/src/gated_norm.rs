//! RMS normalisation of every head, times a gate: what follows the state of (Gated) DeltaNet, Mamba-2 and
//! RetNet (`RMSNormGated` of Qwen3-Next).
//!
//! For each head of dv values o of a row, r = 1 / √(mean(o²) + ε), ô = o r: y = ô ⊙ w ⊙ SiLU(z), the
//! weight shared by all heads.
//! Backward with g = dy ⊙ SiLU(z): dz = dy ⊙ ô ⊙ w ⊙ SiLU′(z); do = r (g ⊙ w − ô mean(g ⊙ w ⊙ ô)),
//! dw = Σ g ⊙ ô over rows and heads.
//! Cost, for n values: about 7·n FLOPs forward and 16·n backward; span ⌈log₂ dv⌉ and a few operations to y,
//! dz and do, ⌈log₂ (rows and heads)⌉ to dw.

#[cfg(test)]
mod tests;

use super::cost::{self, Cost, Id, Phase, levels};
use super::parallel::{self, Shared, add_in_order, filled};
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, math, matrix, read};
use dfdx::prelude::*;

/// Rows that a thread takes at a time and whose weight gradients are summed together first.
const ROWS: usize = 64;

/// The RMS norm of every head of o (n, H·dv), times the weight (1, dv), times SiLU(z), z (n, H·dv) →
/// (n, H·dv). Gradients flow to o, z and the weight. Panics if shapes disagree, or if o and z are one tensor.
pub fn gated_rms_norm(o: Activation, z: Matrix, weight: &Matrix, eps: f32) -> Activation {
    let (o, mut tape) = o.split_tape();
    let ((n, columns), (one, dv)) = (*o.shape(), *weight.shape());
    assert!(
        *z.shape() == (n, columns) && one == 1 && dv > 0 && columns.is_multiple_of(dv),
        "gated_rms_norm: o ({n}, {columns}), z {:?}, weight ({one}, {dv})",
        z.shape()
    );
    assert!(
        Id::value(&o) != Id::value(&z) || o.shape().num_elements() == 0,
        "gated_rms_norm: o and z are one tensor"
    );
    let (level, pieces, heads) = (level(), n.div_ceil(ROWS), columns / dv);
    let range = move |piece: usize, width: usize| {
        let rows = parallel::piece(n, ROWS, piece);
        rows.start * width..rows.end * width
    };
    let mut scales = vec![0.0; n * heads];
    let shared = Shared::new(&mut scales);
    let (of_o, of_z, w) = (read(&o), read(&z), read(weight));
    // SAFETY: pieces do not overlap, and each writes all its rows.
    let y = unsafe {
        filled(n * columns, |y| {
            parallel::for_each(pieces, |i| {
                let forward = Forward {
                    o: &of_o[range(i, columns)],
                    z: &of_z[range(i, columns)],
                    w: &w,
                    eps,
                    y: y.slice(range(i, columns)),
                    scales: shared.slice(range(i, heads)),
                };
                dispatch_at(level, forward);
            });
        })
    };
    drop((of_o, of_z, w));
    let y = matrix(y, n, columns);
    let cells = (n * columns) as f64;
    let reads = [&o, &z, weight].map(Id::value);
    cost::report(|| {
        let phase = Phase::new(7.0 * cells, levels(dv) + 9.0);
        let cost = Cost::new("gated_rms_norm", 7.0 * cells, 12.0 * cells, phase);
        cost.reading(reads).writing([Id::value(&y)])
    });

    let (dy, d_o, dz, dw) = (Output::of(&y), Slot::of(&o), Slot::of(&z), Slot::of(weight));
    let weight = weight.clone();
    tape.record(move |g| {
        let dy_id = dy.id();
        let (dy, of_o, of_z, w) = (dy.take(g), read(&o), read(&z), read(&weight));
        let mut targets = [&d_o, &dz].map(|slot| slot.open(g));
        let shared = targets.each_mut().map(|t| (t.shared(), t.is_first));
        let sums = parallel::map(pieces, |i| {
            let mut dw = vec![0.0; dv];
            let backward = Backward {
                o: &of_o[range(i, columns)],
                z: &of_z[range(i, columns)],
                w: &w,
                scales: &scales[range(i, heads)],
                dy: &dy[range(i, columns)],
                // SAFETY: pieces do not overlap; the targets are different tensors' gradients.
                to: shared.map(|(to, first)| unsafe { (to.slice(range(i, columns)), first) }),
                dw: &mut dw,
            };
            dispatch_at(level, backward);
            dw
        });
        for (slot, target) in [&d_o, &dz].into_iter().zip(targets) {
            // SAFETY: every row belongs to a piece.
            unsafe { slot.close(g, target) };
        }
        dw.add(g, |dw| add_in_order(dw, &sums));
        let slots = [&d_o, &dz].into_iter().zip(shared);
        let added = slots.filter(|(_, (_, first))| !first);
        let added = added.map(|(slot, _)| slot.id());
        cost::report(|| {
            let phase = Phase::new(13.0 * cells, levels(dv) + 12.0);
            let cost = Cost::new("gated_rms_norm.backward", 13.0 * cells, 20.0 * cells, phase);
            let cost = cost.reading(reads).reading([dy_id]).reading(added);
            cost.writing([d_o.id(), dz.id()])
        });
        cost::report(|| {
            let phase = Phase::new(3.0 * cells, levels(n * heads + 1) + 3.0);
            let cost = Cost::new("gated_rms_norm.backward", 3.0 * cells, 0.0, phase);
            let cost = cost.reading(reads).reading([dy_id, dw.id()]);
            cost.writing([dw.id()])
        });
    });
    y.put_tape(tape)
}

/// [`gated_rms_norm`] on plain rows, for decoding: writes (n, H·dv) to `y`. Panics if lengths disagree.
pub fn gate_rms_norm(o: &[f32], z: &[f32], weight: &[f32], eps: f32, y: &mut Vec<f32>) {
    let dv = weight.len();
    assert!(
        dv > 0 && o.len() == z.len() && o.len().is_multiple_of(dv),
        "gated_rms_norm: {} and {} values, weight of {dv}",
        o.len(),
        z.len()
    );
    y.resize(o.len(), 0.0);
    let forward = Forward {
        o,
        z,
        w: weight,
        eps,
        y,
        scales: &mut vec![0.0; o.len() / dv],
    };
    dispatch_at(level(), forward);
}

/// Some heads: of o, z and y as many rows of dv as there are `scales`.
struct Forward<'a> {
    o: &'a [f32],
    z: &'a [f32],
    w: &'a [f32],
    eps: f32,
    y: &'a mut [f32],
    /// r of each, to be written.
    scales: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let dv = self.w.len();
        for (i, (y, scale)) in self.y.chunks_exact_mut(dv).zip(self.scales).enumerate() {
            let (o, z) = (&self.o[i * dv..][..dv], &self.z[i * dv..][..dv]);
            let mut squares = s.zero();
            for j in (0..dv).step_by(LANES) {
                let o = s.read_at(o, j);
                squares = s.fma(o, o, squares);
            }
            *scale = 1.0 / (s.sum(squares) / dv as f32 + self.eps).sqrt();
            let r = s.splat(*scale);
            for j in (0..dv).step_by(LANES) {
                let normed = s.mul(s.mul(s.read_at(o, j), r), s.read_at(self.w, j));
                let (gate, _) = math::silu_and_derivative(s, s.read_at(z, j));
                s.write_at(y, j, s.mul(normed, gate));
            }
        }
    }
}

struct Backward<'a> {
    o: &'a [f32],
    z: &'a [f32],
    w: &'a [f32],
    scales: &'a [f32],
    dy: &'a [f32],
    /// do and dz: to write, or to add to if they are not the first.
    to: [(&'a mut [f32], bool); 2],
    /// (dv), to be added to.
    dw: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let dv = self.w.len();
        for (i, scale) in self.scales.iter().enumerate() {
            let own = i * dv..(i + 1) * dv;
            let [o, z, dy] = [self.o, self.z, self.dy].map(|x| &x[own.clone()]);
            let [(d_o, o_first), (dz, z_first)] = &mut self.to;
            let (d_o, dz) = (&mut d_o[own.clone()], &mut dz[own]);
            let r = s.splat(*scale);
            let mut along = s.zero();
            for j in (0..dv).step_by(LANES) {
                // Past the end dy and w are 0, and so is what they make.
                let (dy, w, hat) = (
                    s.read_at(dy, j),
                    s.read_at(self.w, j),
                    s.mul(s.read_at(o, j), r),
                );
                let (gate, slope) = math::silu_and_derivative(s, s.read_at(z, j));
                let g = s.mul(dy, gate);
                along = s.fma(s.mul(g, w), hat, along);
                s.write_at(self.dw, j, s.fma(g, hat, s.read_at(self.dw, j)));
                let through = s.mul(s.mul(s.mul(dy, hat), w), slope);
                write(s, dz, j, through, *z_first);
            }
            let mean = s.splat(s.sum(along) / dv as f32);
            for j in (0..dv).step_by(LANES) {
                let hat = s.mul(s.read_at(o, j), r);
                let (gate, _) = math::silu_and_derivative(s, s.read_at(z, j));
                let g = s.mul(s.mul(s.read_at(dy, j), gate), s.read_at(self.w, j));
                write(s, d_o, j, s.mul(r, s.fnma(hat, mean, g)), *o_first);
            }
        }
    }
}

/// The row's lanes from j on: written, or added to if they are not the first.
#[inline(always)]
fn write<S: Simd>(s: S, row: &mut [f32], j: usize, d: S::F32, is_first: bool) {
    let sum = match is_first {
        true => d,
        false => s.add(s.read_at(row, j), d),
    };
    s.write_at(row, j, sum);
}
