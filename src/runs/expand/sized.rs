//! A sweep point of a training experiment, from which its runs are made.

use super::widths::{WIDTH, match_widths};
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::data::{Source, check_sequences};
use crate::experiment::check::{Fault, TEXT};
use crate::experiment::schema::{Experiment, Settings};
use crate::models::ModelConfig;
use crate::record::Record;
use crate::runs::context::{Context, ExpandError, batch, named, require, text_data};
use crate::runs::needs::{Kept, Rate, Start};
use crate::runs::work::{Data, Run, StepTime, Timed, Training, Work, set_model};
use crate::train::{Budget, TrainSettings, check_validation};

/// A sweep point: its models, widths matched, with their data.
pub(super) struct Sized<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) settings: &'a Settings,
    pub(super) context: &'a Context<'a>,
    /// As the experiment names it.
    task: String,
    data: Data,
    /// Tokens T in a training sequence; models may be made for longer ones.
    seq_len: usize,
    models: Vec<ModelConfig>,
}

impl<'a> Sized<'a> {
    pub(super) fn new(
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
        check_counts(s, &*source)?;
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

    /// The budget of a training in seconds, where it is in seconds.
    pub(super) fn seconds(&self) -> Result<Option<f64>, Fault> {
        let in_seconds = self.settings.equal.as_deref() == Some("seconds");
        let seconds = || require(self.settings.seconds, "settings.seconds");
        in_seconds.then(seconds).transpose()
    }

    /// The run that measures how long a step of each model takes.
    pub(super) fn step_time(&self, id: String) -> Result<Run, ExpandError> {
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
    pub(super) fn training(
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
            schedule: s.schedule.unwrap_or_default(),
            label_smoothing: s.label_smoothing.unwrap_or(defaults.label_smoothing),
            weight_decay: s.weight_decay.unwrap_or(defaults.weight_decay),
            beta2: s.beta2.unwrap_or(defaults.beta2),
            clip: match clip.or(s.clip) {
                Some(0.0) => None,
                // The smallest of f64 are 0 in f32, which would not clip.
                Some(clip) => Some((clip as f32).max(f32::MIN_POSITIVE)),
                None => defaults.clip,
            },
            optimizer: s.optimizer.unwrap_or_default(),
            seed,
            validate_every: s.validate_every.unwrap_or(defaults.validate_every),
            validation_sequences: s
                .validation_sequences
                .unwrap_or(defaults.validation_sequences),
            stop_when_accuracy: s.stop_when_accuracy,
            plateau: s.plateau,
            least_steps: s.least_steps.unwrap_or(defaults.least_steps),
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
            edge: None,
            expected_steps: None,
        })
    }

    /// The run of that name, with a model of the list.
    pub(super) fn run(
        &self,
        id: String,
        series: usize,
        training: Training,
    ) -> Result<Run, ExpandError> {
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
            size: self.settings.width,
            ..named(self.experiment, self.context, id)
        })
    }
}

/// Refuses more sequences of a task than fit into the memory.
fn check_counts(s: &Settings, source: &dyn Source) -> Result<(), Fault> {
    let validated = s.validation_sequences.unwrap_or(0);
    check_validation(source, validated)
        .map_err(|remedy| Fault::new("settings.validation_sequences", validated, remedy))?;
    let tested = s.test_sequences.filter(|_| source.text().is_none());
    let tested = tested.unwrap_or(0);
    check_sequences(tested, source.spec().longest)
        .map_err(|problem| Fault::new("settings.test_sequences", tested, problem))
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
