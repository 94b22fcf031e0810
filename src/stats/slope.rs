//! Slopes: of a line, and of log y over log x, the exponent of a growth.

use super::{Effect, StatsError, check, mean};

/// Least-squares slope of ln y over ln x, the k of y ∝ xᵏ, with Student's t on n − 2 degrees of
/// freedom. Needs three points and two different x. Several y at one x are points of their own.
pub fn log_log_slope(x: &[f64], y: &[f64]) -> Result<Effect, StatsError> {
    if let Some(&value) = x.iter().chain(y).find(|v| v.is_nan() || **v <= 0.0) {
        return Err(StatsError::Unusable {
            value,
            why: "a logarithm needs positive values",
        });
    }
    let logarithms = |values: &[f64]| values.iter().map(|&v| libm::log(v)).collect::<Vec<f64>>();
    line_slope(&logarithms(x), &logarithms(y))
}

/// Least-squares slope of y over x, likewise.
pub fn line_slope(x: &[f64], y: &[f64]) -> Result<Effect, StatsError> {
    if x.len() != y.len() {
        return Err(StatsError::Unpaired {
            left: x.len(),
            right: y.len(),
        });
    }
    check(x, 3)?;
    check(y, 3)?;
    let (x_mean, y_mean) = (mean(x), mean(y));
    let spread: f64 = x.iter().map(|v| (v - x_mean) * (v - x_mean)).sum();
    if spread < 1e-12 {
        return Err(StatsError::Unusable {
            value: x[0],
            why: "a slope needs two different x",
        });
    }
    let products: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| (x - x_mean) * (y - y_mean))
        .sum();
    let slope = products / spread;
    let residuals = x
        .iter()
        .zip(y)
        .map(|(x, y)| y - y_mean - slope * (x - x_mean));
    let freedom = (x.len() - 2) as f64;
    let variance = residuals.map(|r| r * r).sum::<f64>() / freedom;
    Ok(Effect::slope(slope, (variance / spread).sqrt(), x.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn finds_an_exact_power() {
        let x = [1.0, 2.0, 4.0, 8.0];
        let slope = log_log_slope(&x, &x.map(|v: f64| 3.0 * v.powf(1.7))).unwrap();
        let slope = slope.interval(0.95);
        assert!((slope.estimate - 1.7).abs() < 1e-12 && slope.half_width() < 1e-6);
    }

    #[test]
    fn finds_a_line_with_its_interval() {
        let x = [0.0, 1.0, 2.0, 3.0];
        let slope = line_slope(&x, &x.map(|v: f64| 5.0 - 0.25 * v))
            .unwrap()
            .interval(0.95);
        assert!((slope.estimate + 0.25).abs() < 1e-12 && slope.half_width() < 1e-9);
        // By hand: slope 1, residual variance 0.2, spread 5, t(0.975, 2) = 4.3027.
        let slope = line_slope(&x, &[0.1, 0.7, 2.3, 2.9])
            .unwrap()
            .interval(0.95);
        assert!((slope.estimate - 1.0).abs() < 1e-12);
        assert!((slope.half_width() - 4.302_652_73 * (0.1f64 / 5.0).sqrt()).abs() < 1e-6);
        assert!(line_slope(&[2.0; 3], &[1.0, 2.0, 3.0]).is_err());
    }

    #[test]
    fn covers_the_true_exponent() {
        let mut random = SplitMix64::new(4);
        let x = [32.0, 64.0, 128.0, 256.0, 512.0];
        let trials = 4000;
        let covered = (0..trials).filter(|_| {
            let y = x.map(|v: f64| v.powf(1.3) * (0.1 * random.normal()).exp());
            log_log_slope(&x, &y).unwrap().interval(0.95).covers(1.3)
        });
        let rate = covered.count() as f64 / trials as f64;
        assert!((0.94..=0.96).contains(&rate), "{rate}");
    }

    #[test]
    fn refuses_what_has_no_slope() {
        assert!(log_log_slope(&[1.0, 2.0], &[1.0, 2.0]).is_err());
        assert!(log_log_slope(&[2.0; 3], &[1.0, 2.0, 3.0]).is_err());
        assert!(log_log_slope(&[1.0, 2.0, 3.0], &[1.0, 0.0, 3.0]).is_err());
    }
}
