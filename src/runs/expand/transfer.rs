//! Runs on a second text: what each starts from, and the trainings on the first text that hand on their weights.

use super::sized::Sized;
use crate::experiment::schema::{Arm, Experiment, FIRST, Sweep};
use crate::runs::context::{ExpandError, require, two_texts};
use crate::runs::needs::{Rate, Start, Weights};
use crate::runs::points::{Point, points};
use crate::runs::work::{Data, Run, Training};
use crate::train::{Budget, Keep, Selection};

/// Makes of a training one on the second text, and gives the run that it starts from, if it does.
pub(super) fn prepare(
    sized: &Sized,
    (series, name): (usize, &str),
    arm: Arm,
    training: &mut Training,
) -> Result<Option<Run>, ExpandError> {
    training.train.select = Selection::Best;
    let Arm::Trained(adapt) = arm else {
        return Ok(None);
    };
    let (experiment, s) = (sized.experiment, sized.settings);
    let [text, _] = two_texts(s, sized.context.texts)?;
    let seed = training.train.seed;
    let owner = s.first_of.as_ref().unwrap_or(&experiment.id);
    let id = format!("{owner}-{FIRST}-{name}-seed{seed}");
    let rate = experiment.rate_of_arm(&experiment.models[series], s, FIRST);
    // A search is of the second text: the first needs a rate of its own.
    let rate = Some(require(rate.or(s.learning_rate), "settings.learning_rate")?);
    let mut first = Training {
        rate: Rate::Fixed,
        data: Data::Text(text.clone()),
        ..sized.training(series, rate, seed)?
    };
    first.train.budget = Budget::steps(require(s.first_steps, "settings.first_steps")?);
    first.train.plateau = None;
    training.train.adapt = adapt;
    training.first_text = Some(text);
    training.start = Start::From {
        weights: Weights::Run(id.clone()),
        keep: Keep::Weights,
    };
    let mut run = sized.run(id, series, first)?;
    (run.record.arm, run.record.characters) = (FIRST.into(), None);
    run.record.experiment.clone_from(owner);
    run.experiment.clone_from(owner);
    Ok(Some(run))
}

/// Where counting is asked what it makes of a text: at every size of the second text, or once.
pub(super) fn baseline_points(experiment: &Experiment) -> Vec<Point> {
    let sweep = &experiment.sweep;
    let arm = sweep.adapt.as_ref().and_then(|arms| arms.first());
    let mut settings = experiment.settings.clone();
    settings.adapt = settings.adapt.or(arm.copied());
    let sizes = Sweep {
        characters: sweep.characters.clone(),
        ..Sweep::default()
    };
    points(&settings, &sizes)
}
