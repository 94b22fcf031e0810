//! The search for the learning rate of each model, before the runs that count.

use super::sized::Sized;
use super::widths::WIDTH;
use crate::experiment::schema::{Experiment, Settings, Tune};
use crate::runs::context::{ExpandError, TUNING_SEEDS};
use crate::runs::grow::Growing;
use crate::runs::points::points;
use crate::runs::tune::{Outward, trial_id};
use crate::runs::work::{Run, Training};

/// Where the search takes place: the tuning settings over the experiment's; a swept factor they do
/// not name has its first value; the budget is in steps.
pub(super) fn tuning_point(experiment: &Experiment, over: &Settings) -> Settings {
    let mut first = points(&experiment.settings, &experiment.sweep)
        .swap_remove(0)
        .settings;
    first.seeds = None;
    first.equal = first.equal.filter(|equal| equal == WIDTH);
    first.overlay(over);
    first
}

/// The search for the learning rate of a model of the list: every rate of the grid with every
/// seed, and how it goes on where it may extend.
pub(super) fn search(
    sized: &Sized,
    series: usize,
    label: &str,
    tune: &Tune,
) -> Result<(Vec<Run>, Option<Growing>), ExpandError> {
    let id = format!("{}-tune-{label}", sized.experiment.id);
    let first = sized.context.seed + TUNING_SEEDS;
    let seeds = sized.settings.seeds.unwrap_or(1);
    let mut trials = Vec::new();
    let grid = tune.learning_rates.clone().unwrap_or_default();
    for &rate in &grid {
        for seed in first..first + seeds as u64 {
            let training = Training {
                trial: true,
                ..sized.training(series, Some(rate), seed)?
            };
            trials.push(sized.run(trial_id(&id, rate, seed), series, training)?);
        }
    }
    let search = tune.extend.filter(|&most| most > 0).map(|most| Growing {
        id: id.clone(),
        experiment: sized.experiment.id.clone(),
        runs: trials.iter().map(|run| run.id.clone()).collect(),
        // Once it has left the grid on a side, the best is never at the other.
        most: most * seeds,
        rule: Box::new(Outward {
            id,
            grid,
            most,
            trials: trials[..seeds].to_vec(),
        }),
    });
    Ok((trials, search))
}
