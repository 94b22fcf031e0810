//! Plain arithmetic on sixteen floats at a time, with and without fused multiply-adds.

use super::{Kernel, LANES, Level, Simd};

/// Proof of nothing: plain arithmetic that the compiler vectorises for the target's baseline. With
/// `FUSED`, proof that the CPU multiplies and adds with one rounding.
#[derive(Debug, Clone, Copy)]
pub struct Portable<const FUSED: bool>(());

/// The vector of [`Portable`].
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Lanes([f32; LANES]);

/// A vector whose lane `i` is the expression: sixteen times the same line, which compiles in half the
/// time of a loop.
macro_rules! lanes {
    ($i:ident => $e:expr) => {
        Lanes(lanes!(@ $i, $e; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
    };
    (@ $i:ident, $e:expr; $($lane:literal)*) => {
        [$({
            let $i: usize = $lane;
            $e
        }),*]
    };
}

impl Portable<false> {
    pub(super) fn new() -> Self {
        Portable(())
    }
}

impl Portable<true> {
    /// # Safety
    /// The CPU has fused multiply-adds.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(unused)
    )]
    pub(super) unsafe fn assume() -> Self {
        Portable(())
    }
}

impl<const FUSED: bool> Portable<FUSED> {
    #[inline(never)]
    fn plain<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    // Elsewhere a fused multiply-add is an instruction of the baseline, or this is never called.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "fma")]
    #[inline(never)]
    fn fused<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        match FUSED {
            true => a.mul_add(b, c),
            false => a * b + c,
        }
    }
}

impl<const FUSED: bool> Simd for Portable<FUSED> {
    type F32 = Lanes;
    type Mask = [bool; LANES];
    // A vector is four registers of 16 or 32, or two of 16.
    const TILE_ROWS: usize = if FUSED { 6 } else { 2 };
    const TILE_VECTORS: usize = 1;
    const LEVEL: Level = match FUSED {
        true => Level::PortableFma,
        false => Level::Portable,
    };

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        if FUSED {
            // SAFETY: `self` is proof of the instructions.
            return unsafe { self.fused(kernel) };
        }
        self.plain(kernel)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; LANES])
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Lanes {
        // SAFETY: valid for 16 reads by contract; arrays of f32 have its alignment.
        Lanes(unsafe { p.cast::<[f32; LANES]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Lanes) {
        // SAFETY: valid for 16 writes by contract; arrays of f32 have its alignment.
        unsafe { p.cast::<[f32; LANES]>().write(v.0) }
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
        lanes!(i => Self::multiply_add(a.0[i], b.0[i], c.0[i]))
    }
    #[inline(always)]
    fn fnma(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        lanes!(i => Self::multiply_add(-a.0[i], b.0[i], c.0[i]))
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
    fn half_power(self, shifted: Lanes) -> Lanes {
        lanes!(i => f32::from_bits((shifted.0[i].to_bits() << 23).wrapping_add(126 << 23)))
    }
    #[inline(always)]
    fn lt(self, a: Lanes, b: Lanes) -> [bool; LANES] {
        let mut out = [false; LANES];
        for i in 0..LANES {
            out[i] = a.0[i] < b.0[i];
        }
        out
    }
    #[inline(always)]
    fn select(self, mask: [bool; LANES], yes: Lanes, no: Lanes) -> Lanes {
        lanes!(i => if mask[i] { yes.0[i] } else { no.0[i] })
    }
    #[inline(always)]
    fn sum(self, a: Lanes) -> f32 {
        let mut a = a.0;
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                a[i] += a[i + half];
            }
            half /= 2;
        }
        a[0]
    }
    #[inline(always)]
    fn largest(self, a: Lanes) -> f32 {
        a.0.iter()
            .fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, to_row: usize) {
        for i in 0..LANES {
            for j in 0..LANES {
                // SAFETY: by contract.
                unsafe { *to.add(j * to_row + i) = *from.add(i * row + j) }
            }
        }
    }
}
