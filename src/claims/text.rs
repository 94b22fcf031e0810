//! Words of the sentences.

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

/// The text, or another word if it is empty.
pub(super) fn or(text: String, otherwise: &str) -> String {
    match text.is_empty() {
        true => otherwise.to_owned(),
        false => text,
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

    #[test]
    fn neighbours_in_the_sweep_become_ranges() {
        let sweep = [32, 64, 128, 256, 512];
        assert_eq!(ranges(&[32, 64, 128], &sweep), "32 to 128");
        assert_eq!(ranges(&[32, 64, 512], &sweep), "32, 64 and 512");
        assert_eq!(ranges(&[32, 128, 256, 512], &sweep), "32 and 128 to 512");
        assert_eq!(ranges(&[64], &sweep), "64");
    }
}
