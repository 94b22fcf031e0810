//! Matrix products in f32, C (+)= A · B, by packed panels and a register tile.
//!
//! After Goto & van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): B is
//! packed into panels a few vectors wide, k is cut into blocks of about [`K_BLOCK`] so that a panel
//! stays in the L2 cache, and a tile of C as large as the register file is accumulated over one
//! block. Every element of C is one chain of fused multiply-adds a k-block, blocks added in order:
//! cutting the rows or columns of C for threads changes no bit.
//!
//! Cost: 2mnk FLOPs; each of A, B and C moved once if B fits in cache; span 2k.

mod multiply;
mod pack;
mod tile;
mod transpose;

pub(crate) use multiply::{Plain, Store, multiply_parallel};
pub(crate) use pack::Packed;
pub use pack::View;
pub(crate) use tile::{Block, tile_shape};
pub(crate) use transpose::transpose_padded;

use super::parallel::{self, Shared};

/// Largest k-block: 256 × 64 floats of B are 64 KiB.
pub(crate) const K_BLOCK: usize = 256;
/// Rows of C that a thread takes at a time.
const ROW_BLOCK: usize = 48;
/// Floats of B packed at a time: 4 MiB.
const PACK_LIMIT: usize = 1 << 20;
/// Products smaller than this many multiply-adds run on one thread.
const PARALLEL_FROM: usize = 1 << 20;
/// Matrices smaller than this many floats are packed on one thread.
const PACK_PARALLEL_FROM: usize = 1 << 14;

/// C (m, n) = A (m, k) · B (k, n), or C += with `accumulate`, on all threads.
/// Panics if a slice is too short.
pub fn gemm(m: usize, n: usize, k: usize, a: View, b: View, c: &mut [f32], accumulate: bool) {
    assert!(c.len() >= m * n, "C is smaller than {m} x {n}");
    let c = Shared::new(c);
    a.check(m, k);
    b.check(k, n);
    // A long k (gradients of weights sum over all tokens) is packed slab by slab.
    let slab = (PACK_LIMIT / n.max(1)).max(K_BLOCK) / K_BLOCK * K_BLOCK;
    for i in 0..k.div_ceil(slab).max(1) {
        let range = parallel::piece(k, slab, i);
        let packed = Packed::new(
            View {
                values: &b.values[(range.start * b.row).min(b.values.len())..],
                ..b
            },
            range.len(),
            n,
        );
        let a = View {
            values: &a.values[(range.start * a.column).min(a.values.len())..],
            ..a
        };
        multiply_parallel(a, &packed, m, &Plain::new(c, n, accumulate || i > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{available, with_level};
    use crate::testing::{assert_close, noise};
    use crate::with_threads;

    fn transpose(x: &[f32], columns: usize) -> Vec<f32> {
        let rows = x.len() / columns.max(1);
        (0..columns)
            .flat_map(|j| (0..rows).map(move |i| x[i * columns + j]))
            .collect()
    }

    fn naive(m: usize, n: usize, k: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                let sum: f64 = (0..k)
                    .map(|p| a[i * k + p] as f64 * b[p * n + j] as f64)
                    .sum();
                c[i * n + j] = sum as f32;
            }
        }
        c
    }

    const SIZES: [(usize, usize, usize); 12] = [
        (1, 1, 1),
        (1, 17, 3),
        (2, 64, 5),
        (5, 65, 256),
        (6, 63, 257),
        (7, 96, 300),
        (13, 33, 513),
        (49, 128, 64),
        (100, 31, 77),
        (131, 130, 129),
        (3, 5, 0),
        (97, 200, 260),
    ];

    #[test]
    fn every_shape_transpose_level_and_thread_count() {
        for (m, n, k) in SIZES {
            let (a, b, c) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
            let (at, bt) = (transpose(&a, k), transpose(&b, n));
            let want = naive(m, n, k, &a, &b);
            let added: Vec<f32> = want.iter().zip(&c).map(|(x, y)| x + y).collect();
            for &level in available() {
                let mut reference: Option<Vec<f32>> = None;
                for threads in [1, 2, 3] {
                    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                        let av = if ta {
                            View::new(&at, m).transposed()
                        } else {
                            View::new(&a, k)
                        };
                        let bv = if tb {
                            View::new(&bt, k).transposed()
                        } else {
                            View::new(&b, n)
                        };
                        let (mut fresh, mut sum) = (vec![f32::NAN; m * n], c.clone());
                        with_level(level, || {
                            with_threads(threads, || {
                                gemm(m, n, k, av, bv, &mut fresh, false);
                                gemm(m, n, k, av, bv, &mut sum, true);
                            })
                        });
                        let name = format!("{m}x{n}x{k} {level:?} {threads} {ta} {tb}");
                        assert_close(&name, &fresh, &want, 1e-6);
                        assert_close(&name, &sum, &added, 1e-6);
                        let reference = reference.get_or_insert_with(|| fresh.clone());
                        assert_eq!(&fresh, reference, "{name}: bits");
                    }
                }
            }
        }
    }

    #[test]
    fn long_k_is_packed_in_slabs() {
        let (m, n, k) = (9, 700, 3100);
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let mut c = vec![f32::NAN; m * n];
        gemm(m, n, k, View::new(&a, k), View::new(&b, n), &mut c, false);
        assert_close("slabs", &c, &naive(m, n, k, &a, &b), 2e-6);
    }

    #[test]
    #[should_panic(expected = "smaller than")]
    fn a_short_matrix_is_refused() {
        gemm(
            4,
            4,
            4,
            View::new(&[0.0; 15], 4),
            View::new(&[0.0; 16], 4),
            &mut [0.0; 16],
            false,
        );
    }
}
