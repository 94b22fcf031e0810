//! Bootstrap intervals (Efron 1979): percentile for the median, BCa (Efron 1987) for means, both
//! expanded to the width that Student's t has at the same n (Hesterberg 2015, "expanded
//! percentile"), without which they cover too little below n = 50.
//!
//! Measured coverage of 95 % intervals is 93 to 97 % from n = 12 for means of symmetric values, from
//! n = 15 for medians, and from n = 60 for means of strongly skewed values
//! (log-normal, σ = ½): take the median of those.
//!
//! Fewer than [`LEAST`] values have too few resamples: three values have ten distinct ones. For
//! those the interval is Student's t around the mean, widened to hold the estimate.

use super::effect::{normal_cdf, normal_quantile, t_quantile};
use super::quantile::quantile_of_sorted;
use super::random::{RESAMPLING_SEED, SplitMix64};
use super::{Effect, Interval, StatsError, check, mean};

/// Fewest values that are resampled.
pub const LEAST: usize = 10;

/// What is computed from a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Median.
    Median,
}

impl Statistic {
    /// The value for a sample, which is sorted in place.
    fn of(self, sample: &mut [f64]) -> f64 {
        if self == Statistic::Mean {
            return mean(sample);
        }
        sample.sort_unstable_by(f64::total_cmp);
        quantile_of_sorted(sample, 0.5)
    }
}

/// How often and from which seed to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Number of resamples; 2000 settles a 95 % bound to about 5 % of the interval's width.
    pub replicates: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            replicates: 2000,
            seed: RESAMPLING_SEED,
        }
    }
}

/// Median with its interval, from at least two values.
pub fn median_interval(sample: &[f64], level: f64) -> Result<Interval, StatsError> {
    interval(Statistic::Median, sample, level, Resampling::default())
}

/// Mean with its interval, from at least two values.
pub fn mean_interval(sample: &[f64], level: f64) -> Result<Interval, StatsError> {
    interval(Statistic::Mean, sample, level, Resampling::default())
}

/// A statistic of one sample with its interval: Student's t below [`LEAST`] values, else bootstrap.
pub fn interval(
    statistic: Statistic,
    sample: &[f64],
    level: f64,
    resampling: Resampling,
) -> Result<Interval, StatsError> {
    check(sample, 2)?;
    let small = Effect::mean(sample)?;
    let evaluate = |groups: &mut [Vec<f64>]| statistic.of(&mut groups[0]);
    let groups = [sample.to_vec()];
    Ok(around(
        statistic, &groups, &evaluate, small, level, resampling,
    ))
}

/// Difference a − b of a statistic between two independent samples.
pub fn difference(
    statistic: Statistic,
    a: &[f64],
    b: &[f64],
    level: f64,
    resampling: Resampling,
) -> Result<Interval, StatsError> {
    check(a, 2)?;
    check(b, 2)?;
    let small = Effect::difference(a, b)?;
    of_two(statistic, a, b, |a, b| a - b, small, level, resampling)
}

/// Ratio a / b of a statistic between two independent samples of positive values.
pub fn ratio(
    statistic: Statistic,
    a: &[f64],
    b: &[f64],
    level: f64,
    resampling: Resampling,
) -> Result<Interval, StatsError> {
    check(a, 2)?;
    check(b, 2)?;
    // Refuses what is not positive, and is the interval where there is too little to resample.
    let small = Effect::ratio(a, b)?;
    of_two(statistic, a, b, |a, b| a / b, small, level, resampling)
}

/// What `combine` makes of a statistic of two independent samples.
fn of_two(
    statistic: Statistic,
    a: &[f64],
    b: &[f64],
    combine: fn(f64, f64) -> f64,
    small: Effect,
    level: f64,
    resampling: Resampling,
) -> Result<Interval, StatsError> {
    let evaluate = |groups: &mut [Vec<f64>]| {
        let (a, b) = groups.split_at_mut(1);
        combine(statistic.of(&mut a[0]), statistic.of(&mut b[0]))
    };
    let groups = [a.to_vec(), b.to_vec()];
    Ok(around(
        statistic, &groups, &evaluate, small, level, resampling,
    ))
}

/// What `evaluate` makes of the groups, with its interval: that of few values, `small`, where a group
/// has fewer than [`LEAST`], else from resamples of each group on its own. Where all values of each
/// group are equal, as every resample then is, the interval has no width.
fn around(
    statistic: Statistic,
    groups: &[Vec<f64>],
    evaluate: &dyn Fn(&mut [Vec<f64>]) -> f64,
    small: Effect,
    level: f64,
    resampling: Resampling,
) -> Interval {
    let estimate = evaluate(&mut groups.to_vec());
    let least = groups.iter().map(Vec::len).min().unwrap_or(0);
    let equal = |group: &Vec<f64>| group.iter().all(|v| *v == group[0]);
    if least < LEAST && !groups.iter().all(equal) {
        return stretched(small.interval(level), estimate);
    }
    let mut random = SplitMix64::new(resampling.seed);
    let mut resample = groups.to_vec();
    let mut replicates: Vec<f64> = (0..resampling.replicates)
        .map(|_| {
            for (out, group) in resample.iter_mut().zip(groups) {
                out.iter_mut()
                    .for_each(|v| *v = group[random.below(group.len())]);
            }
            evaluate(&mut resample)
        })
        .collect();
    replicates.sort_unstable_by(f64::total_cmp);
    let total: usize = groups.iter().map(Vec::len).sum();
    let tail = expanded_tail(level, total, groups.len());
    let (low, high) = match statistic {
        Statistic::Median => (tail, 1.0 - tail),
        _ => bca_tails(groups, evaluate, estimate, &replicates, tail),
    };
    bounds(&replicates, estimate, low, high, level, least)
}

/// The tail whose normal quantile is as far out as Student's t for `total` values in `groups`
/// groups, each of which has lost a degree of freedom to its mean.
fn expanded_tail(level: f64, total: usize, groups: usize) -> f64 {
    let freedom = (total - groups) as f64;
    let t = t_quantile(1.0 - (1.0 - level) / 2.0, freedom);
    normal_cdf(-(total as f64 / freedom).sqrt() * t)
}

/// Tails shifted for bias and skew: z₀ from the share of replicates below the estimate, the
/// acceleration a from the jackknife, Φ(z₀ + (z₀ + z)/(1 − a(z₀ + z))).
fn bca_tails(
    groups: &[Vec<f64>],
    evaluate: &dyn Fn(&mut [Vec<f64>]) -> f64,
    estimate: f64,
    replicates: &[f64],
    tail: f64,
) -> (f64, f64) {
    let count = replicates.len() as f64;
    let below = replicates.partition_point(|v| *v < estimate) as f64;
    let equal = replicates.partition_point(|v| *v <= estimate) as f64 - below;
    let share = ((below + equal / 2.0) / count).clamp(0.5 / count, 1.0 - 0.5 / count);
    let bias = normal_quantile(share);
    // Influence of each value: the group's mean leave-one-out value minus its own, times n − 1.
    let (mut cubes, mut squares) = (0.0, 0.0);
    for (index, group) in groups.iter().enumerate() {
        let without: Vec<f64> = (0..group.len())
            .map(|i| {
                let mut rest = groups.to_vec();
                rest[index].remove(i);
                evaluate(&mut rest)
            })
            .collect();
        let center = mean(&without);
        let n = group.len() as f64;
        for value in without {
            let influence = (center - value) * (n - 1.0) / n;
            cubes += influence * influence * influence;
            squares += influence * influence;
        }
    }
    let acceleration = if squares > 0.0 {
        cubes / (6.0 * squares * squares.sqrt())
    } else {
        0.0
    };
    let shifted = |z: f64| normal_cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
    let z = normal_quantile(tail);
    (shifted(z), shifted(-z))
}

fn bounds(sorted: &[f64], estimate: f64, low: f64, high: f64, level: f64, n: usize) -> Interval {
    let interval = Interval {
        low: quantile_of_sorted(sorted, low),
        estimate,
        high: quantile_of_sorted(sorted, high),
        level,
        n,
    };
    stretched(interval, estimate)
}

/// The interval around another estimate of the same quantity, made to hold it.
fn stretched(mut interval: Interval, estimate: f64) -> Interval {
    interval.estimate = estimate;
    interval.low = interval.low.min(estimate);
    interval.high = interval.high.max(estimate);
    interval
}

#[cfg(test)]
mod tests;
