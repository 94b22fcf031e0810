//! What an inner loop is, and the operations it is written in. Public in name alone, for types that
//! users hold: no path outside this crate leads here.

use super::Level;

/// An inner loop with its arguments.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The loop. Must be `#[inline(always)]`, as must all it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Floats in a vector, at every level: where registers are shorter, a vector is several of them.
/// Layouts, sums across lanes and what follows from them are then the same everywhere.
pub const LANES: usize = 16;

/// One level's vector operations. A value of the type is proof that the CPU has it.
///
/// Every level that fuses multiply-adds gives the same bits: each operation is rounded correctly, and
/// the orders of sums are fixed here.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`LANES`] floats.
    type F32: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// Rows and vectors a row of the register tile of a matrix product: accumulators, one row's
    /// vectors and a broadcast fill the register file.
    const TILE_ROWS: usize;
    /// Vectors a row of that tile.
    const TILE_VECTORS: usize;
    /// Which level this is.
    const LEVEL: Level;

    /// Runs the kernel as a function of its own, compiled once for all who call it at this level:
    /// a call costs about a nanosecond, a copy in every caller seconds of compiling.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

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
    /// [`Simd::load_first`], by a plain load where `n` is LANES.
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn get(self, p: *const f32, n: usize) -> Self::F32 {
        // SAFETY: by contract.
        unsafe {
            match n == LANES {
                true => self.load(p),
                false => self.load_first(p, n),
            }
        }
    }
    /// [`Simd::store_first`], by a plain store where `n` is LANES.
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn put(self, p: *mut f32, n: usize, v: Self::F32) {
        // SAFETY: by contract.
        unsafe {
            match n == LANES {
                true => self.store(p, v),
                false => self.store_first(p, n, v),
            }
        }
    }
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
    /// a · b + c, rounded once at every level but [`Level::Portable`].
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
    /// 2ⁿ⁻¹ of 1.5 · 2²³ + n, n an integer, −126 ≤ n ≤ 128; of the least one 0.
    fn half_power(self, shifted: Self::F32) -> Self::F32;
    /// a < b
    fn lt(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `yes` where the mask holds, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// Sum of the lanes: halves are added until one lane is left.
    fn sum(self, a: Self::F32) -> f32;
    /// Largest lane.
    fn largest(self, a: Self::F32) -> f32;

    /// Asks for the cache line at `p` to be brought near; any address will do.
    fn prefetch(self, p: *const f32);

    /// Transposes LANES rows of LANES floats that start `row` floats apart at `from`, to rows
    /// `to_row` floats apart at `to`.
    /// # Safety
    /// All of them can be read and written, and do not overlap.
    unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, to_row: usize);

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
        unsafe { self.get(rest.as_ptr(), rest.len().min(LANES)) }
    }
    /// Writes the lanes from element `i` of a slice on, up to its end. Panics if `i` is past it.
    #[inline(always)]
    fn write_at(self, values: &mut [f32], i: usize, v: Self::F32) {
        let rest = &mut values[i..];
        // SAFETY: writes no more than the rest of the slice.
        unsafe { self.put(rest.as_mut_ptr(), rest.len().min(LANES), v) }
    }
    /// [`Simd::load`] from the start of a slice. Panics if it is too short.
    #[inline(always)]
    fn read(self, values: &[f32]) -> Self::F32 {
        assert!(values.len() >= LANES);
        // SAFETY: the slice holds LANES floats, just checked.
        unsafe { self.load(values.as_ptr()) }
    }
}
