//! One GRU layer, forward and backward, in two ways: the fused layer that the models use, and the
//! same composed token by token of primitives. Timed in turn.

use super::clock::timed;
use kernels::{
    RecurrentWeights, StepwiseGru, backward, backward_from, gru, matrix, on_tape, with_threads,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::Serialize;

/// Sizes of the layer and how often it is timed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Layer {
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T.
    pub seq_len: usize,
    /// Width D of the input.
    pub input: usize,
    /// Hidden size H.
    pub hidden: usize,
    /// Threads that work.
    pub threads: usize,
    /// Rounds at least.
    pub repeats: usize,
    /// Seconds after which no further round begins.
    pub seconds: f64,
}

/// Seconds of a forward and backward pass, a value a round; equal indices were taken in turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timed {
    /// The fused layer.
    pub fused: Vec<f64>,
    /// Composed step by step.
    pub stepwise: Vec<f64>,
}

/// A round times the fused pass for at least this long: a short pass is repeated within it.
const ROUND_SECONDS: f64 = 0.02;
const MOST_ROUNDS: usize = 200;

/// Warms both up and times them in turn; fresh weights as PyTorch draws them. Progress (0…1) goes
/// to `progress`.
pub fn time(layer: Layer, progress: &mut dyn FnMut(f64)) -> Timed {
    let Layer {
        batch,
        seq_len,
        input,
        hidden,
        ..
    } = layer;
    let mut rng = SmallRng::seed_from_u64(0);
    let mut draw = |n: usize, bound: f32| -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-bound..=bound)).collect()
    };
    let (rows, bound) = (3 * hidden, 1.0 / (hidden as f32).sqrt());
    let x = matrix(draw(batch * seq_len * input, 1.0), batch * seq_len, input);
    let (w_ih, w_hh) = (draw(rows * input, bound), draw(rows * hidden, bound));
    let (b_ih, b_hh) = (draw(rows, bound), draw(rows, bound));
    let stepwise = StepwiseGru::new(&w_ih, &w_hh, &b_ih, &b_hh);
    let m = [
        matrix(w_ih, rows, input),
        matrix(w_hh, rows, hidden),
        matrix(b_ih, 1, rows),
        matrix(b_hh, 1, rows),
    ];
    let fused_pass = || {
        let weights = RecurrentWeights {
            weight_ih: &m[0],
            weight_hh: &m[1],
            bias_ih: &m[2],
            bias_hh: &m[3],
        };
        let y = gru(on_tape(&x), weights, batch, seq_len);
        std::hint::black_box(backward_from(y, vec![1.0; batch * seq_len * hidden]));
    };
    let stepwise_pass = || {
        std::hint::black_box(backward(stepwise.sum(&x, batch, seq_len)));
    };
    with_threads(layer.threads, || {
        fused_pass();
        stepwise_pass();
        let once = timed(fused_pass).1.min(timed(fused_pass).1);
        let passes = (ROUND_SECONDS / once.max(1e-9)).ceil().clamp(1.0, 1e4) as usize;
        let (mut out, mut spent) = (Timed::default(), 0.0);
        for round in 0..MOST_ROUNDS.max(layer.repeats) {
            if round >= layer.repeats.max(2) && spent >= layer.seconds {
                break;
            }
            let fused = timed(|| (0..passes).for_each(|_| fused_pass())).1;
            let stepwise = timed(stepwise_pass).1;
            out.fused.push(fused / passes as f64);
            out.stepwise.push(stepwise);
            spent += fused + stepwise;
            progress((spent / layer.seconds.max(1e-9)).min(1.0));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_timed_as_often_as_asked_and_take_time() {
        let timed = time(
            Layer {
                batch: 2,
                seq_len: 3,
                input: 4,
                hidden: 5,
                threads: 1,
                repeats: 3,
                seconds: 0.0,
            },
            &mut |_| {},
        );
        assert_eq!((timed.fused.len(), timed.stepwise.len()), (3, 3));
        assert!(timed.fused.iter().chain(&timed.stepwise).all(|&s| s > 0.0));
    }
}
