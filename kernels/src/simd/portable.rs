//! Plain arithmetic on eight floats at a time.

use super::{Kernel, Level, Simd};

/// Eight lanes of plain arithmetic that the compiler vectorises for the target's baseline.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

/// The vector of [`Portable`].
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Lanes([f32; 8]);

/// A vector whose lane `i` is the expression: eight times the same line, which compiles in half the
/// time of a loop.
macro_rules! lanes {
    ($i:ident => $e:expr) => {
        Lanes([
            lane!($i, 0, $e),
            lane!($i, 1, $e),
            lane!($i, 2, $e),
            lane!($i, 3, $e),
            lane!($i, 4, $e),
            lane!($i, 5, $e),
            lane!($i, 6, $e),
            lane!($i, 7, $e),
        ])
    };
}

macro_rules! lane {
    ($i:ident, $lane:literal, $e:expr) => {{
        let $i = $lane;
        $e
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

    #[inline(never)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

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
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, to_row: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: by contract.
                unsafe { *to.add(j * to_row + i) = *from.add(i * row + j) }
            }
        }
    }
}
