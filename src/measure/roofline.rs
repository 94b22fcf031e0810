//! The machine's limits, measured: no operation can be faster, so each one's share of them says
//! whether a slow model is a slow architecture or a slow program.

use super::clock::timed;
use kernels::gemm::{View, gemm};
use kernels::parallel;
use kernels::simd::{self, Kernel, Simd};
use kernels::with_threads;
use serde::{Deserialize, Serialize};

/// Limits of the machine with a number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// Threads.
    pub threads: usize,
    /// Floating-point operations per second of independent fused multiply-adds in registers, each
    /// counted as two.
    pub fma_flops: f64,
    /// Floating-point operations per second of a large matrix product.
    pub gemm_flops: f64,
    /// Copying, by size of the working set.
    pub copy: Vec<CopyRate>,
}

/// How fast memory is copied.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CopyRate {
    /// Bytes of source and destination together, over all threads.
    pub bytes: usize,
    /// Bytes read and written per second.
    pub bytes_per_second: f64,
}

impl Roofline {
    /// Bytes read and written per second in main memory: the largest working set's rate.
    pub fn copy_bytes_per_second(&self) -> f64 {
        self.copy.last().map_or(0.0, |rate| rate.bytes_per_second)
    }

    /// The most FLOP/s that work with this many FLOPs and bytes can reach from main memory.
    pub fn attainable_flops(&self, flops: f64, bytes: f64) -> f64 {
        if bytes <= 0.0 {
            return self.fma_flops;
        }
        self.fma_flops
            .min(flops / bytes * self.copy_bytes_per_second())
    }
}

/// Seconds each single measurement runs; each is repeated and the best counts, as a limit is what
/// the machine can do when nothing disturbs it.
const SLICE: f64 = 0.02;
const REPEATS: usize = 4;
/// Working sets of the copy: within one core's cache to far beyond the last level.
const COPY_BYTES: [usize; 4] = [256 << 10, 4 << 20, 16 << 20, 128 << 20];
/// Working set of a copy within each thread's own cache, for [`copy_roofs`].
const CACHED_BYTES: usize = 128 << 10;
/// A region copies at least this much: starting threads is no part of the limit.
const REGION_BYTES: usize = 8 << 20;
/// Rows, columns and depth of the product.
const GEMM_SIZE: usize = 512;

/// Measures the limits with `threads` threads, in under a second.
pub fn probe(threads: usize) -> Roofline {
    with_threads(threads, || Roofline {
        threads,
        fma_flops: fma_flops(),
        gemm_flops: gemm_flops(),
        copy: COPY_BYTES.map(copy_rate).to_vec(),
    })
}

/// The FMA rate alone with `threads` threads, FLOP/s, in about a tenth of a second.
pub fn peak_flops(threads: usize) -> f64 {
    with_threads(threads, fma_flops)
}

/// Copy rates with `threads` threads: within their caches, and in main memory. In about a fifth of a
/// second.
pub fn copy_roofs(threads: usize) -> [CopyRate; 2] {
    let memory = COPY_BYTES[COPY_BYTES.len() - 1];
    with_threads(threads, || [CACHED_BYTES * threads, memory].map(copy_rate))
}

/// Repeats `work`, which does `amount` of something each time, and returns the best rate.
fn best_rate(amount: f64, mut work: impl FnMut()) -> f64 {
    let ((), once) = timed(&mut work);
    let times = ((SLICE / once.max(1e-9)) as usize).clamp(1, 1_000_000);
    let rates = (0..REPEATS).map(|_| {
        let ((), seconds) = timed(|| (0..times).for_each(|_| work()));
        amount * times as f64 / seconds
    });
    rates.fold(0.0, f64::max)
}

/// Independent chains: more than latency times throughput (4 cycles, 2 a cycle) of any CPU we
/// know, and few enough for 16 registers.
const CHAINS: usize = 12;
/// Multiply-adds a chain does in one call.
const DEPTH: usize = 20_000;

struct Chains {
    factor: f32,
    addend: f32,
}

impl Kernel for Chains {
    /// Floating-point operations done, and a number that depends on all of them.
    type Output = (f64, f32);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (f64, f32) {
        let (a, b) = (simd.splat(self.factor), simd.splat(self.addend));
        let mut chains = [simd.splat(1.0); CHAINS];
        // No more than the register tile holds: others would live in memory.
        let count = CHAINS.min(S::TILE_ROWS * S::TILE_VECTORS);
        for _ in 0..DEPTH {
            for chain in &mut chains[..count] {
                *chain = simd.fma(*chain, a, b);
            }
        }
        let mut sum = 0.0;
        for &chain in &chains[..count] {
            sum += simd.sum(chain);
        }
        ((2 * count * DEPTH * S::LANES) as f64, sum)
    }
}

/// One chain of multiply-adds, each of which waits for the one before.
struct Chain(Chains);

impl Kernel for Chain {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (a, b) = (simd.splat(self.0.factor), simd.splat(self.0.addend));
        let mut chain = simd.splat(1.0);
        for _ in 0..DEPTH {
            chain = simd.fma(chain, a, b);
        }
        simd.sum(chain)
    }
}

/// Seconds from the start of a floating-point operation until one that needs its result starts, on
/// one thread; in about a tenth of a second.
pub fn chain_seconds() -> f64 {
    let level = simd::level();
    let (factor, addend) = std::hint::black_box((0.999_f32, 0.001_f32));
    let rate = best_rate(DEPTH as f64, || {
        std::hint::black_box(simd::dispatch_at(level, Chain(Chains { factor, addend })));
    });
    1.0 / rate
}

/// FLOP/s of chains of fused multiply-adds on every thread of the current pool.
fn fma_flops() -> f64 {
    let threads = parallel::threads();
    let level = simd::level();
    // Hidden from the optimiser, so that nothing is computed beforehand.
    let (factor, addend) = std::hint::black_box((0.999_f32, 0.001_f32));
    let chains = || {
        let (flops, sum) = simd::dispatch_at(level, Chains { factor, addend });
        std::hint::black_box(sum);
        flops
    };
    let flops = chains();
    // Several calls a thread in one region: starting threads is no part of the limit.
    const CALLS: usize = 8;
    best_rate(flops * (threads * CALLS) as f64, || {
        parallel::for_each(threads * CALLS, |_| {
            chains();
        });
    })
}

/// FLOP/s of a square product on the current pool.
fn gemm_flops() -> f64 {
    let n = GEMM_SIZE;
    let (a, b) = (vec![0.5_f32; n * n], vec![0.25_f32; n * n]);
    let mut c = vec![0.0_f32; n * n];
    best_rate(2.0 * (n * n * n) as f64, || {
        gemm(n, n, n, View::new(&a, n), View::new(&b, n), &mut c, false);
        std::hint::black_box(&c);
    })
}

/// Copy rate for a working set of `bytes`, each thread copying its own part.
fn copy_rate(bytes: usize) -> CopyRate {
    let floats = bytes / 2 / size_of::<f32>();
    let part = floats.div_ceil(parallel::threads());
    let source = vec![1.0_f32; floats];
    let mut target = vec![0.0_f32; floats];
    let times = (REGION_BYTES / bytes.max(1)).max(1);
    let bytes_per_second = best_rate((times * 2 * floats * size_of::<f32>()) as f64, || {
        parallel::for_each_chunk(&mut target, part, |i, chunk| {
            let start = i * part;
            for _ in 0..times {
                chunk.copy_from_slice(&source[start..start + chunk.len()]);
                std::hint::black_box(&mut *chunk);
            }
        });
    });
    CopyRate {
        bytes,
        bytes_per_second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_plausible_and_ordered() {
        let roofline = probe(1);
        assert!(roofline.fma_flops > 1e8, "{roofline:?}");
        assert!(roofline.copy_bytes_per_second() > 1e7, "{roofline:?}");
        // A product cannot beat the multiply-adds it is made of, but for noise between the two.
        assert!(
            roofline.gemm_flops < 1.5 * roofline.fma_flops,
            "{roofline:?}"
        );
        // A chain leaves the units waiting: its vector does less than a quarter of the peak.
        let chain = chain_seconds();
        assert!(
            (1e-11..1e-7).contains(&chain) && 8.0 / chain < roofline.fma_flops,
            "{chain}"
        );
        let [cache, memory] = copy_roofs(1);
        assert!(cache.bytes < memory.bytes);
        assert!(
            cache.bytes_per_second > memory.bytes_per_second,
            "{cache:?} {memory:?}"
        );
        assert_eq!(roofline.attainable_flops(1.0, 0.0), roofline.fma_flops);
        assert!(roofline.attainable_flops(1.0, 1e6) < roofline.fma_flops);
    }

    #[test]
    fn the_chains_compute_what_they_are_counted_for() {
        for &level in simd::available() {
            let (flops, sum) = simd::dispatch_at(
                level,
                Chains {
                    factor: 1.0,
                    addend: 0.0,
                },
            );
            // Every lane of every chain keeps its 1.
            assert_eq!(f64::from(sum) * (2 * DEPTH) as f64, flops);
        }
    }
}
