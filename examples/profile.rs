//! Where the time of a training step goes: `profile MODEL WIDTH LAYERS SEQ_LEN BATCH VOCAB THREADS`.
//!
//! Prints for each operation its share of the step and what it reaches of the machine's roofline.
//! A step ends with the update, so what comes before an operation's report is that operation's.

use anyhow::Context;
use kernels::{cost, with_threads};
use seqduel::measure::memory::{self, CountingAllocator};
use seqduel::measure::roofline::probe;
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{ModelConfig, Shape};
use seqduel::stats::median;
use std::collections::BTreeMap;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Steps that are timed; the median of each operation counts.
const STEPS: usize = 15;

fn main() -> anyhow::Result<()> {
    memory::keep_memory(); // as the program does
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: profile MODEL WIDTH LAYERS SEQ_LEN BATCH VOCAB THREADS";
    let model = arguments.next().context(usage)?;
    let sizes: Vec<usize> = arguments
        .map(|a| a.parse().with_context(|| format!("`{a}` is not a size")))
        .collect::<anyhow::Result<_>>()?;
    let [width, layers, seq_len, batch, vocab, threads] = sizes[..] else {
        anyhow::bail!(usage);
    };
    let mut prepared = prepare(&Workload {
        mode: Mode::TrainStep,
        config: ModelConfig {
            heads: 4,
            ..ModelConfig::new(&model, vocab, width, layers, seq_len)
        },
        shape: Shape { batch, seq_len },
        threads,
        context: 0,
    })?;
    let roofline = probe(threads);

    // Operation → FLOPs and bytes of a step, and the seconds in each step.
    let mut found: BTreeMap<&str, (f64, f64, Vec<f64>)> = BTreeMap::new();
    let mut steps = Vec::new();
    with_threads(threads, || {
        for _ in 0..3 {
            prepared.step();
        }
        for step in 0..STEPS {
            let (seconds, costs) = cost::timing(|| prepared.step());
            steps.push(seconds);
            for (cost, seconds) in costs {
                let (flops, bytes, times) = found
                    .entry(cost.name)
                    .or_insert_with(|| (0.0, 0.0, vec![0.0; STEPS]));
                *flops += cost.flops / STEPS as f64;
                *bytes += cost.bytes / STEPS as f64;
                times[step] += seconds;
            }
        }
    });
    let step = median(&steps);
    println!(
        "{:<24} {:>9} {:>6} {:>9} {:>8} {:>8}",
        "operation", "ms", "share", "GFLOP/s", "GB/s", "of roof"
    );
    let mut rows: Vec<_> = found.into_iter().collect();
    rows.sort_by(|a, b| median(&b.1.2).total_cmp(&median(&a.1.2)));
    let mut total_flops = 0.0;
    for (name, (flops, bytes, times)) in rows {
        let seconds = median(&times);
        total_flops += flops;
        println!(
            "{name:<24} {:>9.3} {:>6.3} {:>9.1} {:>8.1} {:>8.2}",
            seconds * 1e3,
            seconds / step,
            flops / seconds / 1e9,
            bytes / seconds / 1e9,
            if flops > 0.0 {
                flops / seconds / roofline.attainable_flops(flops, bytes)
            } else {
                bytes / seconds / roofline.copy_bytes_per_second()
            },
        );
    }
    println!(
        "{:<24} {:>9.3} {:>6.3} {:>9.1}   FMA {:.0}, product {:.0} GFLOP/s, copy {:.0} GB/s",
        "step",
        step * 1e3,
        1.0,
        total_flops / step / 1e9,
        roofline.fma_flops / 1e9,
        roofline.gemm_flops / 1e9,
        roofline.copy_bytes_per_second() / 1e9,
    );
    Ok(())
}
