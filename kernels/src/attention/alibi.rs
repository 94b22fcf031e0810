//! Linear biases (Press et al. 2022, "Train Short, Test Long", ALiBi): a score falls by m_h for each
//! token of distance, m_h a geometric sequence over the heads. The bias has no parameters, and as
//! S' = S + bias its gradient is that of S.

use super::super::simd::{Kernel, LANES, Level, Simd, dispatch_at};

/// The slope of every head, as the paper's code has them: 2^(−8/H), 2^(−16/H), … if H is a power of
/// two; else those of the power of two below, then every second one of the power of two above.
pub fn slopes(heads: usize) -> Vec<f32> {
    let geometric = |n: usize| (1..=n).map(move |h| libm::exp2(-8.0 * h as f64 / n as f64) as f32);
    let below = 1 << heads.max(1).ilog2();
    let between = geometric(2 * below).step_by(2).take(heads - below);
    geometric(below).chain(between).collect()
}

/// Scores of the tokens from `first` on, for the token at `position`: each less `slope` times its
/// distance.
pub fn bias(level: Level, scores: &mut [f32], slope: f32, position: usize, first: usize) {
    let distance = position as f32 - first as f32;
    let kernel = Bias {
        scores,
        slope,
        distance,
    };
    dispatch_at(level, kernel);
}

struct Bias<'a> {
    scores: &'a mut [f32],
    slope: f32,
    /// Of the first score's token; less by one for each further, negative past the position.
    distance: f32,
}

impl Kernel for Bias<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut lanes = [0.0f32; LANES];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = i as f32;
        }
        let (lanes, slope) = (s.read(&lanes), s.splat(self.slope));
        for j in (0..self.scores.len()).step_by(LANES) {
            let distance = s.sub(s.splat(self.distance - j as f32), lanes);
            let score = s.fnma(slope, s.abs(distance), s.read_at(self.scores, j));
            s.write_at(self.scores, j, score);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::simd::available;
    use super::*;

    #[test]
    fn slopes_are_those_of_the_papers_code() {
        assert_eq!(slopes(1), [1.0 / 256.0]);
        assert_eq!(slopes(2), [1.0 / 16.0, 1.0 / 256.0]);
        let eight: Vec<f32> = (1..=8).map(|h| 0.5f32.powi(h)).collect();
        assert_eq!(slopes(8), eight);
        // Twelve: those of eight, then 2^−½, 2^−1½, 2^−2½, 2^−3½ of sixteen.
        let between = [0.5, 1.5, 2.5, 3.5].map(|e: f64| (-e).exp2() as f32);
        assert_eq!(slopes(12), [&eight[..], &between].concat());
        assert_eq!(slopes(3), [1.0 / 16.0, 1.0 / 256.0, 0.25]);
    }

    #[test]
    fn the_bias_falls_on_both_sides_of_the_position() {
        for &level in available() {
            for (first, n) in [(0, 1), (0, 37), (5, 18), (30, 7)] {
                let mut scores = vec![1.0; n];
                bias(level, &mut scores, 0.25, 11, first);
                for (j, score) in scores.iter().enumerate() {
                    let distance = (first + j).abs_diff(11) as f32;
                    assert_eq!(*score, 1.0 - 0.25 * distance, "{level:?} {first} {j}");
                }
            }
        }
    }
}
