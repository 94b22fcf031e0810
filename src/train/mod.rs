//! Training: one step, the loop around it, the schedule, evaluation and checkpoints. Nothing trained
//! reads a clock: a budget in seconds is a number of steps before the first.

mod adapt;
pub mod checkpoint;
mod evaluate;
mod fingerprint;
pub mod gaps;
mod lora;
mod metadata;
mod optimizer;
mod probe;
mod run;
mod schedule;
mod settings;
mod start;
mod step_time;
mod variable;

pub use adapt::Adapt;
pub use checkpoint::{CheckpointError, Embedded, Keep};
pub use evaluate::evaluate;
pub use fingerprint::{check_validation, same_data};
pub use optimizer::{Optimizer, loss, step};
pub use probe::{Probed, extend, probe};
pub use run::{METRICS, Saving, is_flat, train};
pub use schedule::learning_rate;
pub use settings::{Budget, OptimizerKind, Schedule, Selection, TrainSettings};
pub use start::Start;
pub use step_time::step_seconds;

use serde::{Deserialize, Serialize};

/// What one training step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the scored positions, nats or squared error, before the update.
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
    /// Mean nats over the scored positions; mean squared error where the model says numbers.
    pub loss: f64,
    /// Share of the scored positions whose likeliest token is the target, or whose number lies
    /// within [`crate::data::CLOSE`] of the answer.
    pub accuracy: f64,
    /// Scored positions.
    pub scored: usize,
    /// Share of the sequences with every scored position right.
    pub solved_fraction: f64,
    /// For each position in the sequence: mean loss and number of scored positions there.
    pub by_position: Vec<(f64, usize)>,
    /// For each distance that occurs, rising: distance, right answers, scored positions.
    pub by_distance: Vec<(u32, usize, usize)>,
    /// Mean loss over each of at most [`BLOCKS`] blocks of neighbouring batches, in order.
    pub by_block: Vec<f64>,
    /// Answers in tokens by their confidence, in [`CONFIDENCES`] bins of equal width from 0 to 1; bins
    /// without any are left out.
    pub by_confidence: Vec<Confident>,
}

/// Bins of confidence.
pub const CONFIDENCES: usize = 10;

/// The answers of one bin of confidence, the probability that a model gives its likeliest token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confident {
    /// The middle of the bin.
    pub middle: f64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
    /// How many they are.
    pub answers: usize,
}

impl Evaluation {
    /// Expected calibration error: the mean distance of accuracy from confidence over the bins, each
    /// weighed by its answers (Guo et al. 2017). Not a number without any.
    pub fn calibration_error(&self) -> f64 {
        let away = |bin: &Confident| libm::fabs(bin.accuracy - bin.confidence);
        let bins = self.by_confidence.iter();
        let sum: f64 = bins.map(|bin| bin.answers as f64 * away(bin)).sum();
        sum / self.scored as f64
    }
}

/// Blocks that the windows of a test are parted into: texts differ from place to place, and the spread
/// over blocks says how much.
pub const BLOCKS: usize = 16;

/// Where training stands after a step.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps the budget allows.
    pub steps_planned: usize,
    /// Share of the budget used (0…1).
    pub fraction: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, validation not counted.
    pub seconds: f64,
    /// Loss of this step's batch, in nats or squared error.
    pub train_loss: f32,
    /// Gradient norm before clipping.
    pub gradient_norm: f32,
    /// Present after the steps that validate.
    pub validation: Option<Evaluation>,
}

/// A point of the learning curve: one each `validate_every` steps and one at the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training (depends on timing).
    pub seconds: f64,
    /// Rate of the last step.
    pub learning_rate: f64,
    /// Mean training loss, in nats or squared error, over the steps since the point before.
    pub train_loss: f64,
    /// Largest gradient norm before clipping over the same steps.
    pub gradient_norm: f64,
    /// Mean nats or squared error on the validation sequences, if there are any.
    pub validation_loss: Option<f64>,
    /// Accuracy on them.
    pub validation_accuracy: Option<f64>,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The budget of steps or tokens is used up.
    Steps,
    /// The budget of seconds is used up, by the step's time measured beforehand.
    Seconds,
    /// Validation accuracy passed `stop_when_accuracy`.
    Accurate,
    /// Validation had stopped improving, as `plateau` says.
    Plateau,
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
    /// Number of values that were trained.
    pub trained_parameters: usize,
    /// The step whose weights the model has: the last, or that of the best validation.
    pub judged_step: usize,
}

impl Outcome {
    /// The point of the curve at [`Outcome::judged_step`], if it validated there.
    pub fn judged(&self) -> Option<&Point> {
        self.curve.iter().find(|p| p.step == self.judged_step)
    }
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting no training can use.
    #[error("{0}")]
    Refused(String),
    /// Model and data do not fit together.
    #[error(transparent)]
    Misfit(#[from] crate::data::Misfit),
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
