//! Composition of permutations, the word problem of S3 and S5: what do permutations carried out one
//! after the other come to? S5 is not solvable, so no circuit of constant depth computes its word
//! problem unless TC⁰ = NC¹ (Barrington 1989; Merrill et al. 2024, "The Illusion of State").

use super::automaton::{ALL, Automaton, Words};
use super::lengths::{LENGTH, TEST_LENGTH, TEST_LENGTHS};
use super::{Parameter, TaskRow, Values, parameter};
use crate::data::DataError;
use std::ops::Range;

/// things permuted: 3 (six permutations) or 5 (120 permutations)
const GROUP: Parameter = parameter("group", 3);
/// 1: symbols are stay, swap the first two and rotate; 0: every permutation is a symbol
const GENERATORS: Parameter = parameter("generators", 0);

pub(super) const ROW: TaskRow = TaskRow {
    name: "permutation",
    describes: "composition of permutations of 3 or 5 things, trained short, tested long",
    parameters: &[GROUP, GENERATORS, LENGTH, TEST_LENGTH, TEST_LENGTHS, ALL],
    make: |values| Ok(Box::new(Words::new(Permutation::new(values)?, values)?)),
};

/// Permutations are numbered in lexicographic order of their images, the identity is 0; answers are
/// all n! of them. Where every permutation is a symbol, the last one alone makes every answer
/// equally likely: guessing is right one time in n!, at every length. With `generators`, symbols 0
/// (stay), 1 (swap the first two) and 2 (rotate by one) reach every permutation; words too short to
/// have mixed are not tested.
struct Permutation {
    /// What the symbols stand for.
    symbols: Vec<usize>,
    /// composed[x·n! + s]: first s, then x.
    composed: Vec<usize>,
    count: usize,
}

impl Permutation {
    fn new(values: &Values) -> Result<Self, DataError> {
        let n = match values.get(GROUP.name) {
            n @ (3 | 5) => n,
            n => return Err(DataError::impossible(GROUP.name, n, "give 3 or 5")),
        };
        let generators = values.flag(GENERATORS.name, "give 0 or 1")?;
        let all = permutations(n);
        let number = |images: &[usize]| {
            let found = all.binary_search_by(|p| p.as_slice().cmp(images));
            found.expect("every permutation is listed")
        };
        let compose =
            |x: &[usize], s: &[usize]| number(&s.iter().map(|&i| x[i]).collect::<Vec<_>>());
        let symbols = if generators {
            let mut swap: Vec<usize> = (0..n).collect();
            swap.swap(0, 1);
            let rotate: Vec<usize> = (0..n).map(|i| (i + 1) % n).collect();
            vec![0, number(&swap), number(&rotate)]
        } else {
            (0..all.len()).collect()
        };
        Ok(Self {
            symbols,
            composed: all
                .iter()
                .flat_map(|x| all.iter().map(|s| compose(x, s)))
                .collect(),
            count: all.len(),
        })
    }
}

/// All permutations of 0…n−1 as lists of images, in lexicographic order.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        all = all
            .iter()
            .flat_map(|start: &Vec<usize>| {
                let free = (0..n).filter(|image| !start.contains(image));
                free.map(|image| start.iter().copied().chain([image]).collect())
            })
            .collect();
    }
    all
}

impl Automaton for Permutation {
    fn alphabets(&self) -> Vec<Range<u32>> {
        std::iter::once(0..self.symbols.len() as u32).collect()
    }

    fn states(&self) -> usize {
        self.count
    }

    fn answers(&self) -> usize {
        self.count
    }

    fn next(&self, state: usize, symbol: u32) -> usize {
        self.composed[self.symbols[symbol as usize] * self.count + state]
    }

    fn answer(&self, state: usize) -> u32 {
        state as u32
    }
}
