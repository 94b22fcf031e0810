//! The optimiser and the training step.

use super::{OptimizerKind, StepReport, TrainSettings};
use crate::data::Batch;
use crate::models::{Content, Input, Model};
use dfdx::tensor::{Cpu, Tensor};
use kernels::cost::{Id, touching};
use kernels::{
    self, AdamwStep, Gradients, RmspropStep, Slot, Tape, adamw_update, rmsprop_update, squared_norm,
};

/// AdamW or RMSprop over all parameters of one model.
///
/// It keeps its own copy of the weights, as tensors can only be read and written by copying: one
/// copy a step instead of two. Weights changed elsewhere need a new optimiser.
pub struct Optimizer {
    steps: u64,
    settings: TrainSettings,
    states: Vec<ParameterState>,
}

struct ParameterState {
    weights: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl Optimizer {
    /// Fresh state for `model`; betas, eps and weight decay from `settings`.
    pub fn new(model: &dyn Model, settings: &TrainSettings) -> Self {
        let state = |weights: Vec<f32>| ParameterState {
            m: vec![0.0; weights.len()],
            v: vec![0.0; weights.len()],
            weights,
        };
        let parameters = model.parameters().into_iter();
        Optimizer {
            steps: 0,
            settings: settings.clone(),
            states: parameters.map(|p| state(p.values())).collect(),
        }
    }

    /// First (RMSprop: zeros) and second moments, in the order of the parameters.
    pub fn moments(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.states.iter().map(|s| (&s.m[..], &s.v[..]))
    }

    /// Goes back to a saved state; the model has been restored before.
    pub(super) fn restore(
        &mut self,
        model: &dyn Model,
        steps: u64,
        moments: Vec<(Vec<f32>, Vec<f32>)>,
    ) {
        self.steps = steps;
        let parameters = model.parameters().into_iter();
        self.states = parameters
            .zip(moments)
            .map(|(p, (m, v))| ParameterState {
                weights: p.values(),
                m,
                v,
            })
            .collect();
    }

    /// A number that differs from step to step and run to run, and is the same when a run is resumed.
    fn noise(&self) -> u64 {
        self.settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.steps
    }

    /// Clips by the global norm, as `torch.nn.utils.clip_grad_norm_`, and updates the model.
    /// Returns the norm before clipping; updates nothing if it is not finite.
    fn update(
        &mut self,
        model: &mut dyn Model,
        gradients: &mut Gradients,
        learning_rate: f64,
        clip: Option<f32>,
    ) -> f32 {
        let all: Vec<Vec<f32>> = model
            .parameters()
            .iter()
            .map(|p| Slot::of(&p.tensor).take(gradients))
            .collect();
        let gradients_and_norm = || {
            let parameters = model.parameters();
            let gradients = parameters.iter().map(|p| Id::gradient(&p.tensor));
            (gradients.collect(), vec![Id::Norm])
        };
        let norm = touching(gradients_and_norm, || squared_norm(&all));
        let norm = norm.sqrt() as f32;
        if !norm.is_finite() {
            return norm;
        }
        self.steps += 1;
        let settings = &self.settings;
        let constants = AdamwStep {
            step: self.steps,
            learning_rate: learning_rate as f32,
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            eps: settings.eps as f32,
            weight_decay: settings.weight_decay as f32,
            gradient_scale: clip.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0)),
        };
        let rmsprop = RmspropStep {
            learning_rate: constants.learning_rate,
            alpha: constants.beta2,
            eps: constants.eps,
            weight_decay: constants.weight_decay,
            gradient_scale: constants.gradient_scale,
        };
        let parameters = model.parameters_mut().into_iter();
        for ((parameter, state), gradient) in parameters.zip(&mut self.states).zip(&all) {
            let ParameterState { weights, m, v } = state;
            let reads_and_writes = || {
                let (gradient, value) = (
                    Id::gradient(&parameter.tensor),
                    Id::value(&parameter.tensor),
                );
                (vec![gradient, value, Id::Norm], vec![value])
            };
            touching(reads_and_writes, || match settings.optimizer {
                OptimizerKind::Adamw => adamw_update(weights, gradient, m, v, &constants),
                OptimizerKind::Rmsprop => rmsprop_update(weights, gradient, v, &rmsprop),
            });
            parameter.set(weights);
        }
        norm
    }
}

/// The mean loss over the positions that `mask` scores: cross-entropy, or squared error where the model
/// says numbers.
pub fn loss(model: &dyn Model, batch: &Batch, mask: &[f32]) -> Tensor<(), f32, Cpu, Tape> {
    smoothed_loss(model, &batch.input, batch, mask, 0.0)
}

/// The same with label smoothing.
fn smoothed_loss(
    model: &dyn Model,
    input: &Input,
    batch: &Batch,
    mask: &[f32],
    smoothing: f64,
) -> Tensor<(), f32, Cpu, Tape> {
    let said = model.forward(input, Tape::on());
    match &batch.targets {
        Content::Tokens(targets) => {
            kernels::smoothed_cross_entropy(said, targets, mask, smoothing as f32)
        }
        Content::Numbers(targets) => kernels::squared_error(said, targets, mask),
    }
}

/// One full training step: forward, loss, backward, clipping, update. Runs on the current
/// threads. A step whose loss or gradient is not finite updates nothing.
pub fn step(
    model: &mut dyn Model,
    batch: &Batch,
    optimizer: &mut Optimizer,
    learning_rate: f64,
    clip: Option<f32>,
) -> StepReport {
    let smoothing = optimizer.settings.label_smoothing;
    let with_dropout = (model.config().dropout > 0.0).then(|| Input {
        dropout: Some(optimizer.noise()),
        ..batch.input.clone()
    });
    let input = with_dropout.as_ref().unwrap_or(&batch.input);
    let loss = smoothed_loss(model, input, batch, &batch.mask, smoothing);
    let value = kernels::values(&loss)[0];
    if !value.is_finite() {
        return StepReport {
            loss: value,
            gradient_norm: f32::NAN,
        };
    }
    let mut gradients = kernels::backward(loss);
    StepReport {
        loss: value,
        gradient_norm: optimizer.update(model, &mut gradients, learning_rate, clip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::data::tasks::{TaskSettings, TaskSource};
    use crate::models::{self, ModelConfig};

    /// v = (1 − α) g² after one step from nothing, so RMSprop moves every weight that has a
    /// gradient by lr / √(1 − α), Adam by lr, whatever the gradient's size.
    #[test]
    fn the_first_step_tells_the_update_rules_apart() {
        let task = TaskSettings::new("parity").make().unwrap();
        let mut source = TaskSource::new(task, 0);
        let config: ModelConfig = serde_json::from_value(serde_json::json!({
            "model": "elman", "vocab": source.spec().vocab, "width": 5, "layers": 1, "heads": 1,
            "seq-len": source.spec().seq_len, "positions": "none", "forget-bias": 0.0,
        }))
        .unwrap();
        let batch = source.next_batch(4);
        for (kind, moved) in [
            (OptimizerKind::Adamw, 0.01),
            (OptimizerKind::Rmsprop, 0.01 / 0.1f32.sqrt()),
        ] {
            let settings = TrainSettings {
                optimizer: kind,
                weight_decay: 0.0,
                beta2: 0.9,
                eps: 1e-12,
                ..TrainSettings::default()
            };
            let mut model = models::build(&config, 1).unwrap();
            let before: Vec<Vec<f32>> = model.parameters().iter().map(|p| p.values()).collect();
            let mut optimizer = Optimizer::new(model.as_ref(), &settings);
            assert!(step(model.as_mut(), &batch, &mut optimizer, 0.01, None).is_finite());
            for (parameter, before) in model.parameters().into_iter().zip(before) {
                for (after, before) in parameter.values().iter().zip(before) {
                    let by = (after - before).abs();
                    let name = &parameter.name;
                    assert!(
                        by == 0.0 || (by - moved).abs() < 1e-4,
                        "{kind:?} {name}: {by}"
                    );
                    assert!(by > 0.0 || name.starts_with("embedding"), "{kind:?} {name}");
                }
            }
        }
    }
}
