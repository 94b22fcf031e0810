//! Depthwise causal convolution over time: every channel looks at its own last K inputs.
//!
//! For channel c of a sequence: z_t = b + Σ_j w_j x_{t−K+1+j}, j from 0 to K − 1, with x = 0 before the
//! first token; y = f(z). So w_{K−1} belongs to the token itself, as in PyTorch's `Conv1d` with groups
//! = channels and K − 1 zeros on the left, whose weight (C, 1, K) this is.
//! Backward with dz = dy ⊙ f′(z): dx_t = Σ_j w_j dz_{t+K−1−j}, dw_j = Σ_t dz_t x_{t−K+1+j}, db = Σ dz.
//! Cost, for n tokens: 2·n·C·K FLOPs forward, twice that backward; span 1 + ⌈log₂ K⌉ and f.

mod kernels;
#[cfg(test)]
mod tests;

use super::cost::{self, Cost, Id, Phase, depth, levels};
use super::parallel::{self, Shared, filled};
use super::simd::level;
use super::{Activation, Matrix, Nonlinearity, Output, Slot, matrix, read};
use dfdx::prelude::*;
use kernels::{Backward, Filter, Plan};

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
        filters == channels && taps > 0 && rows.is_multiple_of(batch),
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
            x.len().is_multiple_of(row) && state.len() == batch * kept,
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
