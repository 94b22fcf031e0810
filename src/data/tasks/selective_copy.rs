//! Selective copying: remember the few symbols scattered among blanks, then say them in order (Gu &
//! Dao 2023, "Mamba"; the benchmark of Feng et al. 2024). Where the symbols stand differs from
//! sequence to sequence, so no fixed delay helps: what to keep follows from the content.

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "selective-copy",
    describes: "selective copying: say again, in order, the symbols scattered among blanks",
    parameters: &[
        // L: tokens before the answer, symbols and blanks
        parameter("length", 64),
        // symbols to remember; each has an answer position after the L tokens
        parameter("symbols", 4),
        // tokens in all: blank, marker, and the rest different symbols
        parameter("vocab", 6),
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
struct SelectiveCopy {
    length: usize,
    symbols: usize,
    vocab: usize,
}

impl SelectiveCopy {
    fn new(values: &Values) -> Result<Self, DataError> {
        let remedy = "give at least one symbol to remember";
        let symbols = values.within("symbols", 1..=usize::MAX, remedy)?;
        let remedy = format!("symbols = {symbols} need a place each: give {symbols} to 1048576");
        let length = values.within("length", symbols..=1 << 20, remedy)?;
        let remedy = "blank, marker and at least two different symbols: give 4 to 1048576";
        Ok(Self {
            length,
            symbols,
            vocab: values.within("vocab", 4..=1 << 20, remedy)?,
        })
    }
}

impl Task for SelectiveCopy {
    fn spec(&self) -> Spec {
        Spec::tokens(self.vocab, self.length + self.symbols)
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let mut places = seeds::choose(rng, self.length, self.symbols);
        places.sort_unstable();
        let mut tokens = vec![BLANK; self.length];
        for &place in &places {
            tokens[place as usize] = 1 + seeds::below(rng, self.vocab as u64 - 2) as u32;
        }
        tokens.iter().for_each(|&token| batch.read(token));
        for (place, due) in places.into_iter().zip(self.length..) {
            batch.read(self.vocab as u32 - 1);
            batch.ask(tokens[place as usize], due - place as usize);
        }
    }

    /// Any symbol.
    fn floor(&self) -> Floor {
        Floor::guess(self.vocab - 2)
    }
}
