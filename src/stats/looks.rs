//! Planned looks: after how many observations a comparison is looked at, and the level at each look.
//!
//! Who looks several times and stops when the result pleases finds something too often. Here the looks
//! are fixed before the first observation, and each has an interval wide enough that *all of them
//! together* cover the truth with the level asked for (repeated intervals, Jennison & Turnbull 1989).
//! So whatever look a comparison stops at, its answer is wrong with a chance of at most α.
//!
//! Every look has the same level 1 − a. For Student's t, a is found by simulation: it is the α-quantile
//! of the least p-value over the looks where there is no effect, for the statistic in use at exactly
//! these numbers of observations (levels of normal theory give 5.6 % false answers in place of 5 % at
//! 3, 5, 8 and 12). Exact tests share α evenly among the looks (Bonferroni), which holds for any
//! outcome.

use super::effect::{Effect, Statistic, t_two_sided};
use super::random::SplitMix64;
use super::{Interval, mean, standard_deviation};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// Simulated sequences of looks for a level: its error is then a tenth of a percent point.
const PATHS: usize = 40_000;
/// Sequences that must lie beyond a level for the simulation to find it.
const FEWEST: usize = 40;
const SEED: u64 = 0x10_0c5;

/// The numbers of observations at which a comparison is looked at, rising.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Looks(Vec<usize>);

/// Where an interval lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// All of it above the upper margin.
    Above,
    /// All of it below the lower margin.
    Below,
    /// All of it between the margins.
    Within,
    /// It covers a margin.
    Open,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// Number of looks taken.
    pub looks: usize,
    /// The interval of the last.
    pub interval: Interval,
    /// Where it lies.
    pub position: Position,
}

impl Looks {
    /// After so many observations each; 0 and repetitions are left out.
    pub fn new(after: &[usize]) -> Self {
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        after.retain(|&n| n > 0);
        Self(after)
    }

    /// The numbers of observations.
    pub fn after(&self) -> &[usize] {
        &self.0
    }

    /// The level that the interval of each look has, so that all cover the truth together with a
    /// chance of 1 − `alpha`.
    pub fn level(&self, statistic: Statistic, alpha: f64) -> f64 {
        let shared = alpha / self.0.len().max(1) as f64;
        let each = match statistic {
            _ if self.0.len() < 2 => alpha,
            Statistic::Counted => alpha,
            Statistic::Exact => shared,
            Statistic::Mean | Statistic::Difference => {
                // Further out than the simulation reaches, looks count as if they were independent.
                let rank = (alpha * PATHS as f64) as usize;
                match rank < FEWEST {
                    true => shared,
                    false => least_p_values(self, statistic)[rank].max(shared),
                }
            }
        };
        1.0 - each
    }

    /// Looks at the effects, one for each look taken so far, until one settles on which side of the
    /// margins the truth lies, and stops there: what came later does not count. Nothing without
    /// effects.
    pub fn decide(&self, effects: &[Effect], margins: (f64, f64), alpha: f64) -> Option<Ended> {
        let mut ended = None;
        for (i, effect) in effects.iter().enumerate() {
            let interval = effect.interval(self.level(effect.statistic(), alpha));
            let position = position(interval, margins);
            ended = Some(Ended {
                looks: i + 1,
                interval,
                position,
            });
            if position != Position::Open {
                break;
            }
        }
        ended
    }
}

/// Where an interval lies with respect to a lower and an upper margin.
fn position(interval: Interval, (below, above): (f64, f64)) -> Position {
    match interval {
        Interval { low, .. } if low > above => Position::Above,
        Interval { high, .. } if high < below => Position::Below,
        Interval { low, high, .. } if low >= below && high <= above => Position::Within,
        _ => Position::Open,
    }
}

/// The least p-value over the looks of each simulated sequence without effect, rising.
fn least_p_values(looks: &Looks, statistic: Statistic) -> Arc<Vec<f64>> {
    type Known = HashMap<(Looks, Statistic), Arc<Vec<f64>>>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let key = (looks.clone(), statistic);
    let known = || KNOWN.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(found) = known().get(&key) {
        return found.clone();
    }
    let mut random = SplitMix64::new(SEED);
    let mut least: Vec<f64> = (0..PATHS)
        .map(|_| path(looks, statistic, &mut random))
        .collect();
    least.sort_by(f64::total_cmp);
    known().entry(key).or_insert(least.into()).clone()
}

fn square(value: f64) -> f64 {
    value * value
}

/// The least p-value of one sequence of looks at normal values without effect.
fn path(looks: &Looks, statistic: Statistic, random: &mut SplitMix64) -> f64 {
    let most = looks.0.last().copied().unwrap_or(0);
    let mut sample = || (0..most).map(|_| random.normal()).collect::<Vec<f64>>();
    let a = sample();
    let b = match statistic {
        Statistic::Difference => sample(),
        _ => Vec::new(),
    };
    let p = |&n: &usize| {
        let (x, y) = (&a[..n], b.get(..n));
        let count = n as f64;
        let moments = |s: &[f64]| (mean(s), square(standard_deviation(s)) / count);
        let (center, error2) = moments(x);
        let Some(y) = y else {
            return t_two_sided(center / error2.sqrt(), count - 1.0);
        };
        let (other, other2) = moments(y);
        let freedom = square(error2 + other2) / (error2 * error2 + other2 * other2) * (count - 1.0);
        t_two_sided((center - other) / (error2 + other2).sqrt(), freedom)
    };
    let looked = looks.0.iter().filter(|n| **n > 1);
    looked.map(p).fold(1.0, f64::min)
}

#[cfg(test)]
mod tests;
