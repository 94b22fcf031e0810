//! Cyclic counting: where on a circle of five places does a walk of steps forward, backward and
//! none end? (Delétang et al. 2023, "cycle navigation".)

use super::TaskRow;
use super::automaton::{Automaton, PARAMETERS, Words};
use std::ops::Range;

pub(super) const ROW: TaskRow = TaskRow {
    name: "cyclic",
    describes: "cyclic counting: a walk of steps stay, +1 and −1 on five places, trained short, tested long",
    parameters: PARAMETERS,
    make: |values| Ok(Box::new(Words::new(Cyclic, values)?)),
};

/// Places on the circle.
const PLACES: usize = 5;

/// Symbols 0 (stay), 1 (forward), 2 (backward); answers 0…4, the walk starts at 0. A walk forgets
/// its start by a factor (1 + 2·cos 72°)/3 = 0.54 a step, so at the lengths tested by default
/// guessing is right one time in five to 11 digits.
struct Cyclic;

impl Automaton for Cyclic {
    fn alphabets(&self) -> Vec<Range<u32>> {
        std::iter::once(0..3).collect()
    }

    fn states(&self) -> usize {
        PLACES
    }

    fn answers(&self) -> usize {
        PLACES
    }

    fn next(&self, state: usize, symbol: u32) -> usize {
        match symbol {
            0 => state,
            1 => (state + 1) % PLACES,
            _ => (state + PLACES - 1) % PLACES,
        }
    }

    fn answer(&self, state: usize) -> u32 {
        state as u32
    }
}
