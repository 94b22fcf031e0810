//! The learning-rate schedule.

use super::{Schedule, TrainSettings};

/// The rate of step `step` (from 0) of `planned` steps: linear warm-up, then a cosine from the peak to
/// `final_lr_ratio` · peak over the rest (Loshchilov & Hutter 2017, one cycle), or peak · √(warm-up /
/// step) (Vaswani et al. 2017). It depends on the step alone, never on the clock.
pub fn learning_rate(settings: &TrainSettings, step: usize, planned: usize) -> f64 {
    let peak = settings.learning_rate;
    if step < settings.warmup_steps {
        return peak * (step + 1) as f64 / settings.warmup_steps as f64;
    }
    if settings.schedule == Schedule::InverseSquareRoot {
        let warmup = settings.warmup_steps.max(1) as f64;
        return peak * (warmup / (step + 1) as f64).sqrt().min(1.0);
    }
    let planned = planned.max(1) as f64;
    let (fraction, start) = (
        step as f64 / planned,
        settings.warmup_steps as f64 / planned,
    );
    let progress = ((fraction - start) / (1.0 - start).max(1e-9)).clamp(0.0, 1.0);
    let cosine = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress));
    peak * (settings.final_lr_ratio + (1.0 - settings.final_lr_ratio) * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// lr = D^−½ · min(s^−½, s · w^−1.5), s from 1, has its peak D^−½ · w^−½ at s = w.
    #[test]
    fn the_inverse_square_root_is_that_of_2017() {
        let (width, warmup) = (512f64, 40);
        let settings = TrainSettings {
            learning_rate: (width * warmup as f64).powf(-0.5),
            warmup_steps: warmup,
            schedule: Schedule::InverseSquareRoot,
            ..TrainSettings::default()
        };
        for step in 0..500 {
            let s = (step + 1) as f64;
            let wanted = width.powf(-0.5) * s.powf(-0.5).min(s * (warmup as f64).powf(-1.5));
            let found = learning_rate(&settings, step, 100);
            assert!((found - wanted).abs() < 1e-12, "{step}: {found} {wanted}");
        }
    }

    #[test]
    fn warms_up_and_falls_to_the_final_ratio() {
        let settings = TrainSettings {
            learning_rate: 2.0,
            warmup_steps: 10,
            final_lr_ratio: 0.1,
            ..TrainSettings::default()
        };
        let rate = |step: usize| learning_rate(&settings, step, 110);
        assert!((rate(0) - 0.2).abs() < 1e-12);
        assert!((rate(9) - 2.0).abs() < 1e-12);
        assert!((rate(10) - 2.0).abs() < 1e-12);
        // Half-way down the cosine: the mean of peak and end.
        assert!((rate(60) - 1.1).abs() < 1e-12);
        assert!((rate(110) - 0.2).abs() < 1e-12);
        assert!((rate(500) - 0.2).abs() < 1e-12);
        assert!((10..110).all(|step| rate(step + 1) < rate(step)));
    }
}
