//! Times attention alone, forward and backward: `attention BATCH HEADS SEQ_LEN HEAD_WIDTH THREADS
//! SECONDS`. Prints JSON; `benches/peers/compare.py` reads it.

#![allow(clippy::disallowed_methods)] // what it multiplies is any numbers

use anyhow::Context;
use kernels::{AttentionShape, attention, backward_from, cost, matrix, on_tape, with_threads};
use seqduel::measure::clock::timed;
use seqduel::measure::memory::{self, CountingAllocator};
use seqduel::measure::roofline::peak_flops;
use seqduel::stats::median;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> anyhow::Result<()> {
    memory::keep_memory(); // as the program does
    let arguments: Vec<f64> = std::env::args()
        .skip(1)
        .map(|a| a.parse().with_context(|| format!("`{a}` is not a number")))
        .collect::<anyhow::Result<_>>()?;
    let [batch, heads, seq_len, head_width, threads, seconds] = arguments[..] else {
        anyhow::bail!("usage: attention BATCH HEADS SEQ_LEN HEAD_WIDTH THREADS SECONDS");
    };
    let (head_width, threads) = (head_width as usize, threads as usize);
    let shape = AttentionShape::causal(batch as usize, seq_len as usize, heads as usize);
    let (rows, width) = (shape.batch * shape.queries, shape.heads * head_width);
    let wave = |n: usize| -> Vec<f32> { (0..n).map(|i| (i as f32 * 0.37).sin()).collect() };
    let (qkv, upstream) = (
        matrix(wave(rows * 3 * width), rows, 3 * width),
        wave(rows * width),
    );

    let step = || {
        let gradient = upstream.clone();
        let ((), seconds) = timed(|| {
            let out = attention(on_tape(&qkv), None, shape);
            drop(backward_from(out, gradient));
        });
        seconds
    };
    let (times, flops, peak_bytes) = with_threads(threads, || {
        let before = memory::live();
        step();
        memory::reset_peak();
        let (_, costs) = cost::counting(step);
        let peak_bytes = memory::peak() - before;
        let mut times = vec![step()];
        while times.len() < 5 || times.iter().sum::<f64>() < seconds {
            times.push(step());
        }
        (
            times,
            costs.iter().map(|c| c.flops).sum::<f64>(),
            peak_bytes,
        )
    });
    let (seconds, peak) = (median(&times), peak_flops(threads));
    println!(
        "{}",
        serde_json::json!({
            "step_seconds": seconds,
            "flops_per_step": flops,
            "peak_flops": peak,
            "share_of_peak": flops / seconds / peak,
            "peak_bytes": peak_bytes,
            "threads": threads,
        })
    );
    Ok(())
}
