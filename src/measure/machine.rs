//! What the measurements were made on.

use crate::models::available_bytes;
use kernels::simd;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine and the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// CPU model name.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Bytes of main memory.
    pub memory_bytes: u64,
    /// Bytes of main memory that are free to be used.
    pub available_bytes: u64,
    /// Operating system and version.
    pub os: String,
    /// Processor architecture the program was built for.
    pub architecture: String,
    /// Vector instructions in use: `portable`, `avx2` or `avx512`.
    pub simd: String,
    /// `release` or `debug`: timings of a debug build say nothing.
    pub build: String,
    /// Version of seqduel.
    pub version: String,
}

impl Machine {
    /// Looks at this machine.
    pub fn detect() -> Machine {
        let system = System::new_with_specifics(
            RefreshKind::nothing()
                .with_cpu(CpuRefreshKind::nothing())
                .with_memory(MemoryRefreshKind::nothing().with_ram()),
        );
        let cpu = system.cpus().first().map(|cpu| cpu.brand().trim());
        Machine {
            cpu: cpu
                .filter(|brand| !brand.is_empty())
                .unwrap_or("unknown")
                .to_string(),
            cores: cores(),
            memory_bytes: system.total_memory(),
            available_bytes: available_bytes(),
            os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_string()),
            architecture: std::env::consts::ARCH.to_string(),
            simd: simd::level().name().to_string(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }
}

/// Cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_core_and_memory() {
        let machine = Machine::detect();
        assert!(machine.cores >= 1 && !machine.cpu.is_empty());
        assert!(machine.memory_bytes > 1 << 28);
        assert!(machine.available_bytes <= machine.memory_bytes);
    }
}
