//! What a program that uses the crate sees: a small network of public functions alone.

#![allow(clippy::disallowed_methods)] // what is expected may be a digit off

use seqduel_kernels::simd::{available, with_level};
use seqduel_kernels::{
    AdamwStep, AttentionPositions, AttentionShape, LstmCell, Matrix, Nonlinearity,
    RecurrentWeights, Slot, Tape, adamw_update, attention, backward, cross_entropy, embedding,
    linear, lstm, matrix, values, with_threads,
};

const BATCH: usize = 3;
const SEQ_LEN: usize = 7;
const WIDTH: usize = 12;
const VOCAB: usize = 5;

/// Embedding, LSTM, product for q, k and v, attention, product for the logits.
struct Network(Vec<Matrix>);

impl Network {
    fn new() -> Self {
        let shapes = [
            (VOCAB, WIDTH),
            (4 * WIDTH, WIDTH),
            (4 * WIDTH, WIDTH),
            (1, 4 * WIDTH),
            (3 * WIDTH, WIDTH),
            (VOCAB, WIDTH),
        ];
        let wave = |i: usize| (i as f32 * 1.7).sin() * 0.3;
        let tensor =
            |(rows, columns)| matrix((0..rows * columns).map(wave).collect(), rows, columns);
        Network(shapes.map(tensor).into())
    }

    fn weights(&self) -> RecurrentWeights<'_> {
        RecurrentWeights {
            weight_ih: &self.0[1],
            weight_hh: &self.0[2],
            bias_ih: &self.0[3],
            bias_hh: &self.0[3],
        }
    }

    /// The loss of predicting each token itself, and the gradients of all weights.
    fn step(&self, tokens: &[u32]) -> (f32, Vec<Vec<f32>>) {
        let shape = AttentionShape {
            positions: AttentionPositions::ROTARY,
            ..AttentionShape::causal(BATCH, SEQ_LEN, 2)
        };
        let x = embedding(tokens, &self.0[0], Tape::on());
        let h = lstm(x, self.weights(), BATCH, SEQ_LEN);
        let qkv = linear(h, &self.0[4], None, Nonlinearity::Gelu);
        let y = attention(qkv, None, shape);
        let logits = linear(y, &self.0[5], None, Nonlinearity::Identity);
        let loss = cross_entropy(logits, tokens, &[1.0; BATCH * SEQ_LEN]);
        let value = values(&loss)[0];
        let mut gradients = backward(loss);
        let slots = self.0.iter().map(|w| Slot::of(w).take(&mut gradients));
        (value, slots.collect())
    }
}

fn tokens() -> Vec<u32> {
    (0..BATCH * SEQ_LEN)
        .map(|i| (i * i % VOCAB) as u32)
        .collect()
}

#[test]
fn a_network_learns_and_threads_do_not_change_a_bit() {
    let train = || {
        let mut network = Network::new();
        let zeros = |w: &Matrix| vec![0.0; values(w).len()];
        let mut m: Vec<_> = network.0.iter().map(zeros).collect();
        let mut v = m.clone();
        let mut losses = Vec::new();
        for t in 1..=20 {
            let (loss, gradients) = network.step(&tokens());
            losses.push(loss);
            let step = AdamwStep {
                step: t,
                learning_rate: 0.02,
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-8,
                weight_decay: 0.0,
                gradient_scale: 1.0,
            };
            for (i, w) in network.0.iter_mut().enumerate() {
                let mut new = values(w);
                adamw_update(&mut new, &gradients[i], &mut m[i], &mut v[i], &step);
                w.copy_from(&new);
            }
        }
        losses
    };
    for &level in available() {
        let run = |threads| with_level(level, || with_threads(threads, train));
        let losses = run(1);
        assert!(losses[19] < 0.5 * losses[0], "{level:?}: {losses:?}");
        assert_eq!(losses, run(2), "{level:?}");
    }
}

#[test]
fn a_cell_steps_through_what_the_layer_computes_at_once() {
    let network = Network::new();
    let x: Vec<f32> = (0..SEQ_LEN * WIDTH).map(|i| (i as f32).cos()).collect();
    let all = Tape::Off;
    let input = {
        use dfdx::prelude::PutTape;
        matrix(x.clone(), SEQ_LEN, WIDTH).put_tape(all)
    };
    let want = values(&lstm(input, network.weights(), 1, SEQ_LEN));
    let cell = LstmCell::new(network.weights());
    let (mut h, mut c, mut scratch) = (vec![0.0; WIDTH], vec![0.0; WIDTH], Vec::new());
    for (x, want) in x.chunks(WIDTH).zip(want.chunks(WIDTH)) {
        cell.step(x, &mut h, &mut c, &mut scratch);
        for (h, want) in h.iter().zip(want) {
            assert!((h - want).abs() < 1e-5, "{h} {want}");
        }
    }
}
