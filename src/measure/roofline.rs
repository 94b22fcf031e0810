//! The machine's limits, measured: no operation can be faster, so each one's share of them says
//! whether a slow model is a slow architecture or a slow program.

use super::clock::timed;
use kernels::gemm::{View, gemm};
use kernels::{parallel, probe, with_threads};
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

/// Seconds from the start of a floating-point operation until one that needs its result starts, on
/// one thread; in about a tenth of a second.
pub fn chain_seconds() -> f64 {
    let length = probe::dependent_multiply_adds() as f64;
    1.0 / best_rate(length, || {
        probe::dependent_multiply_adds();
    })
}

/// FLOP/s of chains of fused multiply-adds on every thread of the current pool.
fn fma_flops() -> f64 {
    // Several calls a thread in one region: starting threads is no part of the limit.
    const CALLS: usize = 8;
    let times = CALLS * parallel::threads();
    best_rate(probe::multiply_adds(times), || {
        probe::multiply_adds(times);
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

    /// Other tests take the cores while this one runs, so an order of two limits has to be seen in one
    /// of a few looks.
    fn ordered(look: impl Fn() -> (bool, String)) {
        let seen: Vec<String> = std::iter::repeat_with(look)
            .take(8)
            .take_while(|(ordered, _)| !ordered)
            .map(|(_, seen)| seen)
            .collect();
        assert!(seen.len() < 8, "{seen:#?}");
    }

    #[test]
    fn limits_are_plausible_and_ordered() {
        let roofline = probe(1);
        assert!(roofline.fma_flops > 1e8, "{roofline:?}");
        assert!(roofline.copy_bytes_per_second() > 1e7, "{roofline:?}");
        assert_eq!(roofline.attainable_flops(1.0, 0.0), roofline.fma_flops);
        assert!(roofline.attainable_flops(1.0, 1e6) < roofline.fma_flops);
        // A product cannot beat the multiply-adds it is made of, but for noise between the two.
        ordered(|| {
            let (product, peak) = with_threads(1, || (gemm_flops(), fma_flops()));
            (product < 1.5 * peak, format!("{product} {peak}"))
        });
        // A chain leaves the units waiting: its vector does less than a quarter of the peak.
        ordered(|| {
            let (chain, peak) = with_threads(1, || (chain_seconds(), fma_flops()));
            assert!((1e-11..1e-7).contains(&chain), "{chain}");
            (8.0 / chain < peak, format!("{chain} {peak}"))
        });
        ordered(|| {
            let [cache, memory] = copy_roofs(1);
            assert!(cache.bytes < memory.bytes);
            let faster = cache.bytes_per_second > memory.bytes_per_second;
            (faster, format!("{cache:?} {memory:?}"))
        });
    }
}
