//! Effects: estimates from small samples that can give their interval at any level, so that a
//! correction for several comparisons may choose the level afterwards.
//!
//! Everything here is Student's t: on the values for differences, on their logarithms for ratios.
//! With 2 to 9 seeds or repeats nothing else is honest: resampling three values can only ever
//! return combinations of those three, and its "95 %" interval covers about three times in four.
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
}

/// Mean, squared standard error and degrees of freedom of one group.
struct Group {
    mean: f64,
    error2: f64,
    freedom: f64,
    n: usize,
}

impl Group {
    /// `resolution` is the least standard deviation believed: values that agree to the last digit
    /// do not prove that the next one will.
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
    Effect {
        center,
        error: error2.sqrt(),
        freedom,
        logarithmic: false,
        range: (f64::MIN, f64::MAX),
        n: groups.iter().map(|(_, g)| g.n).min().unwrap_or(0),
    }
}

fn logarithms(sample: &[f64]) -> Result<Vec<f64>, StatsError> {
    if let Some(&value) = sample.iter().find(|v| v.is_nan() || **v <= 0.0) {
        return Err(StatsError::Unusable {
            value,
            why: "a ratio needs positive values",
        });
    }
    Ok(sample.iter().map(|v| v.ln()).collect())
}

impl Effect {
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
        if self.logarithmic { value.exp() } else { value }
    }

    fn working(&self, value: f64) -> f64 {
        if self.logarithmic { value.ln() } else { value }
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
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    fn coverage(trials: usize, mut covers: impl FnMut(&mut SplitMix64) -> bool) -> f64 {
        let mut random = SplitMix64::new(21);
        (0..trials).filter(|_| covers(&mut random)).count() as f64 / trials as f64
    }

    fn normals(random: &mut SplitMix64, n: usize, deviation: f64) -> Vec<f64> {
        (0..n).map(|_| deviation * random.normal()).collect()
    }

    #[test]
    fn student_gives_the_published_interval_of_sleep() {
        // Student 1908: extra hours of sleep of ten patients; R: t.test(x, y, paired = TRUE) gives
        // -2.4598858 .. -0.7001142, p = .002833; Welch's t.test(x, y) gives -3.3654832 .. 0.2054832,
        // p = .07939.
        let x = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let y = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let paired = Effect::paired_difference(&x, &y).unwrap();
        let interval = paired.interval(0.95);
        assert!((interval.low + 2.459_885_8).abs() < 1e-6, "{interval:?}");
        assert!((interval.high + 0.700_114_2).abs() < 1e-6, "{interval:?}");
        assert!((paired.p_value(0.0) - 0.002_833).abs() < 1e-6);
        let welch = Effect::difference(&x, &y, 0.0).unwrap();
        let interval = welch.interval(0.95);
        assert!((interval.low + 3.365_483_2).abs() < 1e-6, "{interval:?}");
        assert!((interval.high - 0.205_483_2).abs() < 1e-6, "{interval:?}");
        assert!((welch.p_value(0.0) - 0.079_39).abs() < 1e-5);
    }

    #[test]
    fn the_interval_of_level_one_minus_p_ends_at_the_hypothesis() {
        let effect = Effect::paired_ratio(&[2.1, 2.3, 1.9, 2.2], &[1.0, 1.2, 1.1, 1.0]).unwrap();
        for value in [1.5, 1.9, 2.2] {
            let interval = effect.interval(1.0 - effect.p_value(value));
            let end = if value < interval.estimate {
                interval.low
            } else {
                interval.high
            };
            assert!((end - value).abs() < 1e-6, "{interval:?} {value}");
        }
        assert!((effect.p_greater(1.9) + effect.p_less(1.9) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn three_values_are_covered_as_often_as_said() {
        for n in [2, 3, 5] {
            let rate = coverage(20_000, |random| {
                Effect::mean(&normals(random, n, 1.0))
                    .unwrap()
                    .interval(0.95)
                    .covers(0.0)
            });
            assert!((0.94..=0.96).contains(&rate), "n = {n}: {rate}");
        }
    }

    #[test]
    fn groups_of_unequal_spread_are_covered() {
        for (n, m, spread) in [(3, 3, 1.0), (3, 3, 3.0), (5, 3, 0.5), (5, 10, 2.0)] {
            let rate = coverage(20_000, |random| {
                let (a, b) = (normals(random, n, 1.0), normals(random, m, spread));
                Effect::difference(&a, &b, 0.0)
                    .unwrap()
                    .interval(0.95)
                    .covers(0.0)
            });
            assert!((0.93..=0.975).contains(&rate), "{n} {m} {spread}: {rate}");
        }
    }

    #[test]
    fn strata_of_three_seeds_are_covered() {
        let rate = coverage(20_000, |random| {
            let groups: Vec<Vec<f64>> = [0.2, 1.0, 0.5, 1.0]
                .iter()
                .map(|s| normals(random, 3, *s))
                .collect();
            let strata = [
                (&groups[0][..], &groups[1][..]),
                (&groups[2][..], &groups[3][..]),
            ];
            Effect::stratified_difference(&strata, 0.0)
                .unwrap()
                .interval(0.95)
                .covers(0.0)
        });
        assert!((0.93..=0.97).contains(&rate), "{rate}");
    }

    #[test]
    fn skewed_timings_taken_in_turn_are_covered() {
        // Log-normal times with a drift that both share and now and then a hiccup of either.
        let rate = coverage(20_000, |random| {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..7 {
                let drift = 1.0 + random.uniform();
                let mut time = |base: f64| {
                    let hiccup = if random.uniform() < 0.1 { 1.5 } else { 1.0 };
                    base * drift * hiccup * (0.05 * random.normal()).exp()
                };
                a.push(time(2.0));
                b.push(time(1.0));
            }
            Effect::paired_ratio(&a, &b)
                .unwrap()
                .interval(0.95)
                .covers(2.0)
        });
        assert!((0.93..=0.985).contains(&rate), "{rate}");
    }

    #[test]
    fn ratio_of_paired_ratios_cancels_drift() {
        let (a, b) = ([4.0, 8.0, 4.4], [2.0, 4.0, 2.2]);
        let (c, d) = ([3.0, 6.0, 9.1], [2.0, 4.0, 6.0]);
        let effect = Effect::ratio_of_paired_ratios((&a, &b), (&c, &d)).unwrap();
        let interval = effect.interval(0.95);
        assert!((interval.estimate - 2.0 / 1.5).abs() < 0.01 && interval.half_width() < 0.05);
    }

    #[test]
    fn seeds_that_agree_exactly_keep_a_width() {
        let effect = Effect::difference(&[1.0; 3], &[0.125; 3], 0.01)
            .unwrap()
            .within(-1.0, 1.0);
        let interval = effect.interval(0.95);
        // s = .01: half-width t(.975, 4)·.01·√(2/3) = 2.776·.00816
        assert!(
            (interval.half_width() - 0.022_67).abs() < 1e-4,
            "{interval:?}"
        );
        assert!(
            Effect::difference(&[1.0; 3], &[0.0; 3], 0.01)
                .unwrap()
                .within(-1.0, 1.0)
                .interval(0.99)
                .high
                <= 1.0
        );
    }

    #[test]
    fn refuses_what_has_no_interval() {
        assert!(matches!(
            Effect::mean(&[1.0]),
            Err(StatsError::TooFew { have: 1, need: 2 })
        ));
        assert!(matches!(
            Effect::mean(&[1.0, f64::NAN]),
            Err(StatsError::Unusable { .. })
        ));
        assert!(matches!(
            Effect::ratio(&[1.0, 0.0], &[1.0, 1.0]),
            Err(StatsError::Unusable { .. })
        ));
        assert!(matches!(
            Effect::paired_ratio(&[1.0], &[1.0, 2.0]),
            Err(StatsError::Unpaired { .. })
        ));
        assert!(Effect::stratified_difference(&[], 0.0).is_err());
    }

    #[test]
    fn any_interval_survives_json() {
        let wild = Effect::ratio(&[1e-300, 1e300], &[1.0, 1.0])
            .unwrap()
            .interval(0.9999);
        assert!(wild.low > 0.0 && wild.high.is_finite() && wild.estimate.is_finite());
        // No spread at all: decided, with p = 0 and an interval of no width.
        let flat = Effect::mean(&[2.0, 2.0]).unwrap();
        assert_eq!((flat.p_value(1.0), flat.p_value(2.0)), (0.0, 1.0));
        assert_eq!(flat.interval(0.95).half_width(), 0.0);
    }
}
