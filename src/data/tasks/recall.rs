//! Multi-query associative recall: pairs of key and value, then the keys again; say each one's
//! value (Arora et al. 2023, "Zoology").

use super::{Parameter, Task, TaskRow, Values};
use crate::data::{Batch, DataError, Floor, seeds};
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "recall",
    describes: "multi-query associative recall: key-value pairs, then each key asks for its value",
    parameters: &[
        Parameter {
            name: "pairs",
            default: 4,
            describes: "key-value pairs, each asked for once",
        },
        Parameter {
            name: "keys",
            default: 63,
            describes: "different keys",
        },
        Parameter {
            name: "values",
            default: 64,
            describes: "different values",
        },
        Parameter {
            name: "length",
            default: 64,
            describes: "tokens in a sequence",
        },
        Parameter {
            name: "uniform",
            default: 0,
            describes: "1: queries anywhere alike; 0: power law, most of them soon (as in Zoology)",
        },
        Parameter {
            name: "noise",
            default: 1,
            describes: "1: fillers are random values; 0: fillers are blanks",
        },
    ],
    make: |values| Recall::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// Exponent of the power law, as in Zoology: slot i is drawn in proportion to i^(a−1).
const POWER: f64 = 0.01;
const BLANK: u32 = 0;

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
pub struct Recall {
    pairs: usize,
    keys: usize,
    values: usize,
    length: usize,
    uniform: bool,
    noise: bool,
}

impl Recall {
    fn new(settings: &Values) -> Result<Self, DataError> {
        let get = |name: &str| settings.get(name);
        let (pairs, length) = (get("pairs"), get("length"));
        let refuse = |key: &str, remedy: String| {
            Err(DataError::Impossible {
                key: key.into(),
                value: get(key).to_string(),
                remedy,
            })
        };
        if pairs == 0 {
            return refuse("pairs", "give at least one pair".into());
        }
        if length > 1 << 20 || pairs > length / 4 {
            return refuse(
                "length",
                format!(
                    "pairs = {pairs} take two tokens each and as much again for queries: give at least {} tokens, at most 1048576",
                    pairs.saturating_mul(4)
                ),
            );
        }
        for key in ["keys", "values"] {
            if get(key) < pairs.max(2) || get(key) > 1 << 20 {
                let least = pairs.max(2);
                return refuse(
                    key,
                    format!("every pair has its own: give {least} to 1048576"),
                );
            }
        }
        for key in ["uniform", "noise"] {
            if get(key) > 1 {
                return refuse(key, "give 0 or 1".into());
            }
        }
        Ok(Self {
            pairs,
            keys: get("keys"),
            values: get("values"),
            length,
            uniform: get("uniform") == 1,
            noise: get("noise") == 1,
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
                let weight = ((slot + 1) as f64).powf(POWER - 1.0);
                (-seeds::unit(rng).ln() / weight, slot as u32)
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
    fn vocab(&self) -> usize {
        1 + self.keys + self.values
    }

    fn seq_len(&self) -> usize {
        self.length
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let first_value = 1 + self.keys as u32;
        let keys = seeds::choose(rng, self.keys, self.pairs);
        let values = seeds::choose(rng, self.values, self.pairs);
        let slots = self.slots(rng);

        let start = batch.tokens.len();
        for (key, value) in keys.iter().zip(&values) {
            batch.tokens.extend([1 + key, first_value + value]);
        }
        for _ in 2 * self.pairs..self.length {
            batch.tokens.push(match self.noise {
                true => first_value + seeds::below(rng, self.values as u64) as u32,
                false => BLANK,
            });
        }
        batch.targets.resize(start + self.length, BLANK);
        batch.mask.resize(start + self.length, 0.0);
        batch.distance.resize(start + self.length, 0);
        for (pair, &slot) in slots.iter().enumerate() {
            let query = 2 * self.pairs + 2 * slot as usize;
            batch.tokens[start + query] = 1 + keys[pair];
            batch.targets[start + query] = first_value + values[pair];
            batch.mask[start + query] = 1.0;
            batch.distance[start + query] = (query - (2 * pair + 1)) as u32;
        }
    }

    /// Any value. Knowing which values the sequence holds but not whose they are gives 1/pairs.
    fn floor(&self) -> Floor {
        Floor {
            accuracy: 1.0 / self.values as f64,
            loss: (self.values as f64).ln(),
        }
    }
}
