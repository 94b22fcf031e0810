//! A sweep point of a training experiment, from which its runs are made.

use super::widths::{WIDTH, match_widths};
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::data::{Objective, Source, check_sequences};
use crate::experiment::check::{Fault, TEXT};
use crate::experiment::schema::{Experiment, Settings};
use crate::models::{self, ModelConfig};
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
    /// Of each model.
    data: Vec<Data>,
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
        let (mut data, mut specs) = (Vec::new(), Vec::new());
        for series in &experiment.models {
            let (of, source) = data_of(&task, &series.model, s, context)?;
            check_counts(s, &*source)?;
            specs.push(source.spec());
            data.push(of);
        }
        check_multiples(s, &data[0], context)?;
        check_gaps(s, &data[0])?;
        let seq_len = specs[0].seq_len;
        let batch = batch(s, seq_len)?;
        Ok(Sized {
            experiment,
            settings: s,
            context,
            task,
            data,
            seq_len,
            models: match_widths(experiment, s, (&specs, batch))?,
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
            models.push(Timed {
                clip,
                data: self.data[series].clone(),
                model,
                train,
            });
        }
        let factors = self.factors(&id)?;
        Ok(Run::new(factors, Work::StepTime(StepTime { models })))
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
            data: self.data[series].clone(),
            model: self.models[series].clone(),
            train,
            test_sequences: s.test_sequences.unwrap_or(256),
            probe_context: probe_context(s, self)?,
            test_multiples: s.test_multiples.clone().unwrap_or_default(),
            gaps: s.gaps.unwrap_or(false),
            first_text: None,
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
        let task_parameters = match &self.data[0] {
            Data::Task(task) => task.complete()?,
            Data::Text(_) => Default::default(),
        };
        let equal = match (self.seconds()?, &self.data[0]) {
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
            arm: self
                .settings
                .adapt
                .map_or(String::new(), |arm| arm.to_string()),
            characters: self.settings.characters,
            ..named(self.experiment, self.context, id)
        })
    }
}

/// The data of a model of this name, and a source of them.
fn data_of(
    task: &str,
    model: &str,
    s: &Settings,
    context: &Context,
) -> Result<(Data, Box<dyn Source>), ExpandError> {
    if task == TEXT {
        let mut text = text_data(s, context.texts)?;
        let sees_both = models::row(model).is_ok_and(|row| row.sees_both);
        if s.gaps == Some(true) && sees_both {
            text.objective = Objective::Masked;
        }
        // A text too short for a window is refused here, before any run.
        let windows = TextSource::new(context.texts.open(&text)?, text.seq_len, 0)?;
        let source = text.objective.of(windows, 0);
        return Ok((Data::Text(text), source));
    }
    // What the name carries is the task's own and overrides what all tasks are given.
    let mut settings: TaskSettings = task.parse()?;
    let mut parameters = s.parameters.clone().unwrap_or_default();
    parameters.append(&mut settings.parameters);
    settings.parameters = parameters;
    let source = TaskSource::new(settings.make()?, 0);
    Ok((Data::Task(settings), Box::new(source)))
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

/// Only a text has gaps, with a token on either side of each.
fn check_gaps(s: &Settings, data: &Data) -> Result<(), Fault> {
    let key = "settings.gaps";
    match data {
        _ if s.gaps != Some(true) => Ok(()),
        Data::Task(_) => {
            let remedy = format!("only task = {TEXT:?} has gaps; remove {key}");
            Err(Fault::new(key, true, remedy))
        }
        Data::Text(text) if text.seq_len < 4 => {
            let remedy = format!("{key} asks for a token inside each window: give at least 4");
            Err(Fault::new("settings.seq_len", text.seq_len, remedy))
        }
        Data::Text(_) => Ok(()),
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
    if matches!(sized.data[0], Data::Task(_)) && !asked.is_empty() {
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
