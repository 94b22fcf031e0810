//! Copy memory: remember some symbols, ten by default, over a delay of T tokens (Hochreiter & Schmidhuber 1997, in
//! the form of Arjovsky et al. 2016 and Bai et al. 2018).

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "copy",
    describes: "copy memory: say some symbols again after a delay of T tokens",
    parameters: &[
        // T: the sequence has T + 2 S tokens, each of S symbols is due T + S tokens later
        parameter("delay", 20),
        // S: symbols to be remembered
        parameter("symbols", 10),
        // different symbols
        parameter("kinds", 8),
        // 1: score every position as Bai et al. do; 0: only the due symbols
        parameter("all", 0),
    ],
    make: |values| Copy::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

const BLANK: u32 = 0;

/// The task at one size. Token for token as in Bai et al. 2018, who have S = 10 symbols of K = 8
/// kinds:
///
/// ```text
/// position   0 … S−1      S … T+S−2     T+S−1 … T+2S−1
/// token      s0 … s(S−1)  blank (T−1)   marker K+1 (S+1 times)
/// target     blank …                 …  blank | s0 … s(S−1) at T+S … T+2S−1
/// ```
///
/// The target at a position is what to say after reading that position's token, so symbol k, read
/// at position k, is due at position T+S+k: its distance is T+S. Scored are the last S positions, or
/// with `all` every position; distances are 0 except on the last S.
struct Copy {
    delay: usize,
    symbols: usize,
    kinds: usize,
    all: bool,
}

impl Copy {
    fn new(values: &Values) -> Result<Self, DataError> {
        let most = 1 << 20;
        Ok(Self {
            delay: values.within("delay", 1..=most, "give a delay of 1 to 1048576 tokens")?,
            symbols: values.within("symbols", 1..=most, "give 1 to 1048576 symbols")?,
            kinds: values.within("kinds", 2..=most, "give 2 to 1048576 kinds of symbols")?,
            all: values.flag("all", "0 scores the due symbols, 1 every position")?,
        })
    }
}

impl Task for Copy {
    fn spec(&self) -> Spec {
        Spec::tokens(self.kinds + 2, self.delay + 2 * self.symbols)
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let marker = 1 + self.kinds as u32;
        let mut symbol = |_| 1 + seeds::below(rng, self.kinds as u64) as u32;
        let symbols: Vec<u32> = (0..self.symbols).map(&mut symbol).collect();
        let due = self.delay + self.symbols;
        let blanks = std::iter::repeat_n(BLANK, self.delay - 1);
        for token in symbols.iter().copied().chain(blanks).chain([marker]) {
            batch.read(token);
            if self.all {
                batch.ask(BLANK, 0);
            }
        }
        for symbol in symbols {
            batch.read(marker);
            batch.ask(symbol, due);
        }
    }

    /// Without memory: blanks until the marker, then any symbol. On the due ones that is accuracy 1/K
    /// and ln K; over all positions S·ln K/(T+2S), 10·ln 8/(T+20) as Bai et al. print it.
    fn floor(&self) -> Floor {
        let guess = Floor::guess(self.kinds);
        if !self.all {
            return guess;
        }
        let length = self.spec().seq_len as f64;
        let due = self.symbols as f64;
        Floor {
            accuracy: (length - due + due * guess.accuracy) / length,
            loss: due * guess.loss / length,
        }
    }
}
