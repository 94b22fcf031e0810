//! Student's and Welch's intervals against published examples, and their coverage by simulation.

use super::*;
use crate::stats::random::SplitMix64;

fn coverage(trials: usize, mut covers: impl FnMut(&mut SplitMix64) -> bool) -> f64 {
    let mut random = SplitMix64::new(21);
    (0..trials).filter(|_| covers(&mut random)).count() as f64 / trials as f64
}

/// Logarithms of the ratios of timings taken in turn.
fn log_ratios(a: &[f64], b: &[f64]) -> Vec<f64> {
    differences(&logarithms(a).unwrap(), &logarithms(b).unwrap()).unwrap()
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
    let paired = Effect::mean(&differences(&x, &y).unwrap()).unwrap();
    let interval = paired.interval(0.95);
    assert!((interval.low + 2.459_885_8).abs() < 1e-6, "{interval:?}");
    assert!((interval.high + 0.700_114_2).abs() < 1e-6, "{interval:?}");
    let welch = Effect::difference(&x, &y).unwrap();
    let interval = welch.interval(0.95);
    assert!((interval.low + 3.365_483_2).abs() < 1e-6, "{interval:?}");
    assert!((interval.high - 0.205_483_2).abs() < 1e-6, "{interval:?}");
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
            Effect::difference(&a, &b)
                .unwrap()
                .interval(0.95)
                .covers(0.0)
        });
        assert!((0.93..=0.975).contains(&rate), "{n} {m} {spread}: {rate}");
    }
}

#[test]
fn seeds_crossed_with_blocks_are_covered() {
    // Two groups of three seeds on the same eight blocks of text: each seed, each block and each
    // group's share in a block has a random part of its own.
    let matrix = |random: &mut SplitMix64, blocks: &[f64], own: f64| {
        let shares: Vec<f64> = normals(random, blocks.len(), own);
        let row = |random: &mut SplitMix64| {
            let seed = 0.5 * random.normal();
            let cells = blocks.iter().zip(&shares);
            let cells = cells.map(|(block, share)| seed + block + share + 0.2 * random.normal());
            cells.collect::<Vec<f64>>()
        };
        (0..3).map(|_| row(random)).collect::<Vec<_>>()
    };
    for own in [0.0, 0.3, 1.0] {
        let rate = coverage(5_000, |random| {
            let blocks = normals(random, 8, 2.0);
            let (a, b) = (matrix(random, &blocks, own), matrix(random, &blocks, own));
            let effect = Effect::crossed(&a, &b).unwrap();
            effect.interval(0.95).covers(0.0)
        });
        assert!((0.94..=0.99).contains(&rate), "{own}: {rate}");
    }
    // Against a constant, which has blocks and no seeds.
    let rate = coverage(5_000, |random| {
        let blocks = normals(random, 8, 2.0);
        let a = matrix(random, &blocks, 0.5);
        let effect = Effect::crossed(&a, std::slice::from_ref(&blocks)).unwrap();
        effect.interval(0.95).covers(0.0)
    });
    assert!((0.94..=0.99).contains(&rate), "{rate}");
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
        Effect::mean_of_logarithms(&log_ratios(&a, &b))
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
    let relative = differences(&log_ratios(&a, &b), &log_ratios(&c, &d)).unwrap();
    let effect = Effect::mean_of_logarithms(&relative).unwrap();
    let interval = effect.interval(0.95);
    assert!((interval.estimate - 2.0 / 1.5).abs() < 0.01 && interval.half_width() < 0.05);
}

#[test]
fn equal_values_are_no_evidence() {
    let effect = Effect::difference(&[1.0; 12], &[0.125; 12]).unwrap();
    let interval = effect.within(-1.0, 1.0).interval(0.95);
    assert_eq!(
        (interval.low, interval.estimate, interval.high),
        (-1.0, 0.875, 1.0)
    );
    let interval = Effect::mean(&[3.0; 5]).unwrap().interval(0.5);
    assert!(interval.low == f64::MIN && interval.high == f64::MAX);
}

#[test]
fn rates_are_exact() {
    let five = Effect::rates((5, 5), (0, 5)).unwrap();
    let interval = five.interval(0.95);
    // sup over p of ((1 + δ)/2)^10 = .025
    assert!(
        (interval.low - (2.0 * 0.025f64.powf(0.1) - 1.0)).abs() < 1e-3,
        "{interval:?}"
    );
    assert_eq!((interval.estimate, interval.high), (1.0, 1.0));
    assert_eq!(five.statistic(), Statistic::Exact);
    let interval = Effect::rate(7, 7).unwrap().interval(0.95);
    assert!((interval.low - 0.025f64.powf(1.0 / 7.0)).abs() < 1e-9 && interval.high == 1.0);
    assert!(Effect::rates((0, 0), (1, 2)).is_err() && Effect::rate(0, 0).is_err());
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
        Effect::crossed(&[vec![1.0]], &[vec![1.0, 2.0]]),
        Err(StatsError::Unpaired { .. })
    ));
    assert!(Effect::crossed(&[vec![1.0, 2.0]], &[vec![1.0]]).is_err());
}

#[test]
fn any_interval_survives_json() {
    let wild = Effect::ratio(&[1e-300, 1e300], &[1.0, 1.0])
        .unwrap()
        .interval(0.9999);
    assert!(wild.low > 0.0 && wild.high.is_finite() && wild.estimate.is_finite());
}
