//! Depthwise causal convolution over time: every channel looks at its own last K inputs.
//!
//! For channel c of a sequence: z_t = b + Σ_j w_j x_{t−K+1+j}, j from 0 to K − 1, with x = 0 before the
//! first token; y = f(z). So w_{K−1} belongs to the token itself, as in PyTorch's `Conv1d` with groups
//! = channels and K − 1 zeros on the left, whose weight (C, 1, K) this is.
//! Backward with dz = dy ⊙ f′(z): dx_t = Σ_j w_j dz_{t+K−1−j}, dw_j = Σ_t dz_t x_{t−K+1+j}, db = Σ dz.
//! Cost, for n tokens: 2·n·C·K FLOPs forward, twice that backward; span 1 + ⌈log₂ K⌉ and f.

use super::cost::{self, Cost, Id, Phase, depth, levels};
use super::parallel::{self, Shared, filled};
use super::simd::{Kernel, LANES, Level, Simd, dispatch_at, level};
use super::{Activation, Matrix, Nonlinearity, Output, Slot, matrix, read};
use dfdx::prelude::*;

/// Channels that a thread takes at a time, through all of a sequence.
const CHANNELS: usize = 64;
/// Fewer products than this are computed on one thread when decoding.
const PARALLEL_FROM: usize = 1 << 14;

/// f(b + x ∗ w) of every channel: x (B·T, C), row b·T + t, weight (C, K), bias (1, C) → (B·T, C). No
/// sequence sees another. Panics if shapes disagree.
pub fn causal_conv(
    x: Activation,
    weight: &Matrix,
    bias: Option<&Matrix>,
    f: Nonlinearity,
    batch: usize,
) -> Activation {
    let (x, mut tape) = x.split_tape();
    let ((rows, channels), (filters, taps)) = (*x.shape(), *weight.shape());
    assert!(
        filters == channels && taps > 0 && rows.is_multiple_of(batch.max(1)),
        "causal_conv: x ({rows}, {channels}) of {batch} sequences, weight ({filters}, {taps})"
    );
    assert!(
        bias.is_none_or(|b| *b.shape() == (1, channels)),
        "causal_conv: bias is not (1, {channels})"
    );
    let filter = Filter::new(weight, bias, f);
    let plan = Plan {
        batch,
        seq_len: rows / batch.max(1),
        channels,
        level: level(),
    };
    let (xs, mut slope) = (read(&x), None);
    // SAFETY: every channel of every row belongs to one piece, which writes it.
    let y = unsafe {
        filled(rows * channels, |y| {
            if tape.is_on() && f != Nonlinearity::Identity {
                let write = |slope| plan.forward(&filter, &xs, None, y, Some(slope));
                slope = Some(filled(rows * channels, write));
            } else {
                plan.forward(&filter, &xs, None, y, None);
            }
        })
    };
    drop(xs);
    let y = matrix(y, rows, channels);
    let cells = (rows * channels) as f64;
    let products = 2.0 * cells * taps as f64;
    let pointwise = f64::from(u8::from(bias.is_some()) + u8::from(f != Nonlinearity::Identity));
    let mut reads = vec![Id::value(&x), Id::value(weight)];
    reads.extend(bias.map(Id::value));
    cost::report(|| {
        let phase = Phase::new(products + pointwise * cells, depth(taps) + pointwise);
        let cost = Cost::new("causal_conv", products, 8.0 * cells, phase);
        cost.reading(reads.clone()).writing([Id::value(&y)])
    });

    let (dy, dx, dw, db) = (
        Output::of(&y),
        Slot::of(&x),
        Slot::of(weight),
        bias.map(Slot::of),
    );
    let y_id = Id::value(&y); // stands for the slopes kept beside it
    tape.record(move |g| {
        let mut dz = dy.take(g);
        let (x, mut target) = (read(&x), dx.open(g));
        let backward = Backward {
            filter: &filter,
            x: &x,
            slope: slope.as_deref(),
            dz: Shared::new(&mut dz),
            dx: target.shared(),
            is_first: target.is_first,
        };
        let sums = plan.backward(backward);
        let was_first = target.is_first;
        // SAFETY: every channel of every row belongs to a piece.
        unsafe { dx.close(g, target) };
        // Row j of the sums is dw_j of all channels, the last one db.
        dw.add(g, |dw| {
            for (c, dw) in dw.chunks_exact_mut(taps).enumerate() {
                for (j, dw) in dw.iter_mut().enumerate() {
                    *dw += sums[j * channels + c];
                }
            }
        });
        if let Some(db) = &db {
            db.add(g, |db| {
                parallel::add_in_order(db, [&sums[taps * channels..]])
            });
        }
        cost::report(|| {
            let slopes = f64::from(u8::from(slope.is_some()));
            let phase = Phase::new(products + slopes * cells, depth(taps) + slopes);
            let bytes = (12.0 + 4.0 * slopes) * cells;
            let before = if was_first { Id::Unknown } else { dx.id() };
            let cost = Cost::new("causal_conv.backward", products, bytes, phase);
            let cost = cost.reading([dy.id(), y_id, reads[1], before]);
            cost.writing([dx.id()])
        });
        cost::report(|| {
            let phase = Phase::new(products + cells, 2.0 + levels(rows + 1));
            let cost = Cost::new("causal_conv.backward", products, 0.0, phase);
            let sums = [Some(dw.id()), db.as_ref().map(Slot::id)];
            let sums = || sums.into_iter().flatten();
            let cost = cost.reading([dy.id(), y_id, reads[0]]).reading(sums());
            cost.writing(sums())
        });
    });
    y.put_tape(tape)
}

/// The same convolution some tokens at a time, for decoding.
pub struct ConvCell {
    filter: Filter,
    channels: usize,
}

impl ConvCell {
    /// Copies weight (C, K) and bias (1, C). Panics if they do not fit each other.
    pub fn new(weight: &Matrix, bias: Option<&Matrix>, f: Nonlinearity) -> Self {
        let (channels, taps) = *weight.shape();
        assert!(
            taps > 0 && bias.is_none_or(|b| *b.shape() == (1, channels)),
            "causal_conv: weight ({channels}, {taps}), or bias is not (1, {channels})"
        );
        let filter = Filter::new(weight, bias, f);
        ConvCell { filter, channels }
    }

    /// Floats of the state of one sequence: its last K − 1 inputs, (K − 1, C), oldest first; zeros
    /// before the first token.
    pub fn state_floats(&self) -> usize {
        (self.filter.taps - 1) * self.channels
    }

    /// Consumes n tokens of each of `batch` sequences, x (B·n, C), row b·n + t: writes (B·n, C) to `y`
    /// and updates the state (B, K − 1, C). The bits are those of [`causal_conv`]. Panics if lengths
    /// disagree.
    pub fn extend(&self, x: &[f32], batch: usize, state: &mut [f32], y: &mut Vec<f32>) {
        let (channels, kept) = (self.channels, self.state_floats());
        let row = batch * channels;
        assert!(
            x.len().is_multiple_of(row.max(1)) && state.len() == batch * kept,
            "causal_conv: {} inputs and {} of the state for {batch} sequences of {channels} channels",
            x.len(),
            state.len()
        );
        y.resize(x.len(), 0.0);
        if x.is_empty() {
            return;
        }
        let plan = Plan {
            batch,
            seq_len: x.len() / row,
            channels,
            level: level(),
        };
        let to = Shared::new(y);
        plan.forward(&self.filter, x, Some(state), to, None);
        if kept == 0 {
            return;
        }
        let own = plan.seq_len * channels;
        for (state, x) in state.chunks_exact_mut(kept).zip(x.chunks_exact(own)) {
            let new = own.min(kept);
            state.copy_within(new.., 0);
            state[kept - new..].copy_from_slice(&x[own - new..]);
        }
    }
}

/// Weight and bias as the loops read them.
struct Filter {
    /// (K, C)
    weight: Vec<f32>,
    /// (C)
    bias: Option<Vec<f32>>,
    taps: usize,
    f: Nonlinearity,
}

impl Filter {
    fn new(weight: &Matrix, bias: Option<&Matrix>, f: Nonlinearity) -> Self {
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
struct Plan {
    batch: usize,
    seq_len: usize,
    channels: usize,
    level: Level,
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
    fn forward(
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
    fn backward(&self, backward: Backward) -> Vec<f32> {
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
struct Backward<'a> {
    filter: &'a Filter,
    x: &'a [f32],
    /// f′, where f is not the identity.
    slope: Option<&'a [f32]>,
    /// dy at first.
    dz: Shared<f32>,
    /// To be written, or added to if it is not the first.
    dx: Shared<f32>,
    is_first: bool,
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

#[cfg(test)]
mod tests;
