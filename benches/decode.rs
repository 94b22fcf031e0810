//! One token of one sequence at growing contexts.

mod common;

use common::Bench;
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{MODELS, ModelConfig, Shape, build};

fn main() {
    let mut bench = Bench::new();
    for width in [128, 256] {
        for context in [16, 256, 1024, 4096] {
            for row in MODELS {
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
    bench.finish();
}
