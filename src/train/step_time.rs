//! How long a training step takes: turns a budget in seconds into a number of steps before the first.

use super::run::check_fit;
use super::{Optimizer, TrainError, TrainSettings, step};
use crate::data::Source;
use crate::models::{self, ModelConfig};
use crate::stats::median;
use std::time::Instant;

/// First steps, whose times do not count: caches, pages and threads settle.
const WARM_UP: usize = 2;
/// At least so many steps count, and all together take at least so many seconds …
const STEPS: usize = 5;
const SECONDS: f64 = 0.3;
/// … unless that takes more than this share of the budget.
const SHARE: f64 = 0.1;

/// Median seconds of a training step of a model of `config` on `source`, with the threads of
/// `settings`: a throw-away model takes a few steps. `source` is put back to where it stood.
///
/// Errors: as those of [`super::train`] before its first step.
pub fn step_seconds(
    config: &ModelConfig,
    source: &mut dyn Source,
    settings: &TrainSettings,
) -> Result<f64, TrainError> {
    settings.check().map_err(TrainError::Refused)?;
    check_fit(config, source, settings)?;
    let mut model = models::build(config, settings.seed)?;
    let cursor = source.cursor();
    let most = settings.budget.seconds.unwrap_or(f64::INFINITY) * SHARE;
    let times = kernels::with_threads(settings.threads, || {
        let mut optimizer = Optimizer::new(&*model, settings);
        // A rate of 0 costs the same, and no loss can grow.
        let mut timed = || {
            let started = Instant::now();
            let batch = source.next_batch(settings.batch);
            step(&mut *model, &batch, &mut optimizer, 0.0, settings.clip);
            started.elapsed().as_secs_f64()
        };
        let began = Instant::now();
        let mut times = Vec::new();
        loop {
            times.push(timed());
            let spent = began.elapsed().as_secs_f64();
            if spent >= most || times.len() >= WARM_UP + STEPS && spent >= SECONDS {
                return times;
            }
        }
    });
    source.restore(&cursor);
    let settled = &times[WARM_UP.min(times.len() - 1)..];
    // A clock too coarse to see a step still gives a positive time.
    Ok(median(settled).max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tasks::{TaskSettings, TaskSource};
    use crate::train::Budget;

    #[test]
    fn measuring_a_step_leaves_the_data_where_they_stood() {
        let task = TaskSettings::new("copy").with("delay", 3);
        let mut source = TaskSource::new(task.make().unwrap(), 1);
        let spec = source.spec();
        source.next_batch(3);
        let before = source.cursor();
        let config = spec.fit(ModelConfig::new("gru", 1, 8, 1, 1));
        let settings = TrainSettings {
            batch: 2,
            budget: Budget {
                seconds: Some(0.1),
                ..Budget::default()
            },
            ..TrainSettings::default()
        };
        let began = Instant::now();
        let step = step_seconds(&config, &mut source, &settings).unwrap();
        assert!(step > 0.0 && step < began.elapsed().as_secs_f64());
        assert_eq!(source.cursor(), before);

        let other = ModelConfig::new("gru", spec.vocab + 1, 8, 1, spec.seq_len);
        let refused = step_seconds(&other, &mut source, &settings).unwrap_err();
        assert!(refused.to_string().contains("vocab"), "{refused}");
    }
}
