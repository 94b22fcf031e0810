//! The models of a sweep point, at widths that make their parameters match.

use crate::data::Spec;
use crate::experiment::check::Fault;
use crate::experiment::schema::{Experiment, Settings};
use crate::models::{self, ModelConfig, ModelError};
use crate::runs::context::{ExpandError, require};

/// Largest deviation of a matched parameter count.
const PARAMETER_TOLERANCE: f64 = 0.03;

/// `equal` of models that have the same width, whatever their parameters.
pub(super) const WIDTH: &str = "width";

/// The configuration of every series at a sweep point, for data in batches of so many sequences. The reference model has the width asked
/// for (so has each of its variants: only position tables differ); the others get the width whose
/// parameter count is nearest. `specs` has what the data of each need.
pub(super) fn match_widths(
    experiment: &Experiment,
    s: &Settings,
    (specs, batch): (&[Spec], usize),
) -> Result<Vec<ModelConfig>, ExpandError> {
    let width = require(s.width, "settings.width")?;
    let reference = s
        .reference
        .as_deref()
        .unwrap_or(&experiment.models[0].model);
    let configs: Vec<ModelConfig> = experiment
        .models
        .iter()
        .zip(specs)
        .map(|(series, spec)| {
            let layers = require(series.layers.or(s.layers), "settings.layers")?;
            let chrono = s.chrono.unwrap_or(spec.seq_len);
            let mut config = ModelConfig {
                heads: require(s.heads, "settings.heads")?,
                forget_bias: s.forget_bias.unwrap_or(1.0) as f32,
                chrono: (series.options.name("gates") == Some("chrono")).then_some(chrono),
                initial: s.initial.unwrap_or_default(),
                ..ModelConfig::new(&series.model, spec.vocab, width, layers, spec.longest)
            };
            config = spec.fit(config);
            series.options.apply(&mut config).map_err(model_fault)?;
            Ok(config)
        })
        .collect::<Result<_, Fault>>()?;
    let first = configs.iter().find(|config| config.model == reference);
    let target = count(first.unwrap_or(&configs[0]))?;
    configs
        .into_iter()
        .enumerate()
        .map(|(i, mut config)| {
            let spec = &specs[i];
            if config.model != reference && s.equal.as_deref() != Some(WIDTH) {
                config.width =
                    models::width_for_parameters(&config, target).map_err(model_fault)?;
                let off = count(&config)? as f64 / target as f64 - 1.0;
                if off.abs() > PARAMETER_TOLERANCE {
                    let remedy = format!(
                        "the nearest {} is {:+.0} % off its {target} parameters, more than 3 %; \
                         choose another width, or a transformer as settings.reference",
                        config.model,
                        100.0 * off
                    );
                    return Err(Fault::new("settings.width", width, remedy).into());
                }
            }
            models::check_memory(&config, spec.shape(batch)).map_err(model_fault)?;
            spec.check(&config).map_err(|misfit| Fault {
                key: format!("models[{i}].model"),
                problem: misfit.to_string(),
                remedy: "choose another model or another settings.task".into(),
            })?;
            Ok(config)
        })
        .collect()
}

fn count(config: &ModelConfig) -> Result<usize, ExpandError> {
    models::parameter_count(config).map_err(|error| model_fault(error).into())
}

fn model_fault(error: ModelError) -> Fault {
    match error {
        ModelError::Impossible { key, value, remedy } => {
            Fault::new(format!("settings.{}", key.replace('-', "_")), value, remedy)
        }
        other => Fault {
            key: "settings.width".into(),
            problem: other.to_string(),
            remedy: "make settings.width, settings.batch or the sequences smaller".into(),
        },
    }
}
