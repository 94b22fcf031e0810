//! A training run: builds, trains and tests a model.

pub(super) mod gaps;
mod parents;
mod records;
mod transfer;
mod translations;

use super::estimate::training_rate;
use super::needs::{Kept, Rate, Start};
use super::session::{Failure, Session};
use super::texts::TextData;
use super::work::{Data, Kind, Run};
use crate::data::tasks::TaskSource;
use crate::data::text::TextSource;
use crate::data::{Source, Split};
use crate::models::{Model, ModelConfig, Output, parameter_count};
use crate::record::Record;
use crate::train::{CheckpointError, Outcome, Saving, Stop, TrainError, TrainSettings};
use crate::{models, train};
use records::{bits, by_block, by_cost, flops_per_step, gradients, longest, records};
use serde::Serialize;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use translations::translations;

/// One training run with its test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// Where the learning rate comes from; the configuration has the rate itself.
    #[serde(skip)]
    pub rate: Rate,
    /// The run that measures the time of a step, where the budget is in seconds.
    #[serde(skip)]
    pub step_time: Option<String>,
    /// Whether it only tries a learning rate: it then records its validation loss alone, and to
    /// diverge is a result.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// What of it stays in the run's directory when it has finished.
    #[serde(skip)]
    pub kept: Kept,
    /// Whether the learning rate that a search chose is at an edge of those tried.
    #[serde(skip)]
    pub edge: Option<bool>,
    /// Steps after which it is expected to have learnt, where that is known; for estimates only.
    #[serde(skip)]
    pub expected_steps: Option<usize>,
    /// How what it takes from other runs was found, for its log.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Sequences in the test.
    pub test_sequences: usize,
    /// Tokens of context k at which a text model is tested with the context cut off and shuffled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probe_context: Vec<usize>,
    /// Multiples of T to whose windows a text model is tested too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_multiples: Vec<usize>,
    /// Whether a text model is judged at gaps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gaps: bool,
    /// The text that the weights it starts from were trained on: they are judged on both texts before
    /// training, and on that one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_text: Option<TextData>,
    /// Test sequences on which gradients are followed back before training and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_sequences: Option<usize>,
    /// Where it begins.
    #[serde(skip_serializing_if = "Start::is_fresh")]
    pub start: Start,
    /// What it is trained on.
    pub data: Data,
    /// The model.
    pub model: ModelConfig,
    /// How it is trained.
    pub train: TrainSettings,
}

impl Kind for Training {
    fn what(&self) -> &'static str {
        if self.trial { "tune" } else { "train" }
    }

    fn needs(&self) -> Vec<&str> {
        self.parents()
    }

    fn seconds(&self, threads: usize) -> f64 {
        let budget = self.train.budget;
        let twins = if self.has_twin() { 2.0 } else { 1.0 };
        if let Some(seconds) = budget.seconds {
            return twins * seconds;
        }
        let seq_len = self.data.seq_len();
        let tokens = self.steps().unwrap_or(0) * self.tokens_a_step();
        let parameters = parameter_count(&self.model).unwrap_or(0);
        // Forward 2, backward 4 operations a parameter and token; attention's scores and weighted
        // sums besides.
        let scores = match self.model.attends() {
            true => self.model.layers * self.model.width * seq_len,
            false => 0,
        };
        let flops = twins * 6.0 * (parameters + scores) as f64 * tokens as f64;
        flops / (training_rate(&self.model) * threads as f64)
    }

    /// The records are the same whether or not the run was interrupted before.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        for note in &self.notes {
            session.log(note)?;
        }
        let file = session.directory.join(train::checkpoint::FILE);
        if self.kept == Kept::Training && matches!(train::checkpoint::has_moments(&file), Ok(false))
        {
            // It finished before anyone wanted the moments: they come from doing it again.
            remove(&file)?;
        }
        let (mut model, mut source, mut outcome) = self.trained(session)?;
        if let Err(TrainError::Checkpoint(error)) = &outcome
            && !matches!(error, CheckpointError::Io { .. })
        {
            // Damaged, or of another version: what it had saved is lost, the run need not be.
            session.log(&format!("starts from the beginning: {error}"))?;
            remove(&file)?;
            (model, source, outcome) = self.trained(session)?;
        }
        let outcome = match outcome {
            Err(TrainError::NotFinite { .. }) if self.trial => {
                session.log("diverged: this rate is out")?;
                return Ok(vec![run.record(
                    tuning_metric(source.spec().output),
                    None,
                    None,
                )]);
            }
            Err(TrainError::Checkpoint(error @ CheckpointError::Io { .. })) => {
                return Err(Failure::Fatal(error.into()));
            }
            other => other?,
        };
        if outcome.stopped_because == Stop::Interrupted {
            return Err(Failure::Interrupted);
        }
        session.log(&format!(
            "stopped after {} steps: {:?}",
            outcome.steps, outcome.stopped_because
        ))?;
        if self.trial {
            let loss = outcome.judged().and_then(|point| point.validation_loss);
            return Ok(vec![run.record(
                tuning_metric(source.spec().output),
                None,
                loss,
            )]);
        }
        let (sequences, batch) = (self.test_sequences, self.train.batch);
        let batches = source.evaluation(Split::Test, sequences, batch);
        let (test, probes) = kernels::with_threads(session.threads, || {
            let model = model.as_ref();
            (
                train::evaluate(model, &batches),
                train::probe(model, &batches, &self.probe_context),
            )
        });
        let mut rows = records(
            run,
            source.as_ref(),
            &outcome,
            &test,
            &probes,
            self.train.plateau,
        );
        let context = self.data.seq_len();
        let state = model.state_bytes(context) as f64;
        rows.push(run.record("state_bytes", None, Some(state)));
        if matches!(self.data, Data::Task(_)) {
            let accuracy = Some(test.accuracy);
            rows.push(run.record("test_accuracy_by_state", Some(state), accuracy));
        }
        if let Some(words) = source.words() {
            let found = kernels::with_threads(session.threads, || {
                translations(run, model.as_ref(), &words, &batches)
            });
            rows.extend(found?);
        }
        if let Some(edge) = self.edge {
            rows.push(run.record("edge", None, Some(f64::from(u8::from(edge)))));
        }
        if matches!(self.data, Data::Text(_)) {
            let step = flops_per_step(model.as_ref(), source.as_ref(), self.train.batch);
            rows.extend(by_cost(
                run,
                &outcome,
                step,
                source.characters_per_token(Split::Validation),
            ));
        }
        if let (Data::Text(text), Some(most)) = (&self.data, self.test_multiples.iter().max()) {
            let long = TextSource::new(session.texts.open(text)?, most * text.seq_len, 0)?;
            let windows = long.evaluation(Split::Test, sequences, (batch / most).max(1));
            let lengths = kernels::with_threads(session.threads, || {
                train::extend(model.as_ref(), &windows, text.seq_len, &self.test_multiples)
            });
            let characters = long.characters_per_token(Split::Test).unwrap_or(1.0);
            for (length, tested) in lengths {
                let x = Some(length as f64);
                let mean = tested.as_ref().map(|tested| bits(tested.loss, characters));
                rows.push(run.record("test_bits_by_length", x, mean));
                let blocks = tested.iter().flat_map(|tested| &tested.by_block);
                let metric = "test_bits_by_length_and_block";
                rows.extend(by_block(run, metric, x, blocks, characters));
            }
        }
        if !run.record.arm.is_empty() {
            rows.extend(self.of_transfer(run, session, model.as_ref(), &outcome)?);
        }
        if self.gaps {
            rows.extend(self.at_gaps(run, session, model.as_ref(), outcome.seconds)?);
        }
        if let Some(sequences) = self.gradient_sequences {
            let batches = longest(
                source.evaluation(Split::Test, self.test_sequences, 1),
                sequences,
            );
            let untrained = models::build(&self.model, self.train.seed)?;
            kernels::with_threads(session.threads, || {
                for (moment, model) in [("initial", &untrained), ("trained", &model)] {
                    rows.extend(gradients(run, moment, model.as_ref(), &batches));
                }
            });
            rows.extend(outcome.curve.iter().map(|point| {
                let x = Some(point.step as f64);
                run.record("gradient_norm", x, Some(point.gradient_norm))
            }));
        }
        Ok(rows)
    }
}

/// A model, the data it was trained on, and how the training ended.
type Trained = (Box<dyn Model>, Box<dyn Source>, Result<Outcome, TrainError>);

impl Training {
    /// Tokens in a training step. Of phrases with their translations those of a first batch, which is as long
    /// as its longest: each token passes one of the two halves of a model.
    fn tokens_a_step(&self) -> usize {
        let batch = self.train.batch;
        let whole = batch * self.data.seq_len();
        let Data::Task(task) = &self.data else {
            return whole;
        };
        let mut source = match task.make() {
            Ok(task) if task.words().is_some() => TaskSource::new(task, 0),
            _ => return whole,
        };
        let first = source.next_batch(batch);
        let read = first.input.source.as_ref();
        let read = read.map(|source| source.batch * source.seq_len);
        read.map_or(first.positions(), |read| (first.positions() + read) / 2)
    }

    /// Steps it will take, as far as is known; nothing where its budget is none of steps.
    fn steps(&self) -> Option<usize> {
        let budget = self.train.budget.steps?;
        Some(
            self.expected_steps
                .map_or(budget, |steps| steps.min(budget)),
        )
    }

    /// Trains a new model, or goes on from the checkpoint in the run's directory.
    fn trained(&self, session: &mut Session) -> Result<Trained, Failure> {
        let mut source = self.data.open(self.train.seed, session.texts)?;
        let mut model = models::build(&self.model, self.train.seed)?;
        let mut settings = self.train.clone();
        settings.threads = session.threads;
        let start = self.start.at(&session.directory);
        let embedded = self.data.embedded(session.texts)?;
        let saves = settings.checkpoint_every.is_some() || self.kept > Kept::Nothing;
        let directory = session.directory.clone();
        let saving = saves.then(|| Saving {
            directory: &directory,
            embedded: &embedded,
            moments: self.kept == Kept::Training,
            metrics: false,
        });
        let mut write_failure = None;
        let outcome = train::train(
            model.as_mut(),
            source.as_mut(),
            &settings,
            &start,
            saving.as_ref(),
            &mut |progress| {
                let of_expected = self.steps().map(|n| progress.step as f64 / n.max(1) as f64);
                session.advance(of_expected.unwrap_or(progress.fraction).min(1.0));
                if let Some(validation) = &progress.validation {
                    let line = format!(
                        "step {} train-loss {:.4} validation-loss {:.4} accuracy {:.4} ({:.1} s)",
                        progress.step,
                        progress.train_loss,
                        validation.loss,
                        validation.accuracy,
                        progress.seconds
                    );
                    if let Err(failure) = session.log(&line) {
                        write_failure = Some(failure);
                        return ControlFlow::Break(());
                    }
                }
                match session.interrupted() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
        match write_failure {
            Some(failure) => Err(failure),
            None => Ok((model, source, outcome)),
        }
    }
}

/// Removes a file, if it is there.
fn remove(file: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let what = format!("cannot remove {}", file.display());
            Err(Failure::Fatal(anyhow::Error::new(error).context(what)))
        }
        _ => Ok(()),
    }
}

fn tuning_metric(output: Output) -> &'static str {
    match output {
        Output::Tokens => "tuning_validation_loss",
        Output::Number => "tuning_validation_mse",
    }
}
