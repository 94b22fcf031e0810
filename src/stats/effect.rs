//! Effects: estimates from small samples that can give their interval at any level, so that the plan
//! of looks and a correction for several parts may choose the level afterwards.
//!
//! Student's t on the values for differences and on their logarithms for ratios; exact tests for what
//! happens or does not. With 3 to 12 seeds resampling does not work: three values give only
//! combinations of those three, and the "95 %" interval covers the truth about three times in four.
//!
//! Equal values are no evidence: an effect whose standard error is 0 has the whole range as its
//! interval, at every level.
//!
//! Sources: Welch 1947 (unequal variances), Satterthwaite 1946 (degrees of freedom), Chan & Zhang 1999
//! (exact interval of a difference of two rates), Clopper & Pearson 1934 (of one rate).

use super::{Interval, StatsError, check, mean, proportion, standard_deviation};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// An estimate that can give its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    shape: Shape,
    /// Least and greatest value the quantity can have; intervals are cut there.
    range: (f64, f64),
    /// Observations of the smaller group.
    n: usize,
}

/// How an effect was estimated, which is also how the levels of its looks are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// Counted without error.
    Counted,
    /// Student's t of one sample.
    Mean,
    /// Student's t of two samples.
    Difference,
    /// An exact test of what happens or does not.
    Exact,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// Counted: estimate, least and greatest value.
    Counted(f64, f64, f64),
    Student {
        /// Estimate on the working scale: the value itself, or its logarithm.
        center: f64,
        /// Standard error on the working scale.
        error: f64,
        freedom: f64,
        logarithmic: bool,
        statistic: Statistic,
    },
    /// How many of how many, of one group and of the other.
    Rates((usize, usize), (usize, usize)),
    /// How many of how many.
    Rate(usize, usize),
}

/// Mean, squared standard error and degrees of freedom of one source of spread.
struct Spread {
    error2: f64,
    freedom: f64,
}

impl Spread {
    fn of(sample: &[f64]) -> Result<Self, StatsError> {
        check(sample, 2)?;
        let (n, deviation) = (sample.len() as f64, standard_deviation(sample));
        Ok(Self {
            error2: deviation * deviation / n,
            freedom: n - 1.0,
        })
    }
}

/// An effect with these independent sources of spread, with Satterthwaite's degrees of freedom
/// (Σ eᵢ²)² / Σ eᵢ⁴/fᵢ.
fn student(center: f64, parts: &[Spread], n: usize, statistic: Statistic) -> Effect {
    let error2: f64 = parts.iter().map(|p| p.error2).sum();
    let spread: f64 = parts.iter().map(|p| p.error2 * p.error2 / p.freedom).sum();
    let freedom = if spread > 0.0 {
        error2 * error2 / spread
    } else {
        1.0
    };
    Effect {
        shape: Shape::Student {
            center,
            error: error2.sqrt(),
            freedom,
            logarithmic: false,
            statistic,
        },
        range: (f64::MIN, f64::MAX),
        n,
    }
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

/// a − b, pair by pair.
fn differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>, StatsError> {
    if a.len() != b.len() {
        return Err(StatsError::Unpaired {
            left: a.len(),
            right: b.len(),
        });
    }
    Ok(a.iter().zip(b).map(|(a, b)| a - b).collect())
}

/// Means of the columns of a matrix given by rows.
fn column_means(rows: &[Vec<f64>]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let column = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64;
    (0..columns).map(column).collect()
}

impl Effect {
    /// A quantity that is counted and has no sampling error, with the least and the greatest value it
    /// has in the `n` places where it was counted.
    pub fn exact(estimate: f64, (low, high): (f64, f64), n: usize) -> Result<Self, StatsError> {
        check(&[estimate, low, high], 1)?;
        Ok(Self {
            shape: Shape::Counted(estimate, low.min(estimate), high.max(estimate)),
            range: (f64::MIN, f64::MAX),
            n,
        })
    }

    /// Mean of one sample of at least two values.
    pub fn mean(sample: &[f64]) -> Result<Self, StatsError> {
        let spread = Spread::of(sample)?;
        Ok(student(
            mean(sample),
            &[spread],
            sample.len(),
            Statistic::Mean,
        ))
    }

    /// Mean of `a` − mean of `b`, independent groups (Welch).
    pub fn difference(a: &[f64], b: &[f64]) -> Result<Self, StatsError> {
        let parts = [Spread::of(a)?, Spread::of(b)?];
        let (center, n) = (mean(a) - mean(b), a.len().min(b.len()));
        Ok(student(center, &parts, n, Statistic::Difference))
    }

    /// Mean of `a` − mean of `b` where both were scored on the same blocks of data: a row a seed, a
    /// column a block. Seeds and blocks are both drawn at random: the squared error is that of the
    /// seeds' means and that of the blocks' differences, which counts what is left of both twice and
    /// so errs on the wide side. A group of one row is a constant without seeds, such as an n-gram.
    pub fn crossed(a: &[Vec<f64>], b: &[Vec<f64>]) -> Result<Self, StatsError> {
        let (by_block_a, by_block_b) = (column_means(a), column_means(b));
        let by_block = differences(&by_block_a, &by_block_b)?;
        let mut parts = vec![Spread::of(&by_block)?];
        let mut n = usize::MAX;
        for rows in [a, b] {
            if rows.len() == 1 {
                continue;
            }
            let seeds: Vec<f64> = rows.iter().map(|row| mean(row)).collect();
            parts.push(Spread::of(&seeds)?);
            n = n.min(seeds.len());
        }
        let statistic = match parts.len() {
            3 => Statistic::Difference,
            _ => Statistic::Mean,
        };
        Ok(student(mean(&by_block), &parts, n, statistic))
    }

    /// Geometric mean of values of which the logarithms are given, such as ratios of timings taken in
    /// turn: a skewed timing loses its tail there, and what slows both of a pair cancels.
    pub fn mean_of_logarithms(sample: &[f64]) -> Result<Self, StatsError> {
        Ok(Self::mean(sample)?.exponentiated())
    }

    /// Ratio of the geometric means of two independent groups of positive values.
    pub fn ratio(a: &[f64], b: &[f64]) -> Result<Self, StatsError> {
        let (a, b) = (logarithms(a)?, logarithms(b)?);
        Ok(Self::difference(&a, &b)?.exponentiated())
    }

    /// Share of `a` that succeed less share of `b`: (successes, trials) each. Exact for any number of
    /// trials.
    pub fn rates(a: (usize, usize), b: (usize, usize)) -> Result<Self, StatsError> {
        let n = a.1.min(b.1);
        if n == 0 {
            return Err(StatsError::TooFew { have: 0, need: 1 });
        }
        Ok(Self {
            shape: Shape::Rates(a, b),
            range: (-1.0, 1.0),
            n,
        })
    }

    /// Share that succeed. Exact.
    pub fn rate(successes: usize, trials: usize) -> Result<Self, StatsError> {
        if trials == 0 {
            return Err(StatsError::TooFew { have: 0, need: 1 });
        }
        Ok(Self {
            shape: Shape::Rate(successes, trials),
            range: (0.0, 1.0),
            n: trials,
        })
    }

    fn exponentiated(mut self) -> Self {
        if let Shape::Student { logarithmic, .. } = &mut self.shape {
            *logarithmic = true;
        }
        self.range = (f64::MIN_POSITIVE, f64::MAX);
        self
    }

    /// Says which values are possible, −1…1 for a difference of accuracies; intervals end there.
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.range = (low, high);
        self
    }

    /// How it was estimated.
    pub fn statistic(&self) -> Statistic {
        match self.shape {
            Shape::Counted(..) => Statistic::Counted,
            Shape::Student { statistic, .. } => statistic,
            Shape::Rates(..) | Shape::Rate(..) => Statistic::Exact,
        }
    }

    /// The estimate with its interval at this level (0.95 for 95 %).
    pub fn interval(&self, level: f64) -> Interval {
        let (low, estimate, high) = match self.shape {
            Shape::Counted(estimate, low, high) => (low, estimate, high),
            Shape::Rate(k, n) => {
                let (low, high) = proportion::exact(k, n, level);
                (low, k as f64 / n as f64, high)
            }
            Shape::Rates(a, b) => {
                let (low, high) = proportion::exact_difference(a, b, level);
                (low, proportion::difference(a, b), high)
            }
            Shape::Student {
                center,
                error,
                freedom,
                logarithmic,
                ..
            } => {
                let reach = match error > 0.0 {
                    true => t_quantile(1.0 - (1.0 - level) / 2.0, freedom) * error,
                    false => f64::INFINITY, // equal values: anything is possible
                };
                let natural = |value: f64| match logarithmic {
                    true => libm::exp(value),
                    false => value,
                };
                let [low, high] = [center - reach, center + reach].map(natural);
                (low, natural(center), high)
            }
        };
        let clip = |value: f64| value.clamp(self.range.0, self.range.1);
        Interval {
            low: clip(low),
            estimate: clip(estimate),
            high: clip(high),
            level,
            n: self.n,
        }
    }

    /// Observations of the smaller group.
    pub fn observations(&self) -> usize {
        self.n
    }
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

/// Two-sided p-value of a t statistic.
pub(super) fn t_two_sided(value: f64, freedom: f64) -> f64 {
    let t = StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("freedom is at least 1");
    2.0 * t.sf(value.abs())
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
