//! Pure statistics; imports nothing of this crate. No function here returns a point without its
//! interval, and none draws from hidden randomness: resampling starts from a fixed seed.
//!
//! Which method for which sample:
//!
//! | sample | method | where |
//! | --- | --- | --- |
//! | mean of 2 … 12 values | Student's t | [`effect`] |
//! | mean of 10 or more | BCa bootstrap, expanded for small samples | [`bootstrap`] |
//! | median of 10 or more | percentile bootstrap | [`bootstrap`] |
//! | difference of two small groups of seeds | Welch's t | [`effect`] |
//! | the same, all scored on the same blocks of text | t with crossed seeds and blocks | [`effect`] |
//! | ratio of timings taken in turn | t on the logarithms of the paired ratios | [`effect`] |
//! | happens or not, one group or two | exact tests | [`proportion`] |
//! | a share shown beside | Wilson | [`proportion`] |
//! | looked at several times | repeated intervals, levels by simulation | [`looks`] |

use serde::{Deserialize, Serialize};

pub mod bootstrap;
pub mod effect;
pub mod looks;
pub mod proportion;
pub mod quantile;
pub mod random;
pub mod slope;

pub use bootstrap::{mean_interval, median_interval};
pub use effect::{Effect, Statistic};
pub use looks::{Looks, Position};
pub use proportion::wilson;
pub use quantile::{mean, median, quantile, standard_deviation};
pub use slope::{line_slope, log_log_slope};

/// An estimate with its interval; no statistic here returns a point without one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Point estimate.
    pub estimate: f64,
    /// Upper bound.
    pub high: f64,
    /// Confidence level, 0.95 for 95 %.
    pub level: f64,
    /// Number of independent observations behind it.
    pub n: usize,
}

impl Interval {
    /// Whether `value` lies inside, bounds included.
    pub fn covers(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half the distance between the bounds.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// Why a statistic cannot be given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// An interval needs more observations.
    #[error("{have} observations, but an interval needs at least {need}")]
    TooFew {
        /// Observations there are.
        have: usize,
        /// Observations it takes.
        need: usize,
    },
    /// A value that is infinite or not a number, or a ratio of values that are not positive.
    #[error("the value {value} cannot be used: {why}")]
    Unusable {
        /// The value.
        value: f64,
        /// What the method needs.
        why: &'static str,
    },
    /// Paired samples of different lengths.
    #[error("paired samples must be equally long, but have {left} and {right} values")]
    Unpaired {
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
}

/// Checks that every value is finite and that there are at least `need` of them.
pub(crate) fn check(sample: &[f64], need: usize) -> Result<(), StatsError> {
    if let Some(&value) = sample.iter().find(|v| !v.is_finite()) {
        return Err(StatsError::Unusable {
            value,
            why: "values must be finite",
        });
    }
    if sample.len() < need {
        return Err(StatsError::TooFew {
            have: sample.len(),
            need,
        });
    }
    Ok(())
}
