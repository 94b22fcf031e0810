//! Scores of translations: BLEU and chrF as sacreBLEU 2.6.0 computes them, and exact matches.

mod bleu;
mod chrf;

pub use bleu::{Bleu, tokenize_13a};
pub use chrf::Chrf;

use std::collections::HashMap;
use std::hash::Hash;

/// What all pairs of a translation and its reference score together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Share of translations that are their reference, 0…1.
    pub exact: f64,
    /// chrF2, 0…100.
    pub chrf: f64,
    /// Corpus BLEU, 0…100.
    pub bleu: f64,
}

/// Scores (translation, reference) pairs; `None` if there are none.
pub fn scores<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Scores> {
    let (mut bleu, mut chrf) = (Bleu::default(), Chrf::new(0));
    let (mut exact, mut all) = (0usize, 0usize);
    for (translation, reference) in pairs {
        bleu.add(translation, reference);
        chrf.add(translation, reference);
        exact += usize::from(translation == reference);
        all += 1;
    }
    (all > 0).then(|| Scores {
        exact: exact as f64 / all as f64,
        chrf: chrf.score(),
        bleu: bleu.score(false),
    })
}

/// How often each run of `n` neighbours occurs.
fn n_grams<T: Hash + Eq>(of: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for gram in of.windows(n) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// Occurrences that both have, each counted as often as the one that has it less often.
fn matches<T: Hash + Eq>(a: &HashMap<&[T], usize>, b: &HashMap<&[T], usize>) -> usize {
    let shared = a.iter().filter_map(|(gram, &n)| Some(n.min(*b.get(gram)?)));
    shared.sum()
}

#[cfg(test)]
mod tests;
