//! Tasks whose answer a finite automaton computes: read a word, say what it comes to (the regular
//! tasks of Delétang et al. 2023).

use super::lengths::{LENGTH, Lengths, TEST_LENGTH, TEST_LENGTHS};
use super::{Parameter, Task, Values, parameter, seeds};
use crate::data::{Batch, DataError, Floor, Spec};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// `all` of such a task. 1: training asks for the answer so far after every symbol, too; 0: after the
/// word only.
pub(super) const ALL: Parameter = parameter("all", 0);
/// The parameters that all of them have.
pub(super) const PARAMETERS: &[Parameter] = &[LENGTH, TEST_LENGTH, TEST_LENGTHS, ALL];

/// A deterministic finite automaton whose state determines an answer.
pub(super) trait Automaton: Send + Sync {
    /// Symbols that may stand at positions 0, 1, … of a word, the list taken over and over; a word
    /// ends only with the first of them.
    fn alphabets(&self) -> Vec<Range<u32>>;
    /// Number of states; 0 is the first.
    fn states(&self) -> usize;
    /// Number of answers, tokens 0 …
    fn answers(&self) -> usize;
    /// The state after reading `symbol` in `state`.
    fn next(&self, state: usize, symbol: u32) -> usize;
    /// What a word that ended in `state` comes to.
    fn answer(&self, state: usize) -> u32;
}

/// The task of an automaton. Symbols and answers share the tokens from 0; the last token, E, ends
/// the word and pads it.
///
/// ```text
/// position   0  1  …  L−1   L        L+1 … T−1
/// token      x0 x1 … xL−1   E        E (training only, T = length + 1)
/// target     0 (not scored) answer   0 (not scored)
/// ```
///
/// Scored is the final answer alone, as in the paper; it depends on all L symbols, and its distance
/// is L, that of the first: accuracy by distance is accuracy by length. With `all` training and
/// validation ask for the answer of the word so far after each symbol as well (distance t at
/// position t), which teaches in hundreds of steps what the paper takes a million for; the test
/// stays the same. Every symbol an alphabet holds is equally likely.
pub(super) struct Words<A> {
    automaton: A,
    lengths: Lengths,
    all: bool,
}

impl<A: Automaton> Words<A> {
    /// The task with the parameters of [`PARAMETERS`].
    pub fn new(automaton: A, values: &Values) -> Result<Self, DataError> {
        let remedy = "0 scores the final answer, 1 the answer after every symbol";
        Ok(Self {
            all: values.flag(ALL.name, remedy)?,
            lengths: Lengths::new(values, automaton.alphabets().len())?,
            automaton,
        })
    }

    /// The token after the symbols and the answers.
    fn end(&self) -> u32 {
        let symbols = self.automaton.alphabets().iter().map(|a| a.end).max();
        symbols.unwrap_or(0).max(self.automaton.answers() as u32)
    }
}

impl<A: Automaton> Task for Words<A> {
    fn spec(&self) -> Spec {
        Spec::tokens(self.end() as usize + 1, self.lengths.train() + 1)
    }

    fn test_seq_lens(&self) -> Vec<usize> {
        self.lengths.test().iter().map(|l| l + 1).collect()
    }

    fn sample(&self, seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let (length, total, all) = match seq_len {
            Some(t) => (t - 1, t, false),
            None => (self.lengths.draw(rng), self.spec().seq_len, self.all),
        };
        let alphabets = self.automaton.alphabets();
        let mut state = 0;
        for (t, alphabet) in (0..length).zip(alphabets.iter().cycle()) {
            let symbol = alphabet.start + seeds::below(rng, alphabet.len() as u64) as u32;
            batch.read(symbol);
            state = self.automaton.next(state, symbol);
            // In the middle of a word only a word that could end here has an answer.
            if all && t % alphabets.len() == 0 {
                batch.ask(self.automaton.answer(state), t);
            }
        }
        batch.read(self.end());
        batch.ask(self.automaton.answer(state), length);
        (length + 1..total).for_each(|_| batch.read(self.end()));
    }

    /// Knows the length of the word and nothing of its symbols: the likeliest answer, and the
    /// entropy of the answers, after each length of the test, from the exact distribution over
    /// states (p_{t+1}(s′) = Σ_{s, x: next(s, x) = s′} p_t(s) / |alphabet|).
    fn floor(&self) -> Floor {
        let (automaton, lengths) = (&self.automaton, self.lengths.test());
        let alphabets = automaton.alphabets();
        let mut states = vec![0.0; automaton.states()];
        states[0] = 1.0;
        let (mut accuracy, mut loss, mut read) = (0.0, 0.0, 0);
        for &length in lengths {
            while read < length {
                let alphabet = &alphabets[read % alphabets.len()];
                let mut after = vec![0.0; states.len()];
                for (state, p) in states.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                    for symbol in alphabet.clone() {
                        after[automaton.next(state, symbol)] += p / alphabet.len() as f64;
                    }
                }
                states = after;
                read += 1;
            }
            let mut answers = vec![0.0f64; automaton.answers()];
            for (state, p) in states.iter().enumerate() {
                answers[automaton.answer(state) as usize] += p;
            }
            accuracy += answers.iter().copied().fold(0.0, f64::max);
            let possible = answers.iter().filter(|p| **p > 0.0);
            loss -= possible.map(|p| p * libm::log(*p)).sum::<f64>();
        }
        Floor {
            accuracy: accuracy / lengths.len() as f64,
            loss: loss / lengths.len() as f64,
        }
    }
}
