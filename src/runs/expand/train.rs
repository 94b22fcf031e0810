//! The runs of a training experiment, those of its searches and step times among them.

use super::Expansion;
use super::widths::{Fit, WIDTH, match_widths};
use crate::data::Source;
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::experiment::check::{Fault, TEXT};
use crate::experiment::schema::{Experiment, Series, Settings, Tune};
use crate::models::{self, ModelConfig, OPTIONS, Value};
use crate::record::Record;
use crate::runs::baselines;
use crate::runs::context::{Context, ExpandError, TUNING_SEEDS, batch, named, require, text_data};
use crate::runs::grow::Growing;
use crate::runs::needs::{Kept, Rate, Start};
use crate::runs::points::points;
use crate::runs::tune::{Outward, trial_id};
use crate::runs::work::{Data, Run, StepTime, Timed, Training, Work, set_model};
use crate::train::{Budget, TrainSettings};

/// The runs of a training experiment: the searches first, then every point, model and seed.
pub(super) fn expansion(
    experiment: &Experiment,
    context: &Context,
) -> Result<Expansion, ExpandError> {
    let (mut runs, mut growing) = (Vec::new(), Vec::new());
    let labels = series_labels(&experiment.models);
    // Where the learning rate of each model comes from.
    let mut rates = vec![Rate::Fixed; labels.len()];
    if let Some(tune) = &experiment.tune {
        let point = tuning_point(experiment, &tune.settings);
        let sized = Sized::new(experiment, &point, context)?;
        for (series, label) in labels.iter().enumerate() {
            let (trials, search) = sized.search(series, label, tune)?;
            rates[series] = Rate::BestOf(match &search {
                Some(search) => vec![search.id.clone()],
                None => trials.iter().map(|run| run.id.clone()).collect(),
            });
            runs.extend(trials);
            growing.extend(search);
        }
    }
    for point in points(&experiment.settings, &experiment.sweep) {
        let (settings, label) = (&point.settings, &point.label);
        let sized = Sized::new(experiment, settings, context)?;
        let seeds = require(settings.seeds, "settings.seeds")? as u64;
        let mut step_time = None;
        if sized.seconds()?.is_some() {
            let run = sized.step_time(format!("{}{label}-step-time", experiment.id))?;
            step_time = Some(run.id.clone());
            runs.push(run);
        }
        for (series, name) in labels.iter().enumerate() {
            for seed in context.seed..context.seed + seeds {
                let id = format!("{}{label}-{name}-seed{seed}", experiment.id);
                let training = Training {
                    rate: rates[series].clone(),
                    step_time: step_time.clone(),
                    kept: match settings.keep_weights {
                        Some(true) => Kept::Weights,
                        _ => Kept::Nothing,
                    },
                    ..sized.training(series, settings.learning_rate, seed)?
                };
                runs.push(sized.run(id, series, training)?);
            }
        }
    }
    if experiment.settings.task.as_deref() == Some(TEXT) {
        let sizes = runs.iter().filter_map(|run| run.record.parameters);
        let parameters = sizes.min().unwrap_or(0);
        runs.push(baselines::run(experiment, context, parameters)?);
    }
    Ok(Expansion { runs, growing })
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
        let seq_len = source.seq_len();
        check_multiples(s, &data, context)?;
        let fit = Fit {
            vocab: source.vocab(),
            output: source.output(),
            shape: models::Shape {
                batch: batch(s, seq_len)?,
                seq_len,
            },
            longest: source.longest(),
        };
        Ok(Sized {
            experiment,
            settings: s,
            context,
            task,
            data,
            seq_len,
            models: match_widths(experiment, s, &fit)?,
        })
    }

    /// The search for the learning rate of a model of the list: every rate of the grid with every
    /// seed, and how it goes on where it may extend.
    fn search(
        &self,
        series: usize,
        label: &str,
        tune: &Tune,
    ) -> Result<(Vec<Run>, Option<Growing>), ExpandError> {
        let id = format!("{}-tune-{label}", self.experiment.id);
        let first = self.context.seed + TUNING_SEEDS;
        let seeds = self.settings.seeds.unwrap_or(1);
        let mut trials = Vec::new();
        let grid = tune.learning_rates.clone().unwrap_or_default();
        for &rate in &grid {
            for seed in first..first + seeds as u64 {
                let training = Training {
                    trial: true,
                    ..self.training(series, Some(rate), seed)?
                };
                trials.push(self.run(trial_id(&id, rate, seed), series, training)?);
            }
        }
        let search = tune.extend.filter(|&most| most > 0).map(|most| Growing {
            id: id.clone(),
            experiment: self.experiment.id.clone(),
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

    /// The budget of a training in seconds, where it is in seconds.
    fn seconds(&self) -> Result<Option<f64>, Fault> {
        let in_seconds = self.settings.equal.as_deref() == Some("seconds");
        let seconds = || require(self.settings.seconds, "settings.seconds");
        in_seconds.then(seconds).transpose()
    }

    /// The run that measures how long a step of each model takes.
    fn step_time(&self, id: String) -> Result<Run, ExpandError> {
        let mut models = Vec::new();
        for series in 0..self.models.len() {
            let Training { model, train, .. } = self.training(series, None, self.context.seed)?;
            // Nothing else of how it is trained changes what a step costs.
            let train = TrainSettings {
                batch: train.batch,
                budget: train.budget,
                optimizer: train.optimizer,
                clip: train.clip,
                seed: train.seed,
                ..TrainSettings::default()
            };
            let clip = self.experiment.models[series].clip;
            models.push(Timed { clip, model, train });
        }
        let factors = self.factors(&id)?;
        let data = self.data.clone();
        Ok(Run::new(factors, Work::StepTime(StepTime { data, models })))
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
        let seconds = self.seconds()?;
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
            rate: Rate::Fixed,
            step_time: None,
            start: Start::Fresh,
            trial: false,
            kept: Kept::Nothing,
            notes: Vec::new(),
        })
    }

    /// The run of that name, with a model of the list.
    fn run(&self, id: String, series: usize, training: Training) -> Result<Run, ExpandError> {
        let mut record = self.factors(&id)?;
        set_model(&mut record, &training.model);
        record.clip = self.experiment.models[series].clip;
        record.seed = Some(training.train.seed);
        if training.rate == Rate::Fixed {
            record.learning_rate = Some(training.train.learning_rate);
        }
        Ok(Run::new(record, Work::Train(training)))
    }

    /// What the records of all runs here share.
    fn factors(&self, id: &str) -> Result<Record, ExpandError> {
        let task_parameters = match &self.data {
            Data::Task(task) => task.complete()?,
            Data::Text(_) => Default::default(),
        };
        let equal = match (self.seconds()?, &self.data) {
            _ if self.experiment.settings.equal.as_deref() == Some(WIDTH) => WIDTH,
            (Some(_), _) => "seconds",
            (None, Data::Text(_)) => "tokens",
            (None, Data::Task(_)) => "parameters",
        };
        Ok(Record {
            task: Some(self.task.clone()),
            seq_len: Some(self.seq_len),
            batch: Some(batch(self.settings, self.seq_len)?),
            task_parameters,
            equal: Some(equal.into()),
            ..named(self.experiment, self.context, id)
        })
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
