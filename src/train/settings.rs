//! What a training run depends on besides the model and the data.

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
    /// Seconds of training, validation and checkpoints not counted. Results then depend on timing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Budget {
    /// That many steps.
    pub fn steps(steps: usize) -> Self {
        Budget {
            steps: Some(steps),
            ..Budget::default()
        }
    }

    /// The number of steps that steps and tokens allow; `None` if only time limits.
    pub fn planned_steps(&self, tokens_per_step: usize) -> Option<usize> {
        let by_tokens = self
            .tokens
            .map(|tokens| tokens.div_ceil(tokens_per_step.max(1) as u64) as usize);
        [self.steps, by_tokens].into_iter().flatten().min()
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

/// Optimiser, schedule, budget and validation of one training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainSettings {
    /// Sequences in a batch B.
    pub batch: usize,
    /// When to stop.
    pub budget: Budget,
    /// Update rule.
    #[serde(skip_serializing_if = "crate::files::is_default")]
    pub optimizer: OptimizerKind,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the rate rises linearly from 0.
    pub warmup_steps: usize,
    /// The rate at the end of the cosine, as a fraction of the peak; 1 keeps the rate constant.
    pub final_lr_ratio: f64,
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
            optimizer: OptimizerKind::Adamw,
            learning_rate: 1e-3,
            warmup_steps: 100,
            final_lr_ratio: 0.1,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            clip: Some(1.0),
            seed: 0,
            validate_every: 100,
            validation_sequences: 256,
            stop_when_accuracy: None,
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
        let message = "budget is empty: give steps, tokens or seconds";
        check(self.budget != Budget::default(), message)?;
        let seconds = seconds.unwrap_or(1.0);
        let message = format!("seconds = {seconds}: give a positive number");
        check(positive(seconds), &message)
    }
}
