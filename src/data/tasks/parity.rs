//! Parity: is the number of ones odd? The simplest task that needs a state for as long as the word
//! lasts (Delétang et al. 2023, "parity check").

use super::TaskRow;
use super::automaton::{Automaton, PARAMETERS, Words};
use std::ops::Range;

pub(super) const ROW: TaskRow = TaskRow {
    name: "parity",
    describes: "parity of a string of bits; trained on short strings, tested on long ones",
    parameters: PARAMETERS,
    make: |values| Ok(Box::new(Words::new(Parity, values)?)),
};

/// Symbols and answers 0 and 1. Guessing is right half the time at every length, since the last bit
/// alone decides.
struct Parity;

impl Automaton for Parity {
    fn alphabets(&self) -> Vec<Range<u32>> {
        std::iter::once(0..2).collect()
    }

    fn states(&self) -> usize {
        2
    }

    fn answers(&self) -> usize {
        2
    }

    fn next(&self, state: usize, symbol: u32) -> usize {
        state ^ symbol as usize
    }

    fn answer(&self, state: usize) -> u32 {
        state as u32
    }
}
