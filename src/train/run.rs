//! The training loop.

use super::checkpoint::{self, Identity, Metadata, Position};
use super::{
    Evaluation, Optimizer, Outcome, Point, Progress, Stop, TrainError, TrainSettings, evaluate,
    learning_rate, step,
};
use crate::data::{Batch, Source, Split};
use crate::files;
use crate::models::{self, Model};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Hears of every step of this session; `Break` saves and stops.
pub type Observer<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + Send + 'a;

/// Trains `model` on `source` until the budget ends. With a `directory`, goes on from the
/// checkpoint there if it holds one, with the same results as a run that was never interrupted, and
/// keeps one there.
///
/// Errors: settings no training can use, a model that does not fit the data or the memory, a loss
/// or gradient that is not finite, a checkpoint that is damaged, of another run, or not writable.
pub fn train(
    model: &mut dyn Model,
    source: &mut dyn Source,
    settings: &TrainSettings,
    directory: Option<&Path>,
    observe: &mut Observer,
) -> Result<Outcome, TrainError> {
    settings.check().map_err(TrainError::Refused)?;
    let spec = source.spec();
    spec.check(model.config())?;
    models::check_memory(model.config(), spec.shape(settings.batch))?;
    kernels::with_threads(settings.threads, || {
        let mut run = Run::start(model, source, settings, directory)?;
        while run.position.finished.is_none() {
            if run.advance(model, source, observe)?.is_break() {
                run.save(model, source)?;
                return Ok(run.outcome(Stop::Interrupted));
            }
        }
        let stop = run.position.finished.expect("the loop ended");
        Ok(run.outcome(stop))
    })
}

struct Run<'a> {
    settings: &'a TrainSettings,
    identity: Identity,
    file: Option<PathBuf>,
    validation: Vec<Batch>,
    planned: Option<usize>,
    optimizer: Optimizer,
    position: Position,
}

impl<'a> Run<'a> {
    /// At step 0, or where the checkpoint in `directory` stands.
    fn start(
        model: &mut dyn Model,
        source: &mut dyn Source,
        settings: &'a TrainSettings,
        directory: Option<&Path>,
    ) -> Result<Self, TrainError> {
        let (sequences, batch) = (settings.validation_sequences, settings.batch);
        let validation = source.evaluation(Split::Validation, sequences, batch);
        let mut run = Run {
            settings,
            identity: Identity::new(model.config(), settings, fingerprint(&validation)),
            file: directory.map(|d| d.join(checkpoint::FILE)),
            validation,
            planned: settings.budget.planned_steps(batch * source.spec().seq_len),
            optimizer: Optimizer::new(model, settings),
            position: Position::default(),
        };
        if let (Some(directory), Some(file)) = (directory, &run.file) {
            files::sweep(directory);
            let saved = checkpoint::resume(file, model, &mut run.optimizer, &run.identity)?;
            if let Some(position) = saved {
                if let Some(cursor) = &position.cursor {
                    source.restore(cursor);
                }
                run.position = position;
            }
        }
        if run.position.finished.is_none() && run.fraction() >= 1.0 {
            run.position.finished = Some(run.exhausted()); // a budget of no steps
            run.save(model, source)?;
        }
        Ok(run)
    }

    /// One step, with the validation, checkpoint and report due after it.
    fn advance(
        &mut self,
        model: &mut dyn Model,
        source: &mut dyn Source,
        observe: &mut Observer,
    ) -> Result<ControlFlow<()>, TrainError> {
        let settings = self.settings;
        let rate = learning_rate(settings, self.position.step, self.planned, self.fraction());
        let started = Instant::now();
        let batch = source.next_batch(settings.batch);
        let report = step(model, &batch, &mut self.optimizer, rate, settings.clip);
        self.position.seconds += started.elapsed().as_secs_f64();
        if !report.is_finite() {
            return Err(TrainError::NotFinite {
                step: self.position.step + 1,
                loss: report.loss,
                gradient_norm: report.gradient_norm,
                learning_rate: rate,
            });
        }
        self.position.step += 1;
        self.position.tokens += batch.positions() as u64;
        self.position.loss_sum += report.loss as f64;
        self.position.largest_norm = self.position.largest_norm.max(report.gradient_norm as f64);
        if self.fraction() >= 1.0 {
            self.position.finished = Some(self.exhausted());
        }
        let validation = self.validate_if_due(model, rate);
        let progress = Progress {
            step: self.position.step,
            steps_planned: self.planned,
            fraction: self.fraction(),
            tokens: self.position.tokens,
            seconds: self.position.seconds,
            train_loss: report.loss,
            gradient_norm: report.gradient_norm,
            validation,
        };
        let finished = self.position.finished.is_some();
        let every = settings.checkpoint_every;
        if finished || every.is_some_and(|n| self.position.step.is_multiple_of(n)) {
            self.save(model, source)?;
        }
        let flow = observe(&progress);
        Ok(match finished {
            true => ControlFlow::Continue(()),
            false => flow,
        })
    }

    /// Validates and adds a point to the curve, after every `validate_every` steps and at the end.
    fn validate_if_due(&mut self, model: &dyn Model, rate: f64) -> Option<Evaluation> {
        let position = &mut self.position;
        let every = self.settings.validate_every;
        let due = every > 0 && position.step.is_multiple_of(every);
        if !due && position.finished.is_none() {
            return None;
        }
        let evaluation = Some(evaluate(model, &self.validation)).filter(|e| e.scored > 0);
        let accuracy = evaluation.as_ref().map(|e| e.accuracy);
        let steps = position.step - position.curve.last().map_or(0, |p| p.step);
        position.curve.push(Point {
            step: position.step,
            tokens: position.tokens,
            seconds: position.seconds,
            learning_rate: rate,
            train_loss: position.loss_sum / steps as f64,
            gradient_norm: position.largest_norm,
            validation_loss: evaluation.as_ref().map(|e| e.loss),
            validation_accuracy: accuracy,
        });
        (position.loss_sum, position.largest_norm) = (0.0, 0.0);
        let enough = self.settings.stop_when_accuracy;
        if accuracy.zip(enough).is_some_and(|(a, enough)| a > enough) {
            position.finished = Some(Stop::Accurate);
        }
        evaluation
    }

    /// Share of the budget used: the largest of its parts.
    fn fraction(&self) -> f64 {
        let steps = self.planned.map(|n| match n {
            0 => 1.0,
            n => self.position.step as f64 / n as f64,
        });
        let seconds = self.settings.budget.seconds;
        let seconds = seconds.map(|s| self.position.seconds / s);
        [steps, seconds].into_iter().flatten().fold(0.0, f64::max)
    }

    fn exhausted(&self) -> Stop {
        match self.planned {
            Some(n) if self.position.step >= n => Stop::Steps,
            _ => Stop::Seconds,
        }
    }

    fn save(&mut self, model: &dyn Model, source: &dyn Source) -> Result<(), TrainError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        self.position.cursor = Some(source.cursor());
        let metadata = Metadata {
            version: env!("CARGO_PKG_VERSION").into(),
            identity: self.identity.clone(),
            hash: self.identity.hash(),
            position: self.position.clone(),
        };
        let unfinished = self.position.finished.is_none();
        let optimizer = unfinished.then_some(&self.optimizer);
        Ok(checkpoint::save(file, model, optimizer, &metadata)?)
    }

    fn outcome(self, stopped_because: Stop) -> Outcome {
        Outcome {
            steps: self.position.step,
            tokens: self.position.tokens,
            seconds: self.position.seconds,
            stopped_because,
            curve: self.position.curve,
        }
    }
}

/// SHA-256 of inputs, targets and masks: other data, other fingerprint.
fn fingerprint(batches: &[Batch]) -> String {
    let mut hash = Sha256::new();
    for batch in batches {
        hash.update((batch.seq_len() as u64).to_le_bytes());
        for (token, target) in batch.tokens().iter().zip(batch.targets.tokens()) {
            hash.update(token.to_le_bytes());
            hash.update(target.to_le_bytes());
        }
        let numbers = batch.input.own.values.numbers().iter();
        for number in numbers.chain(batch.targets.numbers()) {
            hash.update(number.to_le_bytes());
        }
        if let Some(source) = &batch.input.source {
            for token in source.values.tokens() {
                hash.update(token.to_le_bytes());
            }
            for &length in source.lengths.iter().flatten() {
                hash.update((length as u64).to_le_bytes());
            }
        }
        hash.update(batch.mask.iter().map(|&m| m as u8).collect::<Vec<_>>());
    }
    files::hex(&hash.finalize())
}
