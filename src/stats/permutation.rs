//! Exact and sampled permutation tests: p-values without any assumption on the distribution. With
//! few observations they cannot be small: of 3 against 3 at least 0.1.

use super::random::SplitMix64;
use super::{StatsError, check, mean};

/// Above this many arrangements they are sampled.
const EXACT: u64 = 50_000;
/// Arrangements drawn when sampled.
const DRAWN: usize = 20_000;

/// Two-sided p-value of "the pairs are exchangeable" for the mean of a − b: all 2ⁿ sign flips
/// (Fisher 1935), or a seeded sample of them.
pub fn paired(a: &[f64], b: &[f64], seed: u64) -> Result<f64, StatsError> {
    if a.len() != b.len() {
        return Err(StatsError::Unpaired {
            left: a.len(),
            right: b.len(),
        });
    }
    check(a, 2)?;
    check(b, 2)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let observed = threshold(differences.iter().sum::<f64>().abs(), &differences);
    let flipped = |signs: &mut dyn FnMut(usize) -> bool| -> f64 {
        let signed = differences
            .iter()
            .enumerate()
            .map(|(i, d)| if signs(i) { *d } else { -d });
        signed.sum::<f64>().abs()
    };
    if differences.len() < 16 {
        let all = 1u64 << differences.len();
        let extreme = (0..all).filter(|bits| flipped(&mut |i| bits >> i & 1 == 1) >= observed);
        return Ok(extreme.count() as f64 / all as f64);
    }
    let mut random = SplitMix64::new(seed);
    let extreme = (0..DRAWN).filter(|_| flipped(&mut |_| random.next_u64() >> 63 == 1) >= observed);
    Ok(sampled(extreme.count()))
}

/// Two-sided p-value of "both samples come from one distribution" for the difference of means:
/// all ways to deal the values into two groups, or a seeded sample of them.
pub fn two_sample(a: &[f64], b: &[f64], seed: u64) -> Result<f64, StatsError> {
    check(a, 2)?;
    check(b, 2)?;
    let mut pool: Vec<f64> = a.iter().chain(b).copied().collect();
    let center = mean(&pool);
    pool.iter_mut().for_each(|v| *v -= center);
    let take = a.len();
    // With the pooled mean gone, the difference of means grows with |sum of the first group|.
    let observed = threshold(pool[..take].iter().sum::<f64>().abs(), &pool);
    if combinations(pool.len(), take) <= EXACT {
        let (mut extreme, mut all) = (0u64, 0u64);
        deal(&pool, take, 0.0, &mut |sum| {
            all += 1;
            extreme += u64::from(sum.abs() >= observed);
        });
        return Ok(extreme as f64 / all as f64);
    }
    let mut random = SplitMix64::new(seed);
    let extreme = (0..DRAWN).filter(|_| {
        for i in 0..take {
            let other = i + random.below(pool.len() - i);
            pool.swap(i, other);
        }
        pool[..take].iter().sum::<f64>().abs() >= observed
    });
    Ok(sampled(extreme.count()))
}

/// The observed arrangement itself must count, whatever rounding does.
fn threshold(observed: f64, values: &[f64]) -> f64 {
    observed - 1e-12 * values.iter().map(|v| v.abs()).sum::<f64>()
}

/// The observed arrangement belongs to the sample (Phipson & Smyth 2010): never 0.
fn sampled(extreme: usize) -> f64 {
    (extreme + 1) as f64 / (DRAWN + 1) as f64
}

fn combinations(n: usize, k: usize) -> u64 {
    let k = k.min(n - k);
    (0..k).fold(1u64, |c, i| {
        c.saturating_mul((n - i) as u64) / (i + 1) as u64
    })
}

/// Visits the sum of every choice of `take` of the values.
fn deal(values: &[f64], take: usize, sum: f64, visit: &mut dyn FnMut(f64)) {
    if take == 0 {
        return visit(sum);
    }
    if values.len() < take {
        return;
    }
    deal(&values[1..], take - 1, sum + values[0], visit);
    deal(&values[1..], take, sum, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn darwins_plants_give_fishers_p() {
        // Fisher 1935, §21: Darwin's 15 pairs of Zea mays, in eighths of an inch; 1726 of 2^15
        // arrangements are as extreme in either direction (863 in one): p = .05267.
        let differences = [
            49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0,
            -48.0,
        ];
        let p = paired(&differences, &[0.0; 15], 0).unwrap();
        assert!((p - 1726.0 / 32768.0).abs() < 1e-12, "{p}");
    }

    #[test]
    fn separated_groups_have_the_least_possible_p() {
        // 3 against 3: 2 of 20 deals are as extreme.
        assert!((two_sample(&[1.0, 1.1, 1.2], &[0.1, 0.2, 0.3], 0).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(two_sample(&[1.0, 1.0], &[1.0, 1.0], 0).unwrap(), 1.0);
    }

    #[test]
    fn sampled_agrees_with_exact() {
        let mut random = SplitMix64::new(5);
        let a: Vec<f64> = (0..20).map(|_| random.normal() + 0.6).collect();
        let b: Vec<f64> = (0..20).map(|_| random.normal()).collect();
        let p = two_sample(&a, &b, 1).unwrap();
        let t = crate::stats::Effect::difference(&a, &b, 0.0)
            .unwrap()
            .p_value(0.0);
        assert!((p - t).abs() < 0.02, "{p} {t}");
        let p = paired(&a, &b, 1).unwrap();
        let t = crate::stats::Effect::paired_difference(&a, &b)
            .unwrap()
            .p_value(0.0);
        assert!((p - t).abs() < 0.02, "{p} {t}");
    }

    #[test]
    fn under_the_null_small_p_are_as_rare_as_they_say() {
        let mut random = SplitMix64::new(6);
        let trials = 2000;
        let small = (0..trials).filter(|_| {
            let a: Vec<f64> = (0..5).map(|_| random.uniform().powi(3)).collect();
            let b: Vec<f64> = (0..5).map(|_| random.uniform().powi(3)).collect();
            two_sample(&a, &b, 0).unwrap() <= 0.05
        });
        let rate = small.count() as f64 / trials as f64;
        // 252 deals: the attainable level is 12/252 = .0476.
        assert!((0.035..=0.06).contains(&rate), "{rate}");
    }
}
