//! Rows of a table, one per token: y_i = E[token_i], or E[token_i] + P[i mod T].
//!
//! Backward: dE[v] = Σ_{i: token_i = v} dy_i, dP[t] = Σ_b dy_{b·T + t}.
//! Cost: no FLOPs forward but the addition of positions; backward one addition an element.

use super::cost::{self, Cost};
use super::parallel::{self, Shared, filled};
use super::simd::{Kernel, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, Tape, matrix, read};
use dfdx::prelude::*;

/// Rows of the table or of the output that a thread takes at a time.
const ROWS: usize = 16;

/// table\[tokens\]: table (V, D) → (n, D). Panics if a token is not below V.
pub fn embedding(tokens: &[u32], table: &Matrix, tape: Tape) -> Activation {
    embed(tokens, table, None, tape)
}

/// table\[tokens\] + positions\[t\] for token t of each sequence of `seq_len`: table (V, D),
/// positions (≥ T, D) → (n, D). Panics if a token is not below V or positions are too few.
pub fn embedding_at_positions(
    tokens: &[u32],
    table: &Matrix,
    positions: &Matrix,
    seq_len: usize,
    tape: Tape,
) -> Activation {
    embed(tokens, table, Some((positions, seq_len)), tape)
}

fn embed(
    tokens: &[u32],
    table: &Matrix,
    positions: Option<(&Matrix, usize)>,
    mut tape: Tape,
) -> Activation {
    let ((vocab, d), n) = (*table.shape(), tokens.len());
    if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocab) {
        panic!("embedding: token {token} is not below the vocabulary of {vocab}");
    }
    if let Some((p, seq_len)) = positions {
        let (rows, width) = *p.shape();
        assert!(
            seq_len > 0 && seq_len <= rows && width == d,
            "embedding: positions ({rows}, {width}) do not serve {seq_len} tokens of width {d}"
        );
    }
    let e = read(table);
    let p = positions.map(|(p, seq_len)| (read(p), seq_len));
    let level = level();
    // SAFETY: pieces write all their rows, and rows of different pieces do not overlap.
    let y = unsafe {
        filled(n * d, |y| {
            parallel::for_each(n.div_ceil(ROWS), |piece| {
                for i in parallel::piece(n, ROWS, piece) {
                    let out = y.slice(i * d..(i + 1) * d);
                    out.copy_from_slice(&e[tokens[i] as usize * d..][..d]);
                    if let Some((p, seq_len)) = &p {
                        dispatch_at(level, Add(out, &p[i % seq_len * d..][..d]));
                    }
                }
            });
        })
    };
    let bytes = 8.0 * (n * d) as f64;
    let flops = if positions.is_some() {
        (n * d) as f64
    } else {
        0.0
    };
    cost::report(|| Cost {
        name: "embedding",
        flops,
        bytes,
        span: 1.0,
    });

    let y = matrix(y, n, d);
    if tape.is_on() {
        let (dy, de) = (Output::of(&y), Slot::of(table));
        let dp = positions.map(|(p, seq_len)| (Slot::of(p), seq_len));
        let tokens = tokens.to_vec();
        tape.record(move |g| {
            let dy = dy.take(g);
            let row = |i: usize| &dy[i * d..(i + 1) * d];
            // Each piece owns some rows of the table and adds to them in the order of the tokens.
            let mut sums = de.take(g);
            let shared = Shared::new(&mut sums);
            let (starts, places) = by_token(&tokens, vocab);
            parallel::for_each(vocab.div_ceil(ROWS), |piece| {
                for token in parallel::piece(vocab, ROWS, piece) {
                    // SAFETY: each token has its own row of the table.
                    let sum = unsafe { shared.slice(token * d..(token + 1) * d) };
                    for &i in &places[starts[token]..starts[token + 1]] {
                        dispatch_at(level, Add(sum, row(i)));
                    }
                }
            });
            de.put(g, sums);
            let mut additions = n;
            if let Some((dp, seq_len)) = dp {
                additions += n;
                dp.add(g, |dp| {
                    parallel::for_each_chunk(&mut dp[..seq_len * d], d, |t, sum| {
                        for i in (t..n).step_by(seq_len) {
                            dispatch_at(level, Add(sum, row(i)));
                        }
                    });
                });
            }
            cost::report(|| Cost {
                name: "embedding.backward",
                flops: (additions * d) as f64,
                bytes: 12.0 * (additions * d) as f64,
                span: n as f64,
            });
        });
    }
    y.put_tape(tape)
}

/// Where each token stands: its places, rising, lie between its start and the next one's.
fn by_token(tokens: &[u32], vocab: usize) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; vocab + 1];
    tokens.iter().for_each(|&t| starts[t as usize + 1] += 1);
    (0..vocab).for_each(|t| starts[t + 1] += starts[t]);
    let (mut next, mut places) = (starts.clone(), vec![0; tokens.len()]);
    for (i, &t) in tokens.iter().enumerate() {
        places[next[t as usize]] = i;
        next[t as usize] += 1;
    }
    (starts, places)
}

/// The first += the second, of equal lengths.
struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.0.len()).step_by(S::LANES) {
            s.write_at(self.0, j, s.add(s.read_at(self.0, j), s.read_at(self.1, j)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::values;
    use super::*;

    #[test]
    fn equals_a_product_with_one_hot_rows() {
        for (batch, seq_len, vocab, d) in
            [(1, 1, 1, 1), (3, 1, 2, 5), (1, 9, 7, 3), (4, 33, 300, 17)]
        {
            let n = batch * seq_len;
            let tokens: Vec<u32> = noise(n, 9)
                .iter()
                .map(|x| ((x + 1.0) / 2.0 * vocab as f32) as u32 % vocab as u32)
                .collect();
            let (e, p) = (noise_matrix(vocab, d, 1), noise_matrix(seq_len + 2, d, 2));
            let one_hot = |columns: usize, hot: &dyn Fn(usize) -> usize| {
                let mut x = vec![0.0; n * columns];
                (0..n).for_each(|i| x[i * columns + hot(i)] = 1.0);
                matrix(x, n, columns).put_tape(Tape::on())
            };
            let by_token = one_hot(vocab, &|i| tokens[i] as usize).matmul(e.clone());
            let by_position = one_hot(seq_len + 2, &|i| i % seq_len).matmul(p.clone());
            let plain = values(&by_token);
            let sum = by_token + by_position;
            let sum_values = values(&sum);
            let (_, want) = gradients(weighed(sum, 4), &[&e, &p]);
            for (level, got) in at_every_level(|| {
                let plain = values(&embedding(&tokens, &e, Tape::Off));
                let y = embedding_at_positions(&tokens, &e, &p, seq_len, Tape::on());
                let mut out = vec![plain, values(&y)];
                out.extend(gradients(weighed(y, 4), &[&e, &p]).1);
                out
            }) {
                let name = format!("{batch} {seq_len} {vocab} {d} {level:?}");
                assert_eq!(got[0], plain, "{name}");
                assert_eq!(got[1], sum_values, "{name}");
                assert_close(&name, &got[2], &want[0], 1e-6);
                assert_close(&name, &got[3], &want[1], 1e-6);
            }
        }
    }

    #[test]
    #[should_panic(expected = "token 5 is not below the vocabulary of 5")]
    fn a_token_outside_the_vocabulary_is_refused() {
        embedding(&[0, 5], &noise_matrix(5, 2, 1), Tape::Off);
    }
}
