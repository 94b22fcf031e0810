//! Reversing a string: read it, then say it backwards (Delétang et al. 2023, "reverse string"):
//! needs a stack, which neither a finite state nor fixed attention is.

use super::lengths::{LENGTH, Lengths, TEST_LENGTH, TEST_LENGTHS};
use super::{Parameter, Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

/// different symbols
const SYMBOLS: Parameter = parameter("symbols", 2);

pub(super) const ROW: TaskRow = TaskRow {
    name: "reverse",
    describes: "say a string backwards; trained on short strings, tested on long ones",
    parameters: &[SYMBOLS, LENGTH, TEST_LENGTH, TEST_LENGTHS],
    make: |values| Reverse::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// Tokens 0…K−1 are symbols, K asks and pads.
///
/// ```text
/// position   0  …  L−1   L     L+1 …  2L−1   2L … T−1
/// token      x0 … xL−1   K     K   …  K      K (training only, T = 2·length)
/// target     0           xL−1  xL−2 … x0     0
/// ```
///
/// Scored are the L symbols due, each on its own, as in the paper; the one at position L+j stood
/// 2j+1 tokens before. The model does not see what it said.
struct Reverse {
    symbols: usize,
    lengths: Lengths,
}

impl Reverse {
    fn new(values: &Values) -> Result<Self, DataError> {
        Ok(Self {
            symbols: values.within(SYMBOLS.name, 2..=1 << 16, "give 2 to 65536")?,
            lengths: Lengths::new(values, 1)?,
        })
    }
}

impl Task for Reverse {
    fn spec(&self) -> Spec {
        Spec::tokens(self.symbols + 1, 2 * self.lengths.train())
    }

    fn test_seq_lens(&self) -> Vec<usize> {
        self.lengths.test().iter().map(|l| 2 * l).collect()
    }

    fn sample(&self, seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let (length, total) = match seq_len {
            Some(t) => (t / 2, t),
            None => (self.lengths.draw(rng), self.spec().seq_len),
        };
        let word: Vec<u32> = (0..length)
            .map(|_| seeds::below(rng, self.symbols as u64) as u32)
            .collect();
        word.iter().for_each(|&symbol| batch.read(symbol));
        for (j, &symbol) in word.iter().rev().enumerate() {
            batch.read(self.symbols as u32);
            batch.ask(symbol, 2 * j + 1);
        }
        (2 * length..total).for_each(|_| batch.read(self.symbols as u32));
    }

    /// Any symbol.
    fn floor(&self) -> Floor {
        Floor::guess(self.symbols)
    }
}
