//! Selective copying: remember the few symbols scattered among blanks, then say them in order (Gu &
//! Dao 2023, "Mamba"; the benchmark of Feng et al. 2024). Where the symbols stand differs from
//! sequence to sequence, so no fixed delay helps: what to keep follows from the content.

use super::{Parameter, Task, TaskRow, Values};
use crate::data::{Batch, DataError, Floor, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "selective-copy",
    describes: "selective copying: say again, in order, the symbols scattered among blanks",
    parameters: &[
        Parameter {
            name: "length",
            default: 64,
            describes: "L: tokens before the answer, symbols and blanks",
        },
        Parameter {
            name: "symbols",
            default: 4,
            describes: "symbols to remember; each has an answer position after the L tokens",
        },
        Parameter {
            name: "vocab",
            default: 6,
            describes: "tokens in all: blank, marker, and the rest different symbols",
        },
    ],
    make: |values| SelectiveCopy::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

const BLANK: u32 = 0;

/// Tokens: blank 0, symbols 1…V−2, marker V−1.
///
/// ```text
/// position   0 …                      L−1   L … L+M−1
/// token      blanks, M symbols among them   marker (M)
/// target     0 (not scored)                 the symbols in order
/// ```
///
/// Every set of M places is equally likely, symbols are drawn with repetition. The distance of an
/// answer is how many tokens before it its symbol stood.
pub struct SelectiveCopy {
    length: usize,
    symbols: usize,
    vocab: usize,
}

impl SelectiveCopy {
    fn new(values: &Values) -> Result<Self, DataError> {
        let [length, symbols, vocab] = ["length", "symbols", "vocab"].map(|name| values.get(name));
        let refuse = |key: &str, remedy: String| {
            Err(DataError::Impossible {
                key: key.into(),
                value: values.get(key).to_string(),
                remedy,
            })
        };
        if symbols == 0 {
            return refuse("symbols", "give at least one symbol to remember".into());
        }
        if length < symbols || length > 1 << 20 {
            return refuse(
                "length",
                format!("symbols = {symbols} need a place each: give {symbols} to 1048576"),
            );
        }
        if !(4..=1 << 20).contains(&vocab) {
            return refuse(
                "vocab",
                "blank, marker and at least two different symbols: give 4 to 1048576".into(),
            );
        }
        Ok(Self {
            length,
            symbols,
            vocab,
        })
    }
}

impl Task for SelectiveCopy {
    fn vocab(&self) -> usize {
        self.vocab
    }

    fn seq_len(&self) -> usize {
        self.length + self.symbols
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let mut places = seeds::choose(rng, self.length, self.symbols);
        places.sort_unstable();
        let start = batch.tokens.len();
        let end = start + self.seq_len();
        batch.tokens.resize(start + self.length, BLANK);
        batch.tokens.resize(end, self.vocab as u32 - 1);
        batch.targets.resize(start + self.length, 0);
        batch.mask.resize(start + self.length, 0.0);
        batch.distance.resize(start + self.length, 0);
        for (place, due) in places.into_iter().zip(self.length as u32..) {
            let symbol = 1 + seeds::below(rng, self.vocab as u64 - 2) as u32;
            batch.tokens[start + place as usize] = symbol;
            batch.targets.push(symbol);
            batch.mask.push(1.0);
            batch.distance.push(due - place);
        }
    }

    /// Any symbol.
    fn floor(&self) -> Floor {
        let kinds = self.vocab as f64 - 2.0;
        Floor {
            accuracy: 1.0 / kinds,
            loss: kinds.ln(),
        }
    }
}
