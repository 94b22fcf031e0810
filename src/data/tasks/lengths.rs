//! Tasks on words of any length, trained on short ones and tested on longer ones (Delétang et al.
//! 2023, "Neural Networks and the Chomsky Hierarchy").

use super::{Parameter, Values, parameter, seeds};
use crate::data::DataError;
use rand_chacha::ChaCha8Rng;

/// `length` of such a task: longest word trained and validated on; lengths from 1 are equally
/// likely.
pub(super) const LENGTH: Parameter = parameter("length", 40);
/// `test_length` of such a task: longest word tested on; every word tested is longer than those
/// trained on.
pub(super) const TEST_LENGTH: Parameter = parameter("test_length", 500);
/// `test_lengths` of such a task: lengths tested on, evenly spaced from `length` (left out) to
/// `test_length`.
pub(super) const TEST_LENGTHS: Parameter = parameter("test_lengths", 10);

const LONGEST: usize = 1 << 16;

/// The lengths of one task: 1, 1 + period, 1 + 2·period, …
///
/// Training and validation draw uniformly from those up to `train`; the test has as many words of
/// each of a few longer lengths, so that accuracy over the test is the mean over lengths that the
/// paper reports (which takes every length from 41 to 500).
pub(super) struct Lengths {
    period: usize,
    train: usize,
    test: Vec<usize>,
}

impl Lengths {
    /// Reads the three parameters and refuses what makes no lengths.
    pub fn new(values: &Values, period: usize) -> Result<Self, DataError> {
        let at_most = format!("give 1 to {LONGEST} symbols");
        let train = values.within(LENGTH.name, 1..=LONGEST, at_most)?;
        let count = values.within(
            TEST_LENGTHS.name,
            1..=usize::MAX,
            "test at least one length",
        )?;
        let least = train.saturating_add(period.saturating_mul(count));
        let remedy = format!(
            "{count} lengths beyond length = {train} are to be tested: give {least} to {LONGEST}"
        );
        let longest = values.within(TEST_LENGTH.name, least..=LONGEST, remedy)?;
        let fits = |length: usize| 1 + (length - 1) / period * period;
        let span = longest - train;
        Ok(Self {
            period,
            train: fits(train),
            test: (1..=count)
                .map(|k| fits(train + k * span / count))
                .collect(),
        })
    }

    /// Longest length trained on.
    pub fn train(&self) -> usize {
        self.train
    }

    /// The lengths tested on, rising.
    pub fn test(&self) -> &[usize] {
        &self.test
    }

    /// A length to train on.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let choices = (self.train - 1) / self.period + 1;
        1 + self.period * seeds::below(rng, choices as u64) as usize
    }
}
