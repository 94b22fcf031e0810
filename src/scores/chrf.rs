//! chrF (Popović 2015), and with words beside characters chrF++ (Popović 2017), as sacreBLEU computes
//! them: signature `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0`.

use super::{matches, n_grams};

/// Longest n-grams of characters.
const CHARACTERS: usize = 6;
/// Recall counts as much as β² times precision.
const BETA_SQUARED: f64 = 4.0;

/// Counts over all pairs so far, an order each: characters, then words.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    words: usize,
    /// n-grams of translations, of references, and of both.
    counts: Vec<[usize; 3]>,
}

impl Chrf {
    /// chrF2, with n-grams of up to `words` words too: 2 for chrF2++.
    pub fn new(words: usize) -> Self {
        Chrf {
            words,
            counts: vec![[0; 3]; CHARACTERS + words],
        }
    }

    /// Counts one pair.
    pub fn add(&mut self, translation: &str, reference: &str) {
        let characters =
            [translation, reference].map(|t| t.chars().filter(|c| !c.is_whitespace()).collect());
        self.count(0, CHARACTERS, &characters.map(|c: Vec<char>| c));
        self.count(CHARACTERS, self.words, &[translation, reference].map(words));
    }

    fn count<T: std::hash::Hash + Eq>(&mut self, first: usize, orders: usize, of: &[Vec<T>; 2]) {
        for n in 1..=orders {
            let [own, reference] = of.each_ref().map(|of| n_grams(of, n));
            let all =
                |grams: &std::collections::HashMap<&[T], usize>| grams.values().sum::<usize>();
            let sums = &mut self.counts[first + n - 1];
            // A translation's n-grams do not count where the reference is too short to have any.
            sums[0] += if reference.is_empty() { 0 } else { all(&own) };
            sums[1] += all(&reference);
            sums[2] += matches(&own, &reference);
        }
    }

    /// 0…100: the F-score of mean precision and mean recall over the orders that both sides have.
    pub fn score(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for &[own, reference, both] in &self.counts {
            if own > 0 && reference > 0 {
                precision += both as f64 / own as f64;
                recall += both as f64 / reference as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        100.0 * (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
    }
}

/// Words, a mark at the end of one or else at its beginning apart.
fn words(text: &str) -> Vec<String> {
    let is_mark = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        let mut inner = word.chars();
        if word.chars().count() > 1 && is_mark(word.chars().last()) {
            let mark = inner.next_back().into_iter().collect();
            all.extend([inner.as_str().to_owned(), mark]);
        } else if word.chars().count() > 1 && is_mark(word.chars().next()) {
            let mark = inner.next().into_iter().collect();
            all.extend([mark, inner.as_str().to_owned()]);
        } else {
            all.push(word.to_owned());
        }
    }
    all
}
