//! The search for the learning rate of each model, before the runs that count.

use super::sized::Sized;
use super::widths::WIDTH;
use crate::experiment::schema::{Experiment, Settings, Sweep, Tune};
use crate::runs::context::{ExpandError, TUNING_SEEDS};
use crate::runs::grow::Growing;
use crate::runs::points::{Point, points};
use crate::runs::tune::{Outward, trial_id};
use crate::runs::work::{Run, Training};

/// Where searches take place: at every task, parameter of it and width that is swept, unless the tuning
/// settings name one; these over the experiment's settings; another swept factor they do not name has its
/// first value; the budget is in steps.
pub(super) fn tuning_points(experiment: &Experiment, over: &Settings) -> Vec<Point> {
    let sweep = &experiment.sweep;
    let first = points(&experiment.settings, sweep).swap_remove(0).settings;
    let own = Sweep {
        task: sweep.task.clone().filter(|_| over.task.is_none()),
        width: sweep.width.clone().filter(|_| over.width.is_none()),
        parameters: sweep.parameters.clone().map(|mut swept| {
            swept.retain(|name, _| !names(over, name));
            swept
        }),
        ..Sweep::default()
    };
    let mut points = points(&first, &own);
    for point in &mut points {
        let settings = &mut point.settings;
        settings.seeds = None;
        settings.equal = settings.equal.take().filter(|equal| equal == WIDTH);
        settings.overlay(over);
    }
    points
}

/// Whether the tuning settings name this parameter of the task.
fn names(over: &Settings, parameter: &str) -> bool {
    let named = over.parameters.as_ref();
    named.is_some_and(|named| named.contains_key(parameter))
}

/// Whether a search there is for runs at these settings.
pub(super) fn is_for(searched: &Settings, settings: &Settings, experiment: &Experiment) -> bool {
    let over = experiment.tune.as_ref().map(|tune| &tune.settings);
    let swept = experiment.sweep.parameters.iter().flat_map(|p| p.keys());
    let mut searched_at = swept.filter(|name| !over.is_some_and(|over| names(over, name)));
    let of = |at: &Settings, name: &str| at.parameters.as_ref().and_then(|p| p.get(name)).copied();
    searched.task == settings.task
        && searched.width == settings.width
        && searched_at.all(|name| of(searched, name) == of(settings, name))
}

/// The search of that name for the learning rate of a model of the list: every rate of the grid with every
/// seed, and how it goes on where it may extend.
pub(super) fn search(
    sized: &Sized,
    series: usize,
    id: String,
    tune: &Tune,
) -> Result<(Vec<Run>, Option<Growing>), ExpandError> {
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
