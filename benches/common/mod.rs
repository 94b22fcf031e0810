//! What the benches share: achieved rates beside the machine's roofline.

use criterion::Criterion;
use seqduel::measure::memory::CountingAllocator;
use seqduel::measure::roofline::{Roofline, probe};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs benches and collects what they reached.
pub struct Bench {
    criterion: Criterion,
    roofline: Roofline,
    rows: Vec<String>,
}

impl Bench {
    /// Reads the command line and probes the machine with all its cores.
    pub fn new() -> Self {
        let criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Bench {
            criterion,
            roofline: probe(threads),
            rows: Vec::new(),
        }
    }

    /// Threads that everything is timed with.
    pub fn threads(&self) -> usize {
        self.roofline.threads
    }

    /// Times `step`, which returns the seconds it took. `flops` and `bytes` are of one step.
    pub fn run(
        &mut self,
        group: &str,
        name: &str,
        flops: f64,
        bytes: f64,
        mut step: impl FnMut() -> f64,
    ) {
        let mut samples = Vec::new();
        let mut group = self.criterion.benchmark_group(group);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let seconds: f64 = (0..times).map(|_| step()).sum();
                samples.push(seconds / times as f64);
                Duration::from_secs_f64(seconds)
            });
        });
        group.finish();
        // None were taken if the command line's filter leaves this bench out.
        if !samples.is_empty() {
            let row = self.row(name, flops, bytes, seqduel::stats::median(&samples));
            self.rows.push(row);
        }
    }

    fn row(&self, name: &str, flops: f64, bytes: f64, seconds: f64) -> String {
        // From main memory: what fits into a cache may exceed the bandwidth roof.
        let roof = self.roofline.attainable_flops(flops, bytes);
        let share_of_roof = if flops > 0.0 {
            flops / seconds / roof
        } else {
            bytes / seconds / self.roofline.copy_bytes_per_second()
        };
        format!(
            "{name:<44} {:>10.3} ms {:>8.1} GFLOP/s {:>6.2} of FMA peak {:>7.1} GB/s {:>6.2} of roof",
            seconds * 1e3,
            flops / seconds / 1e9,
            flops / seconds / self.roofline.fma_flops,
            bytes / seconds / 1e9,
            share_of_roof
        )
    }

    /// Prints the roofline and every rate reached.
    pub fn finish(self) {
        self.criterion.final_summary();
        let roofline = &self.roofline;
        println!(
            "\n{} threads: multiply-adds {:.1} GFLOP/s, 512³ product {:.1} GFLOP/s, copy {}",
            roofline.threads,
            roofline.fma_flops / 1e9,
            roofline.gemm_flops / 1e9,
            roofline
                .copy
                .iter()
                .map(|r| format!(
                    "{:.0} GB/s at {} KiB",
                    r.bytes_per_second / 1e9,
                    r.bytes >> 10
                ))
                .collect::<Vec<_>>()
                .join(", ")
        );
        for row in &self.rows {
            println!("{row}");
        }
    }
}
