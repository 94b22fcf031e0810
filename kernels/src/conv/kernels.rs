//! The loops over one sequence's channels, and how they are cut.

use crate::parallel::{self, Shared};
use crate::simd::{Kernel, LANES, Level, Simd, dispatch_at};
use crate::{Matrix, Nonlinearity, read};
use dfdx::prelude::HasShape;

/// Channels that a thread takes at a time, through all of a sequence.
const CHANNELS: usize = 64;
/// Fewer products than this are computed on one thread when decoding.
const PARALLEL_FROM: usize = 1 << 14;

/// Weight and bias as the loops read them.
pub struct Filter {
    /// (K, C)
    pub weight: Vec<f32>,
    /// (C)
    pub bias: Option<Vec<f32>>,
    pub taps: usize,
    pub f: Nonlinearity,
}

impl Filter {
    pub fn new(weight: &Matrix, bias: Option<&Matrix>, f: Nonlinearity) -> Self {
        let ((channels, taps), w) = (*weight.shape(), read(weight));
        let weight = (0..taps * channels)
            .map(|i| w[i % channels * taps + i / channels])
            .collect();
        Filter {
            weight,
            bias: bias.map(|b| read(b).into_owned()),
            taps,
            f,
        }
    }
}

/// One call's sizes.
#[derive(Clone, Copy)]
pub struct Plan {
    pub batch: usize,
    pub seq_len: usize,
    pub channels: usize,
    pub level: Level,
}

/// Some channels of one sequence.
#[derive(Clone, Copy)]
struct Piece {
    batch: usize,
    seq_len: usize,
    /// C
    row: usize,
    /// Its first channel and their number.
    first: usize,
    width: usize,
}

impl Piece {
    /// Where the piece's part of token t starts in a (B·T, C) matrix.
    #[inline(always)]
    fn at(&self, t: usize) -> usize {
        (self.batch * self.seq_len + t) * self.row + self.first
    }
}

impl Plan {
    fn blocks(&self) -> usize {
        self.channels.div_ceil(CHANNELS)
    }

    fn piece(&self, i: usize) -> Piece {
        let channels = parallel::piece(self.channels, CHANNELS, i % self.blocks());
        Piece {
            batch: i / self.blocks(),
            seq_len: self.seq_len,
            row: self.channels,
            first: channels.start,
            width: channels.len(),
        }
    }

    /// Writes y and, where it is kept, f′.
    pub fn forward(
        &self,
        filter: &Filter,
        x: &[f32],
        before: Option<&[f32]>,
        y: Shared<f32>,
        slope: Option<Shared<f32>>,
    ) {
        let is_worth = before.is_none() || x.len() * filter.taps >= PARALLEL_FROM;
        parallel::for_each_if(is_worth, self.batch * self.blocks(), |i| {
            let piece = self.piece(i);
            let forward = Forward {
                filter,
                piece,
                x,
                before,
                y,
                slope,
            };
            dispatch_at(self.level, forward);
        });
    }

    /// Sends dx and returns dw (K, C) with db (C) below it.
    pub fn backward(&self, backward: Backward) -> Vec<f32> {
        let (taps, blocks) = (backward.filter.taps, self.blocks());
        let parts = parallel::map(self.batch * blocks, |i| {
            let piece = self.piece(i);
            let mut sums = vec![0.0; (taps + 1) * piece.width];
            let pass = BackwardPiece {
                backward,
                piece,
                sums: &mut sums,
            };
            dispatch_at(self.level, pass);
            sums
        });
        let mut sums = vec![0.0; (taps + 1) * self.channels];
        for (i, part) in parts.iter().enumerate() {
            let piece = self.piece(i);
            for (j, part) in part.chunks_exact(piece.width).enumerate() {
                let own = &mut sums[j * self.channels + piece.first..][..piece.width];
                parallel::add_in_order(own, [part]);
            }
        }
        sums
    }
}

struct Forward<'a> {
    filter: &'a Filter,
    piece: Piece,
    /// (B·T, C)
    x: &'a [f32],
    /// (B, K − 1, C): what comes before the first token, if it is not zeros.
    before: Option<&'a [f32]>,
    /// (B·T, C), of which the piece writes its own.
    y: Shared<f32>,
    slope: Option<Shared<f32>>,
}

impl Forward<'_> {
    /// The piece's inputs that tap j of token t looks at, if there are any.
    #[inline(always)]
    fn input(&self, t: usize, j: usize) -> Option<&[f32]> {
        let (Piece { row, first, .. }, kept) = (self.piece, self.filter.taps - 1);
        let from = match (t + j >= kept, self.before) {
            (true, _) => &self.x[self.piece.at(t + j - kept)..],
            (false, Some(before)) => &before[(self.piece.batch * kept + t + j) * row + first..],
            (false, None) => return None,
        };
        Some(&from[..self.piece.width])
    }
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (
            Piece {
                row, first, width, ..
            },
            filter,
        ) = (self.piece, self.filter);
        for t in 0..self.piece.seq_len {
            let start = self.piece.at(t);
            // SAFETY: these channels of this row are the piece's own.
            let own = |to: Shared<f32>| unsafe { to.slice(start..start + width) };
            let (y, mut slope) = (own(self.y), self.slope.map(own));
            for c in (0..width).step_by(LANES) {
                let mut z = match &filter.bias {
                    Some(bias) => s.read_at(&bias[first..first + width], c),
                    None => s.zero(),
                };
                for j in 0..filter.taps {
                    if let Some(x) = self.input(t, j) {
                        let w = &filter.weight[j * row + first..][..width];
                        z = s.fma(s.read_at(w, c), s.read_at(x, c), z);
                    }
                }
                match &mut slope {
                    None => s.write_at(y, c, filter.f.of(s, z)),
                    Some(slope) => {
                        let (value, derivative) = filter.f.with_slope(s, z);
                        s.write_at(y, c, value);
                        s.write_at(slope, c, derivative);
                    }
                }
            }
        }
    }
}

/// What the pieces of a backward pass share; (B·T, C) each.
#[derive(Clone, Copy)]
pub struct Backward<'a> {
    pub filter: &'a Filter,
    pub x: &'a [f32],
    /// f′, where f is not the identity.
    pub slope: Option<&'a [f32]>,
    /// dy at first.
    pub dz: Shared<f32>,
    /// To be written, or added to if it is not the first.
    pub dx: Shared<f32>,
    pub is_first: bool,
}

struct BackwardPiece<'a> {
    backward: Backward<'a>,
    piece: Piece,
    /// dw (K, width) and db (width), to be added to.
    sums: &'a mut [f32],
}

impl Kernel for BackwardPiece<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (
            Piece {
                row, first, width, ..
            },
            pass,
        ) = (self.piece, self.backward);
        let (taps, seq_len) = (pass.filter.taps, self.piece.seq_len);
        // Last token first: dz of the tokens after it is then there already.
        for t in (0..seq_len).rev() {
            let own = self.piece.at(t)..self.piece.at(t) + width;
            // SAFETY: these channels of all rows of the sequence are the piece's own.
            let dx = unsafe { pass.dx.slice(own.clone()) };
            for c in (0..width).step_by(LANES) {
                // SAFETY: likewise.
                let dz_of =
                    |t| unsafe { pass.dz.slice(self.piece.at(t)..self.piece.at(t) + width) };
                let dz = dz_of(t);
                let mut d = s.read_at(dz, c);
                if let Some(slope) = pass.slope {
                    d = s.mul(d, s.read_at(&slope[own.clone()], c));
                    s.write_at(dz, c, d);
                }
                let mut sum = match pass.is_first {
                    true => s.zero(),
                    false => s.read_at(dx, c),
                };
                for j in 0..taps {
                    let w = &pass.filter.weight[j * row + first..][..width];
                    let later = t + taps - 1 - j;
                    if later < seq_len {
                        sum = s.fma(s.read_at(w, c), s.read_at(dz_of(later), c), sum);
                    }
                    if let Some(earlier) = (t + j + 1).checked_sub(taps) {
                        let x = &pass.x[self.piece.at(earlier)..][..width];
                        let dw = &mut self.sums[j * width..][..width];
                        let term = s.fma(d, s.read_at(x, c), s.read_at(dw, c));
                        s.write_at(dw, c, term);
                    }
                }
                s.write_at(dx, c, sum);
                let db = &mut self.sums[taps * width..];
                let term = s.add(d, s.read_at(db, c));
                s.write_at(db, c, term);
            }
        }
    }
}
