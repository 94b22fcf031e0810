//! Sizes without building: parameters, memory, and which sizes make a model at all.

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

fn impossible(
    key: impl Into<String>,
    value: impl ToString,
    remedy: impl Into<String>,
) -> ModelError {
    ModelError::Impossible {
        key: key.into(),
        value: value.to_string(),
        remedy: remedy.into(),
    }
}

/// Refuses an unknown name and sizes that make no model, whatever the memory.
pub fn check(config: &ModelConfig) -> Result<&'static ModelRow, ModelError> {
    let row = row(&config.model)?;
    // Products of two sizes and a layer count then fit u128 with room to spare.
    let most = u32::MAX as usize;
    for (key, value) in [
        ("vocab", config.vocab),
        ("width", config.width),
        ("layers", config.layers),
        ("heads", config.heads),
        ("seq-len", config.seq_len),
    ] {
        if value == 0 || value > most {
            let remedy = format!("give a number from 1 to {most}");
            return Err(impossible(key, value, remedy));
        }
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
        return Err(impossible(
            "width",
            config.width,
            format!("{what}; the nearest is {nearest}"),
        ));
    }
    for option in OPTIONS {
        if let Some(value) = (option.get)(config).filter(|value| !option.values.admit(value)) {
            return Err(impossible(option.key(), value, option.values.remedy()));
        }
    }
    Ok(row)
}

/// Number of trainable values, without building the model.
pub fn parameter_count(config: &ModelConfig) -> Result<usize, ModelError> {
    let count = (check(config)?.parameters)(config);
    usize::try_from(count).map_err(|_| too_large(count.saturating_mul(4)))
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

/// Bytes that training takes, roughly: weights twice (the optimiser keeps its own), gradients, two
/// moments, and activations.
///
/// 0 for an unknown model.
pub fn training_bytes(config: &ModelConfig, shape: Shape) -> u64 {
    let Ok(row) = row(&config.model) else {
        return 0;
    };
    let floats = 5 * (row.parameters)(config) + (row.activations)(config, shape);
    u64::try_from(4 * floats).unwrap_or(u64::MAX)
}

/// Refuses what this machine has no memory for, before anything is allocated.
pub fn check_memory(config: &ModelConfig, shape: Shape) -> Result<(), ModelError> {
    check(config)?;
    let most = u32::MAX as usize;
    for (key, value) in [("batch", shape.batch), ("seq-len", shape.seq_len)] {
        if value == 0 || value > most {
            let remedy = format!("give a number from 1 to {most}");
            return Err(impossible(key, value, remedy));
        }
    }
    let needed = training_bytes(config, shape);
    if needed > available_bytes() {
        return Err(too_large(needed as u128));
    }
    Ok(())
}

fn too_large(needed: u128) -> ModelError {
    let gib = |bytes: f64| bytes / (1u64 << 30) as f64;
    ModelError::TooLarge {
        needed_gib: gib(needed as f64),
        available_gib: gib(available_bytes() as f64),
        keys: "width, layers, vocab, batch or seq-len",
    }
}

/// Bytes that new allocations can have, of the machine or of the control group the process is in.
pub fn available_bytes() -> u64 {
    use sysinfo::{MemoryRefreshKind, RefreshKind, System};
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory));
    let group = system.cgroup_limits().map_or(u64::MAX, |g| g.free_memory);
    system.available_memory().min(group)
}
