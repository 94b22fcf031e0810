//! The optimiser and the training step.

use super::adapt::Part;
use super::lora::Lora;
use super::variable::Variable;
use super::{OptimizerKind, StepReport, TrainSettings};
use crate::data::Batch;
use crate::models::{Content, Input, Model};
use crate::nn::{Initializer, Parameter};
use dfdx::tensor::{Cpu, Tensor};
use kernels::cost::{Id, touching};
use kernels::{
    self, AdamwStep, Gradients, RmspropStep, Slot, Tape, adamw_update, rmsprop_update, squared_norm,
};

/// AdamW or RMSprop over what is trained of one model.
///
/// It keeps its own copy of the weights, as tensors can only be read and written by copying: one
/// copy a step instead of two. Weights changed elsewhere need a new optimiser.
pub struct Optimizer {
    steps: u64,
    settings: TrainSettings,
    /// Of each parameter, in their order.
    states: Vec<State>,
}

/// What is trained of a parameter.
enum State {
    Nothing,
    Whole(Variable),
    LowRank(Lora),
}

impl State {
    fn variables(&self) -> Vec<&Variable> {
        match self {
            State::Nothing => Vec::new(),
            State::Whole(variable) => vec![variable],
            State::LowRank(lora) => vec![&lora.down, &lora.up],
        }
    }

    fn variables_mut(&mut self) -> Vec<&mut Variable> {
        match self {
            State::Nothing => Vec::new(),
            State::Whole(variable) => vec![variable],
            State::LowRank(lora) => vec![&mut lora.down, &mut lora.up],
        }
    }

    /// The parameter's values that follow from the variables, unless nothing of it is trained.
    fn put(&self, parameter: &mut Parameter) {
        match self {
            State::Nothing => {}
            State::Whole(variable) => parameter.set(&variable.values),
            State::LowRank(lora) => parameter.set(&lora.merged()),
        }
    }
}

impl Optimizer {
    /// Fresh state for `model`; what is trained, betas, eps and weight decay from `settings`.
    pub fn new(model: &dyn Model, settings: &TrainSettings) -> Self {
        let mut init = Initializer::of_adapters(settings.seed);
        let mut state = |parameter: &Parameter| match settings.adapt.of(parameter) {
            Part::Nothing => State::Nothing,
            Part::Whole => {
                let (name, values) = (parameter.name.clone(), parameter.values());
                State::Whole(Variable::new(name, &parameter.shape, values))
            }
            Part::LowRank(rank) => State::LowRank(Lora::new(parameter, rank, &mut init)),
        };
        let parameters = model.parameters().into_iter();
        Optimizer {
            steps: 0,
            settings: settings.clone(),
            states: parameters.map(&mut state).collect(),
        }
    }

    /// What it moves, in the order of the parameters.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.states.iter().flat_map(State::variables)
    }

    /// Takes its place again after so many steps: `read` gives what was saved of each variable. The weights
    /// that adapters stand beside are those of the model it was made for; `model` is as it was saved.
    pub(super) fn restore<E>(
        &mut self,
        model: &dyn Model,
        steps: u64,
        mut read: impl FnMut(&mut Variable) -> Result<(), E>,
    ) -> Result<(), E> {
        self.steps = steps;
        for (parameter, state) in model.parameters().into_iter().zip(&mut self.states) {
            if let State::Whole(variable) = state {
                variable.values = parameter.values();
            }
            state.variables_mut().into_iter().try_for_each(&mut read)?;
        }
        Ok(())
    }

    /// The values of all variables, to come back to.
    pub(super) fn values(&self) -> Vec<Vec<f32>> {
        self.variables().map(|v| v.values.clone()).collect()
    }

    /// Comes back to values it had, and `model` with it.
    pub(super) fn go_back(&mut self, model: &mut dyn Model, values: &[Vec<f32>]) {
        let variables = self.states.iter_mut().flat_map(State::variables_mut);
        for (variable, values) in variables.zip(values) {
            variable.values.clone_from(values);
        }
        for (parameter, state) in model.parameters_mut().into_iter().zip(&self.states) {
            state.put(parameter);
        }
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
        // Of every variable; of what is not trained none.
        let mut all: Vec<Vec<f32>> = Vec::new();
        for (parameter, state) in model.parameters().into_iter().zip(&self.states) {
            let mut of_parameter = || Slot::of(&parameter.tensor).take(gradients);
            match state {
                State::Nothing => {}
                State::Whole(_) => all.push(of_parameter()),
                State::LowRank(lora) => all.extend(lora.gradients(&of_parameter())),
            }
        }
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
        let mut all = all.iter();
        let parameters = model.parameters_mut().into_iter();
        for (parameter, state) in parameters.zip(&mut self.states) {
            for variable in state.variables_mut() {
                let Variable { values, m, v, .. } = variable;
                let gradient = all.next().expect("one of every variable");
                let reads_and_writes = || {
                    let (gradient, value) = (
                        Id::gradient(&parameter.tensor),
                        Id::value(&parameter.tensor),
                    );
                    (vec![gradient, value, Id::Norm], vec![value])
                };
                touching(reads_and_writes, || match settings.optimizer {
                    OptimizerKind::Adamw => adamw_update(values, gradient, m, v, &constants),
                    OptimizerKind::Rmsprop => rmsprop_update(values, gradient, v, &rmsprop),
                });
            }
            state.put(parameter);
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
