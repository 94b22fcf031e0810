//! y = f(x Wᵀ + b), f the identity or GELU.
//!
//! With z = x Wᵀ + b and dz = dy ⊙ f′(z): dx = dz W, dW = dzᵀ x, db = Σ_rows dz.
//! Cost, for n rows: 2·n·in·out FLOPs forward, twice that backward; span 1 + ⌈log₂ in⌉ forward;
//! backward the two products do not wait for each other: 1 + ⌈log₂ out⌉ to dx, 1 + ⌈log₂ n⌉ to dW.

use super::cost::{self, Cost, Id, Phase};
use super::gemm::{Packed, Plain, Store, View, gemm, multiply_parallel};
use super::parallel::{self, Shared, filled, scratch};
use super::simd::{Kernel, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, math, matrix, read};
use dfdx::prelude::*;
use std::ops::Range;

/// What follows a linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Nothing.
    Identity,
    /// GELU, tanh form.
    Gelu,
}

/// Rows whose bias gradients are summed together before the sums of the pieces are.
const ROWS: usize = 64;
/// Rows of the backward pass that one thread takes, with a dW of their own: as many at least, in as
/// many parts at most. One core would otherwise read what the other has written.
const PART_ROWS: usize = 512;
const PARTS: usize = 8;
/// Rows that go through the whole backward pass together, one block of the sum over rows; a multiple
/// of [`ROWS`].
const SLAB: usize = 256;
/// Elements of dW whose parts are added at a time.
const SUM: usize = 4096;

/// f(x Wᵀ + b): x (n, in), weight (out, in), bias (1, out) → (n, out). Panics if shapes disagree.
pub fn linear(
    x: Activation,
    weight: &Matrix,
    bias: Option<&Matrix>,
    f: Nonlinearity,
) -> Activation {
    let (x, mut tape) = x.split_tape();
    let ((n, inputs), (outputs, width)) = (*x.shape(), *weight.shape());
    assert_eq!(
        inputs, width,
        "linear: x is ({n}, {inputs}), weight ({outputs}, {width})"
    );
    let (xs, w, b) = (read(&x), read(weight), bias.map(read));
    assert!(
        b.as_ref().is_none_or(|b| b.len() == outputs),
        "linear: bias is not (1, {outputs})"
    );

    let packed = Packed::new(View::new(&w, inputs).transposed(), inputs, outputs);
    let mut z = None;
    // SAFETY: the product stores every element of its (n, outputs).
    let y = unsafe {
        filled(n * outputs, |y| {
            let mut epilogue = Epilogue {
                y,
                z: None,
                bias: b.as_deref(),
                f,
                outputs,
            };
            if f == Nonlinearity::Gelu && tape.is_on() {
                z = Some(filled(n * outputs, |z| {
                    epilogue.z = Some(z);
                    multiply_parallel(View::new(&xs, inputs), &packed, n, &epilogue);
                }));
            } else {
                multiply_parallel(View::new(&xs, inputs), &packed, n, &epilogue);
            }
        })
    };
    drop((packed, xs, w, b));
    let (flops, sizes) = (
        2.0 * (n * inputs * outputs) as f64,
        n * inputs + inputs * outputs + n * outputs,
    );
    let y = matrix(y, n, outputs);
    let pointwise = f64::from(u8::from(bias.is_some()) + u8::from(f == Nonlinearity::Gelu));
    let mut reads = vec![Id::value(&x), Id::value(weight)];
    reads.extend(bias.map(Id::value));
    let y_id = Id::value(&y);
    cost::report(|| Cost {
        name: "linear",
        flops,
        bytes: 4.0 * sizes as f64,
        phases: vec![
            Phase::product(n, inputs, outputs),
            Phase::elementwise(n * outputs, pointwise),
        ],
        reads: reads.clone(),
        writes: vec![y_id],
    });

    let (dy, dx, dw) = (Output::of(&y), Slot::of(&x), Slot::of(weight));
    let db = bias.map(Slot::of);
    let weight = weight.clone();
    tape.record(move |g| {
        let (xs, w) = (read(&x), read(&weight));
        let dz_id = dy.id();
        let (mut dz, mut dw_sum, mut dx_sum) = (dy.take(g), dw.take(g), dx.open(g));
        let mut db_sum = db.as_ref().map(|db| db.take(g));
        let add = !dx_sum.is_first;
        let pass = Backward {
            inputs,
            outputs,
            x: &xs,
            z: z.as_deref(),
            dz: Shared::new(&mut dz),
            dx: dx_sum.shared(),
            add,
            weight: Packed::new(View::new(&w, inputs), outputs, inputs),
        };
        pass.run(n, &mut dw_sum, db_sum.as_deref_mut());
        drop(pass);
        dw.put(g, dw_sum);
        if let (Some(db), Some(sum)) = (&db, db_sum) {
            db.put(g, sum);
        }
        // SAFETY: the slabs' products have written all rows.
        unsafe { dx.close(g, dx_sum) };
        // The parts run slab by slab, and do not wait for each other more than this says.
        if z.is_some() {
            cost::report(|| Cost {
                name: "linear.backward",
                bytes: 12.0 * (n * outputs) as f64,
                phases: vec![Phase::elementwise(n * outputs, 2.0)],
                reads: vec![dz_id, y_id],
                writes: vec![dz_id],
                ..Cost::default()
            });
        }
        if let Some(db) = db {
            cost::report(|| Cost {
                name: "linear.backward",
                bytes: 4.0 * (n * outputs) as f64,
                phases: vec![Phase::sums(outputs, n + 1)],
                reads: vec![dz_id, db.id()],
                writes: vec![db.id()],
                ..Cost::default()
            });
        }
        let product = |product: Phase, reads: [Id; 3], writes: Id| Cost {
            name: "linear.backward",
            flops,
            bytes: 4.0 * sizes as f64,
            phases: vec![product],
            reads: reads.to_vec(),
            writes: vec![writes],
        };
        cost::report(|| {
            let by_rows = Phase::product(outputs, n, inputs);
            product(by_rows, [dz_id, reads[0], dw.id()], dw.id())
        });
        cost::report(|| {
            let by_outputs = Phase::product(n, outputs, inputs);
            let before = if add { dx.id() } else { Id::Unknown };
            product(by_outputs, [dz_id, reads[1], before], dx.id())
        });
    });
    y.put_tape(tape)
}

/// y = f(z + b), and z + b where it is kept for the backward pass.
struct Epilogue<'a> {
    y: Shared<f32>,
    z: Option<Shared<f32>>,
    bias: Option<&'a [f32]>,
    f: Nonlinearity,
    outputs: usize,
}

impl Store for Epilogue<'_> {
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, n: usize, z: S::F32) {
        let z = match self.bias {
            Some(b) => s.add(z, s.read_at(b, column)),
            None => z,
        };
        let at = row * self.outputs + column;
        // SAFETY: the elements are this call's own by contract.
        unsafe {
            let put = |p: Shared<f32>| p.pointer().add(at);
            if let Some(kept) = self.z {
                s.store_first(put(kept), n, z);
            }
            let y = match self.f {
                Nonlinearity::Identity => z,
                Nonlinearity::Gelu => math::gelu(s, z),
            };
            if n == S::LANES {
                s.store(put(self.y), y)
            } else {
                s.store_first(put(self.y), n, y)
            }
        }
    }
}

/// The backward pass: what its parts share.
struct Backward<'a> {
    inputs: usize,
    outputs: usize,
    x: &'a [f32],
    /// x Wᵀ + b, where f is not the identity.
    z: Option<&'a [f32]>,
    /// dy at first.
    dz: Shared<f32>,
    dx: Shared<f32>,
    /// Whether dx is added to.
    add: bool,
    weight: Packed,
}

impl Backward<'_> {
    /// Adds to dW (out, in) and db, and writes dx (n, in) or adds to it.
    fn run(&self, n: usize, dw: &mut [f32], db: Option<&mut [f32]>) {
        let parts = (n / PART_ROWS).clamp(1, PARTS);
        let rows = n.div_ceil(parts).next_multiple_of(ROWS);
        let parts = n.div_ceil(rows);
        let sums = if db.is_some() { self.outputs } else { 0 };
        let mut db_parts = vec![0.0; parts * sums];
        let db_shared = Shared::new(&mut db_parts);
        let part = |i: usize, dw: &mut [f32], add: bool| {
            // SAFETY: each part has its own sums of the bias.
            let db = unsafe { db_shared.slice(i * sums..(i + 1) * sums) };
            self.part(parallel::piece(n, rows, i), dw, add, db);
        };
        if parts == 1 {
            part(0, dw, true);
        } else {
            let size = dw.len();
            let mut dw_parts = scratch(parts * size);
            let shared = Shared::new(&mut dw_parts);
            let part = |i: usize| {
                // SAFETY: each part has its own sum.
                part(i, unsafe { shared.slice(i * size..(i + 1) * size) }, false);
            };
            // Where threads would be left over, they share each part instead.
            parallel::for_each_if(parts >= parallel::threads(), parts, part);
            parallel::for_each_chunk(dw, SUM, |i, dw| {
                let own = i * SUM..i * SUM + dw.len();
                add_in_order(dw, dw_parts.chunks_exact(size).map(|dw| &dw[own.clone()]));
            });
        }
        if let Some(db) = db {
            add_in_order(db, db_parts.chunks_exact(sums));
        }
    }

    /// The part of these rows: writes its dW, or adds it, adds its db, and sends its dx.
    fn part(&self, rows: Range<usize>, dw: &mut [f32], add: bool, db: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        // Slab by slab, so that dz and x come from memory once and then from the caches.
        for slab in rows.clone().step_by(SLAB) {
            let slab = slab..(slab + SLAB).min(rows.end);
            let own = slab.start * outputs..slab.end * outputs;
            // SAFETY: the rows are this part's own.
            let dz = unsafe { self.dz.slice(own.clone()) };
            finish_gradient(dz, self.z.map(|z| &z[own]), outputs, db);
            let dz = View::new(dz, outputs);
            let x = View::new(&self.x[slab.start * inputs..], inputs);
            let add = add || slab.start > rows.start;
            gemm(outputs, inputs, slab.len(), dz.transposed(), x, dw, add);
            // SAFETY: the gradient has (n, inputs) elements, and these are its rows.
            let to = unsafe { self.dx.pointer().add(slab.start * inputs) };
            let to = Plain::new(Shared::from_pointer(to), inputs, self.add);
            multiply_parallel(dz, &self.weight, slab.len(), &to);
        }
    }
}

/// dz ← dy ⊙ GELU′(z), if there is a z; adds Σ dz to `sums`, if it has any, piece by piece of
/// [`ROWS`] rows.
fn finish_gradient(dz: &mut [f32], z: Option<&[f32]>, columns: usize, sums: &mut [f32]) {
    if (sums.is_empty() && z.is_none()) || dz.is_empty() {
        return;
    }
    let (level, len) = (level(), dz.len());
    let chunk = ROWS * columns;
    let dz = Shared::new(dz);
    let parts = parallel::map(len.div_ceil(chunk), |i| {
        let range = parallel::piece(len, chunk, i);
        let z = z.map(|z| &z[range.clone()]);
        // SAFETY: pieces do not overlap.
        let dz = unsafe { dz.slice(range) };
        let mut sums = vec![0.0; sums.len()];
        let finish = FinishRows {
            dz,
            z,
            columns,
            sums: &mut sums,
        };
        dispatch_at(level, finish);
        sums
    });
    add_in_order(sums, &parts);
}

struct FinishRows<'a> {
    dz: &'a mut [f32],
    z: Option<&'a [f32]>,
    columns: usize,
    sums: &'a mut [f32],
}

impl Kernel for FinishRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, dz) in self.dz.chunks_exact_mut(self.columns).enumerate() {
            let z = self.z.map(|z| &z[i * self.columns..][..self.columns]);
            for j in (0..self.columns).step_by(S::LANES) {
                let mut d = s.read_at(dz, j);
                if let Some(z) = z {
                    d = s.mul(d, math::gelu_derivative(s, s.read_at(z, j)));
                    s.write_at(dz, j, d);
                }
                if !self.sums.is_empty() {
                    let sum = s.add(s.read_at(self.sums, j), d);
                    s.write_at(self.sums, j, sum);
                }
            }
        }
    }
}

/// target += the parts, one after the other.
pub(super) fn add_in_order(target: &mut [f32], parts: impl IntoIterator<Item: AsRef<[f32]>>) {
    for part in parts {
        for (t, p) in target.iter_mut().zip(part.as_ref()) {
            *t += p;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, values};
    use super::*;

    fn gelu64(x: f64) -> f64 {
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
        0.5 * x * (1.0 + u.tanh())
    }

    const SIZES: [(usize, usize, usize); 7] = [
        (1, 1, 1),
        (1, 5, 3),
        (7, 3, 33),
        (65, 17, 9),
        (6, 64, 64),
        (130, 40, 70),
        (300, 96, 64),
    ];

    #[test]
    fn equals_dfdx_primitives() {
        for (n, inputs, outputs) in SIZES {
            for f in [Nonlinearity::Identity, Nonlinearity::Gelu] {
                let (x, w, b) = (
                    noise_matrix(n, inputs, 1),
                    noise_matrix(outputs, inputs, 2),
                    noise_matrix(1, outputs, 3),
                );
                let traced = |m: &Matrix| m.clone().put_tape(Tape::on());
                let z = traced(&x).matmul(traced(&w).permute::<_, Axes2<1, 0>>());
                let ones = matrix(vec![1.0; n], n, 1);
                let z = z + ones.put_tape(Tape::on()).matmul(traced(&b));
                let y = if f == Nonlinearity::Gelu {
                    z.fast_gelu()
                } else {
                    z
                };
                let y_want = values(&y);
                let (_, want) = gradients(weighed(y, 4), &[&x, &w, &b]);
                for (level, got) in at_every_level(|| {
                    let y = linear(x.clone().put_tape(Tape::on()), &w, Some(&b), f);
                    let mut out = vec![values(&y)];
                    let plain = linear(x.clone().put_tape(Tape::Off), &w, Some(&b), f);
                    assert_eq!(values(&plain), out[0]);
                    out.extend(gradients(weighed(y, 4), &[&x, &w, &b]).1);
                    out
                }) {
                    let name = format!("{n}x{inputs}x{outputs} {f:?} {level:?}");
                    assert_close(&name, &got[0], &y_want, 2e-6);
                    for (got, want) in got[1..].iter().zip(&want) {
                        assert_close(&name, got, want, 4e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn gradient_equals_finite_differences() {
        let (n, inputs, outputs) = (3, 4, 5);
        let (x, w) = (noise(n * inputs, 1), noise(outputs * inputs, 2));
        let r = noise(n * outputs, 4);
        let loss = |x: &[f64], w: &[f64]| -> f64 {
            let mut sum = 0.0;
            for i in 0..n {
                for o in 0..outputs {
                    let z: f64 = (0..inputs)
                        .map(|j| x[i * inputs + j] * w[o * inputs + j])
                        .sum();
                    sum += gelu64(z) * r[i * outputs + o] as f64;
                }
            }
            sum
        };
        let wide = |v: &[f32]| v.iter().map(|&x| x as f64).collect::<Vec<_>>();
        let (xm, wm) = (
            matrix(x.clone(), n, inputs),
            matrix(w.clone(), outputs, inputs),
        );
        let y = linear(
            xm.clone().put_tape(Tape::on()),
            &wm,
            None,
            Nonlinearity::Gelu,
        );
        let (_, got) = gradients(weighed(y, 4), &[&xm, &wm]);
        let (xs, ws) = (wide(&x), wide(&w));
        assert_close(
            "dx",
            &got[0],
            &finite_differences(&x, |x| loss(x, &ws)),
            2e-6,
        );
        assert_close(
            "dw",
            &got[1],
            &finite_differences(&w, |w| loss(&xs, w)),
            2e-6,
        );
    }

    #[test]
    fn gradient_adds_to_what_is_there_and_cost_is_exact() {
        let (x, w) = (noise_matrix(3, 4, 1), noise_matrix(5, 4, 2));
        let (loss, costs) = cost::counting(|| {
            let (y, tape) = linear(
                x.clone().put_tape(Tape::on()),
                &w,
                None,
                Nonlinearity::Identity,
            )
            .split_tape();
            let again = linear(x.clone().put_tape(tape), &w, None, Nonlinearity::Identity);
            let (_, g) = gradients((again + y).sum::<(), _>(), &[&x, &w]);
            g
        });
        let once = linear(
            x.clone().put_tape(Tape::on()),
            &w,
            None,
            Nonlinearity::Identity,
        );
        let (_, single) = gradients(once.sum::<(), _>(), &[&x, &w]);
        for (double, single) in loss.iter().zip(&single) {
            let twice: Vec<f32> = single.iter().map(|x| 2.0 * x).collect();
            assert_close("twice", double, &twice, 1e-6);
        }
        assert_eq!(
            costs.iter().map(|c| c.flops).sum::<f64>(),
            2.0 * 3.0 * 2.0 * 3.0 * 4.0 * 5.0
        );
    }
}
