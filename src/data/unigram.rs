//! What token frequencies alone predict: the trivial floor of text.

/// Token frequencies, each count plus one.
pub struct Unigram {
    probabilities: Vec<f64>,
}

impl Unigram {
    /// Counts the tokens of a text over a vocabulary of `vocab`.
    pub fn of(tokens: &[u32], vocab: usize) -> Self {
        let mut counts = vec![1u64; vocab];
        for &token in tokens {
            counts[token as usize] += 1;
        }
        let total = (tokens.len() + vocab) as f64;
        Self {
            probabilities: counts
                .into_iter()
                .map(|count| count as f64 / total)
                .collect(),
        }
    }

    /// The most frequent token, the smallest of several.
    pub fn likeliest(&self) -> u32 {
        let best = self.probabilities.iter().copied().fold(0.0, f64::max);
        self.probabilities
            .iter()
            .position(|&p| p == best)
            .unwrap_or(0) as u32
    }

    /// Probability of a token.
    pub fn probability(&self, token: u32) -> f64 {
        self.probabilities[token as usize]
    }

    /// Total bits of the tokens, −Σ log₂ p.
    pub fn bits(&self, tokens: &[u32]) -> f64 {
        tokens
            .iter()
            .map(|&token| -libm::log2(self.probabilities[token as usize]))
            .sum()
    }
}
