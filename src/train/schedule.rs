//! The learning-rate schedule.

use super::TrainSettings;

/// The rate of step `step` (from 0): linear warm-up, then a cosine from the peak to
/// `final_lr_ratio` · peak as `fraction` of the budget goes from the end of the warm-up to 1
/// (Loshchilov & Hutter 2017, one cycle). `fraction` is `step / planned` for a budget in steps or
/// tokens and the elapsed share for a budget in seconds.
pub fn learning_rate(
    settings: &TrainSettings,
    step: usize,
    planned: Option<usize>,
    fraction: f64,
) -> f64 {
    let peak = settings.learning_rate;
    if step < settings.warmup_steps {
        return peak * (step + 1) as f64 / settings.warmup_steps as f64;
    }
    // Under a budget in seconds the warm-up's share of it is not known beforehand: the cosine then
    // runs over the whole budget, of which warm-up is a small part.
    let start = planned.map_or(0.0, |n| settings.warmup_steps as f64 / n.max(1) as f64);
    let progress = ((fraction - start) / (1.0 - start).max(1e-9)).clamp(0.0, 1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
    peak * (settings.final_lr_ratio + (1.0 - settings.final_lr_ratio) * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_and_falls_to_the_final_ratio() {
        let settings = TrainSettings {
            learning_rate: 2.0,
            warmup_steps: 10,
            final_lr_ratio: 0.1,
            ..TrainSettings::default()
        };
        let rate = |step: usize| learning_rate(&settings, step, Some(110), step as f64 / 110.0);
        assert!((rate(0) - 0.2).abs() < 1e-12);
        assert!((rate(9) - 2.0).abs() < 1e-12);
        assert!((rate(10) - 2.0).abs() < 1e-12);
        // Half-way down the cosine: the mean of peak and end.
        assert!((rate(60) - 1.1).abs() < 1e-12);
        assert!((rate(110) - 0.2).abs() < 1e-12);
        assert!((rate(500) - 0.2).abs() < 1e-12);
        assert!((10..110).all(|step| rate(step + 1) < rate(step)));
    }

    #[test]
    fn time_drives_the_cosine_when_steps_are_not_planned() {
        let settings = TrainSettings {
            warmup_steps: 0,
            final_lr_ratio: 0.0,
            learning_rate: 1.0,
            ..TrainSettings::default()
        };
        assert_eq!(learning_rate(&settings, 7, None, 0.5), 0.5);
        assert_eq!(learning_rate(&settings, 7, None, 0.0), 1.0);
    }
}
