//! Intervals for proportions, such as solve rates.

use super::{Interval, effect::normal_quantile};

/// Places at which the nuisance rate of [`exact_difference`] is tried.
const GRID: usize = 200;
/// Halvings until a bound is known to its last digit that is shown.
const HALVINGS: usize = 30;

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

/// Clopper & Pearson's exact interval (1934) of the rate behind `successes` in `n` trials.
pub fn exact(successes: usize, n: usize, level: f64) -> (f64, f64) {
    let tail = (1.0 - level) / 2.0;
    let at_least = |p: f64| binomial(n, p)[successes..].iter().sum::<f64>();
    let at_most = |p: f64| binomial(n, p)[..=successes].iter().sum::<f64>();
    let low = match successes {
        0 => 0.0,
        _ => boundary((0.0, 1.0), |p| at_least(p) <= tail),
    };
    let high = match successes == n {
        true => 1.0,
        false => boundary((0.0, 1.0), |p| at_most(p) > tail),
    };
    (low, high)
}

/// Difference of two observed shares, each (successes, trials).
pub fn difference(a: (usize, usize), b: (usize, usize)) -> f64 {
    a.0 as f64 / a.1 as f64 - b.0 as f64 / b.1 as f64
}

/// Exact interval of the difference of two rates (Chan & Zhang 1999): the differences that the test
/// by the observed difference does not reject, whatever the rates are.
pub fn exact_difference(a: (usize, usize), b: (usize, usize), level: f64) -> (f64, f64) {
    let tail = (1.0 - level) / 2.0;
    let low = match difference(a, b) <= -1.0 {
        true => -1.0,
        false => boundary((-1.0, 1.0), |delta| p_greater(a, b, delta) <= tail),
    };
    let high = match difference(a, b) >= 1.0 {
        true => 1.0,
        false => -boundary((-1.0, 1.0), |delta| p_greater(b, a, delta) <= tail),
    };
    (low, high)
}

/// The largest chance of a difference as great as observed, over all pairs of rates that differ by
/// `delta`.
fn p_greater(a: (usize, usize), b: (usize, usize), delta: f64) -> f64 {
    let observed = difference(a, b) - 1e-9;
    let (least, most) = ((-delta).max(0.0), (1.0 - delta).min(1.0));
    let chance = |step: usize| {
        let rate = least + (most - least) * step as f64 / GRID as f64;
        let of_a = binomial(a.1, (rate + delta).clamp(0.0, 1.0));
        let of_b = binomial(b.1, rate.clamp(0.0, 1.0));
        let mut sum = 0.0;
        for (i, p) in of_a.iter().enumerate() {
            for (j, q) in of_b.iter().enumerate() {
                if difference((i, a.1), (j, b.1)) >= observed {
                    sum += p * q;
                }
            }
        }
        sum
    };
    (0..=GRID).map(chance).fold(0.0, f64::max)
}

/// Chances of 0 … n successes.
fn binomial(n: usize, p: f64) -> Vec<f64> {
    let mut chances = vec![1.0];
    for _ in 0..n {
        let mut next = vec![0.0; chances.len() + 1];
        for (k, chance) in chances.iter().enumerate() {
            next[k] += chance * (1.0 - p);
            next[k + 1] += chance * p;
        }
        chances = next;
    }
    chances
}

/// Where `holds`, which does at the low end, ceases to.
fn boundary((mut low, mut high): (f64, f64), holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        match holds(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    low
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

    #[test]
    fn clopper_and_pearson_give_the_tabled_interval() {
        // Newcombe 1998a, table I, method 5 (Clopper & Pearson).
        for (k, n, low, high) in [
            (81, 263, 0.2527, 0.3676),
            (15, 148, 0.0578, 0.1617),
            (1, 29, 0.0009, 0.1776),
        ] {
            let (l, h) = exact(k, n, 0.95);
            assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{l} {h}");
        }
        assert_eq!(exact(0, 20, 0.95).0, 0.0);
        assert!((exact(0, 20, 0.95).1 - 0.1684).abs() < 1e-4);
    }

    #[test]
    fn the_exact_difference_covers_whatever_the_rates_are() {
        // All outcomes of 5 against 5, weighed by their chances: coverage itself, not a sample of it.
        let interval: Vec<Vec<(f64, f64)>> = (0..=5)
            .map(|i| {
                (0..=5)
                    .map(|j| exact_difference((i, 5), (j, 5), 0.95))
                    .collect()
            })
            .collect();
        for p in [0.0, 0.05, 0.3, 0.5, 0.9, 1.0] {
            for q in [0.0, 0.1, 0.5, 0.77, 1.0] {
                let (of_a, of_b) = (binomial(5, p), binomial(5, q));
                let mut covered = 0.0;
                for i in 0..=5 {
                    for j in 0..=5 {
                        let (low, high) = interval[i][j];
                        if low - 1e-6 <= p - q && p - q <= high + 1e-6 {
                            covered += of_a[i] * of_b[j];
                        }
                    }
                }
                assert!(covered >= 0.95 - 1e-6, "{p} {q}: {covered}");
            }
        }
        // Turned round it is the same interval from the other side.
        let ((low, high), (l, h)) = (
            exact_difference((4, 5), (1, 6), 0.9),
            exact_difference((1, 6), (4, 5), 0.9),
        );
        assert!((low + h).abs() < 1e-6 && (high + l).abs() < 1e-6);
    }
}
