//! Copy memory: remember ten symbols over a delay of T tokens (Hochreiter & Schmidhuber 1997, in
//! the form of Arjovsky et al. 2016 and Bai et al. 2018).

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "copy",
    describes: "copy memory: say ten symbols again after a delay of T tokens",
    parameters: &[
        // T: the sequence has T + 20 tokens, each symbol is due T + 10 tokens later
        parameter("delay", 20),
        // 1: score every position as Bai et al. do; 0: only the ten due symbols
        parameter("all", 0),
    ],
    make: |values| Copy::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// Symbols to be remembered.
const SYMBOLS: usize = 10;
/// Different symbols, tokens 1…8.
const KINDS: usize = 8;
const BLANK: u32 = 0;
const MARKER: u32 = 9;

/// The task at one delay. Token for token as in Bai et al. 2018:
///
/// ```text
/// position   0 … 9        10 … T+8      T+9 … T+19
/// token      s0 … s9      blank (T−1)   marker (11)
/// target     blank …                 …  blank | s0 … s9 at T+10 … T+19
/// ```
///
/// The target at a position is what to say after reading that position's token, so symbol k, read
/// at position k, is due at position T+10+k: its distance is T+10. Scored are the last ten
/// positions, or with `all` every position; distances are 0 except on the last ten.
struct Copy {
    delay: usize,
    all: bool,
}

impl Copy {
    fn new(values: &Values) -> Result<Self, DataError> {
        Ok(Self {
            delay: values.within("delay", 1..=1 << 20, "give a delay of 1 to 1048576 tokens")?,
            all: values.flag("all", "0 scores the last ten positions, 1 every position")?,
        })
    }
}

impl Task for Copy {
    fn spec(&self) -> Spec {
        Spec::tokens(KINDS + 2, self.delay + 2 * SYMBOLS)
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let symbols: [u32; SYMBOLS] =
            std::array::from_fn(|_| 1 + seeds::below(rng, KINDS as u64) as u32);
        let due = self.delay + SYMBOLS;
        let before = symbols
            .into_iter()
            .chain(std::iter::repeat_n(BLANK, self.delay - 1));
        for token in before.chain([MARKER]) {
            batch.read(token);
            if self.all {
                batch.ask(BLANK, 0);
            }
        }
        for symbol in symbols {
            batch.read(MARKER);
            batch.ask(symbol, due);
        }
    }

    /// Without memory: blanks until the marker, then any of the eight symbols. On the last ten that
    /// is accuracy 1/8 and ln 8; over all positions 10·ln 8/(T+20), the floor Bai et al. print.
    fn floor(&self) -> Floor {
        let guess = Floor::guess(KINDS);
        if !self.all {
            return guess;
        }
        let length = self.spec().seq_len as f64;
        let due = SYMBOLS as f64;
        Floor {
            accuracy: (length - due + due * guess.accuracy) / length,
            loss: due * guess.loss / length,
        }
    }
}
