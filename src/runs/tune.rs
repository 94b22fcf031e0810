//! Chooses a model's learning rate from its trials, and extends the search outward.

use super::grow::Grow;
use super::work::{Run, Work};
use crate::record::Record;

/// A learning rate chosen among those tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The middle one of those that solve the task, else the one with the lowest mean validation loss.
    pub rate: f64,
    /// Whether no rate beyond it was tried on one side: a better one may lie there.
    pub edge: Option<Edge>,
    /// Rates tried.
    pub tried: usize,
}

/// A side of the rates tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// No smaller rate was tried.
    Smallest,
    /// No larger rate was tried.
    Largest,
}

/// A mean validation loss below which a rate has solved the task, nats or squared error: which of two such
/// losses is lower is chance, and would lead the search to ever larger rates.
const SOLVED: f64 = 0.01;

/// Of the rates whose mean validation loss over the seeds says that they solve the task, the middle one;
/// where none does, the one with the lowest loss. Of two, the smaller. A rate that diverged for a seed is
/// out.
///
/// Errors: why there is none.
pub fn choose(trials: &[Record]) -> Result<Choice, String> {
    let tried = rates(trials);
    let mean_loss = |&rate: &f64| {
        let of_rate = trials.iter().filter(|t| t.learning_rate == Some(rate));
        let losses: Option<Vec<f64>> = of_rate.map(|trial| trial.value).collect();
        losses.map(|all| (all.iter().sum::<f64>() / all.len() as f64, rate))
    };
    let means: Vec<(f64, f64)> = tried.iter().filter_map(mean_loss).collect();
    let solving: Vec<f64> = means.iter().filter(|m| m.0 < SOLVED).map(|m| m.1).collect();
    let best = means
        .iter()
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let middle = solving.get(solving.len().saturating_sub(1) / 2);
    let rate = *middle.or(best.map(|(_, rate)| rate)).ok_or(
        "every learning rate of its search diverged; add smaller ones to tune.learning_rates",
    )?;
    let edge = match () {
        _ if tried.first() == Some(&rate) => Some(Edge::Smallest),
        _ if tried.last() == Some(&rate) => Some(Edge::Largest),
        _ => None,
    };
    Ok(Choice {
        rate,
        edge,
        tried: tried.len(),
    })
}

/// The distinct rates of trials, rising.
fn rates(trials: &[Record]) -> Vec<f64> {
    let mut rates: Vec<f64> = trials.iter().filter_map(|t| t.learning_rate).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}

impl Choice {
    /// In words, for the log of the run that uses it.
    pub fn in_words(&self) -> String {
        let edge = match self.edge {
            None => "",
            Some(Edge::Smallest) => ", the smallest: a smaller one may be better",
            Some(Edge::Largest) => ", the largest: a larger one may be better",
        };
        format!("learning rate {}, best of {}{edge}", self.rate, self.tried)
    }
}

/// Name of a trial of the search called `search`.
pub fn trial_id(search: &str, rate: f64, seed: u64) -> String {
    format!("{search}-rate{rate}-seed{seed}")
}

/// Rates outside are slips of the keyboard in a grid, and no place to search either.
pub const RATES: std::ops::RangeInclusive<f64> = 1e-9..=10.0;

/// A search that tries the next rate outward while the best is at an edge.
#[derive(Debug)]
pub struct Outward {
    /// Name of the search.
    pub id: String,
    /// The rates it begins with, two at least.
    pub grid: Vec<f64>,
    /// The most rates tried beyond the grid on a side.
    pub most: usize,
    /// A trial for each seed, to be repeated at other rates.
    pub trials: Vec<Run>,
}

impl Grow for Outward {
    fn next(&self, records: &[Record]) -> Vec<Run> {
        let Some(rate) = self.outward(records) else {
            return Vec::new();
        };
        let at_rate = |trial: &Run| {
            let mut run = trial.clone();
            run.id = trial_id(&self.id, rate, run.record.seed.unwrap_or_default());
            run.record.run = run.id.clone();
            run.record.learning_rate = Some(rate);
            if let Work::Train(training) = &mut run.work {
                training.train.learning_rate = rate;
            }
            run
        };
        self.trials.iter().map(at_rate).collect()
    }
}

impl Outward {
    /// The next rate to try, if the best is at an edge and the bound not reached. Where all diverged,
    /// smaller ones are tried.
    fn outward(&self, trials: &[Record]) -> Option<f64> {
        let edge = match choose(trials) {
            Ok(choice) => choice.edge?,
            Err(_) => Edge::Smallest,
        };
        let mut grid = self.grid.clone();
        grid.sort_by(f64::total_cmp);
        let tried = rates(trials);
        // The outermost rate of the grid, that before it, the outermost tried.
        let (outer, inner, last) = match (edge, &grid[..], &tried[..]) {
            (Edge::Smallest, [outer, inner, ..], [last, ..]) => (*outer, *inner, *last),
            (Edge::Largest, [.., inner, outer], [.., last]) => (*outer, *inner, *last),
            _ => return None,
        };
        let beyond = |rate: f64, of: f64| match edge {
            Edge::Smallest => rate < of,
            Edge::Largest => rate > of,
        };
        let steps = tried.iter().filter(|&&rate| beyond(rate, outer)).count() + 1;
        let exact = outer * libm::pow(outer / inner, steps as f64);
        // As few digits as tell it from the last.
        let rounded = (1..=16).filter_map(|digits| format!("{exact:.digits$e}").parse().ok());
        let next = rounded.into_iter().find(|&rate| beyond(rate, last))?;
        (steps <= self.most && RATES.contains(&next)).then_some(next)
    }
}

#[cfg(test)]
mod tests;
