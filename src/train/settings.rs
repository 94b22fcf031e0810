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

    // Left out of what is written: earlier checkpoints and configurations stay valid.
    fn is_default(&self) -> bool {
        *self == Self::default()
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
    #[serde(skip_serializing_if = "OptimizerKind::is_default")]
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
        let finite_positive = |v: f64| v.is_finite() && v > 0.0;
        let fraction = |v: f64| (0.0..1.0).contains(&v);
        let budget = &self.budget;
        let problem = if self.batch == 0 {
            "batch = 0: train on at least 1 sequence".into()
        } else if budget.steps == Some(0) {
            "steps = 0: train for at least 1 step".into()
        } else if budget.tokens == Some(0) {
            "tokens = 0: train on at least 1 token".into()
        } else if self.threads == 0 {
            "threads = 0: use at least 1".into()
        } else if !finite_positive(self.learning_rate) {
            format!(
                "learning-rate = {}: give a positive number",
                self.learning_rate
            )
        } else if !(0.0..=1.0).contains(&self.final_lr_ratio) {
            format!(
                "final-lr-ratio = {}: give a number from 0 to 1",
                self.final_lr_ratio
            )
        } else if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            format!(
                "weight-decay = {}: give 0 or a positive number",
                self.weight_decay
            )
        } else if let Some(beta) = [self.beta1, self.beta2].into_iter().find(|&b| !fraction(b)) {
            format!("beta1 or beta2 = {beta}: give numbers from 0 and below 1")
        } else if !finite_positive(self.eps) {
            format!("eps = {}: give a positive number", self.eps)
        } else if let Some(clip) = self.clip.filter(|&c| !finite_positive(c as f64)) {
            format!("clip = {clip}: give a positive number, or leave it out")
        } else if self.checkpoint_every == Some(0) {
            "checkpoint-every = 0: give a number of steps, or leave it out".into()
        } else if let Some(accuracy) = self.stop_when_accuracy.filter(|a| !(0.0..=1.0).contains(a))
        {
            format!("stop-when-accuracy = {accuracy}: give a number from 0 to 1")
        } else if *budget == Budget::default() {
            "budget is empty: give steps, tokens or seconds".into()
        } else if let Some(seconds) = budget.seconds.filter(|&s| !finite_positive(s)) {
            format!("seconds = {seconds}: give a positive number")
        } else {
            return Ok(());
        };
        Err(problem)
    }
}
