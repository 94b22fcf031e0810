//! Student's and Welch's intervals against published examples, and their coverage by simulation.

use super::*;
use crate::stats::random::SplitMix64;

fn coverage(trials: usize, mut covers: impl FnMut(&mut SplitMix64) -> bool) -> f64 {
    let mut random = SplitMix64::new(21);
    (0..trials).filter(|_| covers(&mut random)).count() as f64 / trials as f64
}

fn normals(random: &mut SplitMix64, n: usize, deviation: f64) -> Vec<f64> {
    (0..n).map(|_| deviation * random.normal()).collect()
}

#[test]
fn student_gives_the_published_interval_of_sleep() {
    // Student 1908: extra hours of sleep of ten patients; R: t.test(x, y, paired = TRUE) gives
    // -2.4598858 .. -0.7001142, p = .002833; Welch's t.test(x, y) gives -3.3654832 .. 0.2054832,
    // p = .07939.
    let x = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
    let y = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
    let paired = Effect::paired_difference(&x, &y).unwrap();
    let interval = paired.interval(0.95);
    assert!((interval.low + 2.459_885_8).abs() < 1e-6, "{interval:?}");
    assert!((interval.high + 0.700_114_2).abs() < 1e-6, "{interval:?}");
    assert!((paired.p_value(0.0) - 0.002_833).abs() < 1e-6);
    let welch = Effect::difference(&x, &y, 0.0).unwrap();
    let interval = welch.interval(0.95);
    assert!((interval.low + 3.365_483_2).abs() < 1e-6, "{interval:?}");
    assert!((interval.high - 0.205_483_2).abs() < 1e-6, "{interval:?}");
    assert!((welch.p_value(0.0) - 0.079_39).abs() < 1e-5);
}

#[test]
fn the_interval_of_level_one_minus_p_ends_at_the_hypothesis() {
    let effect = Effect::paired_ratio(&[2.1, 2.3, 1.9, 2.2], &[1.0, 1.2, 1.1, 1.0]).unwrap();
    for value in [1.5, 1.9, 2.2] {
        let interval = effect.interval(1.0 - effect.p_value(value));
        let end = if value < interval.estimate {
            interval.low
        } else {
            interval.high
        };
        assert!((end - value).abs() < 1e-6, "{interval:?} {value}");
    }
    assert!((effect.p_greater(1.9) + effect.p_less(1.9) - 1.0).abs() < 1e-12);
}

#[test]
fn three_values_are_covered_as_often_as_said() {
    for n in [2, 3, 5] {
        let rate = coverage(20_000, |random| {
            Effect::mean(&normals(random, n, 1.0))
                .unwrap()
                .interval(0.95)
                .covers(0.0)
        });
        assert!((0.94..=0.96).contains(&rate), "n = {n}: {rate}");
    }
}

#[test]
fn groups_of_unequal_spread_are_covered() {
    for (n, m, spread) in [(3, 3, 1.0), (3, 3, 3.0), (5, 3, 0.5), (5, 10, 2.0)] {
        let rate = coverage(20_000, |random| {
            let (a, b) = (normals(random, n, 1.0), normals(random, m, spread));
            Effect::difference(&a, &b, 0.0)
                .unwrap()
                .interval(0.95)
                .covers(0.0)
        });
        assert!((0.93..=0.975).contains(&rate), "{n} {m} {spread}: {rate}");
    }
}

#[test]
fn strata_of_three_seeds_are_covered() {
    let rate = coverage(20_000, |random| {
        let groups: Vec<Vec<f64>> = [0.2, 1.0, 0.5, 1.0]
            .iter()
            .map(|s| normals(random, 3, *s))
            .collect();
        let strata = [
            (&groups[0][..], &groups[1][..]),
            (&groups[2][..], &groups[3][..]),
        ];
        Effect::stratified_difference(&strata, 0.0)
            .unwrap()
            .interval(0.95)
            .covers(0.0)
    });
    assert!((0.93..=0.97).contains(&rate), "{rate}");
}

#[test]
fn skewed_timings_taken_in_turn_are_covered() {
    // Log-normal times with a drift that both share and now and then a hiccup of either.
    let rate = coverage(20_000, |random| {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let drift = 1.0 + random.uniform();
            let mut time = |base: f64| {
                let hiccup = if random.uniform() < 0.1 { 1.5 } else { 1.0 };
                base * drift * hiccup * (0.05 * random.normal()).exp()
            };
            a.push(time(2.0));
            b.push(time(1.0));
        }
        Effect::paired_ratio(&a, &b)
            .unwrap()
            .interval(0.95)
            .covers(2.0)
    });
    assert!((0.93..=0.985).contains(&rate), "{rate}");
}

#[test]
fn ratio_of_paired_ratios_cancels_drift() {
    let (a, b) = ([4.0, 8.0, 4.4], [2.0, 4.0, 2.2]);
    let (c, d) = ([3.0, 6.0, 9.1], [2.0, 4.0, 6.0]);
    let effect = Effect::ratio_of_paired_ratios((&a, &b), (&c, &d)).unwrap();
    let interval = effect.interval(0.95);
    assert!((interval.estimate - 2.0 / 1.5).abs() < 0.01 && interval.half_width() < 0.05);
}

#[test]
fn seeds_that_agree_exactly_keep_a_width() {
    let effect = Effect::difference(&[1.0; 3], &[0.125; 3], 0.01)
        .unwrap()
        .within(-1.0, 1.0);
    let interval = effect.interval(0.95);
    // s = .01: half-width t(.975, 4)·.01·√(2/3) = 2.776·.00816
    assert!(
        (interval.half_width() - 0.022_67).abs() < 1e-4,
        "{interval:?}"
    );
    assert!(
        Effect::difference(&[1.0; 3], &[0.0; 3], 0.01)
            .unwrap()
            .within(-1.0, 1.0)
            .interval(0.99)
            .high
            <= 1.0
    );
}

#[test]
fn refuses_what_has_no_interval() {
    assert!(matches!(
        Effect::mean(&[1.0]),
        Err(StatsError::TooFew { have: 1, need: 2 })
    ));
    assert!(matches!(
        Effect::mean(&[1.0, f64::NAN]),
        Err(StatsError::Unusable { .. })
    ));
    assert!(matches!(
        Effect::ratio(&[1.0, 0.0], &[1.0, 1.0]),
        Err(StatsError::Unusable { .. })
    ));
    assert!(matches!(
        Effect::paired_ratio(&[1.0], &[1.0, 2.0]),
        Err(StatsError::Unpaired { .. })
    ));
    assert!(Effect::stratified_difference(&[], 0.0).is_err());
}

#[test]
fn any_interval_survives_json() {
    let wild = Effect::ratio(&[1e-300, 1e300], &[1.0, 1.0])
        .unwrap()
        .interval(0.9999);
    assert!(wild.low > 0.0 && wild.high.is_finite() && wild.estimate.is_finite());
    // No spread at all: decided, with p = 0 and an interval of no width.
    let flat = Effect::mean(&[2.0, 2.0]).unwrap();
    assert_eq!((flat.p_value(1.0), flat.p_value(2.0)), (0.0, 1.0));
    assert_eq!(flat.interval(0.95).half_width(), 0.0);
}
