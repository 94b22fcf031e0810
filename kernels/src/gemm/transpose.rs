//! Transposing with padding, for panels whose columns are rows in memory.

use super::super::simd::{LANES, Simd};

/// Writes the transpose of `rows` rows of `columns` floats, `row` floats apart from the start of
/// `from` on, as `depth` rows of `width` floats, `to_row` floats apart: zeros past the columns and
/// the rows. Panics if `from` is too short.
///
/// # Safety
/// All floats of the target can be written and are nobody else's; `rows` ≤ `width`, `columns` ≤
/// `depth`.
#[inline(always)]
pub unsafe fn transpose_padded<S: Simd>(
    s: S,
    from: &[f32],
    row: usize,
    (rows, columns): (usize, usize),
    to: *mut f32,
    to_row: usize,
    (width, depth): (usize, usize),
) {
    // Squares of vectors, then the edges.
    let (whole_rows, whole_columns) = (rows / LANES * LANES, columns / LANES * LANES);
    for j in (0..whole_rows).step_by(LANES) {
        for i in (0..whole_columns).step_by(LANES) {
            let from = &from[j * row + i..];
            assert!(from.len() >= (LANES - 1) * row + LANES);
            // SAFETY: the square to read was just checked, that to write is there by contract.
            unsafe { s.transpose(from.as_ptr(), row, to.add(i * to_row + j), to_row) };
        }
    }
    for i in 0..depth {
        let done = if i < whole_columns { whole_rows } else { 0 };
        for j in done..width {
            let within = j < rows && i < columns;
            let value = if within { from[j * row + i] } else { 0.0 };
            // SAFETY: by contract.
            unsafe { *to.add(i * to_row + j) = value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, available, dispatch_at};
    use crate::testing::noise;

    struct Case<'a>(&'a [f32], [usize; 6], &'a mut [f32]);

    impl Kernel for Case<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let [row, rows, columns, to_row, width, depth] = self.1;
            assert!(self.2.len() >= (depth - 1) * to_row + width);
            let (size, to) = ((rows, columns), self.2.as_mut_ptr());
            // SAFETY: the target is large enough.
            unsafe { transpose_padded(s, self.0, row, size, to, to_row, (width, depth)) };
        }
    }

    #[test]
    fn every_edge_is_transposed_and_padded_and_nothing_else_written() {
        for (rows, columns) in [(1, 1), (3, 40), (16, 16), (33, 17), (47, 5), (8, 64)] {
            let (row, width, depth) = (columns + 2, rows + 3, columns + 1);
            let to_row = width + 4;
            let from = noise(rows * row, 1);
            for &level in available() {
                let mut to = vec![9.0; depth * to_row];
                let sizes = [row, rows, columns, to_row, width, depth];
                dispatch_at(level, Case(&from, sizes, &mut to));
                for (at, &got) in to.iter().enumerate() {
                    let (i, j) = (at / to_row, at % to_row);
                    let want = match (j < rows && i < columns, j < width) {
                        (true, _) => from[j * row + i],
                        (false, true) => 0.0,
                        (false, false) => 9.0,
                    };
                    assert_eq!(got, want, "{rows} x {columns} {level:?} at ({i}, {j})");
                }
            }
        }
    }
}
