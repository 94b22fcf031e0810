//! How operations are cut: 64 threads find work in a batch of 32.

use crate::*;
use std::cell::RefCell;

const THREADS: usize = 64;
const BATCH: usize = 32;
const SEQ_LEN: usize = 256;
const WIDTH: usize = 128;
const VOCAB: usize = 96;

thread_local! {
    static CUTS: RefCell<Option<Vec<usize>>> = const { RefCell::new(None) };
}

/// Notes into how many pieces a region outside all others was cut.
pub(super) fn note(pieces: usize) {
    CUTS.with_borrow_mut(|cuts| cuts.iter_mut().for_each(|cuts| cuts.push(pieces)));
}

/// The most pieces of any region of `work`: those of its main part. Smaller regions around it (sums
/// of a row for each piece) have too little work for so many threads.
fn most_pieces<R>(work: impl FnOnce() -> R) -> (usize, R) {
    CUTS.set(Some(Vec::new()));
    let result = with_threads(THREADS, work);
    let cuts = CUTS.take().expect("just set");
    (cuts.into_iter().max().unwrap_or(0), result)
}

fn wave(rows: usize, columns: usize) -> Matrix {
    let values = (0..rows * columns).map(|i| (i as f32 * 0.37).sin());
    matrix(values.collect(), rows, columns)
}

/// Checks both passes of an operation on an input of so many columns for every token.
fn check(name: &str, columns: usize, operation: impl Fn(Activation) -> Activation) {
    let x = wave(BATCH * SEQ_LEN, columns);
    let (forward, y) = most_pieces(|| operation(on_tape(&x)));
    let upstream = values(&y).to_vec();
    let (backward, _) = most_pieces(|| backward_from(y, upstream));
    assert!(forward >= THREADS, "{name}: {forward} pieces forward");
    assert!(backward >= THREADS, "{name}: {backward} pieces backward");
}

#[test]
fn sixty_four_threads_have_work_in_a_batch_of_32() {
    if super::cores() == 1 {
        return; // Nothing is shared out.
    }
    for f in [Nonlinearity::Identity, Nonlinearity::Gelu] {
        let (weight, bias) = (wave(3 * WIDTH, WIDTH), wave(1, 3 * WIDTH));
        check("linear", WIDTH, |x| linear(x, &weight, Some(&bias), f));
    }
    let (weight, bias) = (wave(1, WIDTH), wave(1, WIDTH));
    check("layer norm", WIDTH, |x| layer_norm(x, &weight, &bias, 1e-5));
    let shape = AttentionShape::causal(BATCH, SEQ_LEN, 4);
    check("attention", 3 * WIDTH, |x| attention(x, None, shape));
    let scan = ScanShape {
        batch: BATCH,
        seq_len: SEQ_LEN,
        scan: Scan::Parallel,
    };
    check("linear scan", 2 * WIDTH, |x| linear_scan(x, None, scan));
    let delta = DeltaShape {
        batch: BATCH,
        seq_len: SEQ_LEN,
        heads: 4,
        key_width: WIDTH / 4,
        value_width: WIDTH / 4,
        delta: true,
        normalise: true,
        decay: Decay::Fixed,
        beta: Beta::Off,
    };
    check("delta rule", 3 * WIDTH, |x| {
        delta_rule(x, None, None, delta)
    });
    let weight = wave(WIDTH, 4);
    check("convolution", WIDTH, |x| {
        causal_conv(x, &weight, None, Nonlinearity::Silu, BATCH)
    });
    let (z, weight) = (wave(BATCH * SEQ_LEN, WIDTH), wave(1, WIDTH / 4));
    check("gated norm", WIDTH, |x| {
        gated_rms_norm(x, z.clone(), &weight, 1e-6)
    });

    let tokens: Vec<u32> = (0..BATCH * SEQ_LEN).map(|i| (i % VOCAB) as u32).collect();
    let table = wave(VOCAB, WIDTH);
    let (pieces, _) = most_pieces(|| embedding(&tokens[..], &table, Tape::Off));
    assert!(pieces >= THREADS, "embedding: {pieces}");
    let logits = wave(BATCH * SEQ_LEN, VOCAB);
    let mask = vec![1.0; tokens.len()];
    let (pieces, _) = most_pieces(|| cross_entropy(on_tape(&logits), &tokens, &mask));
    assert!(pieces >= THREADS, "cross entropy: {pieces}");

    let mut w = [1 << 20; 4].map(|n| vec![0.1_f32; n]);
    let [weights, gradient, m, v] = &mut w;
    let step = AdamwStep {
        step: 1,
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
        gradient_scale: 1.0,
    };
    let (pieces, ()) = most_pieces(|| adamw_update(weights, gradient, m, v, &step));
    assert!(pieces >= THREADS, "adamw: {pieces}");
    let (pieces, _) = most_pieces(|| squared_norm(&w[..1]));
    assert!(pieces >= THREADS, "squared norm: {pieces}");
}
