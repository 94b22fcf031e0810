//! The operations, forward and backward together, against the machine's roofline.

#![allow(clippy::disallowed_methods)] // what it multiplies is any numbers

mod common;

use common::Bench;
use kernels::gemm::{View, gemm};
use kernels::{
    Activation, AdamwStep, AttentionShape, Matrix, Nonlinearity, RecurrentWeights, Scan, ScanShape,
    adamw_update, attention, backward, backward_from, cost, cross_entropy, elman, embedding, gru,
    layer_norm, linear, lstm, matrix, min_gru, min_lstm, on_tape, with_threads,
};
use seqduel::measure::clock::timed;

fn main() {
    let mut bench = Bench::new();
    products(&mut bench);
    for (rows, inputs, outputs) in [(4096, 256, 1024), (4096, 1024, 256), (4096, 128, 96)] {
        let (x, weight) = (wave(rows, inputs), wave(outputs, inputs));
        let bias = wave(1, outputs);
        for (f, name) in [
            (Nonlinearity::Identity, "linear"),
            (Nonlinearity::Gelu, "linear+gelu"),
        ] {
            let name = format!("{name} {rows}x{inputs}x{outputs}");
            both_passes(&mut bench, &name, rows * outputs, || {
                linear(on_tape(&x), &weight, Some(&bias), f)
            });
        }
    }
    for rows in [4096, 16384] {
        let (x, weight, bias) = (wave(rows, 256), wave(1, 256), wave(1, 256));
        both_passes(
            &mut bench,
            &format!("layer norm {rows}x256"),
            rows * 256,
            || layer_norm(on_tape(&x), &weight, &bias, 1e-5),
        );
    }
    for (batch, seq_len) in [(32, 128), (8, 512), (2, 2048)] {
        let shape = AttentionShape::causal(batch, seq_len, 4);
        let qkv = wave(batch * seq_len, 3 * 256);
        let name = format!("attention B{batch} T{seq_len} 4 heads of 64");
        both_passes(&mut bench, &name, batch * seq_len * 256, || {
            attention(on_tape(&qkv), None, shape)
        });
    }
    recurrences(&mut bench);
    scans(&mut bench);
    losses_and_updates(&mut bench);
    bench.finish();
}

/// Smooth values of both signs, about half in size.
fn wave(rows: usize, columns: usize) -> Matrix {
    let values = (0..rows * columns).map(|i| 0.7 * (i as f32 * 0.37).sin());
    matrix(values.collect(), rows, columns)
}

/// Times forward and backward of what `forward` records, with outputs of `len` values.
fn both_passes(bench: &mut Bench, name: &str, len: usize, forward: impl Fn() -> Activation + Sync) {
    let upstream: Vec<f32> = (0..len).map(|i| (i as f32 * 0.73).cos()).collect();
    let step = || {
        let upstream = upstream.clone();
        timed(|| drop(backward_from(forward(), upstream))).1
    };
    counted(bench, name, step);
}

/// Times a step that reports its costs itself.
fn counted(bench: &mut Bench, name: &str, step: impl Fn() -> f64 + Sync) {
    let threads = bench.threads();
    let (_, costs) = cost::counting(|| with_threads(threads, &step));
    let flops = costs.iter().map(|c| c.flops).sum();
    let bytes = costs.iter().map(|c| c.bytes).sum();
    bench.run("ops", name, flops, bytes, || with_threads(threads, &step));
}

fn products(bench: &mut Bench) {
    let threads = bench.threads();
    for (m, n, k) in [
        (512, 512, 512),
        (4096, 1024, 256),
        (256, 1024, 4096),
        (16, 1024, 256),
    ] {
        let (a, b) = (vec![0.5_f32; m * k], vec![0.25_f32; k * n]);
        let mut c = vec![0.0_f32; m * n];
        let (flops, bytes) = (2 * m * n * k, 4 * (m * k + k * n + m * n));
        let name = format!("product {m}x{n}x{k}");
        bench.run("ops", &name, flops as f64, bytes as f64, || {
            with_threads(threads, || {
                timed(|| gemm(m, n, k, View::new(&a, k), View::new(&b, n), &mut c, false)).1
            })
        });
    }
}

fn recurrences(bench: &mut Bench) {
    type Layer = fn(Activation, RecurrentWeights, usize, usize) -> Activation;
    let layers: [(&str, Layer, usize); 3] =
        [("elman", elman, 1), ("lstm", lstm, 4), ("gru", gru, 3)];
    for (batch, seq_len, width) in [(32, 128, 64), (16, 256, 128), (32, 128, 256), (1, 512, 256)] {
        for (name, layer, gates) in layers {
            let x = wave(batch * seq_len, width);
            let scaled = |rows: usize, columns: usize| {
                let values =
                    (0..rows * columns).map(|i| (i as f32 * 0.37).sin() / (width as f32).sqrt());
                matrix(values.collect(), rows, columns)
            };
            let (ih, hh) = (scaled(gates * width, width), scaled(gates * width, width));
            let bias = scaled(1, gates * width);
            let name = format!("{name} B{batch} T{seq_len} d{width}");
            both_passes(bench, &name, batch * seq_len * width, || {
                let weights = RecurrentWeights {
                    weight_ih: &ih,
                    weight_hh: &hh,
                    bias_ih: &bias,
                    bias_hh: &bias,
                };
                layer(on_tape(&x), weights, batch, seq_len)
            });
        }
    }
}

fn scans(bench: &mut Bench) {
    type Layer = fn(Activation, Option<&Matrix>, ScanShape) -> Activation;
    let layers: [(&str, Layer, usize); 2] = [("mingru", min_gru, 2), ("minlstm", min_lstm, 3)];
    for (batch, seq_len, width) in [(32, 128, 256), (1, 4096, 256)] {
        for (name, layer, gates) in layers {
            for scan in [Scan::Sequential, Scan::Parallel] {
                let x = wave(batch * seq_len, gates * width);
                let shape = ScanShape {
                    batch,
                    seq_len,
                    scan,
                };
                let name = format!("{name} B{batch} T{seq_len} d{width} {scan:?}");
                both_passes(bench, &name, batch * seq_len * width, || {
                    layer(on_tape(&x), None, shape)
                });
            }
        }
    }
}

fn losses_and_updates(bench: &mut Bench) {
    let rows = 4096;
    for vocab in [96, 4096] {
        let logits = wave(rows, vocab);
        let targets: Vec<u32> = (0..rows).map(|i| (i * 7 % vocab) as u32).collect();
        let mask = vec![1.0; rows];
        counted(bench, &format!("cross-entropy {rows}x{vocab}"), || {
            timed(|| drop(backward(cross_entropy(on_tape(&logits), &targets, &mask)))).1
        });
    }
    let table = wave(4096, 256);
    let tokens: Vec<u32> = (0..rows as u32).map(|i| i * 31 % 4096).collect();
    both_passes(bench, "embedding 4096x256", rows * 256, || {
        embedding(&tokens, &table, kernels::Tape::on())
    });
    let n = 1 << 20;
    let gradient = vec![0.01_f32; n];
    let (mut weights, mut m, mut v) = (vec![0.1_f32; n], vec![0.0; n], vec![0.0; n]);
    let step = AdamwStep {
        step: 10,
        learning_rate: 1e-6,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.01,
        gradient_scale: 1.0,
    };
    let threads = bench.threads();
    // Reads four values and writes three for each weight.
    bench.run("ops", "adamw 1M weights", 0.0, (7 * 4 * n) as f64, || {
        with_threads(threads, || {
            timed(|| adamw_update(&mut weights, &gradient, &mut m, &mut v, &step)).1
        })
    });
}
