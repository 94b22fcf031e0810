//! Sizes without building: parameters, memory, and which sizes make a model at all.

use super::memory::available_bytes;
use super::{MODELS, ModelConfig, ModelError, ModelRow, OPTIONS, Shape};

/// The row of a name.
pub fn row(name: &str) -> Result<&'static ModelRow, ModelError> {
    MODELS.iter().find(|row| row.name == name).ok_or_else(|| {
        let known: Vec<&str> = MODELS.iter().map(|row| row.name).collect();
        ModelError::Unknown {
            name: name.into(),
            known: known.join(", "),
        }
    })
}

/// Far deeper than anything that has been trained; each layer costs more than its numbers.
const MOST_LAYERS: usize = 4096;

/// Refuses an unknown name and sizes that make no model, whatever the memory.
pub fn check(config: &ModelConfig) -> Result<&'static ModelRow, ModelError> {
    let row = row(&config.model)?;
    check_sizes(&[
        ("vocab", config.vocab),
        ("width", config.width),
        ("layers", config.layers),
        ("heads", config.heads),
        ("seq-len", config.seq_len),
    ])?;
    if config.layers > MOST_LAYERS {
        let remedy = format!("give at most {MOST_LAYERS}");
        return Err(ModelError::impossible("layers", config.layers, remedy));
    }
    let step = (row.width_step)(config);
    if !config.width.is_multiple_of(step) {
        let below = config.width / step * step;
        let above = below + step;
        let nearest = if below > 0 && config.width - below <= above - config.width {
            below
        } else {
            above
        };
        let what = if step == config.heads {
            format!("the {} heads must divide it", config.heads)
        } else {
            format!(
                "rotary positions turn pairs of values, so twice the {} heads must divide it",
                config.heads
            )
        };
        return Err(ModelError::impossible(
            "width",
            config.width,
            format!("{what}; the nearest is {nearest}"),
        ));
    }
    for option in OPTIONS {
        if let Some(value) = (option.get)(config).filter(|value| !option.values.admit(value)) {
            return Err(ModelError::impossible(
                option.key(),
                value,
                option.values.remedy(),
            ));
        }
    }
    (row.check)(config)?;
    Ok(row)
}

/// Number of trainable values, without building the model.
pub fn parameter_count(config: &ModelConfig) -> Result<usize, ModelError> {
    let count = (check(config)?.parameters)(config);
    usize::try_from(count).map_err(|_| ModelError::too_large(count.saturating_mul(4), KEYS))
}

/// The width whose parameter count is nearest to `target`, all else as in `config`; a multiple of 8
/// if one comes within 3 %, as vectors fit it best.
pub fn width_for_parameters(config: &ModelConfig, target: usize) -> Result<usize, ModelError> {
    let row = row(&config.model)?;
    let smallest = (row.width_step)(config).max(1);
    check(&ModelConfig {
        width: smallest,
        ..config.clone()
    })?;
    let count = |width: usize| {
        (row.parameters)(&ModelConfig {
            width,
            ..config.clone()
        })
    };
    let target = target as u128;
    // The nearest multiple of `step`: the count rises with the width, so bisect.
    let nearest = |step: usize| {
        let (mut low, mut high) = (1, u32::MAX as usize / step);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if count(middle * step) <= target {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let (below, above) = (low * step, (low + 1) * step);
        if target.abs_diff(count(below)) <= target.abs_diff(count(above)) {
            below
        } else {
            above
        }
    };
    let aligned = nearest(lcm(smallest, 8));
    if target.abs_diff(count(aligned)) as f64 <= 0.03 * target as f64 {
        Ok(aligned)
    } else {
        Ok(nearest(smallest))
    }
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

/// Bytes that training takes, roughly: weights, gradients, two moments, copies of weights laid out for
/// the kernels, and, while a checkpoint is written, the file of three of them; freed blocks that are kept
/// for the next step; and activations. All told ten values a parameter (a GRU of 25 million: 10.8).
///
/// 0 for an unknown model.
pub fn training_bytes(config: &ModelConfig, shape: Shape) -> u64 {
    let Ok(row) = row(&config.model) else {
        return 0;
    };
    let floats = 10 * (row.parameters)(config) + (row.activations)(config, shape);
    u64::try_from(4 * floats).unwrap_or(u64::MAX)
}

/// Refuses what this machine has no memory for, before anything is allocated.
pub fn check_memory(config: &ModelConfig, shape: Shape) -> Result<(), ModelError> {
    check(config)?;
    check_sizes(&[("batch", shape.batch), ("seq-len", shape.seq_len)])?;
    let needed = training_bytes(config, shape);
    match needed > available_bytes() {
        true => Err(ModelError::too_large(u128::from(needed), KEYS)),
        false => Ok(()),
    }
}

/// What to lower where there is too little memory for training.
const KEYS: &str = "width, layers, vocab, batch or seq-len";

/// Products of two such sizes and a layer count fit u128 with room to spare.
fn check_sizes(sizes: &[(&str, usize)]) -> Result<(), ModelError> {
    let most = u32::MAX as usize;
    let wrong = sizes.iter().find(|(_, size)| !(1..=most).contains(size));
    let refuse = |(key, size): &(&str, usize)| {
        let remedy = format!("give a number from 1 to {most}");
        Err(ModelError::impossible(*key, size, remedy))
    };
    wrong.map_or(Ok(()), refuse)
}
