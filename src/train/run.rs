//! The training loop.

use super::checkpoint::{self, Ancestor, Beside, Best, Embedded, Identity, Metadata, Position};
use super::fingerprint::{check_validation, fingerprint};
use super::start::{Origin, Start};
use super::{
    CheckpointError, Evaluation, Optimizer, Outcome, Point, Progress, Selection, Stop, TrainError,
    TrainSettings, evaluate, learning_rate, step,
};
use crate::data::{Batch, Source, Split};
use crate::files;
use crate::models::{self, Model, ModelConfig};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// File name of the learning curve inside an output directory: CSV, a row a [`Point`].
pub const METRICS: &str = "metrics.csv";

/// Hears of every step of this session; `Break` saves and stops.
pub type Observer<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + Send + 'a;

/// Where a training keeps its checkpoint, and what that holds besides the training itself.
#[derive(Debug, Clone, Copy)]
pub struct Saving<'a> {
    /// Directory that the checkpoint is in.
    pub directory: &'a Path,
    /// Tokenizer and data, so that the file can be used without any other.
    pub embedded: &'a Embedded,
    /// Whether the optimiser's moments stay in it when training has finished: twice the size of the
    /// weights, and needed to go on with a longer budget as if there had been no end.
    pub moments: bool,
    /// Whether the learning curve stands beside it, in [`METRICS`], from the first point on: a training
    /// that is killed or diverges leaves what it reached.
    pub metrics: bool,
}

/// Trains `model` on `source`, from `start`, until the budget ends. With `saving`, goes on from the
/// checkpoint there if it holds one, with the same results as a run that was never interrupted, and
/// keeps one there. Steps, tokens and the learning curve count from `start`.
///
/// Errors: settings no training can use, a budget in seconds without a step's time, a model that does
/// not fit the data, the memory or the checkpoint it starts from, a loss or gradient that is not
/// finite, a checkpoint that is damaged, of another run, or not writable.
pub fn train(
    model: &mut dyn Model,
    source: &mut dyn Source,
    settings: &TrainSettings,
    start: &Start,
    saving: Option<&Saving>,
    observe: &mut Observer,
) -> Result<Outcome, TrainError> {
    settings.check().map_err(TrainError::Refused)?;
    check_fit(model.config(), source, settings)?;
    kernels::with_threads(settings.threads, || {
        let mut run = Run::start(model, source, settings, start, saving)?;
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

/// Whether a model can learn from the data, in the memory there is.
pub(super) fn check_fit(
    config: &ModelConfig,
    source: &dyn Source,
    settings: &TrainSettings,
) -> Result<(), TrainError> {
    let spec = source.spec();
    spec.check(config)?;
    let sequences = settings.validation_sequences;
    check_validation(source, sequences).map_err(|remedy| {
        TrainError::Refused(format!("validation-sequences = {sequences}: {remedy}"))
    })?;
    Ok(models::check_memory(config, spec.shape(settings.batch))?)
}

struct Run<'a> {
    settings: &'a TrainSettings,
    identity: Identity,
    lineage: Vec<Ancestor>,
    saving: Option<&'a Saving<'a>>,
    validation: Vec<Batch>,
    /// Steps in all, and why training ends after them.
    planned: (usize, Stop),
    optimizer: Optimizer,
    trained_parameters: usize,
    position: Position,
    /// What the optimiser moves, as it was at the best validation.
    best: Option<Vec<Vec<f32>>>,
}

impl<'a> Run<'a> {
    /// At step 0, or where the checkpoint of `saving` stands.
    fn start(
        model: &mut dyn Model,
        source: &mut dyn Source,
        settings: &'a TrainSettings,
        start: &Start,
        saving: Option<&'a Saving<'a>>,
    ) -> Result<Self, TrainError> {
        let (sequences, batch) = (settings.validation_sequences, settings.batch);
        let unmeasured = || {
            let seconds = settings.budget.seconds.unwrap_or_default();
            TrainError::Refused(format!(
                "seconds = {seconds} without step-seconds: measure a step first"
            ))
        };
        let planned = settings.budget.planned_steps(batch * source.spec().seq_len);
        let measured = planned.filter(|_| !settings.budget.lacks_step_seconds());
        let planned = measured.ok_or_else(unmeasured)?;
        let origin = Origin::open(start, model, source, settings)?;
        if let Some(origin) = &origin {
            origin.fill(model)?; // before the optimiser, which keeps a copy
        }
        let parent = origin.as_ref().map(|origin| origin.parent.clone());
        let validation = source.evaluation(Split::Validation, sequences, batch);
        let data = fingerprint(&validation);
        let mut run = Run {
            settings,
            identity: Identity::new(
                model.config(),
                settings,
                (data, source.text().map(str::to_owned)),
                parent,
            ),
            lineage: origin.as_ref().map_or(Vec::new(), Origin::lineage),
            saving,
            validation,
            planned,
            optimizer: Optimizer::new(model, settings),
            trained_parameters: settings.adapt.parameters(model),
            position: Position::default(),
            best: None,
        };
        let mut saved = None;
        if let Some(saving) = saving {
            files::sweep(saving.directory);
            let file = saving.directory.join(checkpoint::FILE);
            saved = checkpoint::resume(&file, model, &mut run.optimizer, &run.identity)?;
        }
        match (saved, origin) {
            (Some((position, best)), _) => {
                run.best = best;
                if let Some(cursor) = &position.cursor {
                    source.restore(cursor);
                }
                run.position = position;
            }
            (None, Some(origin)) => {
                let steps = origin.hand_over(model, &mut run.optimizer, source)?;
                run.position.inherited_steps = steps;
            }
            (None, None) => {}
        }
        run.write_metrics()?;
        if run.position.finished.is_none() && run.fraction() >= 1.0 {
            run.position.finished = Some(run.planned.1); // a budget of no steps
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
        let rate = learning_rate(settings, self.position.step, self.planned.0);
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
            self.position.finished = Some(self.planned.1);
        }
        let points = self.position.curve.len();
        let validation = self.validate_if_due(model, rate);
        if let Some(evaluation) = &validation {
            self.keep_if_best(evaluation);
        }
        if self.position.finished.is_some()
            && let Some(best) = self.best.take()
        {
            self.optimizer.go_back(model, &best);
        }
        if self.position.curve.len() > points {
            self.write_metrics()?;
        }
        let progress = Progress {
            step: self.position.step,
            steps_planned: self.planned.0,
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
        } else if position.finished.is_none()
            && position.step >= self.settings.least_steps
            && self
                .settings
                .plateau
                .is_some_and(|share| is_flat(&position.curve, share))
        {
            position.finished = Some(Stop::Plateau);
        }
        evaluation
    }

    /// Remembers the weights, if they are the best so far and these are asked for.
    fn keep_if_best(&mut self, evaluation: &Evaluation) {
        let (step, loss) = (self.position.step, evaluation.loss);
        let better = self.position.best.is_none_or(|best| loss < best.loss);
        if self.settings.select == Selection::Best && better && loss.is_finite() {
            self.position.best = Some(Best { step, loss });
            self.best = Some(self.optimizer.values());
        }
    }

    /// Share of the budget used.
    fn fraction(&self) -> f64 {
        match self.planned.0 {
            0 => 1.0,
            n => self.position.step as f64 / n as f64,
        }
    }

    fn write_metrics(&self) -> Result<(), TrainError> {
        let Some(saving) = self.saving.filter(|saving| saving.metrics) else {
            return Ok(());
        };
        let path = saving.directory.join(METRICS);
        // The header comes with the first row: where there is none yet, with one that is cut off.
        let (curve, none) = (&self.position.curve, [Point::default()]);
        let rows = if curve.is_empty() { &none[..] } else { curve };
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut rows = rows.iter();
        let written = rows.try_for_each(|point| writer.serialize(point));
        written.expect("plain data, into memory");
        let mut bytes = writer.into_inner().expect("memory takes it");
        if curve.is_empty() {
            bytes.truncate(1 + bytes.iter().position(|&b| b == b'\n').unwrap_or(0));
        }
        let written = files::write_atomically(&path, &bytes);
        Ok(written.map_err(CheckpointError::io(&path))?)
    }

    fn save(&mut self, model: &dyn Model, source: &dyn Source) -> Result<(), TrainError> {
        let Some(saving) = self.saving else {
            return Ok(());
        };
        self.position.cursor = Some(source.cursor());
        let metadata = Metadata {
            version: env!("CARGO_PKG_VERSION").into(),
            identity: self.identity.clone(),
            hash: self.identity.hash(),
            position: self.position.clone(),
            embedded: Some(saving.embedded.clone()),
            lineage: self.lineage.clone(),
        };
        // The moments of the last step do not go with the weights of another.
        let last = self.settings.select == Selection::Last;
        let beside = Beside {
            optimizer: &self.optimizer,
            moments: saving.moments && last || self.position.finished.is_none(),
            best: self.best.as_deref(),
        };
        let file = saving.directory.join(checkpoint::FILE);
        Ok(checkpoint::save(&file, model, &beside, &metadata)?)
    }

    fn outcome(self, stopped_because: Stop) -> Outcome {
        Outcome {
            steps: self.position.step,
            tokens: self.position.tokens,
            seconds: self.position.seconds,
            stopped_because,
            curve: self.position.curve,
            trained_parameters: self.trained_parameters,
            judged_step: match self.position.best {
                Some(best) if stopped_because != Stop::Interrupted => best.step,
                _ => self.position.step,
            },
        }
    }
}

/// Whether the lowest validation loss of the last third of the steps is at least `share` of the lowest
/// before. Without a validation on both sides it is not known to be.
pub fn is_flat(curve: &[Point], share: f64) -> bool {
    let last = curve.last().map_or(0, |point| point.step);
    let lowest = |late: bool| {
        let side = curve
            .iter()
            .filter(|point| (3 * point.step > 2 * last) == late);
        side.filter_map(|point| point.validation_loss)
            .reduce(f64::min)
    };
    lowest(false)
        .zip(lowest(true))
        .is_some_and(|(before, after)| after >= share * before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64]) -> Vec<Point> {
        let point = |(i, loss): (usize, &f64)| Point {
            step: 10 * (i + 1),
            validation_loss: Some(*loss),
            ..Point::default()
        };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_curve_is_flat_when_its_last_third_brings_nothing() {
        assert!(is_flat(&curve(&[2.0, 1.5, 1.0, 0.99, 1.0, 0.995]), 0.98));
        assert!(!is_flat(&curve(&[2.0, 1.5, 1.0, 0.99, 0.95, 0.9]), 0.98));
        // What was gained before the last third does not count.
        assert!(is_flat(&curve(&[2.0, 0.5, 1.0, 1.0, 0.6, 0.6]), 0.98));
        assert!(!is_flat(&curve(&[1.0]), 0.98) && !is_flat(&[], 0.98));
    }
}
