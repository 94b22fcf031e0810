//! Vectors of `f32` at the widest level the CPU has, chosen at run time.
//!
//! An inner loop is a [`Kernel`]: a struct with its arguments whose `run` is generic over [`Simd`]
//! and `#[inline(always)]`. [`dispatch`] calls it inside a function compiled for the CPU's features,
//! so everything inlined into it becomes vector code. Closures do not inherit those features: an
//! inner loop must not hide in one.
//!
//! `SEQDUEL_SIMD=portable|avx2|avx512` forces a level, if the CPU has it.

use std::cell::Cell;
use std::sync::OnceLock;

/// Instruction sets, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `[f32; 8]`, left to the compiler: SSE2 on x86-64, NEON on AArch64.
    Portable,
    /// 8 lanes, fused multiply-add.
    Avx2,
    /// 16 lanes, fused multiply-add, masked loads and stores.
    Avx512,
}

impl Level {
    /// The name `SEQDUEL_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}

/// The levels this CPU has, lowest first.
pub fn available() -> &'static [Level] {
    static AVAILABLE: OnceLock<Vec<Level>> = OnceLock::new();
    AVAILABLE.get_or_init(|| {
        #[allow(unused_mut)]
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
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
    with_forced(Some(level), work)
}

pub(super) fn forced() -> Option<Level> {
    FORCED.get()
}

pub(super) fn with_forced<R>(level: Option<Level>, work: impl FnOnce() -> R) -> R {
    let outer = FORCED.replace(level);
    let result = work();
    FORCED.set(outer);
    result
}

/// An inner loop with its arguments.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The loop. Must be `#[inline(always)]`, as must all it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs the kernel at this thread's [`level`].
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_at(level(), kernel)
}

/// Runs the kernel at `level`, which must be one that [`level`] or [`available`] gave.
pub fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    assert!(available().contains(&level), "no {level:?} on this CPU");
    match level {
        Level::Portable => kernel.run(Portable(())),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is available, just checked.
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is available, just checked.
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("not available on this architecture"),
    }
}

/// One level's vector operations. A value of the type is proof that the CPU has it.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Simd::LANES`] floats.
    type F32: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// Floats in a vector.
    const LANES: usize;
    /// Rows and vectors a row of the register tile of a matrix product: accumulators, one row's
    /// vectors and a broadcast fill the register file.
    const TILE_ROWS: usize;
    /// Vectors a row of that tile.
    const TILE_VECTORS: usize;
    /// Which level this is.
    const LEVEL: Level;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F32;
    /// Reads LANES floats.
    /// # Safety
    /// `p` is valid for LANES reads.
    unsafe fn load(self, p: *const f32) -> Self::F32;
    /// Writes LANES floats.
    /// # Safety
    /// `p` is valid for LANES writes.
    unsafe fn store(self, p: *mut f32, v: Self::F32);
    /// Reads `n` ≤ LANES floats into the first lanes; the others are 0.
    /// # Safety
    /// `p` is valid for `n` reads.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::F32;
    /// Writes the first `n` ≤ LANES lanes.
    /// # Safety
    /// `p` is valid for `n` writes.
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Self::F32);
    /// a + b
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// a − b
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// a · b
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// a / b
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// √a
    fn sqrt(self, a: Self::F32) -> Self::F32;
    /// a · b + c, rounded once where the CPU can (always but on portable x86-64).
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// c − a · b, likewise.
    fn fnma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The larger; `b` if either is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller; `b` if either is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// −a
    fn neg(self, a: Self::F32) -> Self::F32;
    /// |a|
    fn abs(self, a: Self::F32) -> Self::F32;
    /// Nearest integer, ties to even, for |a| < 2²².
    fn round(self, a: Self::F32) -> Self::F32;
    /// 2ⁿ for integer lanes −126 ≤ n ≤ 127.
    fn pow2(self, n: Self::F32) -> Self::F32;
    /// a < b
    fn lt(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `yes` where the mask holds, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// Sum of the lanes, in a fixed order.
    fn sum(self, a: Self::F32) -> f32;
    /// Largest lane.
    fn largest(self, a: Self::F32) -> f32;

    /// All lanes 0.
    #[inline(always)]
    fn zero(self) -> Self::F32 {
        self.splat(0.0)
    }
    /// The lanes from element `i` of a slice on, 0 past its end. Panics if `i` is past it.
    #[inline(always)]
    fn read_at(self, values: &[f32], i: usize) -> Self::F32 {
        let rest = &values[i..];
        // SAFETY: reads no more than the rest of the slice.
        unsafe {
            if rest.len() >= Self::LANES {
                self.load(rest.as_ptr())
            } else {
                self.load_first(rest.as_ptr(), rest.len())
            }
        }
    }
    /// Writes the lanes from element `i` of a slice on, up to its end. Panics if `i` is past it.
    #[inline(always)]
    fn write_at(self, values: &mut [f32], i: usize, v: Self::F32) {
        let rest = &mut values[i..];
        // SAFETY: writes no more than the rest of the slice.
        unsafe {
            if rest.len() >= Self::LANES {
                self.store(rest.as_mut_ptr(), v)
            } else {
                self.store_first(rest.as_mut_ptr(), rest.len(), v)
            }
        }
    }
    /// [`Simd::load`] from the start of a slice. Panics if it is too short.
    #[inline(always)]
    fn read(self, values: &[f32]) -> Self::F32 {
        assert!(values.len() >= Self::LANES);
        // SAFETY: the slice holds LANES floats, just checked.
        unsafe { self.load(values.as_ptr()) }
    }
    /// [`Simd::store`] to the start of a slice. Panics if it is too short.
    #[inline(always)]
    fn write(self, values: &mut [f32], v: Self::F32) {
        assert!(values.len() >= Self::LANES);
        // SAFETY: the slice holds LANES floats, just checked.
        unsafe { self.store(values.as_mut_ptr(), v) }
    }
}

/// Eight lanes of plain arithmetic that the compiler vectorises for the target's baseline.
#[derive(Debug, Clone, Copy)]
pub struct Portable(());

/// The vector of [`Portable`].
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Lanes([f32; 8]);

macro_rules! lanes {
    ($i:ident => $e:expr) => {{
        let mut out = [0.0f32; 8];
        let mut $i = 0;
        while $i < 8 {
            out[$i] = $e;
            $i += 1;
        }
        Lanes(out)
    }};
}

// A fused multiply-add without hardware support is a library call, a hundred times slower.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

impl Simd for Portable {
    type F32 = Lanes;
    type Mask = [bool; 8];
    const LANES: usize = 8;
    // A vector is two registers: 16 on x86-64, 32 on AArch64.
    const TILE_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 4 };
    const TILE_VECTORS: usize = if cfg!(target_arch = "aarch64") { 2 } else { 1 };
    const LEVEL: Level = Level::Portable;

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; 8])
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Lanes {
        // SAFETY: valid for 8 reads by contract; arrays of f32 have its alignment.
        Lanes(unsafe { p.cast::<[f32; 8]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Lanes) {
        // SAFETY: valid for 8 writes by contract; arrays of f32 have its alignment.
        unsafe { p.cast::<[f32; 8]>().write(v.0) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Lanes {
        // SAFETY: reads i < n only.
        lanes!(i => if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Lanes) {
        for (i, x) in v.0.iter().enumerate().take(n) {
            // SAFETY: writes i < n only.
            unsafe { *p.add(i) = *x }
        }
    }
    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => a.0[i] + b.0[i])
    }
    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => a.0[i] - b.0[i])
    }
    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => a.0[i] * b.0[i])
    }
    #[inline(always)]
    fn div(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => a.0[i] / b.0[i])
    }
    #[inline(always)]
    fn sqrt(self, a: Lanes) -> Lanes {
        lanes!(i => a.0[i].sqrt())
    }
    #[inline(always)]
    fn fma(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        lanes!(i => multiply_add(a.0[i], b.0[i], c.0[i]))
    }
    #[inline(always)]
    fn fnma(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        lanes!(i => multiply_add(-a.0[i], b.0[i], c.0[i]))
    }
    #[inline(always)]
    fn max(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => if a.0[i] > b.0[i] { a.0[i] } else { b.0[i] })
    }
    #[inline(always)]
    fn min(self, a: Lanes, b: Lanes) -> Lanes {
        lanes!(i => if a.0[i] < b.0[i] { a.0[i] } else { b.0[i] })
    }
    #[inline(always)]
    fn neg(self, a: Lanes) -> Lanes {
        lanes!(i => -a.0[i])
    }
    #[inline(always)]
    fn abs(self, a: Lanes) -> Lanes {
        lanes!(i => a.0[i].abs())
    }
    #[inline(always)]
    fn round(self, a: Lanes) -> Lanes {
        // Adding 1.5 · 2²³ pushes the fraction out of the mantissa; no call into libm.
        const SHIFT: f32 = 12_582_912.0;
        lanes!(i => (a.0[i] + SHIFT) - SHIFT)
    }
    #[inline(always)]
    fn pow2(self, n: Lanes) -> Lanes {
        // 2²³ + n + 127 holds n + 127 in its low mantissa bits: shift it into the exponent.
        lanes!(i => f32::from_bits((n.0[i] + (8_388_608.0 + 127.0)).to_bits() << 23))
    }
    #[inline(always)]
    fn lt(self, a: Lanes, b: Lanes) -> [bool; 8] {
        let mut out = [false; 8];
        for i in 0..8 {
            out[i] = a.0[i] < b.0[i];
        }
        out
    }
    #[inline(always)]
    fn select(self, mask: [bool; 8], yes: Lanes, no: Lanes) -> Lanes {
        lanes!(i => if mask[i] { yes.0[i] } else { no.0[i] })
    }
    #[inline(always)]
    fn sum(self, a: Lanes) -> f32 {
        let a = a.0;
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn largest(self, a: Lanes) -> f32 {
        a.0.iter()
            .fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, Level, Simd};
    use std::arch::x86_64::*;

    /// Proof of AVX2 and FMA.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());
    /// Proof of AVX-512F, AVX2 and FMA.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512(());

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx2(()))
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx512(()))
    }

    // The first n of eight lanes: the window of this table that starts at 8 − n.
    static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    unsafe fn first_mask(n: usize) -> __m256i {
        debug_assert!(n <= 8);
        // SAFETY: n ≤ 8, so the 8 lanes read lie within the 16 of the table.
        unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n).cast()) }
    }

    macro_rules! lanewise {
        ($vector:ty; $($(#[$doc:meta])* fn $name:ident($($argument:ident),*) = $intrinsic:expr;)*) => {$(
            #[inline(always)]
            fn $name(self, $($argument: $vector),*) -> $vector {
                // SAFETY: `self` is proof of the instruction set.
                unsafe { $intrinsic }
            }
        )*};
    }

    impl Simd for Avx2 {
        type F32 = __m256;
        type Mask = __m256;
        const LANES: usize = 8;
        const TILE_ROWS: usize = 6;
        const TILE_VECTORS: usize = 2;
        const LEVEL: Level = Level::Avx2;

        lanewise! { __m256;
            fn add(a, b) = _mm256_add_ps(a, b);
            fn sub(a, b) = _mm256_sub_ps(a, b);
            fn mul(a, b) = _mm256_mul_ps(a, b);
            fn div(a, b) = _mm256_div_ps(a, b);
            fn sqrt(a) = _mm256_sqrt_ps(a);
            fn fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
            fn fnma(a, b, c) = _mm256_fnmadd_ps(a, b, c);
            fn max(a, b) = _mm256_max_ps(a, b);
            fn min(a, b) = _mm256_min_ps(a, b);
            fn neg(a) = _mm256_xor_ps(a, _mm256_set1_ps(-0.0));
            fn abs(a) = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
            fn round(a) = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
            fn pow2(n) = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                _mm256_cvtps_epi32(n), _mm256_set1_epi32(127))));
        }
        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, p: *const f32) -> __m256 {
            // SAFETY: valid for 8 reads by contract.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32, v: __m256) {
            // SAFETY: valid for 8 writes by contract.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
            // SAFETY: the mask keeps reads to n lanes.
            unsafe { _mm256_maskload_ps(p, first_mask(n)) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, n: usize, v: __m256) {
            // SAFETY: the mask keeps writes to n lanes.
            unsafe { _mm256_maskstore_ps(p, first_mask(n), v) }
        }
        #[inline(always)]
        fn lt(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        fn select(self, mask: __m256, yes: __m256, no: __m256) -> __m256 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm256_blendv_ps(no, yes, mask) }
        }
        #[inline(always)]
        fn sum(self, a: __m256) -> f32 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe {
                let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
            }
        }
        #[inline(always)]
        fn largest(self, a: __m256) -> f32 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe {
                let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
                let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
            }
        }
    }

    impl Simd for Avx512 {
        type F32 = __m512;
        type Mask = __mmask16;
        const LANES: usize = 16;
        const TILE_ROWS: usize = 6;
        const TILE_VECTORS: usize = 4;
        const LEVEL: Level = Level::Avx512;

        lanewise! { __m512;
            fn add(a, b) = _mm512_add_ps(a, b);
            fn sub(a, b) = _mm512_sub_ps(a, b);
            fn mul(a, b) = _mm512_mul_ps(a, b);
            fn div(a, b) = _mm512_div_ps(a, b);
            fn sqrt(a) = _mm512_sqrt_ps(a);
            fn fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
            fn fnma(a, b, c) = _mm512_fnmadd_ps(a, b, c);
            fn max(a, b) = _mm512_max_ps(a, b);
            fn min(a, b) = _mm512_min_ps(a, b);
            fn neg(a) = _mm512_castsi512_ps(_mm512_xor_si512(
                _mm512_castps_si512(a), _mm512_set1_epi32(i32::MIN)));
            fn abs(a) = _mm512_abs_ps(a);
            fn round(a) = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT }>(a);
            fn pow2(n) = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                _mm512_cvtps_epi32(n), _mm512_set1_epi32(127))));
        }
        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, p: *const f32) -> __m512 {
            // SAFETY: valid for 16 reads by contract.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32, v: __m512) {
            // SAFETY: valid for 16 writes by contract.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
            debug_assert!(n <= 16);
            // SAFETY: the mask keeps reads to n lanes.
            unsafe { _mm512_maskz_loadu_ps(((1u32 << n) - 1) as __mmask16, p) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, n: usize, v: __m512) {
            debug_assert!(n <= 16);
            // SAFETY: the mask keeps writes to n lanes.
            unsafe { _mm512_mask_storeu_ps(p, ((1u32 << n) - 1) as __mmask16, v) }
        }
        #[inline(always)]
        fn lt(self, a: __m512, b: __m512) -> __mmask16 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        fn select(self, mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm512_mask_blend_ps(mask, no, yes) }
        }
        #[inline(always)]
        fn sum(self, a: __m512) -> f32 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm512_reduce_add_ps(a) }
        }
        #[inline(always)]
        fn largest(self, a: __m512) -> f32 {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { _mm512_reduce_max_ps(a) }
        }
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
            let input: Vec<f32> = (0..S::LANES).map(|i| i as f32 - 2.5).collect();
            let v = s.read(&input);
            let read = |v: S::F32| {
                let mut out = vec![0.0; S::LANES];
                s.write(&mut out, v);
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
            expect(s.round(v), &f32::round_ties_even);
            expect(s.pow2(s.round(v)), &|x| x.round_ties_even().exp2());
            for n in [-126.0, 127.0] {
                assert_eq!(read(s.pow2(s.splat(n)))[0], n.exp2());
            }
            expect(s.select(s.lt(v, two), v, two), &|x| x.min(2.0));
            assert_eq!(s.sum(v), input.iter().sum::<f32>());
            assert_eq!(s.largest(v), S::LANES as f32 - 3.5);
            assert!(read(s.max(two, s.splat(f32::NAN)))[0].is_nan());
            assert_eq!(
                read(s.read_at(&input, S::LANES - 1))[..2],
                [input[S::LANES - 1], 0.0]
            );
            let mut tail = vec![0.0; S::LANES + 1];
            s.write_at(&mut tail, S::LANES, two);
            assert_eq!(tail[S::LANES - 1..], [0.0, 2.0]);
            for n in 0..=S::LANES {
                let mut out = vec![9.0; S::LANES];
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
