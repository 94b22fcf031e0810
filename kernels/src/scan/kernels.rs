//! The loops over the steps of one piece. The state is a row in memory: the products of a step are
//! independent across units, and a row is read again while it is in cache.

use super::gates::{Gates, INPUT, MOST, RATE};
use super::plan::{Piece, levels};
use crate::parallel::Shared;
use crate::simd::{Kernel, LANES, Simd};
use std::marker::PhantomData;

/// What the steps read.
pub struct Inputs<'a, G> {
    /// Pre-activations, (B·T, COUNT·H).
    pub p: &'a [f32],
    /// (B·T, H), of a cell that is driven; else empty.
    pub x: &'a [f32],
    /// (H), likewise.
    pub rate: &'a [f32],
    pub hidden: usize,
    /// Whether nothing comes before the sequences.
    pub is_fresh: bool,
    pub gates: PhantomData<fn() -> G>,
}

impl<G> Clone for Inputs<'_, G> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<G> Copy for Inputs<'_, G> {}

impl<'a, G: Gates> Inputs<'a, G> {
    /// Of a cell that reads pre-activations alone.
    pub fn new(p: &'a [f32], hidden: usize) -> Self {
        Inputs {
            p,
            x: &[],
            rate: &[],
            hidden,
            is_fresh: false,
            gates: PhantomData,
        }
    }

    /// Where the piece's part of gate `g` of a row starts.
    #[inline(always)]
    fn at(&self, row: usize, g: usize, piece: &Piece) -> usize {
        (row * G::COUNT + g) * self.hidden + piece.units.start
    }

    /// One vector of each gate, from unit `j` of the piece on.
    #[inline(always)]
    fn read<S: Simd>(&self, s: S, row: usize, piece: &Piece, j: usize) -> [S::F32; MOST] {
        let mut p = [s.zero(); MOST];
        for (g, p) in p.iter_mut().enumerate().take(G::COUNT) {
            let start = self.at(row, g, piece);
            *p = s.read_at(&self.p[start..start + piece.units.len()], j);
        }
        if G::IS_DRIVEN {
            let start = row * self.hidden + piece.units.start;
            p[INPUT] = s.read_at(&self.x[start..start + piece.units.len()], j);
            p[RATE] = s.read_at(&self.rate[piece.units.clone()], j);
        }
        p
    }

    /// Whether a row of the piece is its sequence's first, before which nothing came.
    #[inline(always)]
    fn is_first(&self, row: usize, piece: &Piece) -> bool {
        self.is_fresh && piece.chunk == 0 && row == piece.rows.start
    }
}

/// h' = a h + b over the piece's rows, from `before` (its units).
pub struct Forward<'a, G> {
    pub inputs: Inputs<'a, G>,
    pub piece: Piece,
    pub before: &'a [f32],
    /// (B·T, H), of which the piece writes its rows' units.
    pub y: Shared<f32>,
}

impl<G: Gates> Kernel for Forward<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (piece, hidden, width) = (&self.piece, self.inputs.hidden, self.piece.units.len());
        let mut before = self.before;
        for row in piece.rows.clone() {
            let start = row * hidden + piece.units.start;
            let is_first = self.inputs.is_first(row, piece);
            // SAFETY: these units of this row are the piece's own; `before` is another row.
            let y = unsafe { self.y.slice(start..start + width) };
            for j in (0..width).step_by(LANES) {
                let step = G::forward(s, self.inputs.read(s, row, piece, j), is_first);
                s.write_at(y, j, s.fma(step.a, s.read_at(before, j), step.b));
            }
            before = y;
        }
    }
}

/// What the piece does to any state before it, h' = A h + b: the product of its a, and the state
/// it reaches from 0.
pub struct Ends<'a, G> {
    pub inputs: Inputs<'a, G>,
    pub piece: Piece,
    pub product: &'a mut [f32],
    pub state: &'a mut [f32],
}

impl<G: Gates> Kernel for Ends<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.product.fill(1.0);
        self.state.fill(0.0);
        for row in self.piece.rows.clone() {
            let is_first = self.inputs.is_first(row, &self.piece);
            for j in (0..self.state.len()).step_by(LANES) {
                let step = G::forward(s, self.inputs.read(s, row, &self.piece, j), is_first);
                let product = s.mul(step.a, s.read_at(self.product, j));
                let state = s.fma(step.a, s.read_at(self.state, j), step.b);
                s.write_at(self.product, j, product);
                s.write_at(self.state, j, state);
            }
        }
    }
}

/// The same backwards in time: the gradient of the state before the piece is A μ + what the piece's
/// own outputs add.
pub struct EndsBackward<'a, G> {
    pub inputs: Inputs<'a, G>,
    pub piece: Piece,
    /// (B·T, H)
    pub dy: &'a [f32],
    pub product: &'a mut [f32],
    pub state: &'a mut [f32],
}

impl<G: Gates> Kernel for EndsBackward<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.state.len();
        self.product.fill(1.0);
        self.state.fill(0.0);
        for row in self.piece.rows.clone().rev() {
            let start = row * self.inputs.hidden + self.piece.units.start;
            let dy = &self.dy[start..start + width];
            for j in (0..width).step_by(LANES) {
                // No first step: the first chunk is not among these.
                let step = G::forward(s, self.inputs.read(s, row, &self.piece, j), false);
                let product = s.mul(step.a, s.read_at(self.product, j));
                let dh = s.add(s.read_at(dy, j), s.read_at(self.state, j));
                s.write_at(self.product, j, product);
                s.write_at(self.state, j, s.mul(step.a, dh));
            }
        }
    }
}

/// The backward pass of the piece's rows.
pub struct Backward<'a, G> {
    pub inputs: Inputs<'a, G>,
    pub piece: Piece,
    /// (B·T, H)
    pub y: &'a [f32],
    /// (B·T, H)
    pub dy: &'a [f32],
    /// The state before the piece's first row, its units.
    pub before: &'a [f32],
    /// Gradient of the state that the piece leaves, from later pieces; becomes that of `before`.
    pub dstate: &'a mut [f32],
    /// (B·T, H), where somebody watches: the gradients of the states of the piece's units go there.
    pub watched: Option<Shared<f32>>,
    /// (B·T, COUNT·H), of which the piece adds to its rows' units.
    pub dp: Shared<f32>,
    /// (B·T, H) of a driven cell, likewise.
    pub dx: Shared<f32>,
    /// The piece's units, of a driven cell: Σ over the rows is added.
    pub drate: &'a mut [f32],
}

impl<G: Gates> Kernel for Backward<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (piece, hidden, width) = (&self.piece, self.inputs.hidden, self.piece.units.len());
        for row in piece.rows.clone().rev() {
            let start = row * hidden + piece.units.start;
            let dy = &self.dy[start..start + width];
            let before = if row == piece.rows.start {
                self.before
            } else {
                &self.y[start - hidden..start - hidden + width]
            };
            let is_first = self.inputs.is_first(row, piece);
            for j in (0..width).step_by(LANES) {
                let p = self.inputs.read(s, row, piece, j);
                let step = G::forward(s, p, is_first);
                // h' = a h + b: da = dh' h, db = dh', dh = dh' a
                let dh = s.add(s.read_at(dy, j), s.read_at(self.dstate, j));
                if let Some(watched) = self.watched {
                    // SAFETY: these units of this row are the piece's own.
                    s.write_at(unsafe { watched.slice(start..start + width) }, j, dh);
                }
                let da = s.mul(dh, s.read_at(before, j));
                let gradients = G::backward(s, p, step, da, dh);
                s.write_at(self.dstate, j, s.mul(dh, step.a));
                if G::IS_DRIVEN {
                    // SAFETY: as above.
                    let dx = unsafe { self.dx.slice(start..start + width) };
                    s.write_at(dx, j, s.add(s.read_at(dx, j), gradients[INPUT]));
                    let drate = s.add(s.read_at(self.drate, j), gradients[RATE]);
                    s.write_at(self.drate, j, drate);
                }
                for (g, gradient) in gradients.into_iter().enumerate().take(G::COUNT) {
                    let start = self.inputs.at(row, g, piece);
                    // SAFETY: these units of this row are the piece's own.
                    let dp = unsafe { self.dp.slice(start..start + width) };
                    s.write_at(dp, j, s.add(s.read_at(dp, j), gradient));
                }
            }
        }
    }
}

/// Replaces each of n carries (A, h) of H units by what all up to it do together (Brent & Kung
/// 1982): a tree of depth 2 log₂ n.
pub struct Combine<'a> {
    /// (n, 2, H)
    pub carries: &'a mut [f32],
    pub hidden: usize,
}

impl Kernel for Combine<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (hidden, size) = (self.hidden, 2 * self.hidden);
        let n = self.carries.len() / size;
        for (first, d) in levels(n) {
            for i in (first..n).step_by(2 * d) {
                let (earlier, later) = self.carries.split_at_mut(i * size);
                let (product, state) = earlier[(i - d) * size..][..size].split_at(hidden);
                let (a, h) = later[..size].split_at_mut(hidden);
                for j in (0..hidden).step_by(LANES) {
                    // A (A₀ h₀ + b₀) + b
                    let kept = s.read_at(a, j);
                    s.write_at(h, j, s.fma(kept, s.read_at(state, j), s.read_at(h, j)));
                    s.write_at(a, j, s.mul(kept, s.read_at(product, j)));
                }
            }
        }
    }
}
