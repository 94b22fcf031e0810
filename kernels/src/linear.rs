//! y = f(x Wᵀ + b), f the identity, GELU, ReLU or tanh.
//!
//! With z = x Wᵀ + b and dz = dy ⊙ f′(z): dx = dz W, dW = dzᵀ x, db = Σ_rows dz.
//! Cost, for n rows: 2·n·in·out FLOPs forward, twice that backward; span 1 + ⌈log₂ in⌉ forward;
//! backward the two products do not wait for each other: 1 + ⌈log₂ out⌉ to dx, 1 + ⌈log₂ n⌉ to dW.

mod backward;
#[cfg(test)]
mod tests;

use super::cost::{self, Cost, Id, Phase};
use super::gemm::{Packed, Plain, Store, View, multiply_parallel};
use super::parallel::{Shared, filled};
use super::simd::{LANES, Simd};
use super::{Activation, Matrix, Output, Slot, math, matrix, read};
use backward::Backward;
use dfdx::prelude::*;

/// What follows a linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Nothing.
    Identity,
    /// GELU, tanh form.
    Gelu,
    /// max(x, 0) (Nair & Hinton 2010); its derivative at 0 is 0.
    Relu,
    /// tanh.
    Tanh,
}

impl Nonlinearity {
    /// f(z) of a vector.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(self, s: S, z: S::F32) -> S::F32 {
        match self {
            Nonlinearity::Identity => z,
            Nonlinearity::Gelu => math::gelu(s, z),
            // The order of the operands lets NaN through.
            Nonlinearity::Relu => s.max(s.zero(), z),
            Nonlinearity::Tanh => math::tanh(s, z),
        }
    }

    /// f(z) and f′(z) of a vector.
    #[inline(always)]
    fn with_slope<S: Simd>(self, s: S, z: S::F32) -> (S::F32, S::F32) {
        let one = s.splat(1.0);
        match self {
            Nonlinearity::Identity => (z, one),
            Nonlinearity::Gelu => math::gelu_and_derivative(s, z),
            Nonlinearity::Relu => (self.of(s, z), s.select(s.lt(s.zero(), z), one, s.zero())),
            Nonlinearity::Tanh => {
                let y = math::tanh(s, z);
                (y, s.fnma(y, y, one))
            }
        }
    }
}

/// f(x Wᵀ + b): x (n, in), weight (out, in), bias (1, out) → (n, out). Panics if shapes disagree.
pub fn linear(
    x: Activation,
    weight: &Matrix,
    bias: Option<&Matrix>,
    f: Nonlinearity,
) -> Activation {
    let ((n, inputs), (outputs, width)) = (*x.shape(), *weight.shape());
    assert_eq!(
        inputs, width,
        "linear: x is ({n}, {inputs}), weight ({outputs}, {width})"
    );
    let names = ["linear", "linear.backward"];
    by_blocks(names, x, weight, bias, f, Blocks::of(inputs, outputs))
}

/// A map cut into blocks of equal size: block m of the outputs reads block m mod K of the K blocks
/// of the inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// Columns of x and K of their blocks.
    pub inputs: usize,
    pub of_inputs: usize,
    /// Columns of y and how many blocks they make, a multiple of K.
    pub outputs: usize,
    pub of_outputs: usize,
}

impl Blocks {
    /// One block of each: a full matrix.
    fn of(inputs: usize, outputs: usize) -> Self {
        Blocks {
            inputs,
            of_inputs: 1,
            outputs,
            of_outputs: 1,
        }
    }

    /// Columns of x that a block of y reads.
    pub fn width(&self) -> usize {
        self.inputs / self.of_inputs
    }

    /// Columns of y in a block.
    pub fn height(&self) -> usize {
        self.outputs / self.of_outputs
    }

    /// The first column of x that block `m` of y reads.
    pub fn column(&self, m: usize) -> usize {
        m % self.of_inputs * self.width()
    }

    /// Block `m` of a weight (out, in of a block).
    pub fn weight<'a>(&self, weight: &'a [f32], m: usize) -> View<'a> {
        let size = self.height() * self.width();
        View::new(&weight[m * size..][..size], self.width())
    }
}

/// [`linear`] and [`super::block_linear()`]: weight (outputs, inputs of a block).
pub(super) fn by_blocks(
    [name, backward_name]: [&'static str; 2],
    x: Activation,
    weight: &Matrix,
    bias: Option<&Matrix>,
    f: Nonlinearity,
    blocks: Blocks,
) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (n, inputs) = *x.shape();
    let Blocks {
        outputs,
        of_outputs,
        ..
    } = blocks;
    let (width, height) = (blocks.width(), blocks.height());
    let (xs, w, b) = (read(&x), read(weight), bias.map(read));
    assert!(
        b.as_ref().is_none_or(|b| b.len() == outputs),
        "{name}: bias is not (1, {outputs})"
    );

    let multiply = |m: usize, y: Shared<f32>, slope: Option<Shared<f32>>| {
        let weight = blocks.weight(&w, m).transposed();
        let packed = Packed::new(weight, width, height);
        let padded = b.as_deref().map(|b| padded(&b[m * height..][..height]));
        // SAFETY: a block begins within the row.
        let own = |p: Shared<f32>| Shared::from_pointer(unsafe { p.pointer().add(m * height) });
        let epilogue = Epilogue {
            y: own(y),
            slope: slope.map(own),
            bias: padded.as_deref(),
            f,
            outputs,
        };
        let from = xs.get(blocks.column(m)..).unwrap_or_default();
        multiply_parallel(View::new(from, inputs), &packed, n, &epilogue);
    };
    let mut slope = None;
    // SAFETY: the products store every element of their (n, outputs).
    let y = unsafe {
        filled(n * outputs, |y| {
            if f != Nonlinearity::Identity && tape.is_on() {
                slope = Some(filled(n * outputs, |slope| {
                    (0..of_outputs).for_each(|m| multiply(m, y, Some(slope)));
                }));
            } else {
                (0..of_outputs).for_each(|m| multiply(m, y, None));
            }
        })
    };
    drop((xs, w, b));
    let (flops, sizes) = (
        2.0 * (n * width * outputs) as f64,
        n * inputs + width * outputs + n * outputs,
    );
    let y = matrix(y, n, outputs);
    let pointwise = f64::from(u8::from(bias.is_some()) + u8::from(f != Nonlinearity::Identity));
    let mut reads = vec![Id::value(&x), Id::value(weight)];
    reads.extend(bias.map(Id::value));
    let y_id = Id::value(&y);
    cost::report(|| Cost {
        name,
        flops,
        bytes: 4.0 * sizes as f64,
        phases: vec![
            Phase::product(n, width, outputs),
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
        let packed = |m| Packed::new(blocks.weight(&w, m), height, width);
        let pass = Backward {
            blocks,
            x: &xs,
            slope: slope.as_deref(),
            dz: Shared::new(&mut dz),
            dx: dx_sum.shared(),
            add,
            weights: (0..of_outputs).map(packed).collect(),
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
        let part = |flops, floats: usize, phase| {
            Cost::new(backward_name, flops, 4.0 * floats as f64, phase).reading([dz_id])
        };
        if slope.is_some() {
            let phase = Phase::elementwise(n * outputs, 2.0);
            cost::report(|| {
                let cost = part(0.0, 3 * n * outputs, phase);
                cost.reading([y_id]).writing([dz_id])
            });
        }
        if let Some(db) = db {
            let phase = Phase::sums(outputs, n + 1);
            cost::report(|| {
                let cost = part(0.0, n * outputs, phase);
                cost.reading([db.id()]).writing([db.id()])
            });
        }
        cost::report(|| {
            let cost = part(flops, sizes, Phase::product(outputs, n, width));
            cost.reading([reads[0], dw.id()]).writing([dw.id()])
        });
        cost::report(|| {
            let before = if add { dx.id() } else { Id::Unknown };
            let terms = outputs / blocks.of_inputs;
            let cost = part(flops, sizes, Phase::product(n, terms, inputs));
            cost.reading([reads[1], before]).writing([dx.id()])
        });
    });
    y.put_tape(tape)
}

/// The values and zeros, to whole vectors.
pub(crate) fn padded(values: &[f32]) -> Vec<f32> {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(LANES), 0.0);
    padded
}

/// y = f(z + b), and f′(z + b) where it is kept for the backward pass: the exponential serves both.
pub(crate) struct Epilogue<'a> {
    pub y: Shared<f32>,
    pub slope: Option<Shared<f32>>,
    /// [`padded`].
    pub bias: Option<&'a [f32]>,
    pub f: Nonlinearity,
    pub outputs: usize,
}

impl Store for Epilogue<'_> {
    fn bias(&self) -> Option<&[f32]> {
        self.bias
    }

    fn plain(&self) -> Option<Plain> {
        let is_plain = self.f == Nonlinearity::Identity;
        is_plain.then(|| Plain::new(self.y, self.outputs, false))
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, row: usize, column: usize, n: usize, z: S::F32) {
        let at = row * self.outputs + column;
        // SAFETY: the elements are this call's own by contract.
        unsafe {
            let to = |p: Shared<f32>| p.pointer().add(at);
            let y = match self.slope {
                None => self.f.of(s, z),
                Some(kept) => {
                    let (y, slope) = self.f.with_slope(s, z);
                    s.put(to(kept), n, slope);
                    y
                }
            };
            s.put(to(self.y), n, y);
        }
    }
}
