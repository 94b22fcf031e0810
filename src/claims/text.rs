//! Words and numbers of the sentences. Brackets always hold an interval.

use crate::stats::Interval;
use std::fmt::Display;

/// The model's name with its article, as it stands inside a sentence.
pub(super) fn the(model: &str) -> String {
    let name = match model {
        "elman" => "Elman RNN",
        other => other,
    };
    format!("the {}", name.replace("lstm", "LSTM").replace("gru", "GRU"))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    match items.pop() {
        None => String::new(),
        Some(one) if items.is_empty() => one,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

/// The same with semicolons, for items with commas of their own.
pub(super) fn semicolons(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join("; ")
}

/// A sentence about these items; nothing if there are none.
pub(super) fn unless_empty(items: String, sentence: impl FnOnce(String) -> String) -> String {
    match items.is_empty() {
        true => items,
        false => sentence(items),
    }
}

/// Words before each item that is not empty.
pub(super) fn phrases<W: Display>(items: impl IntoIterator<Item = (W, String)>) -> Vec<String> {
    let there = items.into_iter().filter(|(_, item)| !item.is_empty());
    there
        .map(|(words, item)| format!("{words}{item}"))
        .collect()
}

/// Sizes as runs of neighbours in the sweep: `32 to 512`, `32, 64 and 1024`.
pub(super) fn ranges(values: &[usize], sweep: &[usize]) -> String {
    let place = |v: usize| sweep.iter().position(|s| *s == v);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for &value in values {
        match runs.last_mut() {
            Some(run) if place(run[run.len() - 1]).map(|p| p + 1) == place(value) => {
                run.push(value)
            }
            _ => runs.push(vec![value]),
        }
    }
    let words = runs.iter().flat_map(|run| match run.as_slice() {
        [first, .., last] if run.len() > 2 => vec![format!("{first} to {last}")],
        few => few.iter().map(usize::to_string).collect(),
    });
    list(words)
}

/// Three digits or so of a positive factor.
fn factor(value: f64) -> String {
    match value {
        v if v >= 1000.0 => "over 1000".to_owned(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v if v >= 0.001 => format!("{v:.3}"),
        _ => "under 0.001".to_owned(),
    }
}

/// `2.31× [2.10, 2.54]`.
pub(super) fn times(i: Interval) -> String {
    bare(i).replacen(" [", "× [", 1)
}

/// `2.31 [2.10, 2.54]` of a factor.
pub(super) fn bare(i: Interval) -> String {
    let [estimate, low, high] = [i.estimate, i.low, i.high].map(factor);
    format!("{estimate} [{low}, {high}]")
}

/// A signed decimal with a true minus; no `−0.00`.
pub(super) fn decimal(value: f64, places: usize) -> String {
    let text = format!("{:.places$}", value.abs());
    if value < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
        format!("−{text}")
    } else {
        text
    }
}

/// `0.83 [0.71, 0.90]`.
pub(super) fn plain(i: Interval, places: usize) -> String {
    let [estimate, low, high] = [i.estimate, i.low, i.high].map(|v| decimal(v, places));
    format!("{estimate} [{low}, {high}]")
}

/// `31.2 % [28.0, 34.1]` of a share.
pub(super) fn percent(i: Interval) -> String {
    let [estimate, low, high] = [i.estimate, i.low, i.high].map(|v| decimal(100.0 * v, 1));
    format!("{estimate} % [{low}, {high}]")
}

/// `6 of 6 runs [61 to 100 %]`, with Wilson's 95 % interval.
pub(super) fn solved(successes: usize, n: usize) -> String {
    let i = crate::stats::wilson(successes, n, 0.95);
    format!(
        "{successes} of {n} runs [{:.0} to {:.0} %]",
        100.0 * i.low,
        100.0 * i.high
    )
}

/// The first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, estimate: f64, high: f64) -> Interval {
        Interval {
            low,
            estimate,
            high,
            level: 0.95,
            n: 3,
        }
    }

    #[test]
    fn numbers_read_naturally() {
        assert_eq!(times(interval(2.1, 2.314, 2.54)), "2.31× [2.10, 2.54]");
        assert_eq!(
            times(interval(1e-9, 12.34, f64::MAX)),
            "12.3× [under 0.001, over 1000]"
        );
        assert_eq!(plain(interval(-0.001, 0.2, 0.4), 2), "0.20 [0.00, 0.40]");
        assert_eq!(plain(interval(-0.4, -0.2, 0.0), 2), "−0.20 [−0.40, 0.00]");
        assert_eq!(percent(interval(0.01, 0.023, 0.04)), "2.3 % [1.0, 4.0]");
        assert_eq!(solved(3, 3), "3 of 3 runs [44 to 100 %]");
    }

    #[test]
    fn neighbours_in_the_sweep_become_ranges() {
        let sweep = [32, 64, 128, 256, 512];
        assert_eq!(ranges(&[32, 64, 128], &sweep), "32 to 128");
        assert_eq!(ranges(&[32, 64, 512], &sweep), "32, 64 and 512");
        assert_eq!(ranges(&[32, 128, 256, 512], &sweep), "32 and 128 to 512");
        assert_eq!(ranges(&[64], &sweep), "64");
    }
}
