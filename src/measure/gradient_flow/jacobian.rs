//! One factor of the product that the gradient is: the Jacobian ∂s_t/∂s_{t−1} of a recurrent layer.

use crate::data::Batch;
use crate::models::{Decoder, Model, State};

/// Distance to either side of the central differences: the square of it, and the rounding of 32-bit
/// floats over it, stay near 1e-5 of a derivative.
const STEP: f32 = 1.0 / 128.0;
/// Places along a sequence at which the Jacobian is taken.
const PLACES: usize = 4;
/// Squarings of a matrix: the radius is then right to a factor of (‖A‖‖A⁻¹‖)^(1/1024), 1 % where
/// that is 10⁴.
const SQUARINGS: u32 = 10;

/// Geometric means over [`PLACES`] places of a sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateJacobian {
    /// Spectral radius of ∂s_t/∂s_{t−1}: the largest absolute value of its eigenvalues. Where every
    /// step has the same Jacobian, the gradient changes by this factor a step in the long run.
    pub radius: f64,
    /// Largest singular value: no step can enlarge a gradient by more.
    pub norm: f64,
}

/// The Jacobian of a step of the first layer's state, along the first sequence of the batches, by
/// central differences of the incremental step. None for a model without a state of fixed size, one
/// whose state has parts of different sizes (a matrix, and the last inputs of a convolution), or one that
/// reads numbers or a source.
pub fn state_jacobian(model: &dyn Model, batches: &[Batch]) -> Option<StateJacobian> {
    let reads_tokens = |batch: &&Batch| !batch.tokens().is_empty() && batch.input.source.is_none();
    let batch = batches.first().filter(reads_tokens)?;
    // A cache grows, if only in pages of many tokens.
    if model.state_bytes(1) != model.state_bytes(1 << 20) {
        return None;
    }
    let tokens = &batch.tokens()[..batch.seq_len()];
    let mut decoder = model.decoder();
    let mut state = decoder.start(1, None);
    let parts = state.buffers.len() / model.config().layers;
    let size = |buffer: &Vec<f32>| buffer.len() == state.buffers[0].len();
    if !state.buffers[..parts].iter().all(size) {
        return None;
    }
    let mut logits = Vec::new();
    let (mut radius, mut norm, mut places) = (0.0, 0.0, 0.0);
    for (t, &token) in tokens.iter().enumerate() {
        let due = (t + 1) * PLACES / tokens.len() > t * PLACES / tokens.len();
        if due {
            let (jacobian, n) = jacobian(decoder.as_mut(), token, &state, parts)?;
            radius += libm::log(spectral_radius(&jacobian, n));
            norm += libm::log(spectral_radius(&gram(&jacobian, n), n).sqrt());
            places += 1.0;
        }
        decoder.step(&[token], &mut state, &mut logits).ok()?;
    }
    Some(StateJacobian {
        radius: libm::exp(radius / places),
        norm: libm::exp(norm / places),
    })
}

/// (n, n) row-major, entry (i, j) being ∂s'_i/∂s_j of the step that reads `token` in `state`, whose
/// first `parts` buffers are the first layer's: all 2n perturbed states are one batch.
fn jacobian(
    decoder: &mut dyn Decoder,
    token: u32,
    state: &State,
    parts: usize,
) -> Option<(Vec<f64>, usize)> {
    let width = state.buffers.first()?.len();
    let n = parts * width;
    let mut moved = State {
        batch: 2 * n,
        position: state.position,
        buffers: state.buffers.iter().map(|b| b.repeat(2 * n)).collect(),
        ..State::default()
    };
    for j in 0..n {
        let buffer = &mut moved.buffers[j / width];
        buffer[2 * j * width + j % width] += STEP;
        buffer[(2 * j + 1) * width + j % width] -= STEP;
    }
    let mut logits = Vec::new();
    let tokens = vec![token; 2 * n];
    decoder.step(&tokens, &mut moved, &mut logits).ok()?;
    let mut result = vec![0.0; n * n];
    for j in 0..n {
        for i in 0..n {
            let after = &moved.buffers[i / width];
            let at = |row: usize| f64::from(after[row * width + i % width]);
            result[i * n + j] = (at(2 * j) - at(2 * j + 1)) / (2.0 * f64::from(STEP));
        }
    }
    Some((result, n))
}

/// The largest absolute value of the eigenvalues of a matrix (n, n): lim ‖Aᵐ‖^(1/m) (Gelfand 1941)
/// at m = 2¹⁰ by repeated squaring. Unlike power iteration it needs no eigenvalue to be the largest
/// alone, and the eigenvalues of a recurrence come in conjugate pairs.
pub fn spectral_radius(matrix: &[f64], n: usize) -> f64 {
    let mut power = matrix.to_vec();
    let mut logarithm = 0.0; // Aᵐ is e^logarithm times `power`
    for squaring in 0..=SQUARINGS {
        let size = power.iter().map(|v| v * v).sum::<f64>().sqrt();
        if size == 0.0 {
            return 0.0;
        }
        power.iter_mut().for_each(|v| *v /= size);
        logarithm += libm::log(size);
        if squaring < SQUARINGS {
            power = product(&power, &power, n);
            logarithm *= 2.0;
        }
    }
    libm::exp(logarithm / f64::from(1u32 << SQUARINGS))
}

/// AᵀA.
fn gram(a: &[f64], n: usize) -> Vec<f64> {
    let mut transposed = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            transposed[j * n + i] = a[i * n + j];
        }
    }
    product(&transposed, a, n)
}

/// A B of matrices (n, n), row by row.
fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut result = vec![0.0; n * n];
    for (row, a) in result.chunks_exact_mut(n).zip(a.chunks_exact(n)) {
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
        }
    }
    result
}
