//! Retention: one symbol, a stretch of tokens that do not matter, then the question what it was.
//! The simplest form of the latching problem of Bengio, Simard & Frasconi 1994 ("Learning long-term
//! dependencies with gradient descent is difficult"), asked at every distance.

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "retention",
    describes: "retention: say the first symbol again after a stretch of noise",
    parameters: &[
        // longest distance trained and validated on; from 1, the logarithm is uniform
        parameter("length", 64),
        // tested at every power of two up to this distance
        parameter("test_length", 1024),
        // different symbols to remember
        parameter("symbols", 8),
        // different tokens of noise; 1: always the same
        parameter("noise", 8),
    ],
    make: |values| Retention::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

const LONGEST: usize = 1 << 20;

/// The task at one size. Tokens: symbols 0…K−1, noise K…K+N−1, the question Q = K+N.
///
/// ```text
/// position   0  1 … d−1    d        d+1 … T−1
/// token      s  noise      Q        Q (training only, T = length + 1)
/// target     0  0          s        0 (not scored)
/// ```
///
/// The distance is d. Training and validation draw it log-uniformly from 1 to `length`, so that
/// short distances, which anything can learn, lead to long ones; the test has as many sequences of
/// each power of two up to `test_length`.
pub(super) struct Retention {
    length: usize,
    test_length: usize,
    symbols: usize,
    noise: usize,
}

impl Retention {
    fn new(values: &Values) -> Result<Self, DataError> {
        let from = |least: usize, key: &str| {
            let remedy = format!("give a number from {least} to {LONGEST}");
            values.within(key, least..=LONGEST, remedy)
        };
        Ok(Self {
            length: from(1, "length")?,
            test_length: from(1, "test_length")?,
            symbols: from(2, "symbols")?,
            noise: from(1, "noise")?,
        })
    }

    /// ⌊(length + 1)^u⌋ for u uniform in (0, 1): d with probability ∝ ln(1 + 1/d).
    fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let power = libm::pow((self.length + 1) as f64, seeds::unit(rng));
        (power as usize).clamp(1, self.length)
    }
}

impl Task for Retention {
    fn spec(&self) -> Spec {
        Spec::tokens(self.symbols + self.noise + 1, self.length + 1)
    }

    fn test_seq_lens(&self) -> Vec<usize> {
        let powers = std::iter::successors(Some(1usize), |d| Some(2 * d));
        let tested = powers.take_while(|&d| d <= self.test_length);
        tested.map(|d| d + 1).collect()
    }

    fn sample(&self, seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let (distance, total) = match seq_len {
            Some(t) => (t - 1, t),
            None => (self.draw(rng), self.spec().seq_len),
        };
        let symbol = seeds::below(rng, self.symbols as u64) as u32;
        batch.read(symbol);
        for _ in 1..distance {
            let noise = seeds::below(rng, self.noise as u64) as u32;
            batch.read(self.symbols as u32 + noise);
        }
        for position in distance..total {
            batch.read((self.symbols + self.noise) as u32);
            if position == distance {
                batch.ask(symbol, distance);
            }
        }
    }

    /// Any symbol.
    fn floor(&self) -> Floor {
        Floor::guess(self.symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TaskSettings, TaskSource};
    use super::*;
    use crate::data::{Source, Split};

    fn made(text: &str) -> Result<Box<dyn Task>, DataError> {
        text.parse::<TaskSettings>().and_then(|s| s.make())
    }

    /// Checks one sequence and returns its distance.
    fn check(batch: &Batch, index: usize, symbols: u32, noise: u32) -> usize {
        let row = index * batch.seq_len()..(index + 1) * batch.seq_len();
        let (tokens, mask) = (&batch.tokens()[row.clone()], &batch.mask[row.clone()]);
        let asked = mask.iter().position(|&m| m == 1.0).unwrap();
        assert_eq!(mask.iter().sum::<f32>(), 1.0);
        assert!(tokens[0] < symbols);
        assert_eq!(batch.targets.tokens()[row.start + asked], tokens[0]);
        let noisy = symbols..symbols + noise;
        assert!(tokens[1..asked].iter().all(|token| noisy.contains(token)));
        assert!(
            tokens[asked..]
                .iter()
                .all(|&token| token == symbols + noise)
        );
        assert_eq!(batch.distance[row.start + asked] as usize, asked);
        asked
    }

    #[test]
    fn the_question_asks_for_the_first_symbol_at_every_distance() {
        let task = made("retention:length=20,test_length=70,symbols=5,noise=3").unwrap();
        assert_eq!((task.spec().vocab, task.spec().seq_len), (9, 21));
        let floor = task.floor();
        assert_eq!((floor.accuracy, floor.loss), (0.2, 5f64.ln()));
        let mut source = TaskSource::new(task, 4);
        assert_eq!(source.spec().longest, 65);
        let batch = source.next_batch(2000);
        let distances: Vec<usize> = (0..2000).map(|i| check(&batch, i, 5, 3)).collect();
        // P(d ≤ 4) = ln 5 / ln 21.
        let near = distances.iter().filter(|&&d| d <= 4).count() as f64 / 2000.0;
        assert!((near - 5f64.ln() / 21f64.ln()).abs() < 0.04, "{near}");
        assert!((1..=20).all(|d| distances.contains(&d)));
        let test = source.evaluation(Split::Test, 70, 8);
        let mut seen: Vec<usize> = Vec::new();
        for batch in &test {
            for i in 0..batch.sequences() {
                assert_eq!(check(batch, i, 5, 3) + 1, batch.seq_len());
                seen.push(batch.seq_len() - 1);
            }
        }
        seen.dedup();
        assert_eq!(seen, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(test.iter().map(Batch::sequences).sum::<usize>(), 70);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (text, key) in [
            ("retention:length=0", "length"),
            ("retention:test_length=0", "test_length"),
            ("retention:symbols=1", "symbols"),
            ("retention:noise=0", "noise"),
        ] {
            match made(text) {
                Err(DataError::Impossible {
                    key: named, remedy, ..
                }) => {
                    assert!(
                        named == key && remedy.starts_with("give a number"),
                        "{text}"
                    );
                }
                _ => panic!("{text} is accepted"),
            }
        }
    }
}
