//! Holm's step-down correction (Holm 1979) for several comparisons in one report.
//!
//! The comparison with the k-th smallest of m p-values is decided at α/(m − k + 1), and none is
//! decided after the first that fails. [`levels`] turns this into the level of each comparison's
//! interval, so that *the interval excludes the margin exactly when Holm decides the comparison*:
//! what a reader sees and what the verdict says cannot disagree. The chance that any decision of
//! the report is wrong is at most α. (The intervals are a display of these decisions; read together
//! as a confidence region they cover less than Bonferroni's would.)

/// p-values corrected for their number, in the order given: the α at which each would be decided.
pub fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut result = vec![1.0; m];
    let mut largest: f64 = 0.0;
    for (rank, &index) in ascending(p_values).iter().enumerate() {
        largest = largest.max(p_values[index] * (m - rank) as f64).min(1.0);
        result[index] = largest;
    }
    result
}

/// For each comparison the level of its interval: 1 − α/(m − k + 1) for those decided, and the
/// level of the step that failed for all others.
pub fn levels(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let m = p_values.len();
    let mut result = vec![1.0 - alpha; m];
    let mut failed = None;
    for (rank, &index) in ascending(p_values).iter().enumerate() {
        let share = failed.unwrap_or(alpha / (m - rank) as f64);
        if p_values[index] > share {
            failed = Some(share);
        }
        result[index] = 1.0 - share;
    }
    result
}

/// Indices by growing p-value; equal ones in the order given.
fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusts_the_textbook_example() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") = 0.03 0.06 0.06 0.02
        let adjusted = adjusted(&[0.01, 0.04, 0.03, 0.005]);
        for (value, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((value - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn levels_follow_the_steps_and_stop_at_the_first_failure() {
        // Steps at .05/4, .05/3, .05/2: .005 and .01 are decided, .03 > .025 is not, and .04 keeps
        // the level of the failed step although .04 < .05.
        let levels = levels(&[0.01, 0.04, 0.03, 0.005], 0.05);
        let expected = [1.0 - 0.05 / 3.0, 1.0 - 0.025, 1.0 - 0.025, 1.0 - 0.0125];
        for (level, expected) in levels.iter().zip(expected) {
            assert!((level - expected).abs() < 1e-12, "{levels:?}");
        }
    }

    #[test]
    fn deciding_by_level_is_deciding_by_adjusted_p() {
        let mut random = crate::stats::random::SplitMix64::new(3);
        for _ in 0..500 {
            let p: Vec<f64> = (0..8).map(|_| random.uniform().powi(4)).collect();
            let by_level = levels(&p, 0.05)
                .iter()
                .zip(&p)
                .map(|(l, p)| *p <= 1.0 - l)
                .collect::<Vec<_>>();
            let by_p = adjusted(&p).iter().map(|p| *p <= 0.05).collect::<Vec<_>>();
            assert_eq!(by_level, by_p, "{p:?}");
        }
    }

    #[test]
    fn nothing_to_correct_is_no_error() {
        assert!(adjusted(&[]).is_empty() && levels(&[], 0.05).is_empty());
        assert!((levels(&[0.2], 0.05)[0] - 0.95).abs() < 1e-12);
    }
}
