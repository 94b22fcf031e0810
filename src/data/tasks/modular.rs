//! Modular arithmetic without brackets: 1 + 2 − 4 × 3 modulo 5, × before + and − (Delétang et al.
//! 2023, "modular arithmetic (simple)").

use super::TaskRow;
use super::automaton::{Automaton, PARAMETERS, Words};
use std::ops::Range;

pub(super) const ROW: TaskRow = TaskRow {
    name: "modular",
    describes: "value of an expression with +, − and × modulo 5, trained short, tested long",
    parameters: PARAMETERS,
    make: |values| Ok(Box::new(Words::new(Modular, values)?)),
};

const MODULUS: usize = 5;
const PLUS: u32 = 5;
const MINUS: u32 = 6;
const TIMES: u32 = 7;

/// Symbols 0…4, + (5), − (6), × (7); numbers and operators take turns, so lengths are odd; answers
/// 0…4. The value of what was read is sum + term, where term is the signed product not yet closed;
/// after an operator term is what the next number will be multiplied by: 1, −1 or the product
/// so far. State: 5·sum + (term − 1 mod 5), so that the first is (0, 1). Zeros make 0 a little
/// likelier than the other answers in a short expression; in those tested by default it is one
/// in five to four digits.
struct Modular;

fn unpack(state: usize) -> (usize, usize) {
    (state / MODULUS, (state % MODULUS + 1) % MODULUS)
}

fn pack(sum: usize, term: usize) -> usize {
    sum % MODULUS * MODULUS + (term + MODULUS - 1) % MODULUS
}

impl Automaton for Modular {
    fn alphabets(&self) -> Vec<Range<u32>> {
        vec![0..MODULUS as u32, PLUS..TIMES + 1]
    }

    fn states(&self) -> usize {
        MODULUS * MODULUS
    }

    fn answers(&self) -> usize {
        MODULUS
    }

    fn next(&self, state: usize, symbol: u32) -> usize {
        let (sum, term) = unpack(state);
        match symbol {
            PLUS => pack(sum + term, 1),
            MINUS => pack(sum + term, MODULUS - 1),
            TIMES => state,
            number => pack(sum, term * number as usize),
        }
    }

    fn answer(&self, state: usize) -> u32 {
        let (sum, term) = unpack(state);
        ((sum + term) % MODULUS) as u32
    }
}
