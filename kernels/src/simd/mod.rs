//! Vectors of `f32` at the widest level the CPU has, chosen at run time.
//!
//! `SEQDUEL_SIMD=portable|portable-fma|avx2|avx512` forces a level, if the CPU has it. All but
//! `portable` give the same bits.

// An inner loop is a `Kernel`: a struct with its arguments whose `run` is generic over `Simd` and
// `#[inline(always)]`. `dispatch` calls it inside a function compiled for the CPU's features, so
// everything inlined into it becomes vector code. Closures do not inherit those features: an inner
// loop must not hide in one. None of this is public: code that is generic over the level would be
// compiled again in every crate that calls it.

mod portable;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use portable::Portable;
use std::cell::Cell;
use std::sync::OnceLock;
pub(crate) use vector::{Kernel, LANES, Simd};

/// Instruction sets, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain arithmetic, left to the compiler, each product rounded before it is added: for CPUs
    /// without fused multiply-adds. Its bits are its own.
    Portable,
    /// The same with fused multiply-adds: NEON on AArch64.
    PortableFma,
    /// Two registers of 8 lanes a vector.
    Avx2,
    /// One register of 16 lanes a vector.
    Avx512,
}

impl Level {
    /// The name `SEQDUEL_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::PortableFma => "portable-fma",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Whether what is computed at this level has the same bits on every CPU: it has where
    /// multiply-adds are fused.
    pub fn is_exact(self) -> bool {
        self != Level::Portable
    }
}

/// The levels this CPU has, lowest first.
pub fn available() -> &'static [Level] {
    static AVAILABLE: OnceLock<Vec<Level>> = OnceLock::new();
    AVAILABLE.get_or_init(|| {
        #[allow(unused_mut)]
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "aarch64")]
        levels.push(Level::PortableFma);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("fma") {
            levels.push(Level::PortableFma);
            if is_x86_feature_detected!("avx2") {
                levels.push(Level::Avx2);
                if is_x86_feature_detected!("avx512f") {
                    levels.push(Level::Avx512);
                }
            }
        }
        levels
    })
}

/// What `SEQDUEL_SIMD` says, if it names something this CPU cannot do; for `doctor` and start-up.
pub fn override_problem() -> Option<String> {
    let wanted = std::env::var("SEQDUEL_SIMD").ok()?;
    let names: Vec<_> = available().iter().map(|l| l.name()).collect();
    (!names.contains(&wanted.as_str())).then(|| {
        format!(
            "SEQDUEL_SIMD={wanted} is not a level of this CPU; use one of: {}",
            names.join(", ")
        )
    })
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level in use on this thread. Operations read it once and hand it to their workers.
pub fn level() -> Level {
    static DEFAULT: OnceLock<Level> = OnceLock::new();
    FORCED.get().unwrap_or_else(|| {
        *DEFAULT.get_or_init(|| {
            let best = *available().last().expect("portable is always there");
            let wanted = std::env::var("SEQDUEL_SIMD").unwrap_or_default();
            let named = available().iter().find(|l| l.name() == wanted);
            named.copied().unwrap_or(best)
        })
    })
}

/// Runs `work` with [`level`] forced on this thread: how tests reach every level.
/// Panics if the CPU does not have it.
pub fn with_level<R>(level: Level, work: impl FnOnce() -> R) -> R {
    assert!(available().contains(&level), "no {level:?} on this CPU");
    let outer = FORCED.replace(Some(level));
    let result = work();
    FORCED.set(outer);
    result
}

/// Runs the kernel at this thread's [`level`].
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_at(level(), kernel)
}

/// Runs the kernel at `level`, which must be one that [`level`] or [`available`] gave.
pub(crate) fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    assert!(available().contains(&level), "no {level:?} on this CPU");
    match level {
        Level::Portable => Portable::<false>::new().call(kernel),
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        // SAFETY: the level is available, just checked.
        Level::PortableFma => unsafe { Portable::<true>::assume() }.call(kernel),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is available, just checked.
        Level::Avx2 => unsafe { x86::Avx2::assume() }.call(kernel),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is available, just checked.
        Level::Avx512 => unsafe { x86::Avx512::assume() }.call(kernel),
        #[allow(unreachable_patterns)]
        _ => unreachable!("not available on this architecture"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Check;
    impl Kernel for Check {
        type Output = Level;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Level {
            let input: Vec<f32> = (0..LANES).map(|i| i as f32 - 2.5).collect();
            let v = s.read(&input);
            let read = |v: S::F32| {
                let mut out = vec![0.0; LANES];
                s.write_at(&mut out, 0, v);
                out
            };
            let expect = |v: S::F32, f: &dyn Fn(f32) -> f32| {
                let want: Vec<f32> = input.iter().map(|&x| f(x)).collect();
                assert_eq!(read(v), want, "{:?}", S::LEVEL);
            };
            let two = s.splat(2.0);
            expect(s.add(v, two), &|x| x + 2.0);
            expect(s.sub(v, two), &|x| x - 2.0);
            expect(s.mul(v, two), &|x| x * 2.0);
            expect(s.div(v, two), &|x| x / 2.0);
            expect(s.fma(v, two, v), &|x| 2.0 * x + x);
            expect(s.fnma(v, two, v), &|x| x - 2.0 * x);
            expect(s.max(v, two), &|x| x.max(2.0));
            expect(s.min(v, two), &|x| x.min(2.0));
            expect(s.neg(v), &|x| -x);
            expect(s.abs(v), &f32::abs);
            expect(s.sqrt(s.abs(v)), &|x| x.abs().sqrt());
            for n in -125..=128 {
                let power = s.half_power(s.splat(12_582_912.0 + n as f32));
                assert_eq!(f64::from(read(power)[0]), 2f64.powi(n - 1));
            }
            assert_eq!(read(s.half_power(s.splat(12_582_912.0 - 126.0)))[0], 0.0);
            expect(s.select(s.lt(v, two), v, two), &|x| x.min(2.0));
            assert_eq!(s.sum(v), input.iter().sum::<f32>());
            assert_eq!(s.largest(v), LANES as f32 - 3.5);
            assert!(read(s.max(two, s.splat(f32::NAN)))[0].is_nan());
            assert_eq!(
                read(s.read_at(&input, LANES - 1))[..2],
                [input[LANES - 1], 0.0]
            );
            let square: Vec<f32> = (0..LANES * (LANES + 1)).map(|i| i as f32).collect();
            let mut turned = vec![0.0; LANES * (LANES + 2)];
            // SAFETY: rows LANES + 1 and LANES + 2 apart fit in both.
            unsafe { s.transpose(square.as_ptr(), LANES + 1, turned.as_mut_ptr(), LANES + 2) };
            for i in 0..LANES {
                for j in 0..LANES {
                    assert_eq!(turned[j * (LANES + 2) + i], square[i * (LANES + 1) + j]);
                }
            }
            let mut tail = vec![0.0; LANES + 1];
            s.write_at(&mut tail, LANES, two);
            assert_eq!(tail[LANES - 1..], [0.0, 2.0]);
            for n in 0..=LANES {
                let mut out = vec![9.0; LANES];
                // SAFETY: n ≤ LANES, the length of both.
                unsafe {
                    let first = s.load_first(input.as_ptr(), n);
                    assert!(read(first)[n..].iter().all(|&x| x == 0.0));
                    s.store_first(out.as_mut_ptr(), n, first);
                }
                assert_eq!(out[..n], input[..n]);
                assert!(out[n..].iter().all(|&x| x == 9.0));
            }
            S::LEVEL
        }
    }

    #[test]
    fn every_level_computes_the_same_lanes() {
        for &level in available() {
            assert_eq!(dispatch_at(level, Check), level);
            assert_eq!(with_level(level, || dispatch(Check)), level);
        }
    }
}
