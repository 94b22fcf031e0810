//! One full training step of each model at four sizes.

mod common;

use common::Bench;
use kernels::cost;
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{ModelConfig, Shape, of_one_sequence};

/// Width, layers, tokens, sequences, vocabulary.
const SHAPES: [(usize, usize, usize, usize, usize); 4] = [
    (64, 1, 128, 32, 64),
    (128, 2, 256, 16, 96),
    (256, 2, 128, 32, 96),
    (256, 4, 512, 8, 256),
];

fn main() {
    let mut bench = Bench::new();
    for (width, layers, seq_len, batch, vocab) in SHAPES {
        for row in of_one_sequence() {
            let workload = Workload {
                mode: Mode::TrainStep,
                config: ModelConfig {
                    heads: 4,
                    ..ModelConfig::new(row.name, vocab, width, layers, seq_len)
                },
                shape: Shape { batch, seq_len },
                threads: bench.threads(),
                context: 0,
            };
            let mut prepared = prepare(&workload).expect("the sizes are right");
            let (_, costs) = cost::counting(|| prepared.step());
            let flops = costs.iter().map(|c| c.flops).sum();
            let bytes = costs.iter().map(|c| c.bytes).sum();
            let name = format!("{} d{width} l{layers} T{seq_len} B{batch}", row.name);
            bench.run("train_step", &name, flops, bytes, || prepared.step());
        }
    }
    bench.finish();
}
