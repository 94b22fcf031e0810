//! Carries out a training run: builds, trains, tests, and turns the outcome into records.

use super::session::{Failure, Session};
use super::texts::Texts;
use super::work::{Data, Run, Stage, Training};
use crate::data::tasks::TaskSource;
use crate::data::text::TextSource;
use crate::data::{Batch, Source, Split};
use crate::measure::gradient_flow::{gradient_flow, state_jacobian};
use crate::models::{Model, Output};
use crate::record::Record;
use crate::record::metrics;
use crate::train::{CheckpointError, Evaluation, Outcome, Point, Probed, Stop, TrainError};
use crate::{models, train};
use anyhow::Context;
use std::ops::ControlFlow;

/// A model has solved a task of tokens when its accuracy exceeds this.
pub const SOLVED: f64 = 0.99;
/// A model has solved a task of numbers when its mean squared error is less than this.
pub const SOLVED_MSE: f64 = 0.01;

/// Trains and tests; the records are the same whether or not the run was interrupted before.
pub fn run(run: &Run, training: &Training, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let (mut model, mut source, mut outcome) = trained(training, session)?;
    if let Err(TrainError::Checkpoint(error)) = &outcome
        && !matches!(error, CheckpointError::Io { .. })
    {
        // Damaged, or of another version: what it had saved is lost, the run need not be.
        let file = session.directory.join(train::checkpoint::FILE);
        session
            .log(&format!("starts from the beginning: {error}"))
            .and_then(|()| {
                std::fs::remove_file(&file)
                    .with_context(|| format!("cannot remove {}", file.display()))
            })
            .map_err(Failure::Fatal)?;
        (model, source, outcome) = trained(training, session)?;
    }
    let outcome = match outcome {
        Err(TrainError::NotFinite { .. }) if run.stage == Stage::Tune => {
            session
                .log("diverged: this rate is out")
                .map_err(Failure::Fatal)?;
            return Ok(vec![record(
                run,
                tuning_metric(source.output()),
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
    session
        .log(&format!(
            "stopped after {} steps: {:?}",
            outcome.steps, outcome.stopped_because
        ))
        .map_err(Failure::Fatal)?;
    if run.stage == Stage::Tune {
        let loss = outcome.curve.last().and_then(|point| point.validation_loss);
        return Ok(vec![record(
            run,
            tuning_metric(source.output()),
            None,
            loss,
        )]);
    }
    let (sequences, batch) = (training.test_sequences, training.train.batch);
    let batches = source.evaluation(Split::Test, sequences, batch);
    let (test, probes) = kernels::with_threads(session.threads, || {
        let model = model.as_ref();
        (
            train::evaluate(model, &batches),
            train::probe(model, &batches, &training.probe_context),
        )
    });
    let mut rows = records(run, source.as_ref(), &outcome, &test, &probes);
    if let (Data::Text(text), Some(most)) = (&training.data, training.test_multiples.iter().max()) {
        let long = TextSource::new(session.texts.open(text)?, most * text.seq_len, 0)?;
        let windows = long.evaluation(Split::Test, sequences, (batch / most).max(1));
        let lengths = kernels::with_threads(session.threads, || {
            train::extend(
                model.as_ref(),
                &windows,
                text.seq_len,
                &training.test_multiples,
            )
        });
        let characters = long.characters_per_token(Split::Test).unwrap_or(1.0);
        rows.extend(lengths.into_iter().map(|(length, nats)| {
            let value = nats.map(|nats| bits(nats, characters));
            record(run, "test_bits_by_length", Some(length as f64), value)
        }));
    }
    if let Some(sequences) = training.gradient_sequences {
        let batches = longest(
            source.evaluation(Split::Test, training.test_sequences, 1),
            sequences,
        );
        let untrained = models::build(&training.model, training.train.seed)?;
        kernels::with_threads(session.threads, || {
            for (moment, model) in [("initial", &untrained), ("trained", &model)] {
                rows.extend(gradients(run, moment, model.as_ref(), &batches));
            }
        });
        rows.extend(outcome.curve.iter().map(|point| {
            let x = Some(point.step as f64);
            record(run, "gradient_norm", x, Some(point.gradient_norm))
        }));
    }
    Ok(rows)
}

/// A model, the data it was trained on, and how the training ended.
type Trained = (Box<dyn Model>, Box<dyn Source>, Result<Outcome, TrainError>);

/// Trains a new model, or goes on from the checkpoint in the run's directory.
fn trained(training: &Training, session: &mut Session) -> Result<Trained, Failure> {
    let mut source = open(&training.data, training.train.seed, session.texts)?;
    let mut model = models::build(&training.model, training.train.seed)?;
    let mut settings = training.train.clone();
    settings.threads = session.threads;
    let directory = settings.checkpoint_every.map(|_| session.directory.clone());
    let mut write_error = None;
    let outcome = train::train(
        model.as_mut(),
        source.as_mut(),
        &settings,
        directory.as_deref(),
        &mut |progress| {
            session.advance(progress.fraction);
            if let Some(validation) = &progress.validation {
                let line = format!(
                    "step {} train-loss {:.4} validation-loss {:.4} accuracy {:.4} ({:.1} s)",
                    progress.step,
                    progress.train_loss,
                    validation.loss,
                    validation.accuracy,
                    progress.seconds
                );
                if let Err(error) = session.log(&line) {
                    write_error = Some(error);
                    return ControlFlow::Break(());
                }
            }
            match session.interrupted() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        },
    );
    match write_error {
        Some(error) => Err(Failure::Fatal(error)),
        None => Ok((model, source, outcome)),
    }
}

/// The first few of the longest sequences.
fn longest(batches: Vec<Batch>, sequences: usize) -> Vec<Batch> {
    let seq_len = batches.iter().map(|batch| batch.seq_len).max();
    let of_all = batches.into_iter().filter(|b| Some(b.seq_len) == seq_len);
    of_all.take(sequences).collect()
}

/// How far back the gradient of a model reaches, and the Jacobian of its state.
fn gradients(run: &Run, moment: &str, model: &dyn Model, batches: &[Batch]) -> Vec<Record> {
    let flow = gradient_flow(model, batches);
    let mut rows = Vec::new();
    for (what, norms) in [("state", flow.state), ("input", flow.input)] {
        let metric = format!("{moment}_{what}_gradient");
        for (distance, norm) in norms.into_iter().enumerate() {
            rows.push(record(run, &metric, Some(distance as f64), norm));
        }
    }
    if let Some(jacobian) = state_jacobian(model, batches) {
        for (what, value) in [("radius", jacobian.radius), ("norm", jacobian.norm)] {
            rows.push(record(
                run,
                &format!("{moment}_jacobian_{what}"),
                None,
                Some(value),
            ));
        }
    }
    rows
}

fn tuning_metric(output: Output) -> &'static str {
    match output {
        Output::Tokens => "tuning_validation_loss",
        Output::Number => "tuning_validation_mse",
    }
}

/// The data of a run; text is shared.
fn open(data: &Data, seed: u64, texts: &Texts) -> Result<Box<dyn Source>, Failure> {
    Ok(match data {
        Data::Task(task) => Box::new(TaskSource::new(task.make()?, seed)),
        Data::Text(text) => Box::new(TextSource::new(texts.open(text)?, text.seq_len, seed)?),
    })
}

fn records(
    run: &Run,
    source: &dyn Source,
    outcome: &Outcome,
    test: &Evaluation,
    probes: &[Probed],
) -> Vec<Record> {
    let mut rows = Rows {
        run,
        rows: Vec::new(),
    };
    if source.output() == Output::Number {
        rows.of_numbers(outcome, test);
    } else if let Some(characters) = source.characters_per_token(Split::Test) {
        let validation = source.characters_per_token(Split::Validation);
        rows.of_text(
            outcome,
            test,
            [validation.unwrap_or(characters), characters],
        );
        for probed in probes {
            let x = Some(probed.context as f64);
            let bits = |nats: f64| Some(bits(nats, characters));
            rows.add("test_bits_truncated", x, bits(probed.truncated));
            rows.add("test_bits_shuffled", x, bits(probed.shuffled));
        }
    } else {
        rows.of_tokens(outcome, test);
    }
    let floor = source.floor();
    rows.add("floor_accuracy", None, Some(floor.accuracy));
    let loss = match source.output() {
        Output::Tokens => "floor_loss",
        Output::Number => "floor_mse",
    };
    rows.add(loss, None, Some(floor.loss));
    rows.add("tokens_seen", None, Some(outcome.tokens as f64));
    rows.add("train_seconds", None, Some(outcome.seconds));
    rows.rows
}

/// Nats a token as bits a character.
fn bits(nats: f64, characters_per_token: f64) -> f64 {
    nats / std::f64::consts::LN_2 / characters_per_token
}

struct Rows<'a> {
    run: &'a Run,
    rows: Vec<Record>,
}

impl Rows<'_> {
    /// Text, with the characters a token stands for in the validation and test splits.
    fn of_text(&mut self, outcome: &Outcome, test: &Evaluation, characters: [f64; 2]) {
        for point in &outcome.curve {
            let x = Some(point.step as f64);
            self.add("train_loss", x, Some(point.train_loss));
            let validation = point.validation_loss.map(|nats| bits(nats, characters[0]));
            self.add("validation_bits_per_character", x, validation);
        }
        self.add("test_loss", None, Some(test.loss));
        self.add("test_accuracy", None, Some(test.accuracy));
        let value = Some(bits(test.loss, characters[1]));
        self.add("test_bits_per_character", None, value);
        for (position, &(loss, count)) in test.by_position.iter().enumerate() {
            if count > 0 {
                let x = Some(position as f64 + 1.0);
                self.add("test_bits_by_position", x, Some(bits(loss, characters[1])));
            }
        }
    }

    /// A task whose answers are tokens.
    fn of_tokens(&mut self, outcome: &Outcome, test: &Evaluation) {
        for point in &outcome.curve {
            let x = Some(point.step as f64);
            self.add("train_loss", x, Some(point.train_loss));
            self.add("validation_loss", x, point.validation_loss);
            self.add("validation_accuracy", x, point.validation_accuracy);
        }
        self.add("test_loss", None, Some(test.loss));
        let solved = |accuracy: f64| accuracy > SOLVED;
        self.of_task(outcome, test, solved(test.accuracy), |point| {
            point.validation_accuracy.is_some_and(solved)
        });
    }

    /// A task whose answers are numbers.
    fn of_numbers(&mut self, outcome: &Outcome, test: &Evaluation) {
        for point in &outcome.curve {
            let x = Some(point.step as f64);
            self.add("train_mse", x, Some(point.train_loss));
            self.add("validation_mse", x, point.validation_loss);
            self.add("validation_accuracy", x, point.validation_accuracy);
        }
        self.add("test_mse", None, Some(test.loss));
        let solved = |mse: f64| mse < SOLVED_MSE;
        self.of_task(outcome, test, solved(test.loss), |point| {
            point.validation_loss.is_some_and(solved)
        });
    }

    fn of_task(
        &mut self,
        outcome: &Outcome,
        test: &Evaluation,
        solved: bool,
        solved_at: impl Fn(&Point) -> bool,
    ) {
        self.add("test_accuracy", None, Some(test.accuracy));
        for &(distance, correct, scored) in &test.by_distance {
            let accuracy = Some(correct as f64 / scored as f64);
            self.add(
                "test_accuracy_by_distance",
                Some(f64::from(distance)),
                accuracy,
            );
        }
        let solved_step = outcome.curve.iter().find(|&point| solved_at(point));
        self.add("solved", None, Some(f64::from(solved)));
        self.add("solved_step", None, solved_step.map(|p| p.step as f64));
    }

    fn add(&mut self, metric: &str, x: Option<f64>, value: Option<f64>) {
        self.rows.push(record(self.run, metric, x, value));
    }
}

/// A record of a run; the unit comes from the table of metrics.
pub fn record(run: &Run, metric: &str, x: Option<f64>, value: Option<f64>) -> Record {
    let row = metrics::find(metric).expect("every metric has a row in metrics::METRICS");
    Record {
        metric: metric.into(),
        unit: row.unit.into(),
        x,
        value,
        ..run.record.clone()
    }
}
