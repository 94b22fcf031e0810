//! Location and spread of one sample. These are points: building blocks of the intervals, and what
//! an interval's `estimate` holds.

/// Arithmetic mean; NaN of nothing.
pub fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

/// Standard deviation with n − 1 in the denominator; 0 for fewer than two values.
pub fn standard_deviation(sample: &[f64]) -> f64 {
    if sample.len() < 2 {
        return 0.0;
    }
    let center = mean(sample);
    let squares: f64 = sample.iter().map(|v| (v - center) * (v - center)).sum();
    (squares / (sample.len() - 1) as f64).sqrt()
}

/// Quantile `q` in 0…1 of a sample in any order, linear between order statistics (type 7 of
/// Hyndman & Fan 1996, the default of R and NumPy); NaN of nothing.
pub fn quantile(sample: &[f64], q: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// [`quantile`] of a sample that is already sorted.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let place = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

/// Median; NaN of nothing.
pub fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_r_type_7() {
        // R: quantile(c(7, 1, 3, 10, 2), c(.1, .25, .5, .9)) = 1.4 2.0 3.0 8.8
        let sample = [7.0, 1.0, 3.0, 10.0, 2.0];
        for (q, expected) in [
            (0.1, 1.4),
            (0.25, 2.0),
            (0.5, 3.0),
            (0.9, 8.8),
            (0.0, 1.0),
            (1.0, 10.0),
        ] {
            assert!((quantile(&sample, q) - expected).abs() < 1e-12, "{q}");
        }
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn standard_deviation_divides_by_n_minus_one() {
        assert!(
            (standard_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) - 2.138_089_935).abs()
                < 1e-9
        );
        assert_eq!(standard_deviation(&[3.0]), 0.0);
    }
}
