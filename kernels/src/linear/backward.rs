//! The backward pass over parts of rows, and one part.

use super::super::gemm::{Packed, Plain, View, gemm, multiply_parallel};
use super::super::parallel::{self, Shared, add_in_order, scratch};
use super::super::simd::{Kernel, LANES, Simd, dispatch_at, level, with_level};
use super::Blocks;
use std::ops::Range;

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

/// The backward pass: what its parts share.
pub struct Backward<'a> {
    pub blocks: Blocks,
    pub x: &'a [f32],
    /// f′(x Wᵀ + b), where f is not the identity.
    pub slope: Option<&'a [f32]>,
    /// dy at first.
    pub dz: Shared<f32>,
    pub dx: Shared<f32>,
    /// Whether dx is added to.
    pub add: bool,
    /// A block each.
    pub weights: Vec<Packed>,
}

impl Backward<'_> {
    /// Adds to dW (out, in of a block) and db, and writes dx (n, in) or adds to it.
    pub fn run(&self, n: usize, dw: &mut [f32], db: Option<&mut [f32]>) {
        let parts = (n / PART_ROWS).clamp(1, PARTS);
        let rows = n.div_ceil(parts).next_multiple_of(ROWS);
        let parts = n.div_ceil(rows);
        let sums = if db.is_some() { self.blocks.outputs } else { 0 };
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
            let level = level();
            let part = |i: usize| {
                // SAFETY: each part has its own sum.
                let dw = unsafe { shared.slice(i * size..(i + 1) * size) };
                // A worker's own level need not be this thread's.
                with_level(level, || part(i, dw, false));
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
        let Blocks {
            inputs, outputs, ..
        } = self.blocks;
        let (width, height) = (self.blocks.width(), self.blocks.height());
        // Slab by slab, so that dz and x come from memory once and then from the caches.
        for slab in rows.clone().step_by(SLAB) {
            let slab = slab..(slab + SLAB).min(rows.end);
            let own = slab.start * outputs..slab.end * outputs;
            // SAFETY: the rows are this part's own.
            let dz = unsafe { self.dz.slice(own.clone()) };
            finish_gradient(dz, self.slope.map(|slope| &slope[own]), outputs, db);
            let add = add || slab.start > rows.start;
            for (m, weight) in self.weights.iter().enumerate() {
                let column = self.blocks.column(m);
                let dz = View::new(&dz[m * height..], outputs);
                let x = View::new(&self.x[slab.start * inputs + column..], inputs);
                let dw = &mut dw[m * height * width..][..height * width];
                gemm(height, width, slab.len(), dz.transposed(), x, dw, add);
                // SAFETY: the gradient has (n, inputs) elements, and these are its rows.
                let to = unsafe { self.dx.pointer().add(slab.start * inputs + column) };
                let add = self.add || m >= self.blocks.of_inputs;
                let to = Plain::new(Shared::from_pointer(to), inputs, add);
                multiply_parallel(dz, weight, slab.len(), &to);
            }
        }
    }
}

/// dz ← dy ⊙ f′, if there is an f′; adds Σ dz to `sums`, if it has any, piece by piece of
/// [`ROWS`] rows.
fn finish_gradient(dz: &mut [f32], slope: Option<&[f32]>, columns: usize, sums: &mut [f32]) {
    if (sums.is_empty() && slope.is_none()) || dz.is_empty() {
        return;
    }
    let (level, len) = (level(), dz.len());
    let chunk = ROWS * columns;
    let dz = Shared::new(dz);
    let parts = parallel::map(len.div_ceil(chunk), |i| {
        let range = parallel::piece(len, chunk, i);
        let slope = slope.map(|slope| &slope[range.clone()]);
        // SAFETY: pieces do not overlap.
        let dz = unsafe { dz.slice(range) };
        let mut sums = vec![0.0; sums.len()];
        let finish = FinishRows {
            dz,
            slope,
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
    slope: Option<&'a [f32]>,
    columns: usize,
    sums: &'a mut [f32],
}

impl Kernel for FinishRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, dz) in self.dz.chunks_exact_mut(self.columns).enumerate() {
            let slope = self.slope.map(|f| &f[i * self.columns..][..self.columns]);
            for j in (0..self.columns).step_by(LANES) {
                let mut d = s.read_at(dz, j);
                if let Some(slope) = slope {
                    d = s.mul(d, s.read_at(slope, j));
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
