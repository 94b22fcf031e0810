//! Pure statistics; imports nothing of this crate.

use serde::{Deserialize, Serialize};

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
