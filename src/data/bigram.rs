//! What the last token alone predicts: who does no better on a text has learnt no context.

use super::unigram::Unigram;
use std::collections::HashMap;

/// How often each token follows each other one, mixed with how often it occurs at all.
pub struct Bigram {
    pairs: HashMap<(u32, u32), u32>,
    firsts: HashMap<u32, u32>,
    unigram: Unigram,
}

/// Occurrences that the token frequencies count for beside those of the pair.
const PRIOR: f64 = 1.0;

impl Bigram {
    /// Counts the pairs of neighbours in a text over a vocabulary of `vocab`.
    pub fn of(tokens: &[u32], vocab: usize) -> Self {
        let (mut pairs, mut firsts) = (HashMap::new(), HashMap::new());
        for pair in tokens.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_insert(0) += 1;
            *firsts.entry(pair[0]).or_insert(0) += 1;
        }
        Self {
            pairs,
            firsts,
            unigram: Unigram::of(tokens, vocab),
        }
    }

    /// Mean nats of each token after the one before it.
    pub fn nats(&self, tokens: &[u32]) -> f64 {
        let count = |counted: Option<&u32>| f64::from(counted.copied().unwrap_or(0));
        let nats = |pair: &[u32]| {
            let prior = PRIOR * self.unigram.probability(pair[1]);
            let together = count(self.pairs.get(&(pair[0], pair[1]))) + prior;
            -libm::log(together / (count(self.firsts.get(&pair[0])) + PRIOR))
        };
        tokens.windows(2).map(nats).sum::<f64>() / tokens.len().saturating_sub(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_pairs_is_predicted_by_the_last_token() {
        let text: Vec<u32> = (0..4000).map(|i| [0, 1, 2, 1][i % 4]).collect();
        // After 0 and 2 always 1; after 1 one of two: half a bit a token.
        let nats = Bigram::of(&text, 4).nats(&text);
        assert!((nats - 0.5 * 2f64.ln()).abs() < 0.01, "{nats}");
        let sum: f64 = (0..4)
            .map(|token| (-Bigram::of(&text, 4).nats(&[1, token])).exp())
            .sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!(
            Bigram::of(&text, 4).nats(&[3, 3]).is_finite(),
            "a pair never seen"
        );
    }
}
