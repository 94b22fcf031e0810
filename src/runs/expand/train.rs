//! The runs of a training experiment, those of its search among them.

use super::widths::{WIDTH, match_widths};
use crate::data::Source;
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::experiment::check::{Fault, TEXT};
use crate::experiment::schema::{Experiment, Series, Settings};
use crate::models::{ModelConfig, OPTIONS, Value};
use crate::record::Record;
use crate::runs::baselines;
use crate::runs::context::{
    Context, ExpandError, TUNING_SEEDS, batch, require, template, text_data,
};
use crate::runs::points::points;
use crate::runs::work::{Data, Run, Stage, Training, Work};
use crate::train::{Budget, TrainSettings};

/// The runs of a training experiment: the search first, then every point, model and seed.
pub(super) fn runs(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
    let mut runs = Vec::new();
    let labels = series_labels(&experiment.models);
    if let Some(tune) = &experiment.tune {
        let point = tuning_point(experiment, &tune.settings);
        let sized = Sized::new(experiment, &point, context)?;
        for (series, label) in labels.iter().enumerate() {
            for &rate in tune.learning_rates.iter().flatten() {
                for i in 0..point.seeds.unwrap_or(1) as u64 {
                    let seed = context.seed + TUNING_SEEDS + i;
                    let id = format!("{}-tune-{label}-rate{rate}-seed{seed}", experiment.id);
                    let mut run = sized.run(id, series, Some(rate), seed)?;
                    run.stage = Stage::Tune;
                    runs.push(run);
                }
            }
        }
    }
    for point in points(&experiment.settings, &experiment.sweep) {
        let (settings, label) = (&point.settings, &point.label);
        let sized = Sized::new(experiment, settings, context)?;
        let rate = settings.learning_rate.filter(|_| experiment.tune.is_none());
        for (series, name) in labels.iter().enumerate() {
            for i in 0..require(settings.seeds, "settings.seeds")? as u64 {
                let seed = context.seed + i;
                let id = format!("{}{label}-{name}-seed{seed}", experiment.id);
                runs.push(sized.run(id, series, rate, seed)?);
            }
        }
    }
    if experiment.settings.task.as_deref() == Some(TEXT) {
        let sizes = runs.iter().filter_map(|run| run.record.parameters);
        let parameters = sizes.min().unwrap_or(0);
        runs.push(baselines::run(experiment, context, parameters)?);
    }
    Ok(runs)
}

/// Where the search takes place: the tuning settings over the experiment's; a swept factor they do
/// not name has its first value; the budget is in steps.
fn tuning_point(experiment: &Experiment, over: &Settings) -> Settings {
    let mut first = points(&experiment.settings, &experiment.sweep)
        .swap_remove(0)
        .settings;
    first.seeds = None;
    first.equal = first.equal.filter(|equal| equal == WIDTH);
    first.overlay(over);
    first
}

/// A sweep point: its models, widths matched, with their data.
struct Sized<'a> {
    experiment: &'a Experiment,
    settings: &'a Settings,
    context: &'a Context<'a>,
    /// As the experiment names it.
    task: String,
    data: Data,
    /// Tokens T in a training sequence; models may be made for longer ones.
    seq_len: usize,
    models: Vec<ModelConfig>,
}

impl<'a> Sized<'a> {
    fn new(
        experiment: &'a Experiment,
        s: &'a Settings,
        context: &'a Context<'a>,
    ) -> Result<Self, ExpandError> {
        let task = require(s.task.clone(), "settings.task")?;
        let (data, source): (Data, Box<dyn Source>) = if task == TEXT {
            let text = text_data(s)?;
            // A text too short for a window is refused here, before any run.
            let source = TextSource::new(context.texts.open(&text)?, text.seq_len, 0)?;
            (Data::Text(text), Box::new(source))
        } else {
            // What the name carries is the task's own and overrides what all tasks are given.
            let mut settings: TaskSettings = task.parse()?;
            let mut parameters = s.parameters.clone().unwrap_or_default();
            parameters.append(&mut settings.parameters);
            settings.parameters = parameters;
            let source = TaskSource::new(settings.make()?, 0);
            (Data::Task(settings), Box::new(source))
        };
        let spec = source.spec();
        check_multiples(s, &data, context)?;
        let batch = batch(s, spec.seq_len)?;
        Ok(Sized {
            experiment,
            settings: s,
            context,
            task,
            data,
            seq_len: spec.seq_len,
            models: match_widths(experiment, s, (&spec, batch))?,
        })
    }

    /// The training of a model of the list. A rate that a search chooses is filled in when it has
    /// chosen.
    fn training(
        &self,
        series: usize,
        rate: Option<f64>,
        seed: u64,
    ) -> Result<Training, ExpandError> {
        let s = self.settings;
        let seconds = match s.equal.as_deref() {
            Some("seconds") => Some(require(s.seconds, "settings.seconds")?),
            _ => None,
        };
        let defaults = TrainSettings::default();
        let clip = self.experiment.models[series].clip;
        let train = TrainSettings {
            batch: batch(s, self.seq_len)?,
            budget: Budget {
                steps: match seconds {
                    Some(_) => None,
                    None => Some(require(s.steps, "settings.steps")?),
                },
                seconds,
                ..Budget::default()
            },
            learning_rate: rate.unwrap_or(0.0),
            warmup_steps: s.warmup_steps.unwrap_or(defaults.warmup_steps),
            final_lr_ratio: s.final_lr_ratio.unwrap_or(defaults.final_lr_ratio),
            weight_decay: s.weight_decay.unwrap_or(defaults.weight_decay),
            beta2: s.beta2.unwrap_or(defaults.beta2),
            clip: match clip.or(s.clip) {
                Some(0.0) => None,
                Some(clip) => Some(clip as f32),
                None => defaults.clip,
            },
            optimizer: s.optimizer.unwrap_or_default(),
            seed,
            validate_every: s.validate_every.unwrap_or(defaults.validate_every),
            validation_sequences: s
                .validation_sequences
                .unwrap_or(defaults.validation_sequences),
            stop_when_accuracy: s.stop_when_accuracy,
            checkpoint_every: s.checkpoint_every,
            threads: 1,
            ..defaults
        };
        Ok(Training {
            data: self.data.clone(),
            model: self.models[series].clone(),
            train,
            test_sequences: s.test_sequences.unwrap_or(256),
            probe_context: probe_context(s, self)?,
            test_multiples: s.test_multiples.clone().unwrap_or_default(),
            gradient_sequences: s.gradient_sequences,
            tuned: rate.is_none(),
        })
    }

    /// The run of that name, with a model of the list.
    fn run(
        &self,
        id: String,
        series: usize,
        rate: Option<f64>,
        seed: u64,
    ) -> Result<Run, ExpandError> {
        let (experiment, context) = (self.experiment, self.context);
        let training = self.training(series, rate, seed)?;
        let task_parameters = match &self.data {
            Data::Task(task) => task.complete()?,
            Data::Text(_) => Default::default(),
        };
        let timed = training.train.budget.seconds.is_some();
        let equal = match (timed, &training.data) {
            _ if experiment.settings.equal.as_deref() == Some(WIDTH) => WIDTH,
            (true, _) => "seconds",
            (false, Data::Text(_)) => "tokens",
            (false, Data::Task(_)) => "parameters",
        };
        let record = Record {
            task: Some(self.task.clone()),
            seq_len: Some(self.seq_len),
            batch: Some(training.train.batch),
            task_parameters,
            clip: experiment.models[series].clip,
            learning_rate: (!training.tuned).then_some(training.train.learning_rate),
            equal: Some(equal.into()),
            seed: Some(training.train.seed),
            ..template(experiment, context, &id, &training.model)
        };
        let stage = if timed { Stage::Timed } else { Stage::Train };
        Ok(Run::new(series, stage, record, Work::Train(training)))
    }
}

/// Only a text can be tested on windows of several times T, and only where its splits hold one.
fn check_multiples(s: &Settings, data: &Data, context: &Context) -> Result<(), ExpandError> {
    let key = "settings.test_multiples";
    let Some(&most) = s.test_multiples.iter().flatten().max() else {
        return Ok(());
    };
    let Data::Text(text) = data else {
        let remedy = format!("only task = {TEXT:?} can be tested so; remove {key}");
        return Err(Fault::new(key, most, remedy).into());
    };
    let length = most.saturating_mul(text.seq_len);
    TextSource::new(context.texts.open(text)?, length, 0)?;
    Ok(())
}

/// The lengths of context to test at; only a text has a context that can be cut.
fn probe_context(s: &Settings, sized: &Sized) -> Result<Vec<usize>, Fault> {
    let asked = s.probe_context.clone().unwrap_or_default();
    let key = |i: usize| format!("settings.probe_context[{i}]");
    if matches!(sized.data, Data::Task(_)) && !asked.is_empty() {
        let remedy =
            format!("only task = {TEXT:?} can be tested so; remove settings.probe_context");
        return Err(Fault::new(key(0), asked[0], remedy));
    }
    match asked.iter().position(|&k| k >= sized.seq_len) {
        Some(i) => {
            let remedy = format!("give tokens below seq_len = {}", sized.seq_len);
            Err(Fault::new(key(i), asked[i], remedy))
        }
        None => Ok(asked),
    }
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
