//! AVX2 with FMA, and AVX-512F.

use super::{Kernel, Level, Simd};
use std::arch::x86_64::*;

/// Proof of AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());
/// Proof of AVX-512F, AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

impl Avx2 {
    /// # Safety
    /// The CPU has them.
    pub(super) unsafe fn assume() -> Self {
        Avx2(())
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

impl Avx512 {
    /// # Safety
    /// The CPU has them.
    pub(super) unsafe fn assume() -> Self {
        Avx512(())
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

// The first n of eight lanes: the window of this table that starts at 8 − n.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn first_mask(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    // SAFETY: n ≤ 8, so the 8 lanes read lie within the 16 of the table.
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n).cast()) }
}

/// Sum of eight lanes, and the largest, by halves.
macro_rules! halves {
    ($name:ident, $add:ident, $add_one:ident) => {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn $name(a: __m256) -> f32 {
            let four = $add(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = $add(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32($add_one(two, _mm_shuffle_ps::<1>(two, two)))
        }
    };
}

halves!(sum_of_eight, _mm_add_ps, _mm_add_ss);
halves!(largest_of_eight, _mm_max_ps, _mm_max_ss);

macro_rules! lanewise {
    ($vector:ty; $($(#[$doc:meta])* fn $name:ident($($argument:ident),*) = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $vector),*) -> $vector {
            // SAFETY: `self` is proof of the instruction set.
            unsafe { $intrinsic }
        }
    )*};
}

/// Sixteen lanes: the lower eight, and the upper.
#[derive(Clone, Copy)]
pub struct Pair(__m256, __m256);

macro_rules! pairwise {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident),*) = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: Pair),*) -> Pair {
            // SAFETY: `self` is proof of the instruction set.
            unsafe {
                let low = { $(let $argument = $argument.0;)* $intrinsic };
                let high = { $(let $argument = $argument.1;)* $intrinsic };
                Pair(low, high)
            }
        }
    )*};
}

impl Simd for Avx2 {
    type F32 = Pair;
    type Mask = Pair;
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;
    const LEVEL: Level = Level::Avx2;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` is proof of the instruction set.
        unsafe { self.run(kernel) }
    }

    pairwise! {
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
        fn half_power(shifted) = _mm256_castsi256_ps(_mm256_add_epi32(
            _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted)), _mm256_set1_epi32(126 << 23)));
        fn lt(a, b) = _mm256_cmp_ps::<_CMP_LT_OQ>(a, b);
        fn select(mask, yes, no) = _mm256_blendv_ps(no, yes, mask);
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: `self` is proof of the instruction set.
        let x = unsafe { _mm256_set1_ps(x) };
        Pair(x, x)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Pair {
        // SAFETY: valid for 16 reads by contract.
        unsafe { Pair(_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Pair) {
        // SAFETY: valid for 16 writes by contract.
        unsafe {
            _mm256_storeu_ps(p, v.0);
            _mm256_storeu_ps(p.add(8), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Pair {
        // Masked stores take tens of cycles on some CPUs, so only what needs a mask has one.
        // SAFETY: the masks keep reads to n lanes.
        unsafe {
            let zero = _mm256_setzero_ps();
            match n {
                0..8 => Pair(_mm256_maskload_ps(p, first_mask(n)), zero),
                8 => Pair(_mm256_loadu_ps(p), zero),
                _ => {
                    let upper = _mm256_maskload_ps(p.add(8), first_mask(n - 8));
                    Pair(_mm256_loadu_ps(p), upper)
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Pair) {
        // SAFETY: the masks keep writes to n lanes.
        unsafe {
            if n < 8 {
                return _mm256_maskstore_ps(p, first_mask(n), v.0);
            }
            _mm256_storeu_ps(p, v.0);
            if n > 8 {
                _mm256_maskstore_ps(p.add(8), first_mask(n - 8), v.1);
            }
        }
    }
    #[inline(always)]
    fn sum(self, a: Pair) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe { sum_of_eight(_mm256_add_ps(a.0, a.1)) }
    }
    #[inline(always)]
    fn largest(self, a: Pair) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe { largest_of_eight(_mm256_max_ps(a.0, a.1)) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: a hint, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, to_row: usize) {
        // Quarters of the square, each to the place across the diagonal.
        for (i, j) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            // SAFETY: by contract, and `self` is proof of the instruction set.
            unsafe {
                let (from, to) = (from.add(i * row + j), to.add(j * to_row + i));
                transpose_eight(from, row, to, to_row);
            }
        }
    }
}

/// Transposes 8 rows of 8 floats, as [`Simd::transpose`] does 16.
/// # Safety
/// As there, and the CPU has AVX2.
#[inline(always)]
unsafe fn transpose_eight(from: *const f32, row: usize, to: *mut f32, to_row: usize) {
    // SAFETY: by contract.
    unsafe {
        let mut u = [_mm256_setzero_ps(); 8];
        for g in (0..8).step_by(4) {
            let r = from.add(g * row);
            let (a, b) = (_mm256_loadu_ps(r), _mm256_loadu_ps(r.add(row)));
            let (c, d) = (
                _mm256_loadu_ps(r.add(2 * row)),
                _mm256_loadu_ps(r.add(3 * row)),
            );
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            u[g] = _mm256_shuffle_ps::<0x44>(ab, cd);
            u[g + 1] = _mm256_shuffle_ps::<0xee>(ab, cd);
            let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            u[g + 2] = _mm256_shuffle_ps::<0x44>(ab, cd);
            u[g + 3] = _mm256_shuffle_ps::<0xee>(ab, cd);
        }
        for c in 0..4 {
            let (low, high) = (u[c], u[4 + c]);
            _mm256_storeu_ps(
                to.add(c * to_row),
                _mm256_permute2f128_ps::<0x20>(low, high),
            );
            let last = _mm256_permute2f128_ps::<0x31>(low, high);
            _mm256_storeu_ps(to.add((4 + c) * to_row), last);
        }
    }
}

/// The halves of a register.
#[target_feature(enable = "avx512f")]
#[inline]
fn pair(a: __m512) -> Pair {
    let upper = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a));
    Pair(_mm512_castps512_ps256(a), _mm256_castpd_ps(upper))
}

impl Simd for Avx512 {
    type F32 = __m512;
    type Mask = __mmask16;
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 4;
    const LEVEL: Level = Level::Avx512;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` is proof of the instruction set.
        unsafe { self.run(kernel) }
    }

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
        fn half_power(shifted) = _mm512_castsi512_ps(_mm512_add_epi32(
            _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted)), _mm512_set1_epi32(126 << 23)));
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
        unsafe {
            let Pair(lower, upper) = pair(a);
            sum_of_eight(_mm256_add_ps(lower, upper))
        }
    }
    #[inline(always)]
    fn largest(self, a: __m512) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let Pair(lower, upper) = pair(a);
            largest_of_eight(_mm256_max_ps(lower, upper))
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: a hint, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: by contract, and `self` is proof of the instruction set.
        unsafe {
            // u[4 g + c] holds in its 128-bit lane l: column 4 l + c of rows 4 g to 4 g + 3.
            let mut u = [_mm512_setzero_ps(); 16];
            for g in (0..16).step_by(4) {
                let r = from.add(g * row);
                let (a, b) = (_mm512_loadu_ps(r), _mm512_loadu_ps(r.add(row)));
                let (c, d) = (
                    _mm512_loadu_ps(r.add(2 * row)),
                    _mm512_loadu_ps(r.add(3 * row)),
                );
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                u[g] = _mm512_shuffle_ps::<0x44>(ab, cd);
                u[g + 1] = _mm512_shuffle_ps::<0xee>(ab, cd);
                let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                u[g + 2] = _mm512_shuffle_ps::<0x44>(ab, cd);
                u[g + 3] = _mm512_shuffle_ps::<0xee>(ab, cd);
            }
            for c in 0..4 {
                let low = _mm512_shuffle_f32x4::<0x44>(u[c], u[4 + c]);
                let low2 = _mm512_shuffle_f32x4::<0x44>(u[8 + c], u[12 + c]);
                let high = _mm512_shuffle_f32x4::<0xee>(u[c], u[4 + c]);
                let high2 = _mm512_shuffle_f32x4::<0xee>(u[8 + c], u[12 + c]);
                let out = [
                    _mm512_shuffle_f32x4::<0x88>(low, low2),
                    _mm512_shuffle_f32x4::<0xdd>(low, low2),
                    _mm512_shuffle_f32x4::<0x88>(high, high2),
                    _mm512_shuffle_f32x4::<0xdd>(high, high2),
                ];
                for (l, out) in out.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * l + c) * to_row), out);
                }
            }
        }
    }
}
