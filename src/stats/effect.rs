//! Effects: estimates from small samples that can give their interval at any level, so that a
//! correction for several comparisons may choose the level afterwards.
//!
//! Everything here is Student's t: on the values for differences, on their logarithms for ratios.
//! With 2 to 9 seeds or repeats resampling does not work: three values give only combinations of
//! those three, and the "95 %" interval covers the truth about three times in four.
//!
//! Sources: Welch 1947 (unequal variances), Satterthwaite 1946 (degrees of freedom).

use super::{Interval, StatsError, check, mean, standard_deviation};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// An estimate, its standard error and its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Estimate on the working scale: the value itself, or its logarithm.
    center: f64,
    /// Standard error on the working scale.
    error: f64,
    /// Degrees of freedom of the t distribution.
    freedom: f64,
    /// Whether the working scale is logarithmic.
    logarithmic: bool,
    /// Least and greatest value the quantity can have; intervals are cut there.
    range: (f64, f64),
    /// Observations of the smaller group.
    n: usize,
    /// Whether it was counted and not sampled: the interval is `range`, whatever the level.
    exact: bool,
}

/// Mean, squared standard error and degrees of freedom of one group.
struct Group {
    mean: f64,
    error2: f64,
    freedom: f64,
    n: usize,
}

impl Group {
    /// `resolution` is the least standard deviation assumed: that a few values agree to the last
    /// digit does not prove that the next one will.
    fn new(sample: &[f64], resolution: f64) -> Result<Self, StatsError> {
        check(sample, 2)?;
        let n = sample.len();
        let deviation = standard_deviation(sample).max(resolution);
        Ok(Self {
            mean: mean(sample),
            error2: deviation * deviation / n as f64,
            freedom: (n - 1) as f64,
            n,
        })
    }
}

/// Effect Σ wᵢ·meanᵢ of independent groups with Satterthwaite's degrees of freedom
/// (Σ wᵢ²eᵢ²)² / Σ (wᵢ²eᵢ²)²/fᵢ.
fn combine(groups: &[(f64, Group)]) -> Effect {
    let center = groups.iter().map(|(w, g)| w * g.mean).sum();
    let parts = || groups.iter().map(|(w, g)| (w * w * g.error2, g.freedom));
    let error2: f64 = parts().map(|(e, _)| e).sum();
    let spread: f64 = parts().map(|(e, f)| e * e / f).sum();
    // All values equal: no spread to weigh by; the smallest group's freedom is the safe choice.
    let least = parts().map(|(_, f)| f).fold(f64::INFINITY, f64::min);
    let freedom = if spread > 0.0 {
        error2 * error2 / spread
    } else {
        least
    };
    let n = groups.iter().map(|(_, g)| g.n).min().unwrap_or(0);
    Effect::sampled(center, error2.sqrt(), freedom, n)
}

fn logarithms(sample: &[f64]) -> Result<Vec<f64>, StatsError> {
    if let Some(&value) = sample.iter().find(|v| v.is_nan() || **v <= 0.0) {
        return Err(StatsError::Unusable {
            value,
            why: "a ratio needs positive values",
        });
    }
    Ok(sample.iter().map(|&v| libm::log(v)).collect())
}

impl Effect {
    /// A quantity that is counted and has no sampling error, with the least and the greatest value it
    /// has in the `n` places where it was counted.
    pub fn exact(estimate: f64, (low, high): (f64, f64), n: usize) -> Result<Self, StatsError> {
        check(&[estimate, low, high], 1)?;
        Ok(Self {
            range: (low.min(estimate), high.max(estimate)),
            exact: true,
            ..Self::sampled(estimate, 0.0, 1.0, n)
        })
    }

    /// An estimate with an error, of a quantity that may have any value.
    fn sampled(center: f64, error: f64, freedom: f64, n: usize) -> Self {
        Self {
            center,
            error,
            freedom,
            logarithmic: false,
            range: (f64::MIN, f64::MAX),
            n,
            exact: false,
        }
    }

    /// A least-squares slope with its standard error, from `n` points.
    pub(super) fn slope(center: f64, error: f64, n: usize) -> Self {
        Self::sampled(center, error, (n - 2) as f64, n)
    }

    /// Whether it has no sampling error, so that there is nothing to test.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Mean of one sample of at least two values.
    pub fn mean(sample: &[f64]) -> Result<Self, StatsError> {
        Ok(combine(&[(1.0, Group::new(sample, 0.0)?)]))
    }

    /// Mean of `a` − mean of `b`, independent groups (Welch). `resolution` is the least standard
    /// deviation believed of a group, 0 for none.
    pub fn difference(a: &[f64], b: &[f64], resolution: f64) -> Result<Self, StatsError> {
        Self::stratified_difference(&[(a, b)], resolution)
    }

    /// Mean over strata of (mean of `a` − mean of `b`): every stratum counts the same, whatever
    /// its number of observations, and spread between strata is no error.
    pub fn stratified_difference(
        strata: &[(&[f64], &[f64])],
        resolution: f64,
    ) -> Result<Self, StatsError> {
        if strata.is_empty() {
            return Err(StatsError::TooFew { have: 0, need: 2 });
        }
        let weight = 1.0 / strata.len() as f64;
        let mut groups = Vec::with_capacity(2 * strata.len());
        for (a, b) in strata {
            groups.push((weight, Group::new(a, resolution)?));
            groups.push((-weight, Group::new(b, resolution)?));
        }
        Ok(combine(&groups))
    }

    /// Mean over strata of their means, every stratum weighing the same.
    pub fn stratified_mean(strata: &[&[f64]]) -> Result<Self, StatsError> {
        let weight = 1.0 / strata.len() as f64;
        let groups = strata.iter().map(|s| Ok((weight, Group::new(s, 0.0)?)));
        let groups: Vec<_> = groups.collect::<Result<_, StatsError>>()?;
        check(&vec![0.0; groups.len()], 1)?;
        Ok(combine(&groups))
    }

    /// Mean of a − b over pairs: the same seed, or repeats taken in turn.
    pub fn paired_difference(a: &[f64], b: &[f64]) -> Result<Self, StatsError> {
        same_length(a, b)?;
        Self::mean(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// Constant − mean of the sample: against a baseline that has no spread of its own.
    pub fn below_constant(constant: f64, sample: &[f64]) -> Result<Self, StatsError> {
        check(&[constant], 1)?;
        let below: Vec<f64> = sample.iter().map(|v| constant - v).collect();
        Self::mean(&below)
    }

    /// Geometric mean of a / b over pairs of positive values. On the logarithmic scale a skewed
    /// timing loses its tail, and what slows both of a pair cancels.
    pub fn paired_ratio(a: &[f64], b: &[f64]) -> Result<Self, StatsError> {
        same_length(a, b)?;
        let (a, b) = (logarithms(a)?, logarithms(b)?);
        Ok(Self::paired_difference(&a, &b)?.exponentiated())
    }

    /// Ratio of the geometric means of two independent groups of positive values.
    pub fn ratio(a: &[f64], b: &[f64]) -> Result<Self, StatsError> {
        let (a, b) = (logarithms(a)?, logarithms(b)?);
        Ok(Self::difference(&a, &b, 0.0)?.exponentiated())
    }

    /// (a / b) / (c / d), where a is paired with b and c with d, and the two pairs of samples are
    /// independent.
    pub fn ratio_of_paired_ratios(
        (a, b): (&[f64], &[f64]),
        (c, d): (&[f64], &[f64]),
    ) -> Result<Self, StatsError> {
        same_length(a, b)?;
        same_length(c, d)?;
        let log_ratio = |a: &[f64], b: &[f64]| -> Result<Vec<f64>, StatsError> {
            Ok(logarithms(a)?
                .iter()
                .zip(logarithms(b)?)
                .map(|(a, b)| a - b)
                .collect())
        };
        Ok(Self::difference(&log_ratio(a, b)?, &log_ratio(c, d)?, 0.0)?.exponentiated())
    }

    fn exponentiated(mut self) -> Self {
        self.logarithmic = true;
        self.range = (f64::MIN_POSITIVE, f64::MAX);
        self
    }

    /// Says which values are possible, −1…1 for a difference of accuracies; intervals end there.
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.range = (low, high);
        self
    }

    /// The estimate with its interval at this level (0.95 for 95 %).
    pub fn interval(&self, level: f64) -> Interval {
        let reach = t_quantile(1.0 - (1.0 - level) / 2.0, self.freedom) * self.error;
        let clip = |value: f64| self.natural(value).clamp(self.range.0, self.range.1);
        if self.exact {
            return Interval {
                low: self.range.0,
                estimate: self.center,
                high: self.range.1,
                level,
                n: self.n,
            };
        }
        Interval {
            low: clip(self.center - reach),
            estimate: clip(self.center),
            high: clip(self.center + reach),
            level,
            n: self.n,
        }
    }

    /// Two-sided p-value of the hypothesis that the true effect is `value`; the interval of level
    /// 1 − p ends there.
    pub fn p_value(&self, value: f64) -> f64 {
        (2.0 * self.p_greater(value).min(self.p_less(value))).min(1.0)
    }

    /// One-sided p-value against "the effect is at most `value`".
    pub fn p_greater(&self, value: f64) -> f64 {
        t_tail(
            (self.center - self.working(value)) / self.error,
            self.freedom,
        )
    }

    /// One-sided p-value against "the effect is at least `value`".
    pub fn p_less(&self, value: f64) -> f64 {
        t_tail(
            (self.working(value) - self.center) / self.error,
            self.freedom,
        )
    }

    /// Estimated distance from `value` on the working scale, in units of the standard error that
    /// one observation a group would have; what [`super::power`] plans with.
    pub fn standardized_gap(&self, value: f64) -> f64 {
        (self.center - self.working(value)).abs() / (self.error * (self.n as f64).sqrt())
    }

    /// Degrees of freedom for each observation of the smaller group.
    pub(crate) fn freedom_per_observation(&self) -> f64 {
        self.freedom / (self.n as f64 - 1.0).max(1.0)
    }

    /// Observations of the smaller group.
    pub fn observations(&self) -> usize {
        self.n
    }

    fn natural(&self, value: f64) -> f64 {
        if self.logarithmic {
            libm::exp(value)
        } else {
            value
        }
    }

    fn working(&self, value: f64) -> f64 {
        if self.logarithmic {
            libm::log(value)
        } else {
            value
        }
    }
}

fn same_length(a: &[f64], b: &[f64]) -> Result<(), StatsError> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(StatsError::Unpaired {
        left: a.len(),
        right: b.len(),
    })
}

/// Quantile of Student's t. Satterthwaite's freedom may be any positive number; beyond a million
/// it is the normal distribution.
pub fn t_quantile(probability: f64, freedom: f64) -> f64 {
    if freedom > 1e6 {
        return normal_quantile(probability);
    }
    let t = StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("freedom is at least 1");
    t.inverse_cdf(probability)
}

/// P(t > `value`); a standard error of zero gives an infinite value, or NaN where the gap is zero
/// too, which is no evidence.
fn t_tail(value: f64, freedom: f64) -> f64 {
    if value.is_nan() {
        return 1.0;
    }
    let t = StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("freedom is at least 1");
    t.sf(value)
}

/// Quantile of the standard normal distribution.
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Distribution function of the standard normal.
pub fn normal_cdf(value: f64) -> f64 {
    Normal::standard().cdf(value)
}

#[cfg(test)]
mod tests;
