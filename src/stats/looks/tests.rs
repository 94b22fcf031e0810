//! False answers and coverage over whole sequences of looks, by simulation.

use super::*;

const ALPHA: f64 = 0.05;
const TRIALS: usize = 12_000;

/// How often, over sequences of looks at effects whose truth is `truth`, the answer is false at these
/// margins, and how often the interval of the last look covers the truth.
fn rates(
    looks: &Looks,
    truth: f64,
    margins: (f64, f64),
    draw: impl Fn(&mut SplitMix64) -> f64,
    effect: impl Fn(&[f64], &[f64]) -> Effect,
) -> (f64, f64) {
    let mut random = SplitMix64::new(77);
    let most = *looks.after().last().unwrap();
    let (mut wrong, mut covered) = (0, 0);
    for _ in 0..TRIALS {
        let a: Vec<f64> = (0..most).map(|_| draw(&mut random) + truth).collect();
        let b: Vec<f64> = (0..most).map(|_| draw(&mut random)).collect();
        let effects = looks.after().iter().map(|&n| effect(&a[..n], &b[..n]));
        let effects: Vec<Effect> = effects.collect();
        let ended = looks.decide(&effects, margins, ALPHA).unwrap();
        let right = match ended.position {
            Position::Above => truth > margins.1,
            Position::Below => truth < margins.0,
            Position::Within => (margins.0..=margins.1).contains(&truth),
            Position::Open => true,
        };
        wrong += usize::from(!right);
        covered += usize::from(ended.interval.covers(truth));
    }
    (wrong as f64 / TRIALS as f64, covered as f64 / TRIALS as f64)
}

fn difference(a: &[f64], b: &[f64]) -> Effect {
    Effect::difference(a, b).unwrap()
}

fn exponential(random: &mut SplitMix64) -> f64 {
    -libm::log(1.0 - random.uniform())
}

#[test]
fn at_most_one_answer_in_twenty_is_false_and_intervals_cover() {
    let plans = [&[3, 5, 8, 12][..], &[5, 8, 12], &[3, 6], &[5]];
    for plan in plans {
        let looks = Looks::new(plan);
        // Truths on either side of a margin, where a false answer is easiest, and in the middle.
        for truth in [0.0, 0.99, 1.01, 3.0] {
            let margins = (-1.0, 1.0);
            let of = |name: &str, (wrong, covered): (f64, f64)| {
                assert!(wrong <= 0.054, "{name} {plan:?} {truth}: {wrong} false");
                assert!(
                    covered >= 0.93,
                    "{name} {plan:?} {truth}: {covered} covered"
                );
            };
            let normal = |random: &mut SplitMix64| random.normal();
            of("normal", rates(&looks, truth, margins, normal, difference));
            let one = |a: &[f64], _: &[f64]| Effect::mean(a).unwrap();
            of(
                "one normal sample",
                rates(&looks, truth, margins, normal, one),
            );
            of(
                "exponential",
                rates(&looks, truth, margins, exponential, difference),
            );
            // A few far values among normal ones, in both groups alike.
            let tailed = |random: &mut SplitMix64| {
                random.normal() * if random.uniform() < 0.1 { 4.0 } else { 1.0 }
            };
            of("tailed", rates(&looks, truth, margins, tailed, difference));
            let unequal = |a: &[f64], b: &[f64]| {
                let wide: Vec<f64> = b.iter().map(|v| 4.0 * v).collect();
                difference(a, &wide)
            };
            of(
                "unequal spread",
                rates(&looks, truth, margins, normal, unequal),
            );
        }
    }
}

#[test]
fn solved_or_not_is_exact_over_all_looks() {
    // Two groups that solve a task with these chances; the claim is of a difference above a tenth.
    let looks = Looks::new(&[5, 8, 12]);
    let margins = (-0.1, 0.1);
    // How each outcome would end at each look, worked out once.
    let mut ends = HashMap::new();
    for &n in looks.after() {
        for i in 0..=n {
            for j in 0..=n {
                let effect = Effect::rates((i, n), (j, n)).unwrap();
                let level = looks.level(Statistic::Exact, ALPHA);
                ends.insert((n, i, j), position(effect.interval(level), margins));
            }
        }
    }
    for (p, q) in [
        (0.5, 0.45),
        (0.95, 0.85),
        (1.0, 0.91),
        (0.1, 0.1),
        (0.9, 0.1),
    ] {
        let mut random = SplitMix64::new(5);
        let trials = 20_000;
        let wrong = (0..trials).filter(|_| {
            let mut draws = |rate: f64| {
                (0..12)
                    .map(|_| random.uniform() < rate)
                    .collect::<Vec<bool>>()
            };
            let (a, b) = (draws(p), draws(q));
            let solved = |s: &[bool]| s.iter().filter(|s| **s).count();
            let mut at = looks
                .after()
                .iter()
                .map(|&n| ends[&(n, solved(&a[..n]), solved(&b[..n]))]);
            match at.find(|position| *position != Position::Open) {
                Some(Position::Above) => p - q <= 0.1,
                Some(Position::Below) => p - q >= -0.1,
                Some(Position::Within) => (p - q).abs() > 0.1,
                _ => false,
            }
        });
        let share = wrong.count() as f64 / trials as f64;
        assert!(share <= 0.05, "{p} {q}: {share}");
    }
}

#[test]
fn more_looks_cost_level_and_one_look_costs_none() {
    let level = |plan: &[usize], statistic| Looks::new(plan).level(statistic, ALPHA);
    assert_eq!(level(&[5], Statistic::Difference), 0.95);
    let several = level(&[3, 5, 8, 12], Statistic::Difference);
    // Between independent looks and one look.
    assert!((0.975..=0.9875).contains(&several), "{several}");
    assert_eq!(level(&[5, 8], Statistic::Exact), 0.975);
    assert_eq!(level(&[5, 8], Statistic::Counted), 0.95);
    let small = Looks::new(&[3, 5, 8, 12]).level(Statistic::Mean, 1e-6);
    assert!(
        (1.0 - small - 2.5e-7).abs() < 1e-12,
        "below the simulation's resolution, shared"
    );
}

#[test]
fn a_comparison_stops_at_the_first_look_that_decides_it() {
    let looks = Looks::new(&[3, 5]);
    let clear = Effect::mean(&[5.0, 5.1, 4.9]).unwrap();
    let other = Effect::mean(&[5.0, 5.1, 4.9, -90.0, -90.0]).unwrap();
    let ended = looks.decide(&[clear, other], (-1.0, 1.0), ALPHA).unwrap();
    assert_eq!((ended.looks, ended.position), (1, Position::Above));
    assert_eq!(looks.decide(&[], (-1.0, 1.0), ALPHA), None);
    let equal = Effect::mean(&[5.0; 5]).unwrap();
    let ended = looks.decide(&[equal], (-1.0, 1.0), ALPHA).unwrap();
    assert_eq!(ended.position, Position::Open, "equal values never decide");
}
