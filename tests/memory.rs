//! A thousand steps take no more memory than ten, and models in turn little more than the largest.

use seqduel::measure::memory::{self, CountingAllocator};
use seqduel::measure::throughput::{Mode, Workload, prepare};
use seqduel::models::{ModelConfig, Shape, of_one_sequence};
use std::sync::{Mutex, PoisonError};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The tests look at the whole process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes of this process in main memory; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn a_thousand_steps_grow_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    memory::keep_memory();
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

/// As timings do: each model with activations of other sizes, on one thread and on two.
#[test]
fn models_in_turn_share_their_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    memory::keep_memory();
    memory::reset_peak();
    let widths = [
        ("elman", 152),
        ("lstm", 76),
        ("gru", 90),
        ("transformer", 64),
    ];
    let all = [1, 2].map(|threads| widths.map(|(name, width)| (name, width, threads)));
    let mut prepared: Vec<_> = all
        .as_flattened()
        .iter()
        .filter(|model| model.2 <= std::thread::available_parallelism().map_or(1, usize::from))
        .map(|&(name, width, threads)| {
            prepare(&Workload {
                mode: Mode::TrainStep,
                config: ModelConfig {
                    heads: 4,
                    ..ModelConfig::new(name, 96, width, 2, 256)
                },
                shape: Shape {
                    batch: 32,
                    seq_len: 256,
                },
                threads,
                context: 0,
            })
            .expect("the sizes are right")
        })
        .collect();
    for _ in 0..4 {
        for model in &mut prepared {
            model.step();
        }
    }
    let Some(resident) = resident() else {
        return;
    };
    // Half again, and the program itself. Other C libraries than glibc's keep more.
    let most = memory::peak() * 3 / 2 + (64 << 20);
    let glibc = cfg!(all(target_os = "linux", target_env = "gnu"));
    assert!(
        !glibc || resident < most,
        "{resident} of {}",
        memory::peak()
    );
}
