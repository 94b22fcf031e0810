//! Multi-query associative recall: pairs of key and value, then the keys again; say each one's
//! value (Arora et al. 2023, "Zoology").

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, DataError, Floor, Spec, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "recall",
    describes: "multi-query associative recall: key-value pairs, then each key asks for its value",
    parameters: &[
        // key-value pairs, each asked for once
        parameter("pairs", 4),
        // different keys
        parameter("keys", 63),
        // different values
        parameter("values", 64),
        // tokens in a sequence
        parameter("length", 64),
        // 1: queries anywhere alike; 0: power law, most of them soon (as in Zoology)
        parameter("uniform", 0),
        // 1: fillers are random values; 0: fillers are blanks
        parameter("noise", 1),
        // 1: only one pair is asked for, at the end (as in single-query recall)
        parameter("single", 0),
    ],
    make: |values| Recall::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// Exponent of the power law, as in Zoology: slot i is drawn in proportion to i^(a−1).
const POWER: f64 = 0.01;
const BLANK: u32 = 0;
/// The slot of a pair that is not asked for.
const NOWHERE: u32 = u32::MAX;

/// The task at one size. Tokens: blank 0, keys 1…K, values K+1…K+M.
///
/// ```text
/// position   0  1  2  3 … 2P−1     2P …                               L−1
/// token      k1 v1 k2 v2 … vP      fillers, and each key once at an even slot
/// target     blank          …      at a key: its value, elsewhere blank (not scored)
/// ```
///
/// Keys of a sequence differ from each other, and so do its values. Fillers are random values or
/// blanks, never keys: drawn from the whole vocabulary, as in the original, a filler that happens to
/// be a key would be a query without a target. The distance of a query is how many tokens before it
/// its value stood.
struct Recall {
    pairs: usize,
    keys: usize,
    values: usize,
    length: usize,
    uniform: bool,
    noise: bool,
    single: bool,
}

impl Recall {
    fn new(settings: &Values) -> Result<Self, DataError> {
        let pairs = settings.within("pairs", 1..=usize::MAX, "give at least one pair")?;
        let least = pairs.saturating_mul(4);
        let remedy = format!(
            "pairs = {pairs} take two tokens each and as much again for queries: give at least {least} tokens, at most 1048576"
        );
        let length = settings.within("length", least..=1 << 20, remedy)?;
        let kinds = |key: &str| {
            let least = pairs.max(2);
            let remedy = format!("every pair has its own: give {least} to 1048576");
            settings.within(key, least..=1 << 20, remedy)
        };
        Ok(Self {
            pairs,
            length,
            keys: kinds("keys")?,
            values: kinds("values")?,
            uniform: settings.flag("uniform", "give 0 or 1")?,
            noise: settings.flag("noise", "give 0 or 1")?,
            single: settings.flag("single", "give 0 or 1")?,
        })
    }

    /// Where the queries stand, in units of two tokens after the pairs, for pair 1…P.
    ///
    /// Weighted drawing without replacement: the slots with the smallest −ln(u)/weight, in that
    /// order, are distributed like drawing one after the other (Efraimidis & Spirakis 2006).
    fn slots(&self, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let slots = (self.length - 2 * self.pairs) / 2;
        if self.uniform {
            return seeds::choose(rng, slots, self.pairs);
        }
        let mut order: Vec<(f64, u32)> = (0..slots)
            .map(|slot| {
                let weight = libm::pow((slot + 1) as f64, POWER - 1.0);
                (-libm::log(seeds::unit(rng)) / weight, slot as u32)
            })
            .collect();
        order.sort_by(|a, b| {
            a.partial_cmp(b)
                .expect("the logarithm of a number in (0, 1]")
        });
        order[..self.pairs].iter().map(|&(_, slot)| slot).collect()
    }
}

impl Task for Recall {
    fn spec(&self) -> Spec {
        Spec::tokens(1 + self.keys + self.values, self.length)
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let first_value = 1 + self.keys as u32;
        let keys = seeds::choose(rng, self.keys, self.pairs);
        let values = seeds::choose(rng, self.values, self.pairs);
        let mut slots = self.slots(rng);
        if self.single {
            let asked = seeds::below(rng, self.pairs as u64) as usize;
            slots.fill(NOWHERE);
            slots[asked] = ((self.length - 2 * self.pairs) / 2 - 1) as u32;
        }

        for (key, value) in keys.iter().zip(&values) {
            batch.read(1 + key);
            batch.read(first_value + value);
        }
        for position in 2 * self.pairs..self.length {
            let filler = match self.noise {
                true => first_value + seeds::below(rng, self.values as u64) as u32,
                false => BLANK,
            };
            let is_here = |&slot: &u32| 2 * self.pairs + 2 * slot as usize == position;
            match slots.iter().position(is_here) {
                Some(pair) => {
                    batch.read(1 + keys[pair]);
                    batch.ask(first_value + values[pair], position - (2 * pair + 1));
                }
                None => batch.read(filler),
            }
        }
    }

    /// Any value.
    fn floor(&self) -> Floor {
        Floor::guess(self.values)
    }

    /// One of the values that the sequence holds, without knowing whose they are.
    fn known(&self) -> Floor {
        Floor::guess(self.pairs)
    }
}
