//! Whole rows moved: picked from a matrix, and put side by side.
//!
//! Picking: y_i = x[from_i], 0 where there is none; dx_j = Σ_{i: from_i = j} dy_i. A sequence turned
//! round within its length, or its last position, is picked so.
//! Side by side: y_i = (a_i, b_i); da and db are the two parts of dy.
//! Cost: no FLOPs forward; picking, one addition an element backward.

use super::cost::{self, Cost, Id, Phase};
use super::math::Add;
use super::parallel::{self, filled};
use super::simd::{dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, matrix, read};
use dfdx::prelude::*;

/// Rows that a thread takes at a time.
const ROWS: usize = 64;
/// Fewer elements than this stay on one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Rows `from` of x, in that order: x (n, D) → (`from.len()`, D); zeros where there is `None`.
/// Panics if a row is not below n.
pub fn pick_rows(x: Activation, from: Vec<Option<usize>>) -> Activation {
    let (x, mut tape) = x.split_tape();
    let (n, d) = *x.shape();
    assert!(
        from.iter().flatten().all(|&row| row < n),
        "pick_rows: a row is not below {n}"
    );
    let rows = from.len();
    let xs = read(&x);
    // SAFETY: every row belongs to one piece, which writes all of it.
    let y = unsafe {
        filled(rows * d, |y| {
            parallel::for_each_if(rows * d >= PARALLEL_FROM, rows.div_ceil(ROWS), |piece| {
                for i in parallel::piece(rows, ROWS, piece) {
                    let out = y.slice(i * d..(i + 1) * d);
                    match from[i] {
                        Some(row) => out.copy_from_slice(&xs[row * d..][..d]),
                        None => out.fill(0.0),
                    }
                }
            });
        })
    };
    drop(xs);
    let y = matrix(y, rows, d);
    let (x_id, y_id) = (Id::value(&x), Id::value(&y));
    let bytes = 8.0 * (rows * d) as f64;
    cost::report(|| {
        let cost = Cost::new("pick_rows", 0.0, bytes, Phase::new(0.0, 0.0));
        cost.reading([x_id]).writing([y_id])
    });
    let (dy, dx) = (Output::of(&y), Slot::of(&x));
    let level = level();
    tape.record(move |g| {
        let dy_id = dy.id();
        let dy = dy.take(g);
        dx.add(g, |sum| {
            for (dy, row) in dy.chunks_exact(d.max(1)).zip(&from) {
                if let Some(row) = row {
                    dispatch_at(level, Add(&mut sum[row * d..][..d], dy));
                }
            }
        });
        cost::report(|| {
            let additions = (rows * d) as f64;
            let phase = Phase::new(additions, cost::levels(rows));
            let cost = Cost::new("pick_rows.backward", additions, 1.5 * bytes, phase);
            cost.reading([dy_id, dx.id()]).writing([dx.id()])
        });
    });
    y.put_tape(tape)
}

/// a and b side by side: (n, A) and (n, B) → (n, A + B). Gradients flow to both. Panics unless they have
/// as many rows.
pub fn side_by_side(a: Matrix, b: Activation) -> Activation {
    let (b, mut tape) = b.split_tape();
    let ((n, left), (rows, right)) = (*a.shape(), *b.shape());
    assert_eq!(n, rows, "side_by_side: {n} rows and {rows}");
    let width = left + right;
    let (xs, ys) = (read(&a), read(&b));
    // SAFETY: every row belongs to one piece, which writes all of it.
    let y = unsafe {
        filled(n * width, |y| {
            parallel::for_each_if(n * width >= PARALLEL_FROM, n.div_ceil(ROWS), |piece| {
                for i in parallel::piece(n, ROWS, piece) {
                    let out = y.slice(i * width..(i + 1) * width);
                    out[..left].copy_from_slice(&xs[i * left..][..left]);
                    out[left..].copy_from_slice(&ys[i * right..][..right]);
                }
            });
        })
    };
    drop((xs, ys));
    let y = matrix(y, n, width);
    let (reads, y_id) = ([Id::value(&a), Id::value(&b)], Id::value(&y));
    let bytes = 8.0 * (n * width) as f64;
    cost::report(|| {
        let cost = Cost::new("side_by_side", 0.0, bytes, Phase::new(0.0, 0.0));
        cost.reading(reads).writing([y_id])
    });
    let (dy, parts) = (
        Output::of(&y),
        [(Slot::of(&a), 0, left), (Slot::of(&b), left, right)],
    );
    let level = level();
    tape.record(move |g| {
        let dy_id = dy.id();
        let dy = dy.take(g);
        for (slot, first, columns) in &parts {
            let (first, columns) = (*first, *columns);
            slot.add(g, |sum| {
                for (i, sum) in sum.chunks_exact_mut(columns.max(1)).enumerate() {
                    dispatch_at(level, Add(sum, &dy[i * width + first..][..columns]));
                }
            });
        }
        cost::report(|| {
            let ids = [parts[0].0.id(), parts[1].0.id()];
            let additions = (n * width) as f64;
            let phase = Phase::new(additions, 1.0);
            let cost = Cost::new("side_by_side.backward", additions, 1.5 * bytes, phase);
            cost.reading([dy_id]).reading(ids).writing(ids)
        });
    });
    y.put_tape(tape)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, on_tape, values};
    use super::*;

    #[test]
    fn picking_is_a_product_with_rows_of_one_one() {
        for (n, d, from) in [
            (1, 1, vec![Some(0)]),
            (4, 5, vec![Some(3), None, Some(0), Some(3), Some(1)]),
            (3, 700, vec![Some(2); 130]),
        ] {
            let x = noise_matrix(n, d, 1);
            let mut ones = vec![0.0; from.len() * n];
            for (i, row) in from.iter().enumerate() {
                if let Some(row) = row {
                    ones[i * n + row] = 1.0;
                }
            }
            let y = matrix(ones, from.len(), n)
                .put_tape(Tape::on())
                .matmul(on_tape(&x));
            let want_y = values(&y);
            let (_, want) = gradients(weighed(y, 3), &[&x]);
            for (level, got) in at_every_level(|| {
                let y = pick_rows(on_tape(&x), from.clone());
                let mut out = vec![values(&y)];
                out.extend(gradients(weighed(y, 3), &[&x]).1);
                out
            }) {
                assert_eq!(got[0], want_y, "{level:?}");
                assert_close(&format!("{level:?} {n} {d}"), &got[1], &want[0], 1e-6);
            }
        }
    }

    #[test]
    fn side_by_side_splits_its_gradient_and_adds_to_what_is_there() {
        for (n, left, right) in [(1, 1, 1), (3, 5, 17), (90, 400, 500)] {
            let (a, b) = (noise_matrix(n, left, 1), noise_matrix(n, right, 2));
            let r = noise(n * (left + right), 3);
            at_every_level(|| {
                // a is read twice.
                let y = side_by_side(a.clone(), on_tape(&b));
                let all = values(&y);
                let loss = (y * matrix(r.clone(), n, left + right)).sum::<(), _>();
                let (loss, tape) = loss.split_tape();
                let again = on_tape(&a).sum::<(), _>();
                let loss = loss.put_tape(tape) + again;
                let (_, g) = gradients(loss, &[&a, &b]);
                for i in 0..n {
                    let row = |v: &[f32], width: usize| v[i * width..(i + 1) * width].to_vec();
                    assert_eq!(row(&all, left + right)[..left], row(&values(&a), left));
                    assert_eq!(row(&all, left + right)[left..], row(&values(&b), right));
                    let dy = row(&r, left + right);
                    let da: Vec<f32> = dy[..left].iter().map(|x| x + 1.0).collect();
                    assert_eq!(row(&g[0], left), da);
                    assert_eq!(row(&g[1], right), dy[left..]);
                }
                g
            });
        }
    }

    #[test]
    #[should_panic(expected = "a row is not below 2")]
    fn a_row_outside_is_refused() {
        pick_rows(on_tape(&noise_matrix(2, 3, 1)), vec![Some(2)]);
    }
}
