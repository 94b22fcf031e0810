//! A thousand steps take no more memory than ten.

use seqduel::measure::memory::{self, CountingAllocator};
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{ModelConfig, Shape, of_one_sequence};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Bytes of this process in main memory; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn a_thousand_steps_grow_nothing() {
    for mode in [Mode::TrainStep, Mode::Forward] {
        for row in of_one_sequence() {
            let mut prepared = prepare(&Workload {
                mode,
                config: ModelConfig {
                    heads: 4,
                    ..ModelConfig::new(row.name, 50, 32, 2, 64)
                },
                // Activations of 128 KiB and more, which are blocks that the allocator keeps.
                shape: Shape {
                    batch: 16,
                    seq_len: 64,
                },
                threads: 1,
                context: 0,
            })
            .expect("the sizes are right");
            let name = format!("{} {}", mode.name(), row.name);
            for _ in 0..10 {
                prepared.step();
            }
            memory::reset_peak();
            prepared.step();
            let (live, peak, kept) = (memory::live(), memory::peak(), memory::kept());
            let before = resident();
            for _ in 0..1000 {
                prepared.step();
            }
            // The queues of the threads may take and return a few hundred bytes.
            assert!(
                memory::live() <= live + 4096,
                "{name}: {live} to {}",
                memory::live()
            );
            assert!(
                memory::peak() <= peak + 4096,
                "{name}: {peak} to {}",
                memory::peak()
            );
            assert_eq!(
                memory::kept(),
                kept,
                "{name}: a step after warm-up keeps nothing new"
            );
            if let (Some(before), Some(after)) = (before, resident()) {
                assert!(
                    after < before + (4 << 20),
                    "{name}: {before} to {after} bytes"
                );
            }
        }
    }
}
