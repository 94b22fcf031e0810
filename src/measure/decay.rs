//! How the gradient of a tanh RNN shrinks or grows with the distance it travels, where tanh is near
//! linear: one fused Elman layer whose recurrent matrix is a rotation times a radius (Pascanu,
//! Mikolov & Bengio 2013, section 2). There ‖∂L/∂h_t‖ ∝ radius^(T − t), exactly in the limit.

use kernels::{RecurrentWeights, backward_from, elman, matrix, on_tape};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Inputs are this small, so that tanh is linear to 32 bits even where the state grows a
/// thousandfold.
const INPUT: f32 = 1e-6;

/// Norms of ∂L/∂x_t at distances T − 1 − t = 0, 1, …, T − 1, geometric means over the batch; L is a
/// random projection of the last state.
///
/// Every unit reads an input of its own (W_ih is the identity), so that ∂L/∂x_t has the norm of the
/// gradient that arrives in the layer at t. W_hh is `radius` times a rotation of each pair of the
/// `hidden` units (an even number) by a random angle: orthogonal, with spectral radius `radius`.
pub fn norms(radius: f64, hidden: usize, batch: usize, seq_len: usize, seed: u64) -> Vec<f64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut identity = vec![0.0; hidden * hidden];
    let mut recurrent = vec![0.0; hidden * hidden];
    for i in 0..hidden {
        identity[i * hidden + i] = 1.0;
    }
    for pair in (0..hidden.saturating_sub(1)).step_by(2) {
        let angle = rng.random_range(0.0..std::f64::consts::TAU);
        let (sin, cos) = (
            (radius * libm::sin(angle)) as f32,
            (radius * libm::cos(angle)) as f32,
        );
        recurrent[pair * hidden + pair] = cos;
        recurrent[pair * hidden + pair + 1] = -sin;
        recurrent[(pair + 1) * hidden + pair] = sin;
        recurrent[(pair + 1) * hidden + pair + 1] = cos;
    }
    let rows = batch * seq_len;
    let x: Vec<f32> = (0..rows * hidden)
        .map(|_| rng.random_range(-INPUT..=INPUT))
        .collect();
    let mut upstream = vec![0.0; rows * hidden];
    for last in (seq_len - 1..rows).step_by(seq_len) {
        for dh in &mut upstream[last * hidden..][..hidden] {
            *dh = rng.random_range(-1.0..=1.0);
        }
    }
    let x = matrix(x, rows, hidden);
    let (identity, recurrent) = (
        matrix(identity, hidden, hidden),
        matrix(recurrent, hidden, hidden),
    );
    let [bias_ih, bias_hh] = [(); 2].map(|()| matrix(vec![0.0; hidden], 1, hidden));
    let weights = RecurrentWeights {
        weight_ih: &identity,
        weight_hh: &recurrent,
        bias_ih: &bias_ih,
        bias_hh: &bias_hh,
    };
    let y = elman(on_tape(&x), weights, batch, seq_len);
    let gradients = backward_from(y, upstream);
    let dx = gradients.get(&x).as_vec();
    let mut logarithms = vec![0.0; seq_len];
    for (row, dx) in dx.chunks_exact(hidden).enumerate() {
        let squares: f64 = dx.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        logarithms[seq_len - 1 - row % seq_len] += libm::log(squares.sqrt()) / batch as f64;
    }
    logarithms.into_iter().map(libm::exp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_the_radius_to_the_power_of_the_distance() {
        for (radius, hidden, batch, seq_len) in [(0.9, 32, 3, 61), (1.05, 6, 1, 40), (0.5, 2, 2, 9)]
        {
            let norms = norms(radius, hidden, batch, seq_len, 4);
            assert_eq!(norms.len(), seq_len);
            for (distance, norm) in norms.iter().enumerate() {
                let wanted = norms[0] * f64::powi(radius, distance as i32);
                assert!(
                    (norm / wanted - 1.0).abs() < 1e-4,
                    "{radius} at {distance}: {norm}"
                );
            }
        }
    }
}
