//! The register tile: R rows times N vectors of a small matrix product.

use crate::ops::simd::Simd;

/// Σₚ a[r, p] · b[p, n] over `k` products, for R rows and N vectors of columns.
///
/// # Safety
/// `a` is valid for reads at `r * a_row + p * a_step`, `b` at `p * b_step` for N · LANES floats.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, const R: usize, const N: usize>(
    s: S,
    k: usize,
    a: *const f32,
    (a_row, a_step): (usize, usize),
    b: *const f32,
    b_step: usize,
) -> [[S::F32; N]; R] {
    let mut sums = [[s.zero(); N]; R];
    for p in 0..k {
        let mut column = [s.zero(); N];
        for (n, column) in column.iter_mut().enumerate() {
            // SAFETY: by contract.
            *column = unsafe { s.load(b.add(p * b_step + n * S::LANES)) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by contract.
            let x = s.splat(unsafe { *a.add(r * a_row + p * a_step) });
            for n in 0..N {
                sums[n] = s.fma(x, column[n], sums[n]);
            }
        }
    }
    sums
}

/// c[r, ·] += a · b for `rows` (a multiple of R) rows and `vectors` vectors of columns; strides as
/// in [`product`], rows of c `c_row` apart.
///
/// # Safety
/// As [`product`] for every tile; `c` is valid for reads and writes of the result.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn accumulate<S: Simd, const R: usize>(
    s: S,
    (rows, k, vectors): (usize, usize, usize),
    a: *const f32,
    a_strides: (usize, usize),
    b: *const f32,
    b_step: usize,
    c: *mut f32,
    c_row: usize,
) {
    let mut vector = 0;
    while vector < vectors {
        let n = match vectors - vector {
            // Four vectors a row fill 32 registers, two fill 16.
            left if left >= 4 && S::TILE_VECTORS >= 4 => 4,
            left if left >= 2 && S::TILE_VECTORS >= 2 => 2,
            _ => 1,
        };
        for r in (0..rows).step_by(R) {
            // SAFETY: within the bounds of the contract.
            unsafe {
                let a = a.add(r * a_strides.0);
                let b = b.add(vector * S::LANES);
                let c = c.add(r * c_row + vector * S::LANES);
                match n {
                    4 => add_tile::<S, R, 4>(s, k, a, a_strides, b, b_step, c, c_row),
                    2 => add_tile::<S, R, 2>(s, k, a, a_strides, b, b_step, c, c_row),
                    _ => add_tile::<S, R, 1>(s, k, a, a_strides, b, b_step, c, c_row),
                }
            }
        }
        vector += n;
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn add_tile<S: Simd, const R: usize, const N: usize>(
    s: S,
    k: usize,
    a: *const f32,
    a_strides: (usize, usize),
    b: *const f32,
    b_step: usize,
    c: *mut f32,
    c_row: usize,
) {
    // SAFETY: by the caller's contract.
    unsafe {
        let sums = product::<S, R, N>(s, k, a, a_strides, b, b_step);
        for (r, sums) in sums.iter().enumerate() {
            for (n, &sum) in sums.iter().enumerate() {
                let c = c.add(r * c_row + n * S::LANES);
                s.store(c, s.add(s.load(c), sum));
            }
        }
    }
}
