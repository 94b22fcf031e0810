//! Slopes: of a line, and of log y over log x, the exponent of a growth. Each is a number of one run
//! or launch; its interval comes from several of them.

use super::{StatsError, check, mean};

/// Least-squares slope of ln y over ln x, the k of y ∝ xᵏ: give every x once, so that all weigh alike.
pub fn log_log_slope(x: &[f64], y: &[f64]) -> Result<f64, StatsError> {
    line_slope(&logarithms(x)?, &logarithms(y)?)
}

fn logarithms(values: &[f64]) -> Result<Vec<f64>, StatsError> {
    if let Some(&value) = values.iter().find(|v| v.is_nan() || **v <= 0.0) {
        return Err(StatsError::Unusable {
            value,
            why: "a logarithm needs positive values",
        });
    }
    Ok(values.iter().map(|&v| libm::log(v)).collect())
}

/// Least-squares slope of y over x. Needs two different x.
pub fn line_slope(x: &[f64], y: &[f64]) -> Result<f64, StatsError> {
    if x.len() != y.len() {
        return Err(StatsError::Unpaired {
            left: x.len(),
            right: y.len(),
        });
    }
    check(x, 2)?;
    check(y, 2)?;
    let (x_mean, y_mean) = (mean(x), mean(y));
    let spread: f64 = x.iter().map(|v| (v - x_mean) * (v - x_mean)).sum();
    if spread < 1e-12 {
        return Err(StatsError::Unusable {
            value: x[0],
            why: "a slope needs two different x",
        });
    }
    let pairs = x.iter().zip(y);
    let products: f64 = pairs.map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    Ok(products / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exponent between each x and the next.
    fn local_slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
        let pairs = x.windows(2).zip(y.windows(2));
        pairs.map(|(x, y)| log_log_slope(x, y).unwrap()).collect()
    }

    #[test]
    fn finds_an_exact_power() {
        let x = [1.0, 2.0, 4.0, 8.0];
        let y = x.map(|v: f64| 3.0 * v.powf(1.7));
        assert!((log_log_slope(&x, &y).unwrap() - 1.7).abs() < 1e-12);
        let local = local_slopes(&x, &y);
        assert!(local.len() == 3 && local.iter().all(|k| (k - 1.7).abs() < 1e-12));
    }

    #[test]
    fn local_slopes_show_where_a_growth_changes() {
        // y = 100 + x: flat, then linear.
        let x = [1.0, 10.0, 100.0, 1000.0, 10000.0];
        let local = local_slopes(&x, &x.map(|v: f64| 100.0 + v));
        assert!(local[0] < 0.05 && local[3] > 0.95, "{local:?}");
        assert!(local.is_sorted());
    }

    #[test]
    fn finds_a_line() {
        let x = [0.0, 1.0, 2.0, 3.0];
        let slope = line_slope(&x, &x.map(|v: f64| 5.0 - 0.25 * v)).unwrap();
        assert!((slope + 0.25).abs() < 1e-12);
        let slope = line_slope(&x, &[0.1, 0.7, 2.3, 2.9]).unwrap();
        assert!((slope - 1.0).abs() < 1e-12);
    }

    #[test]
    fn refuses_what_has_no_slope() {
        assert!(log_log_slope(&[1.0], &[1.0]).is_err());
        assert!(log_log_slope(&[2.0; 3], &[1.0, 2.0, 3.0]).is_err());
        assert!(log_log_slope(&[1.0, 2.0, 3.0], &[1.0, 0.0, 3.0]).is_err());
        assert!(line_slope(&[1.0, 2.0], &[1.0]).is_err());
    }
}
