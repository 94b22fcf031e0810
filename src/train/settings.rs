//! What a training run depends on besides the model and the data.

use super::{Adapt, Stop};
use serde::{Deserialize, Serialize};

/// When training ends: at the first limit reached. At least one limit must be set.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Budget {
    /// Optimiser steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Tokens seen, batch × sequence length a step; the last step may pass it by less than a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Seconds of training, validation and checkpoints not counted: as many steps as take so long
    /// at `step_seconds` each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What a step was measured to take ([`super::step_seconds`]), in seconds: with it, a budget in
    /// seconds is a number of steps, and training never reads a clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
}

impl Budget {
    /// That many steps.
    pub fn steps(steps: usize) -> Self {
        Budget {
            steps: Some(steps),
            ..Budget::default()
        }
    }

    /// Whether it is in seconds and nobody has measured what a step takes.
    pub fn lacks_step_seconds(&self) -> bool {
        self.seconds.is_some() && self.step_seconds.is_none()
    }

    /// The number of steps that its parts allow, and which of them ends training: the smallest, the
    /// first of equals. `None` if only seconds limit and a step's time is not known.
    pub fn planned_steps(&self, tokens_per_step: usize) -> Option<(usize, Stop)> {
        let by_tokens = self
            .tokens
            .map(|tokens| tokens.div_ceil(tokens_per_step.max(1) as u64) as usize);
        // Of a fraction of a step at the end the whole is done, as with tokens.
        let by_seconds = (self.seconds.zip(self.step_seconds))
            .map(|(seconds, step)| (seconds / step).ceil() as usize);
        let limits = [
            self.steps.map(|n| (n, Stop::Steps)),
            by_tokens.map(|n| (n, Stop::Steps)),
            by_seconds.map(|n| (n, Stop::Seconds)),
        ];
        limits.into_iter().flatten().min_by_key(|&(steps, _)| steps)
    }
}

/// How gradients become updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// AdamW; without weight decay, Adam.
    #[default]
    Adamw,
    /// RMSprop without momentum; its α is `beta2`, and `beta1` is not used.
    Rmsprop,
}

impl OptimizerKind {
    /// As its authors spell it.
    pub fn name(self) -> &'static str {
        match self {
            OptimizerKind::Adamw => "AdamW",
            OptimizerKind::Rmsprop => "RMSprop",
        }
    }
}

/// How the learning rate falls after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// As a cosine, over the rest of the budget.
    #[default]
    Cosine,
    /// With the inverse square root of the step, whatever the budget (Vaswani et al. 2017, section 5.3);
    /// the peak is at the end of the warm-up.
    InverseSquareRoot,
}

/// Which weights a finished training leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Those of the last step.
    #[default]
    Last,
    /// Those of the lowest validation loss: with a `plateau` this is early stopping.
    Best,
}

/// Optimiser, schedule, budget and validation of one training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainSettings {
    /// Sequences in a batch B.
    pub batch: usize,
    /// When to stop.
    pub budget: Budget,
    /// What is trained of the model.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub adapt: Adapt,
    /// Which weights are left in the end.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub select: Selection,
    /// Update rule.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub optimizer: OptimizerKind,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the rate rises linearly from 0.
    pub warmup_steps: usize,
    /// How it falls then.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub schedule: Schedule,
    /// The rate at the end of the cosine, as a fraction of the peak; 1 keeps the rate constant.
    pub final_lr_ratio: f64,
    /// Share ε of every answer that training spreads over all tokens alike (Szegedy et al. 2016);
    /// validation and test know nothing of it.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub label_smoothing: f64,
    /// Decoupled weight decay, on every parameter as in PyTorch's `AdamW(model.parameters())`.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment; RMSprop's α.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub eps: f64,
    /// Largest global gradient norm; larger gradients are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
    /// Seed of the initial values; the caller gives the same to the data.
    pub seed: u64,
    /// Steps between validations; 0 validates only at the end.
    pub validate_every: usize,
    /// Validation sequences.
    pub validation_sequences: usize,
    /// Stop at the first validation whose accuracy exceeds this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_when_accuracy: Option<f64>,
    /// Stop once the lowest validation loss of the last third of the steps so far is not below this
    /// share, less than 1, of the lowest before: learning has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau: Option<f64>,
    /// Steps before which no plateau stops the training: some tasks are learnt suddenly, after a flat
    /// stretch.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub least_steps: usize,
    /// Steps between checkpoints where a directory is given; never, if `None`, but at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// Worker threads; changes no result.
    pub threads: usize,
}

impl Default for TrainSettings {
    fn default() -> Self {
        TrainSettings {
            batch: 32,
            budget: Budget::steps(1000),
            adapt: Adapt::default(),
            select: Selection::default(),
            optimizer: OptimizerKind::Adamw,
            learning_rate: 1e-3,
            warmup_steps: 100,
            schedule: Schedule::default(),
            final_lr_ratio: 0.1,
            label_smoothing: 0.0,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            clip: Some(1.0),
            seed: 0,
            validate_every: 100,
            validation_sequences: 256,
            stop_when_accuracy: None,
            plateau: None,
            least_steps: 0,
            checkpoint_every: Some(500),
            threads: 1,
        }
    }
}

impl TrainSettings {
    /// Refuses values no training can use, naming the key.
    pub fn check(&self) -> Result<(), String> {
        let check = |holds: bool, message: &str| match holds {
            true => Ok(()),
            false => Err(message.to_string()),
        };
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let share = |v: f64| (0.0..=1.0).contains(&v);
        let Budget {
            steps,
            tokens,
            seconds,
            step_seconds,
        } = self.budget;
        check(self.batch > 0, "batch = 0: train on at least 1 sequence")?;
        check(steps != Some(0), "steps = 0: train for at least 1 step")?;
        check(tokens != Some(0), "tokens = 0: train on at least 1 token")?;
        check(self.threads > 0, "threads = 0: use at least 1")?;
        let rate = self.learning_rate;
        let message = format!("learning-rate = {rate}: give a positive number");
        check(positive(rate), &message)?;
        let ratio = self.final_lr_ratio;
        let message = format!("final-lr-ratio = {ratio}: give a number from 0 to 1");
        check(share(ratio), &message)?;
        let smoothing = self.label_smoothing;
        let message = format!("label-smoothing = {smoothing}: give a number from 0 and below 1");
        check((0.0..1.0).contains(&smoothing), &message)?;
        let decay = self.weight_decay;
        let message = format!("weight-decay = {decay}: give 0 or a positive number");
        check(decay == 0.0 || positive(decay), &message)?;
        for beta in [self.beta1, self.beta2] {
            let message = format!("beta1 or beta2 = {beta}: give numbers from 0 and below 1");
            check((0.0..1.0).contains(&beta), &message)?;
        }
        let message = format!("eps = {}: give a positive number", self.eps);
        check(positive(self.eps), &message)?;
        let clip = self.clip.unwrap_or(1.0);
        let message = format!("clip = {clip}: give a positive number, or leave it out");
        check(positive(f64::from(clip)), &message)?;
        let message = "checkpoint-every = 0: give a number of steps, or leave it out";
        check(self.checkpoint_every != Some(0), message)?;
        let accuracy = self.stop_when_accuracy.unwrap_or(1.0);
        let message = format!("stop-when-accuracy = {accuracy}: give a number from 0 to 1");
        check(share(accuracy), &message)?;
        let plateau = self.plateau.unwrap_or(0.5);
        let message = format!("plateau = {plateau}: give a number above 0 and below 1");
        check(plateau > 0.0 && plateau < 1.0, &message)?;
        let message =
            "select = \"best\" without validation: give validation-sequences, or select = \"last\"";
        let validates = self.validation_sequences > 0 || self.select == Selection::Last;
        check(validates, message)?;
        let message = "budget is empty: give steps, tokens or seconds";
        let limited = steps.is_some() || tokens.is_some() || seconds.is_some();
        check(limited, message)?;
        let seconds = seconds.unwrap_or(1.0);
        let message = format!("seconds = {seconds}: give a positive number");
        check(positive(seconds), &message)?;
        let step = step_seconds.unwrap_or(1.0);
        let message =
            format!("step-seconds = {step}: give a positive number, or leave it out to measure it");
        check(positive(step), &message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_part_of_a_budget_ends_training() {
        let budget = Budget {
            steps: Some(10),
            tokens: Some(100),
            seconds: Some(1.0),
            step_seconds: Some(0.15),
        };
        assert_eq!(budget.planned_steps(9), Some((7, Stop::Seconds))); // 6.67 steps
        assert_eq!(budget.planned_steps(15), Some((7, Stop::Steps))); // 6.67 as well
        assert_eq!(budget.planned_steps(17), Some((6, Stop::Steps))); // 5.9 steps
        let few = Budget {
            steps: Some(3),
            ..budget
        };
        assert_eq!(few.planned_steps(17), Some((3, Stop::Steps)));
        // A step that takes longer than the budget is done all the same.
        let long = Budget {
            step_seconds: Some(9.0),
            ..budget
        };
        assert_eq!(long.planned_steps(1), Some((1, Stop::Seconds)));
        let unmeasured = Budget {
            seconds: Some(1.0),
            ..Budget::default()
        };
        assert!(unmeasured.lacks_step_seconds());
        assert_eq!(unmeasured.planned_steps(1), None);
    }

    #[test]
    fn step_times_that_are_none_are_refused() {
        for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let budget = Budget {
                seconds: Some(1.0),
                step_seconds: Some(step),
                ..Budget::default()
            };
            let settings = TrainSettings {
                budget,
                ..TrainSettings::default()
            };
            let refused = settings.check().unwrap_err();
            assert!(refused.contains("step-seconds"), "{refused}");
        }
        let only_step = Budget {
            step_seconds: Some(1.0),
            ..Budget::default()
        };
        let settings = TrainSettings {
            budget: only_step,
            ..TrainSettings::default()
        };
        assert!(settings.check().unwrap_err().contains("budget is empty"));
    }
}
