//! Results on text by seed and block of test windows, which all models share.

use super::comparison::Missing;
use super::given::Given;
use super::sample::{Sample, at_looks, key};
use super::select::usable;
use crate::record::{Record, cell};
use crate::stats::{Effect, Looks};
use std::collections::{BTreeMap, BTreeSet};

/// A row a seed, a column a block.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Blocks {
    rows: BTreeMap<u64, BTreeMap<usize, f64>>,
    cells: BTreeSet<String>,
}

impl Blocks {
    /// The values of a metric among the records that pass.
    pub fn of(given: &Given, metric: &str, pass: impl Fn(&Record) -> bool) -> Self {
        let mut blocks = Self::default();
        let mut these = given.records.iter();
        let mut next = || these.find(|r| r.metric == metric && pass(r));
        while let Some(record) = next() {
            if let (Some(block), Some(value)) = (record.block, usable(record)) {
                blocks
                    .rows
                    .entry(key(record))
                    .or_default()
                    .insert(block, value);
                blocks.cells.insert(cell(&record.run).to_owned());
            }
        }
        blocks
    }

    /// These less others of the same seeds and blocks.
    pub fn minus(&self, other: &Self) -> Self {
        let row = |(seed, row): (&u64, &BTreeMap<usize, f64>)| {
            let theirs = other.rows.get(seed)?;
            let both = row
                .iter()
                .filter_map(|(block, a)| Some((*block, a - theirs.get(block)?)));
            Some((*seed, both.collect()))
        };
        Self {
            rows: self.rows.iter().filter_map(row).collect(),
            cells: self.cells.clone(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The mean over blocks of each seed.
    pub fn means(&self) -> Sample {
        let mean = |row: &BTreeMap<usize, f64>| row.values().sum::<f64>() / row.len() as f64;
        let means = self.rows.iter().map(|(seed, row)| (*seed, mean(row)));
        Sample::new(means.collect(), self.cells.clone())
    }

    fn first(&self, n: usize) -> Vec<Vec<f64>> {
        let rows = self.rows.values().take(n);
        rows.map(|row| row.values().copied().collect()).collect()
    }
}

/// The difference of two groups at every look, with seeds and blocks crossed. A group with one row is a
/// baseline without seeds.
pub(super) fn crossed(looks: &Looks, a: &Blocks, b: &Blocks) -> Result<Vec<Effect>, Missing> {
    let seeds = |blocks: &Blocks| match blocks.rows.len() {
        1 => usize::MAX,
        n => n,
    };
    at_looks(looks, seeds(a).min(seeds(b)), |n| {
        Effect::crossed(&a.first(n), &b.first(n))
    })
}

/// The same of runs in pairs, such as two trainings from the same weights: of the differences at each seed.
pub(super) fn crossed_pairs(looks: &Looks, a: &Blocks, b: &Blocks) -> Result<Vec<Effect>, Missing> {
    let pairs = a.minus(b);
    let first = pairs.first(1);
    let none: Vec<Vec<f64>> = first.iter().map(|row| vec![0.0; row.len()]).collect();
    at_looks(looks, pairs.rows.len(), |n| {
        Effect::crossed(&pairs.first(n), &none)
    })
}
