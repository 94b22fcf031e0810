//! The runs of a training experiment, those of its searches and step times among them.

use super::Expansion;
use super::search::{is_for, search, tuning_points};
use super::sized::Sized;
use super::transfer;
use crate::experiment::check::{Fault, TEXT};
use crate::experiment::embedded::steps_taken;
use crate::experiment::schema::{Experiment, Series, Settings};
use crate::models::{OPTIONS, Value};
use crate::runs::baselines;
use crate::runs::context::{Context, ExpandError, require};
use crate::runs::needs::{Kept, Rate};
use crate::runs::points::points;
use crate::runs::work::{Run, Training};

/// The runs of a training experiment: the searches first, then every point, model and seed.
pub(super) fn expansion(
    experiment: &Experiment,
    context: &Context,
) -> Result<Expansion, ExpandError> {
    let (mut runs, mut growing) = (Vec::new(), Vec::new());
    let mut firsts: Vec<Run> = Vec::new();
    let labels = series_labels(&experiment.models);
    // Where the learning rate of each model comes from, at each task and width that has a search.
    let mut searched: Vec<(Settings, Vec<Rate>)> = Vec::new();
    if let Some(tune) = &experiment.tune {
        for point in tuning_points(experiment, &tune.settings) {
            let sized = Sized::new(experiment, &point.settings, context)?;
            let mut rates = Vec::new();
            for (series, label) in labels.iter().enumerate() {
                let id = format!("{}-tune{}-{label}", experiment.id, point.label);
                let (trials, search) = search(&sized, series, id, tune)?;
                rates.push(Rate::BestOf(match &search {
                    Some(search) => vec![search.id.clone()],
                    None => trials.iter().map(|run| run.id.clone()).collect(),
                }));
                runs.extend(trials);
                growing.extend(search);
            }
            searched.push((point.settings, rates));
        }
    }
    for point in points(&experiment.settings, &experiment.sweep) {
        let (settings, label) = (&point.settings, &point.label);
        let sized = Sized::new(experiment, settings, context)?;
        let first_look = experiment.looks().first().copied();
        let first = require(settings.seeds.or(first_look), "settings.seeds")?;
        let here = |at: &&(Settings, Vec<Rate>)| is_for(&at.0, settings, experiment);
        let rates = searched.iter().find(here).or(searched.first());
        let mut step_time = None;
        if sized.seconds()?.is_some() {
            let run = sized.step_time(format!("{}{label}-step-time", experiment.id))?;
            step_time = Some(run.id.clone());
            runs.push(run);
        }
        for (series, name) in labels.iter().enumerate() {
            let cell = format!("{}{label}-{name}", experiment.id);
            let seeds = context.observations(experiment, &cell, first) as u64;
            let rate = experiment.rate_for(&experiment.models[series], settings);
            let rate = rate.or(settings.learning_rate);
            if rates.is_none() && rate.is_none() {
                let remedy = format!("no [[rate]] fits {cell}; add one, or a [tune]");
                return Err(Fault::new("settings.learning_rate", "nothing", remedy).into());
            }
            for seed in context.seed..context.seed + seeds {
                let id = format!("{cell}-seed{seed}");
                let mut training = Training {
                    rate: rates.map_or(Rate::Fixed, |(_, rates)| rates[series].clone()),
                    step_time: step_time.clone(),
                    kept: match settings.keep_weights {
                        Some(true) => Kept::Weights,
                        _ => Kept::Nothing,
                    },
                    expected_steps: steps_taken(&cell),
                    ..sized.training(series, rate, seed)?
                };
                if let Some(arm) = settings.adapt {
                    let first = transfer::prepare(&sized, (series, name), arm, &mut training)?;
                    let is_new = |first: &Run| firsts.iter().all(|run| run.id != first.id);
                    firsts.extend(first.filter(is_new));
                }
                runs.push(sized.run(id, series, training)?);
            }
        }
    }
    if experiment.settings.task.as_deref() == Some(TEXT) {
        let sizes = runs.iter().filter_map(|run| run.record.parameters);
        let parameters = sizes.min().unwrap_or(0);
        for point in transfer::baseline_points(experiment) {
            let at = (&point.settings, &point.label[..]);
            runs.push(baselines::run(experiment, at, context, parameters)?);
        }
    }
    firsts.extend(runs);
    let runs = firsts;
    Ok(Expansion { runs, growing })
}

/// A readable name per series: the model, and what tells it from the others.
fn series_labels(models: &[Series]) -> Vec<String> {
    let label = |series: &Series| {
        let mut label = series.model.clone();
        for option in OPTIONS {
            match series.options.get(option.name) {
                Some(Value::Text(name)) if name != "default" => label += &format!("-{name}"),
                None | Some(Value::Text(_)) => {}
                Some(number) => label += &format!("-{}{number}", option.key()),
            }
        }
        if let Some(clip) = series.clip {
            label += &format!("-clip{clip}");
        }
        label
    };
    let labels: Vec<String> = models.iter().map(label).collect();
    let twice = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    models
        .iter()
        .zip(&labels)
        .map(|(series, label)| match (twice(label), series.layers) {
            (true, Some(layers)) => format!("{label}-layers{layers}"),
            _ => label.clone(),
        })
        .collect()
}
