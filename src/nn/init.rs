//! Initial values, all drawn from one ChaCha stream in parameter order.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws initial values: the same seed and the same order of calls give the same model.
pub struct Initializer {
    seed: u64,
    rng: ChaCha8Rng,
}

impl Initializer {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX); // data of the same seed uses the streams from 0
        Initializer { seed, rng }
    }

    /// A generator for adapters of a model of this seed, whose stream shares nothing with the model's.
    pub fn of_adapters(seed: u64) -> Self {
        let mut init = Self::new(seed);
        init.rng.set_stream(u64::MAX - 1);
        init
    }

    /// The same stream from its start.
    pub fn restarted(&self) -> Self {
        Self::new(self.seed)
    }

    /// `n` values uniform in ±`bound`.
    pub fn uniform(&mut self, n: usize, bound: f32) -> Vec<f32> {
        (0..n)
            .map(|_| bound * (2.0 * self.rng.random::<f32>() - 1.0))
            .collect()
    }

    /// `n` normal values of mean 0 (Box & Muller 1958, computed in f64).
    pub fn normal(&mut self, n: usize, deviation: f32) -> Vec<f32> {
        let mut values = Vec::with_capacity(n + 1);
        while values.len() < n {
            // 1 - u is in (0, 1]: its logarithm is finite.
            let radius = (-2.0 * libm::log(1.0 - self.rng.random::<f64>())).sqrt();
            let angle = std::f64::consts::TAU * self.rng.random::<f64>();
            values.push(deviation * (radius * libm::cos(angle)) as f32);
            values.push(deviation * (radius * libm::sin(angle)) as f32);
        }
        values.truncate(n);
        values
    }

    /// A matrix (outputs, inputs) uniform in ±√(6 / (inputs + outputs)) (Glorot & Bengio 2010).
    pub fn glorot(&mut self, outputs: usize, inputs: usize) -> Vec<f32> {
        let bound = (6.0 / (inputs + outputs) as f32).sqrt();
        self.uniform(inputs * outputs, bound)
    }

    /// `n` forget biases ln(u), u uniform in [1, `longest` - 1]: memories of 1 to `longest` tokens
    /// (Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", section 2).
    pub fn chrono(&mut self, n: usize, longest: usize) -> Vec<f32> {
        let span = (longest as f64 - 2.0).max(0.0);
        (0..n)
            .map(|_| libm::log(1.0 + span * self.rng.random::<f64>()) as f32)
            .collect()
    }

    /// A random orthogonal matrix (n, n), row-major: normal rows made orthogonal one after the other
    /// (Gram & Schmidt, twice, in f64).
    pub fn orthogonal(&mut self, n: usize) -> Vec<f32> {
        let normal = self.normal(n * n, 1.0);
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
        for row in normal.chunks_exact(n.max(1)) {
            let mut row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            for _ in 0..2 {
                for other in &rows {
                    let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                    row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
                }
            }
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
            rows.push(row);
        }
        rows.concat().into_iter().map(|v| v as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_rows_are() {
        for n in [1, 2, 33] {
            let q = Initializer::new(2).orthogonal(n);
            for (i, a) in q.chunks_exact(n).enumerate() {
                for (j, b) in q.chunks_exact(n).enumerate() {
                    let product: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((product - f32::from(u8::from(i == j))).abs() < 1e-6);
                }
            }
        }
    }

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        let variance = values
            .iter()
            .map(|&v| (v as f64 - mean).powi(2))
            .sum::<f64>()
            / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn distributions_have_their_moments_and_bounds() {
        let mut init = Initializer::new(1);
        let uniform = init.uniform(100_000, 0.5);
        let (mean, deviation) = moments(&uniform);
        assert!(mean.abs() < 0.005 && (deviation - 0.5 / 3f64.sqrt()).abs() < 0.005);
        assert!(uniform.iter().all(|v| v.abs() <= 0.5));
        let normal = init.normal(100_001, 2.0);
        assert_eq!(normal.len(), 100_001);
        let (mean, deviation) = moments(&normal);
        assert!(mean.abs() < 0.03 && (deviation - 2.0).abs() < 0.03);
        let within = normal.iter().filter(|v| v.abs() < 2.0).count() as f64 / 100_001.0;
        assert!((within - 0.6827).abs() < 0.01);
        let chrono = init.chrono(10_000, 101);
        assert!(chrono.iter().all(|&v| (0.0..=100f32.ln()).contains(&v)));
        // The median memory is in the middle of the range: e^b uniform in [1, 100].
        let (mean, _) = moments(&chrono.iter().map(|v| v.exp()).collect::<Vec<_>>());
        assert!((mean - 50.5).abs() < 1.5);
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| Initializer::new(seed).normal(8, 1.0);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
