//! Planning: how small an effect a design can see, and how many observations would decide an
//! inconclusive comparison. Normal-theory with Student's t (noncentrality approximated by a shift),
//! solved by stepping n, since the degrees of freedom depend on it.

use super::Effect;
use super::effect::t_quantile;

/// Chance that a planned comparison finds an effect that is there.
pub const POWER: f64 = 0.8;
/// More observations than this are not worth naming.
const MOST: usize = 10_000;

/// Smallest difference between two groups of `n` with common standard deviation `deviation` that a
/// two-sided comparison at `level` finds with [`POWER`]: (t₁₋α/₂ + t_power)·s·√(2/n).
pub fn minimum_detectable_difference(deviation: f64, n: usize, level: f64) -> f64 {
    let freedom = (2 * n.max(2) - 2) as f64;
    reach(level, freedom) * deviation * (2.0 / n.max(2) as f64).sqrt()
}

/// How many observations a group needs in all, so that the estimated gap between the effect and
/// `margin`, if it is the true one, is decided at `level` with [`POWER`]. `None` where the estimate
/// lies on the margin or where it would take more than ten thousand.
pub fn observations_needed(effect: &Effect, margin: f64, level: f64) -> Option<usize> {
    let gap = effect.standardized_gap(margin);
    if gap.is_nan() || gap <= 0.0 {
        return None;
    }
    (2..=MOST).find(|&n| {
        let freedom = effect.freedom_per_observation() * (n - 1) as f64;
        reach(level, freedom) <= gap * (n as f64).sqrt()
    })
}

/// Standard errors between margin and effect at which a comparison succeeds with [`POWER`].
fn reach(level: f64, freedom: f64) -> f64 {
    t_quantile(1.0 - (1.0 - level) / 2.0, freedom) + t_quantile(POWER, freedom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn gives_the_textbook_sample_size() {
        // Cohen 1988: d = 0.5, two-sided .05, power .8 needs 64 a group; d = 0.8 needs 26.
        assert!((minimum_detectable_difference(1.0, 64, 0.95) - 0.5).abs() < 0.005);
        assert!((minimum_detectable_difference(1.0, 26, 0.95) - 0.8).abs() < 0.01);
    }

    #[test]
    fn the_number_named_decides_four_times_in_five() {
        // Plan from a pilot whose estimate and spread are exactly the truth: gap .5, s = 1.
        let spread = [-1.0, 1.0].map(|v: f64| v * (0.5f64).sqrt());
        let a: Vec<f64> = spread.iter().map(|v| v + 0.5).collect();
        let pilot = Effect::difference(&a, &spread, 0.0).unwrap();
        let n = observations_needed(&pilot, 0.0, 0.95).unwrap();
        assert!((62..=66).contains(&n), "{n}");
        let mut random = SplitMix64::new(2);
        let trials = 1000;
        let decided = (0..trials).filter(|_| {
            let a: Vec<f64> = (0..n).map(|_| random.normal() + 0.5).collect();
            let b: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            Effect::difference(&a, &b, 0.0).unwrap().p_value(0.0) <= 0.05
        });
        let rate = decided.count() as f64 / trials as f64;
        assert!((0.76..=0.85).contains(&rate), "{rate}");
    }

    #[test]
    fn an_estimate_on_the_margin_cannot_be_planned() {
        let effect = Effect::mean(&[-1.0, 1.0]).unwrap();
        assert_eq!(observations_needed(&effect, 0.0, 0.95), None);
        assert_eq!(observations_needed(&effect, 1e-6, 0.95), None);
    }
}
