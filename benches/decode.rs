//! One token of one sequence at growing contexts, and a prompt of many tokens at once.

mod common;

use common::Bench;
use kernels::with_threads;
use seqduel::measure::clock::timed;
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{ModelConfig, Shape, build, of_one_sequence, parameter_count};

fn main() {
    let mut bench = Bench::new();
    for width in [128, 256] {
        for context in [16, 256, 1024, 4096] {
            for row in of_one_sequence() {
                let config = ModelConfig {
                    heads: 4,
                    ..ModelConfig::new(row.name, 96, width, 2, context + 1)
                };
                let model = build(&config, 0).expect("the sizes are right");
                let workload = Workload {
                    mode: Mode::Decode,
                    config,
                    shape: Shape {
                        batch: 1,
                        seq_len: 1,
                    },
                    threads: bench.threads(),
                    context,
                };
                let mut prepared = prepare(&workload).expect("the sizes are right");
                // Every weight but the embedding's other rows is read once, and all of the state.
                let bytes = (4 * prepared.parameters + model.state_bytes(context)) as f64;
                let flops = model.flops_per_token(context);
                let name = format!("{} d{width} l2 context {context}", row.name);
                bench.run("decode", &name, flops, bytes, || prepared.step());
            }
        }
    }
    prompts(&mut bench);
    bench.finish();
}

/// 512 tokens of one sequence at once.
fn prompts(bench: &mut Bench) {
    const PROMPT: usize = 512;
    let tokens: Vec<u32> = (0..PROMPT as u32).map(|i| (i * i + 7 * i) % 96).collect();
    for row in of_one_sequence() {
        let config = ModelConfig {
            heads: 4,
            ..ModelConfig::new(row.name, 96, 128, 2, PROMPT)
        };
        let model = build(&config, 0).expect("the sizes are right");
        let mut decoder = model.decoder();
        let mut logits = Vec::new();
        let bytes = (4 * parameter_count(&config).expect("as above")) as f64;
        let flops = (0..PROMPT).map(|t| model.flops_per_token(t)).sum();
        let name = format!("{} d128 l2 prompt {PROMPT}", row.name);
        let threads = bench.threads();
        bench.run("extend", &name, flops, bytes, || {
            let mut state = decoder.start(1, None);
            let read = || decoder.extend(&tokens, &mut state, &mut logits);
            let (read, seconds) = with_threads(threads, || timed(read));
            read.expect("positions go as far");
            seconds
        });
    }
}
