//! Training: one step, the loop around it, the schedule, evaluation and checkpoints.

mod schedule;
mod settings;

pub use schedule::learning_rate;
pub use settings::{Budget, TrainSettings};

use crate::data::{Batch, Source};
use crate::models::Model;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What one training step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the scored positions in nats, before the update.
    pub loss: f32,
    /// Global gradient norm before clipping.
    pub gradient_norm: f32,
}

impl StepReport {
    /// Whether loss and gradient are finite; parameters are updated only then.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

/// How good a model is on some batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean nats over the scored positions.
    pub loss: f64,
    /// Share of the scored positions whose likeliest token is the target.
    pub accuracy: f64,
    /// Scored positions.
    pub scored: usize,
    /// Share of the sequences with every scored position right.
    pub solved_fraction: f64,
    /// For each position in the sequence: mean loss and number of scored positions there.
    pub by_position: Vec<(f64, usize)>,
    /// For each distance that occurs, rising: distance, right answers, scored positions.
    pub by_distance: Vec<(u32, usize, usize)>,
}

/// Where training stands after a step.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps the budget allows, where it is not in seconds.
    pub steps_planned: Option<usize>,
    /// Share of the budget used (0…1).
    pub fraction: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, validation not counted.
    pub seconds: f64,
    /// Rate of this step.
    pub learning_rate: f64,
    /// Loss of this step's batch in nats.
    pub train_loss: f32,
    /// Gradient norm before clipping.
    pub gradient_norm: f32,
    /// Present after the steps that validate.
    pub validation: Option<Evaluation>,
}

/// A point of the learning curve: one each `validate_every` steps and one at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training (depends on timing).
    pub seconds: f64,
    /// Rate of the last step.
    pub learning_rate: f64,
    /// Mean training loss in nats over the steps since the point before.
    pub train_loss: f64,
    /// Largest gradient norm before clipping over the same steps.
    pub gradient_norm: f64,
    /// Mean nats on the validation sequences.
    pub validation_loss: f64,
    /// Accuracy on them.
    pub validation_accuracy: f64,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The budget of steps or tokens is used up.
    Steps,
    /// The budget of seconds is used up.
    Seconds,
    /// Validation accuracy passed `stop_when_accuracy`.
    Accurate,
    /// The observer asked for it; the run can be resumed.
    Interrupted,
}

/// A finished (or interrupted) training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps done.
    pub steps: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, over all sessions.
    pub seconds: f64,
    /// Why it ended.
    pub stopped_because: Stop,
    /// The learning curve from the first step, resumed sessions included.
    pub curve: Vec<Point>,
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting no training can use.
    #[error("{0}")]
    Settings(String),
    /// Model and data do not fit together.
    #[error("{0}")]
    Mismatch(String),
    /// The model cannot be trained here.
    #[error(transparent)]
    Model(#[from] crate::models::ModelError),
    /// Loss or gradient became infinite or not a number.
    #[error(
        "step {step}: loss {loss}, gradient norm {gradient_norm} at learning rate {learning_rate}; \
         lower the learning rate or the clip"
    )]
    NotFinite {
        /// The step that failed, from 1.
        step: usize,
        /// Its loss.
        loss: f32,
        /// Its gradient norm.
        gradient_norm: f32,
        /// Its rate.
        learning_rate: f64,
    },
    /// Checkpoint not readable, not writable or of another run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What is wrong with a checkpoint file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not safetensors at all, or cut off.
    #[error("{}: not a safetensors file, or truncated ({reason}); train again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Safetensors, but written by something else.
    #[error("{}: {reason}; only checkpoints written by `seqduel train` can be opened", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Tensors do not fit the model.
    #[error("{}: tensor `{tensor}` {reason}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A run with other settings wrote it.
    #[error(
        "{}: made with other settings ({difference}); give the same settings to go on, or another output directory",
        path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The keys that differ, with both values.
        difference: String,
    },
}

/// Optimiser state: moments and the master copy of the weights.
pub struct Optimizer {}

impl Optimizer {
    /// Fresh state for `model`.
    pub fn new(_model: &dyn Model, _settings: &TrainSettings) -> Self {
        todo!()
    }
}

/// One full training step: forward, loss, backward, clipping, AdamW. Runs in the current rayon
/// pool. A step whose loss or gradient is not finite updates nothing.
pub fn step(
    _model: &mut dyn Model,
    _batch: &Batch,
    _optimizer: &mut Optimizer,
    _learning_rate: f64,
    _clip: Option<f32>,
) -> StepReport {
    todo!()
}

/// Loss and accuracy on `batches`, without gradients, in the current rayon pool.
pub fn evaluate(_model: &dyn Model, _batches: &[Batch]) -> Evaluation {
    todo!()
}

/// Trains `model` on `source` until the budget ends. With a `directory`, goes on from the
/// checkpoint there if it holds one, with the same results as a run that was never interrupted, and
/// keeps one there. The observer hears of every step of this session; `Break` saves and stops.
pub fn train(
    _model: &mut dyn Model,
    _source: &mut dyn Source,
    _settings: &TrainSettings,
    _directory: Option<&Path>,
    _observe: &mut (dyn FnMut(&Progress) -> ControlFlow<()> + Send),
) -> Result<Outcome, TrainError> {
    todo!()
}
