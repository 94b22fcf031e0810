//! Rows of a table, one per token: y_i = E[token_i], or c E[token_i] + P[i mod T]. A row of numbers
//! x_i instead of a token weighs all rows of the table: y_i = c x_i E (+ P[i mod T]), of which a token
//! is the one-hot case.
//!
//! Backward: dE[v] = c Σ_{i: token_i = v} dy_i, or dE = c xᵀ dy; dP[t] = Σ_b dy_{b·T + t}.
//! Cost, for tokens: no FLOPs forward but the addition of positions, backward one addition an
//! element; for numbers 2·n·V·D each way. Span: a product's, and one addition; backward ⌈log₂ n⌉.

#[cfg(test)]
mod tests;

use super::cost::{self, Cost, Id, Phase};
use super::gemm::{View, gemm};
use super::math::{Add, AddScaled};
use super::parallel::{self, Shared, filled};
use super::simd::{dispatch_at, level};
use super::watch::{self, Watchable};
use super::{Activation, Matrix, Output, Slot, Tape, matrix, read};
use dfdx::prelude::*;

/// Rows of the table or of the output that a thread takes at a time.
const ROWS: usize = 16;
/// Tokens of fewer values than this in all stay on one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// What a model reads at each position.
///
/// Numbers are the whole difference between a model of tokens and one of measurements: their
/// projection stands where the embedding does, with the table as its weight, and every architecture
/// behind it is the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// Tokens (n), each below V.
    Tokens(&'a [u32]),
    /// Numbers (n, V), row-major.
    Values(&'a [f32]),
}

impl<'a> From<&'a [u32]> for Input<'a> {
    fn from(tokens: &'a [u32]) -> Self {
        Input::Tokens(tokens)
    }
}

impl<'a> From<&'a Vec<u32>> for Input<'a> {
    fn from(tokens: &'a Vec<u32>) -> Self {
        Input::Tokens(tokens)
    }
}

/// table\[tokens\], or values · table: table (V, D) → (n, D). Panics if a token is not below V, or
/// if the values are no rows of V.
pub fn embedding<'a>(input: impl Into<Input<'a>>, table: &Matrix, tape: Tape) -> Activation {
    embed(input.into(), table, 1.0, None, tape)
}

/// The same, + positions\[t\] for position t of each sequence of `seq_len`: table (V, D),
/// positions (≥ T, D) → (n, D). Panics as [`embedding`] does, or if positions are too few.
pub fn embedding_at_positions<'a>(
    input: impl Into<Input<'a>>,
    table: &Matrix,
    positions: &Matrix,
    seq_len: usize,
    tape: Tape,
) -> Activation {
    embed(input.into(), table, 1.0, Some((positions, seq_len)), tape)
}

/// The same of `scale` times the table, at `positions` (a table and T) or without any: a table that is the
/// weight of the head too has smaller values than an embedding (Vaswani et al. 2017, section 3.4: √D).
pub fn scaled_embedding<'a>(
    input: impl Into<Input<'a>>,
    table: &Matrix,
    scale: f32,
    positions: Option<(&Matrix, usize)>,
    tape: Tape,
) -> Activation {
    embed(input.into(), table, scale, positions, tape)
}

fn embed(
    input: Input,
    table: &Matrix,
    scale: f32,
    positions: Option<(&Matrix, usize)>,
    mut tape: Tape,
) -> Activation {
    let (vocab, d) = *table.shape();
    let n = rows(input, vocab);
    if let Some((p, seq_len)) = positions {
        let (rows, width) = *p.shape();
        assert!(
            seq_len > 0 && seq_len <= rows && width == d,
            "embedding: positions ({rows}, {width}) do not serve {seq_len} tokens of width {d}"
        );
    }
    let e = read(table);
    let mut product = Vec::new();
    if let Input::Values(x) = input {
        product.resize(n * d, 0.0);
        gemm(
            n,
            d,
            vocab,
            View::new(x, vocab),
            View::new(&e, d),
            &mut product,
            false,
        );
    }
    let p = positions.map(|(p, seq_len)| (read(p), seq_len));
    let level = level();
    // SAFETY: pieces write all their rows, and rows of different pieces do not overlap.
    let y = unsafe {
        filled(n * d, |y| {
            parallel::for_each_if(n * d >= PARALLEL_FROM, n.div_ceil(ROWS), |piece| {
                for i in parallel::piece(n, ROWS, piece) {
                    let out = y.slice(i * d..(i + 1) * d);
                    if let Input::Tokens(tokens) = input {
                        out.copy_from_slice(&e[tokens[i] as usize * d..][..d]);
                    } else {
                        out.copy_from_slice(&product[i * d..][..d]);
                    }
                    if scale != 1.0 {
                        out.iter_mut().for_each(|x| *x *= scale);
                    }
                    if let Some((p, seq_len)) = &p {
                        dispatch_at(level, Add(out, &p[i % seq_len * d..][..d]));
                    }
                }
            });
        })
    };
    let bytes = 8.0 * (n * d) as f64;
    let product_flops = match input {
        Input::Tokens(_) => 0.0,
        Input::Values(_) => 2.0 * (n * vocab * d) as f64,
    };
    let flops = product_flops
        + if positions.is_some() {
            (n * d) as f64
        } else {
            0.0
        };
    let y = matrix(y, n, d);
    cost::report(|| {
        let product = matches!(input, Input::Values(_)).then(|| Phase::product(n, vocab, d));
        let added = positions.map(|_| Phase::elementwise(n * d, 1.0));
        let mut reads = vec![Id::value(table)];
        reads.extend(positions.map(|(p, _)| Id::value(p)));
        Cost {
            name: "embedding",
            flops,
            bytes,
            phases: product.into_iter().chain(added).collect(),
            reads,
            writes: vec![Id::value(&y)],
        }
    });
    if tape.is_on() {
        let (dy, de) = (Output::of(&y), Slot::of(table));
        let dp = positions.map(|(p, seq_len)| (Slot::of(p), seq_len));
        let kept = Kept::of(input, scale);
        tape.record(move |g| {
            let (dy_id, dy) = (dy.id(), dy.take(g));
            watch::report(Watchable::Input, d, || dy.clone());
            let row = |i: usize| &dy[i * d..(i + 1) * d];
            let mut additions = n;
            match &kept {
                Kept::Values(x) => {
                    let x = View::new(x, vocab).transposed();
                    let dy = View::new(&dy, d);
                    de.add(g, |de| gemm(vocab, d, n, x, dy, de, true));
                    additions = 2 * n * vocab;
                }
                // Each piece owns some rows of the table and adds to them in the order of the tokens.
                Kept::Tokens(tokens) => {
                    let mut sums = de.take(g);
                    let shared = Shared::new(&mut sums);
                    let (starts, places) = by_token(tokens, vocab);
                    parallel::for_each_if(n * d >= PARALLEL_FROM, vocab.div_ceil(ROWS), |piece| {
                        for token in parallel::piece(vocab, ROWS, piece) {
                            // SAFETY: each token has its own row of the table.
                            let sum = unsafe { shared.slice(token * d..(token + 1) * d) };
                            for &i in &places[starts[token]..starts[token + 1]] {
                                dispatch_at(level, AddScaled(sum, row(i), scale));
                            }
                        }
                    });
                    de.put(g, sums);
                }
            }
            if let Some((dp, seq_len)) = &dp {
                let seq_len = *seq_len;
                additions += n;
                dp.add(g, |dp| {
                    parallel::for_each_chunk(&mut dp[..seq_len * d], d, |t, sum| {
                        for i in (t..n).step_by(seq_len) {
                            dispatch_at(level, Add(sum, row(i)));
                        }
                    });
                });
            }
            cost::report(|| {
                let mut writes = vec![de.id()];
                writes.extend(dp.map(|(dp, _)| dp.id()));
                let reads = std::iter::once(dy_id).chain(writes.clone()).collect();
                Cost {
                    name: "embedding.backward",
                    flops: (additions * d) as f64,
                    bytes: 12.0 * (additions * d) as f64,
                    phases: vec![Phase {
                        work: (additions * d) as f64,
                        // The rows of one token are a sum, n of them at most.
                        span: cost::depth(n),
                    }],
                    reads,
                    writes,
                }
            });
        });
    }
    y.put_tape(tape)
}

/// The input as the backward pass keeps it.
enum Kept {
    Tokens(Vec<u32>),
    /// Times the scale.
    Values(Vec<f32>),
}

impl Kept {
    fn of(input: Input, scale: f32) -> Self {
        match input {
            Input::Tokens(tokens) => Kept::Tokens(tokens.to_vec()),
            Input::Values(values) => Kept::Values(values.iter().map(|x| scale * x).collect()),
        }
    }
}

/// Number of positions; panics if the input does not fit a table of `vocab` rows.
fn rows(input: Input, vocab: usize) -> usize {
    match input {
        Input::Tokens(tokens) => {
            if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocab) {
                panic!("embedding: token {token} is not below the vocabulary of {vocab}");
            }
            tokens.len()
        }
        Input::Values(values) => {
            assert!(
                values.len().is_multiple_of(vocab),
                "embedding: {} numbers are no rows of {vocab}",
                values.len()
            );
            values.len() / vocab
        }
    }
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
