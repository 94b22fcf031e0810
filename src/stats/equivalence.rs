//! Equivalence by two one-sided tests (Schuirmann 1987). An interval that covers zero does not show
//! that there is no difference; one that lies inside a band fixed beforehand does.

use super::Effect;

/// p-value of "the effect lies outside `low`…`high`"; at or under α the two are equivalent, which is
/// the same as the interval of level 1 − 2α lying inside the band.
pub fn tost(effect: &Effect, low: f64, high: f64) -> f64 {
    effect.p_greater(low).max(effect.p_less(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn agrees_with_the_interval_of_level_one_minus_two_alpha() {
        let mut random = SplitMix64::new(9);
        let (mut inside, mut outside) = (0, 0);
        for _ in 0..300 {
            let a: Vec<f64> = (0..6).map(|_| random.normal()).collect();
            let effect = Effect::mean(&a).unwrap();
            let interval = effect.interval(0.90);
            let contained = interval.low >= -1.0 && interval.high <= 1.0;
            assert_eq!(tost(&effect, -1.0, 1.0) <= 0.05, contained);
            if contained { inside += 1 } else { outside += 1 }
        }
        assert!(inside > 20 && outside > 20);
    }

    #[test]
    fn no_evidence_of_difference_is_not_equivalence() {
        let effect = Effect::mean(&[-3.0, 0.1, 2.9]).unwrap();
        assert!(effect.p_value(0.0) > 0.9 && tost(&effect, -0.5, 0.5) > 0.05);
    }
}
