//! Coverage of the bootstrap intervals by simulation, and what they refuse.

use super::*;

type Draw = fn(&mut SplitMix64) -> f64;
const NORMAL: Draw = |random| random.normal();
const EXPONENTIAL: Draw = |random| -(1.0 - random.uniform()).ln();
const LOG_NORMAL: Draw = |random| (0.5 * random.normal()).exp();

fn sample(random: &mut SplitMix64, n: usize, draw: Draw) -> Vec<f64> {
    (0..n).map(|_| draw(random)).collect()
}

/// Share of 95 % intervals that hold the truth.
fn coverage(statistic: Statistic, n: usize, draw: Draw, truth: f64) -> f64 {
    let mut random = SplitMix64::new(31);
    let resampling = Resampling {
        replicates: 500,
        ..Resampling::default()
    };
    let trials = 1500;
    let covered = (0..trials).filter(|_| {
        let sample = sample(&mut random, n, draw);
        interval(statistic, &sample, 0.95, resampling)
            .unwrap()
            .covers(truth)
    });
    covered.count() as f64 / trials as f64
}

#[test]
fn covers_known_distributions() {
    let ln2 = std::f64::consts::LN_2;
    let cases = [
        ("mean, normal", Statistic::Mean, 12, NORMAL, 0.0),
        ("mean, normal", Statistic::Mean, 30, NORMAL, 0.0),
        (
            "mean, log-normal",
            Statistic::Mean,
            60,
            LOG_NORMAL,
            0.125f64.exp(),
        ),
        ("median, normal", Statistic::Median, 25, NORMAL, 0.0),
        (
            "median, exponential",
            Statistic::Median,
            40,
            EXPONENTIAL,
            ln2,
        ),
        ("t instead, normal", Statistic::Mean, 3, NORMAL, 0.0),
        ("t instead, normal", Statistic::Mean, 5, NORMAL, 0.0),
        ("median, log-normal", Statistic::Median, 15, LOG_NORMAL, 1.0),
    ];
    for (name, statistic, n, draw, truth) in cases {
        let rate = coverage(statistic, n, draw, truth);
        assert!((0.93..=0.97).contains(&rate), "{name}, n = {n}: {rate}");
    }
}

/// Share of intervals over pairs of samples that hold the truth.
fn coverage_of_two(
    (n, m): (usize, usize),
    trials: usize,
    truth: f64,
    of: impl Fn(&[f64], &[f64], Resampling) -> Interval,
) -> f64 {
    let mut random = SplitMix64::new(32);
    let resampling = Resampling {
        replicates: 500,
        ..Resampling::default()
    };
    let covered = (0..trials).filter(|_| {
        let a: Vec<f64> = sample(&mut random, n, LOG_NORMAL)
            .iter()
            .map(|v| 2.0 * v)
            .collect();
        let b = sample(&mut random, m, LOG_NORMAL);
        of(&a, &b, resampling).covers(truth)
    });
    covered.count() as f64 / trials as f64
}

#[test]
fn ratios_and_differences_are_covered() {
    for size in [(30, 30), (20, 40)] {
        let rate = coverage_of_two(size, 1000, 2.0, |a, b, r| {
            ratio(Statistic::Median, a, b, 0.95, r).unwrap()
        });
        assert!(
            (0.93..=0.975).contains(&rate),
            "ratio of medians {size:?}: {rate}"
        );
        let rate = coverage_of_two(size, 1000, 1.0, |a, b, r| {
            difference(Statistic::Median, a, b, 0.95, r).unwrap()
        });
        assert!(
            (0.93..=0.975).contains(&rate),
            "difference of medians {size:?}: {rate}"
        );
    }
    let rate = coverage_of_two((60, 60), 4000, 0.125f64.exp(), |a, b, r| {
        difference(Statistic::Mean, a, b, 0.95, r).unwrap()
    });
    assert!((0.93..=0.97).contains(&rate), "difference of means: {rate}");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_nearly_the_same() {
    let sample = sample(&mut SplitMix64::new(1), 30, EXPONENTIAL);
    let with = |seed| {
        let resampling = Resampling {
            seed,
            ..Resampling::default()
        };
        interval(Statistic::Mean, &sample, 0.95, resampling).unwrap()
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
    assert!((with(1).low - with(2).low).abs() < 0.15 * with(1).half_width());
}

#[test]
fn small_samples_hold_the_estimate_and_one_value_is_refused() {
    let i = median_interval(&[1.0, 1.0, 1.1, 9.0], 0.95).unwrap();
    assert_eq!(i.estimate, 1.05);
    assert!(i.covers(1.05) && i.n == 4 && i.level == 0.95);
    assert!(matches!(
        median_interval(&[1.0], 0.95),
        Err(StatsError::TooFew { .. })
    ));
    assert!(matches!(
        mean_interval(&[], 0.95),
        Err(StatsError::TooFew { .. })
    ));
    assert!(mean_interval(&[1.0, f64::INFINITY], 0.95).is_err());
    assert!(
        ratio(
            Statistic::Mean,
            &[1.0, -1.0],
            &[1.0, 1.0],
            0.95,
            Resampling::default()
        )
        .is_err()
    );
    let flat = mean_interval(&[2.0; 20], 0.95).unwrap();
    assert_eq!((flat.low, flat.high), (2.0, 2.0));
}
