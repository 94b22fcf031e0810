//! Intervals for proportions, such as solve rates.

use super::{Interval, effect::normal_quantile};

/// Wilson's score interval (Wilson 1927) of `successes` in `n` trials; no trials give the whole
/// range 0…1 around ½, since any rate is possible then.
///
/// # Panics
/// If there are more successes than trials.
pub fn wilson(successes: usize, n: usize, level: f64) -> Interval {
    assert!(successes <= n, "{successes} successes in {n} trials");
    if n == 0 {
        return Interval {
            low: 0.0,
            estimate: 0.5,
            high: 1.0,
            level,
            n,
        };
    }
    let z = normal_quantile(1.0 - (1.0 - level) / 2.0);
    let (count, p) = (n as f64, successes as f64 / n as f64);
    let middle = p + z * z / (2.0 * count);
    let reach = z * (p * (1.0 - p) / count + z * z / (4.0 * count * count)).sqrt();
    let scale = 1.0 + z * z / count;
    // The bounds are exact at none and at all; rounding must not push them inside.
    Interval {
        low: if successes == 0 {
            0.0
        } else {
            (middle - reach) / scale
        },
        estimate: p,
        high: if successes == n {
            1.0
        } else {
            (middle + reach) / scale
        },
        level,
        n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(interval: Interval, low: f64, high: f64) {
        assert!((interval.low - low).abs() < 5.1e-5, "{interval:?}");
        assert!((interval.high - high).abs() < 5.1e-5, "{interval:?}");
    }

    #[test]
    fn wilson_gives_newcombes_published_intervals() {
        // Newcombe 1998a (Statistics in Medicine 17:857), table I, method 3 without correction.
        close(wilson(81, 263, 0.95), 0.2553, 0.3662);
        close(wilson(15, 148, 0.95), 0.0624, 0.1605);
        close(wilson(0, 20, 0.95), 0.0, 0.1611);
        close(wilson(1, 29, 0.95), 0.0061, 0.1718);
    }

    #[test]
    fn bounds_stay_in_range_and_bracket_the_estimate() {
        for n in 0..=12 {
            for successes in 0..=n {
                let i = wilson(successes, n, 0.999);
                assert!(
                    0.0 <= i.low && i.low <= i.estimate && i.estimate <= i.high && i.high <= 1.0
                );
            }
        }
    }
}
