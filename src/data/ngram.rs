//! What counting alone predicts: n-grams with modified Kneser-Ney smoothing
//! (Chen & Goodman 1999). Every probability is above zero and they sum to 1 over the vocabulary.

mod gap;

use super::text::Text;
use super::unigram::Unigram;
use super::{Batch, Split};
use rayon::prelude::*;

/// What counting reaches on a text, in bits per character; the yardsticks of a language model.
#[derive(Debug, Clone, PartialEq)]
pub struct Baselines {
    /// Token frequencies.
    pub unigram_bits_per_character: f64,
    /// n-grams of whatever length predicts best that have counted exactly the tokens `seen`.
    pub seen: Counting,
    /// n-grams that store at most as many counts as the models have parameters.
    pub same_size: Counting,
    /// n-grams of whatever length predicts best, however many counts that takes.
    pub unlimited: Counting,
}

/// A Kneser-Ney model and what it reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Counting {
    /// Bits per character on the test windows.
    pub bits_per_character: f64,
    /// The same over each block of them, as for models.
    pub by_block: Vec<f64>,
    /// Length of its longest n-grams, chosen on the validation split.
    pub order: usize,
    /// Counts it stores, one for each different n-gram of each length.
    pub counts: usize,
}

/// Orders that are tried: on the default corpus 12 is 0.2 % better than 8, and takes twice as long.
pub const ORDERS: std::ops::RangeInclusive<usize> = 2..=8;

/// Tokens of the validation split that choose the order.
const CHOOSING_TOKENS: usize = 100_000;

/// Counts the training split, and apart from it the tokens `seen`, chooses orders on the validation split,
/// and judges on `test`: the same windows a model is judged on, and like the model it looks back no further
/// than the start of the window. `parameters` is the size of the models it is compared with; `blocks` says
/// how many blocks the windows are parted into.
pub fn baselines(
    text: &Text,
    parameters: usize,
    seen: &[u32],
    test: &[Batch],
    blocks: usize,
) -> Baselines {
    let train = text.tokens(Split::Train);
    let vocab = text.tokenizer().vocab();
    let per_token = text.characters_per_token(Split::Test);
    let all = Judged::new(text, train, test, blocks);
    let tokens: usize = test.iter().map(Batch::positions).sum();
    let unigram = Unigram::of(train, vocab);
    let unigram_bits: f64 = test
        .iter()
        .map(|batch| unigram.bits(batch.targets.tokens()))
        .sum();
    Baselines {
        unigram_bits_per_character: unigram_bits / (tokens as f64 * per_token),
        seen: Judged::new(text, seen, test, blocks).best(&|_| true),
        same_size: all.best(&|counts| counts <= parameters),
        unlimited: all.best(&|_| true),
    }
}

/// A Kneser-Ney model with what decides its order and what judges it.
struct Judged<'a> {
    model: KneserNey,
    /// Orders with their bits on the validation split.
    tried: Vec<(usize, f64)>,
    test: &'a [Batch],
    blocks: usize,
    characters_per_token: f64,
}

impl<'a> Judged<'a> {
    fn new(text: &Text, counted: &[u32], test: &'a [Batch], blocks: usize) -> Self {
        let model = KneserNey::train(counted, text.tokenizer().vocab(), *ORDERS.end());
        let validation = text.tokens(Split::Validation);
        let validation = &validation[..validation.len().min(CHOOSING_TOKENS)];
        let orders = ORDERS.filter(|&order| order <= model.longest());
        let tried = orders.map(|order| (order, model.bits(order, validation)));
        Self {
            tried: tried.collect(),
            model,
            test,
            blocks: blocks.min(test.len()),
            characters_per_token: text.characters_per_token(Split::Test),
        }
    }

    /// The best order among those whose number of counts is allowed.
    fn best(&self, allowed: &dyn Fn(usize) -> bool) -> Counting {
        let counts = |order: usize| self.model.counts(order);
        let orders = self
            .tried
            .iter()
            .filter(|(order, _)| allowed(counts(*order)));
        let order = orders
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(1, |(order, _)| *order);
        let mut sums = vec![(0.0, 0.0); self.blocks];
        for (i, batch) in self.test.iter().enumerate() {
            let block = &mut sums[i * self.blocks / self.test.len()];
            block.0 += self.model.bits_of_windows(order, batch);
            block.1 += batch.positions() as f64 * self.characters_per_token;
        }
        let (bits, characters) = sums.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        Counting {
            bits_per_character: bits / characters,
            by_block: sums
                .iter()
                .map(|(bits, characters)| bits / characters)
                .collect(),
            order,
            counts: counts(order),
        }
    }
}

/// Interpolated modified Kneser-Ney over tokens:
///
/// p_k(w|h) = max(c(hw) − D(c(hw)), 0) / c(h·) + γ(h) · p_{k−1}(w|h'),  p_0 = 1/V,
///
/// where h' drops the oldest token of h, γ(h) is what the discounts left over, and c counts text at
/// the highest order n but different left neighbours, N₁₊(•hw), at the orders below.
pub struct KneserNey {
    vocab: usize,
    /// Entry k−1: n-grams of length k by how often they occur.
    occurrences: Vec<Table>,
    /// Entry k−1: n-grams of length k by how many different tokens stand before them.
    continuations: Vec<Table>,
}

impl KneserNey {
    /// Counts n-grams of length 1 to `longest` (less if they do not fit 128 bits, or the text is
    /// shorter). Takes about 30 bytes for each different n-gram of each length.
    pub fn train(tokens: &[u32], vocab: usize, longest: usize) -> Self {
        assert!(
            tokens.iter().all(|&token| (token as usize) < vocab),
            "a token beyond the vocabulary"
        );
        let bits = usize::BITS - vocab.saturating_sub(1).max(1).leading_zeros();
        let longest = longest.min(128 / bits as usize).min(tokens.len()).max(1);
        let grams: Vec<Vec<(u128, u32)>> = (1..=longest)
            .map(|length| count_occurrences(tokens, bits, length))
            .collect();
        let continuations = (1..longest)
            .map(|k| Table::new(count_continuations(&grams[k], bits, k), bits))
            .collect();
        let occurrences = grams
            .into_iter()
            .map(|grams| Table::new(grams, bits))
            .collect();
        Self {
            vocab,
            occurrences,
            continuations,
        }
    }

    /// Length of the longest n-grams.
    pub fn longest(&self) -> usize {
        self.occurrences.len()
    }

    /// Counts that a model of this order stores: one for each different n-gram of each length.
    pub fn counts(&self, order: usize) -> usize {
        let shorter = self.continuations[..order - 1].iter();
        shorter
            .chain([&self.occurrences[order - 1]])
            .map(|table| table.keys.len())
            .sum()
    }

    /// Probability of a token after a context, of which the last `order` − 1 tokens count.
    ///
    /// # Panics
    /// If `order` is 0 or above [`longest`](Self::longest).
    pub fn probability(&self, order: usize, context: &[u32], token: u32) -> f64 {
        assert!(
            (1..=self.longest()).contains(&order),
            "no n-grams of length {order}"
        );
        let mut p = 1.0 / self.vocab as f64;
        let bits = self.occurrences[0].bits;
        let (mut history, mut shift) = (0u128, 0);
        for k in 1..=order.min(context.len() + 1) {
            if k > 1 {
                // One token further back is one digit higher.
                history |= u128::from(context[context.len() + 1 - k]) << shift;
                shift += bits;
            }
            let table = if k == order {
                &self.occurrences
            } else {
                &self.continuations
            };
            let Some(after) = table[k - 1].after(history) else {
                break;
            };
            let count = table[k - 1].count(after, (history << bits) | u128::from(token));
            p = after.interpolate(count, &table[k - 1].discounts, p);
        }
        p
    }

    /// Total bits of the tokens in a row, each after those before it.
    pub fn bits(&self, order: usize, tokens: &[u32]) -> f64 {
        self.sum(tokens.len(), |at| {
            self.probability(order, &tokens[at.saturating_sub(order)..at], tokens[at])
        })
    }

    /// Total bits of the targets of a batch, each after its window's tokens up to it.
    pub fn bits_of_windows(&self, order: usize, batch: &Batch) -> f64 {
        self.sum(batch.positions(), |at| {
            let window = at - at % batch.seq_len();
            let from = window.max((at + 1).saturating_sub(order));
            self.probability(
                order,
                &batch.tokens()[from..=at],
                batch.targets.tokens()[at],
            )
        })
    }

    /// −Σ log₂ p, added in pieces of fixed size: the same sum on any number of threads.
    fn sum(&self, count: usize, p: impl Fn(usize) -> f64 + Sync) -> f64 {
        const PIECE: usize = 4096;
        let pieces: Vec<f64> = (0..count.div_ceil(PIECE))
            .into_par_iter()
            .map(|i| {
                (i * PIECE..count.min((i + 1) * PIECE))
                    .map(|at| -libm::log2(p(at)))
                    .sum()
            })
            .collect();
        pieces.iter().sum()
    }
}

/// Every n-gram of a length as a number (oldest token in the highest digit) with its count, sorted.
fn count_occurrences(tokens: &[u32], bits: u32, length: usize) -> Vec<(u128, u32)> {
    let mut grams: Vec<u128> = tokens
        .windows(length)
        .map(|gram| {
            gram.iter()
                .fold(0, |key, &token| (key << bits) | u128::from(token))
        })
        .collect();
    grams.par_sort_unstable();
    runs(&grams)
}

/// Every n-gram of length k with the number of different tokens before it, from the n-grams of
/// length k + 1.
fn count_continuations(longer: &[(u128, u32)], bits: u32, k: usize) -> Vec<(u128, u32)> {
    let keep = (1u128 << (bits * k as u32)) - 1;
    let mut grams: Vec<u128> = longer.iter().map(|&(key, _)| key & keep).collect();
    grams.par_sort_unstable();
    runs(&grams)
}

fn runs(sorted: &[u128]) -> Vec<(u128, u32)> {
    sorted
        .chunk_by(|a, b| a == b)
        .map(|run| (run[0], run.len() as u32))
        .collect()
}

/// Counts of the n-grams of one length, found by their context.
struct Table {
    bits: u32,
    /// n-grams, sorted; those of one context stand together.
    keys: Vec<u128>,
    counts: Vec<u32>,
    /// Contexts, sorted, and what follows each.
    contexts: Vec<u128>,
    afters: Vec<After>,
    discounts: [f64; 3],
}

/// What follows one context.
struct After {
    /// Place of its n-grams.
    from: u32,
    to: u32,
    /// Sum of their counts.
    total: u64,
    /// How many have count 1, 2, 3 or more.
    kinds: [u32; 3],
}

impl Table {
    fn new(grams: Vec<(u128, u32)>, bits: u32) -> Self {
        let (mut contexts, mut afters) = (Vec::new(), Vec::new());
        let mut from = 0u32;
        for group in grams.chunk_by(|a, b| a.0 >> bits == b.0 >> bits) {
            let mut kinds = [0; 3];
            for &(_, count) in group {
                kinds[count.min(3) as usize - 1] += 1;
            }
            let to = from + group.len() as u32;
            contexts.push(group[0].0 >> bits);
            let total = group.iter().map(|&(_, count)| u64::from(count)).sum();
            afters.push(After {
                from,
                to,
                total,
                kinds,
            });
            from = to;
        }
        let discounts = discounts(&grams);
        let (keys, counts) = grams.into_iter().unzip();
        Self {
            bits,
            keys,
            counts,
            contexts,
            afters,
            discounts,
        }
    }

    fn after(&self, context: u128) -> Option<&After> {
        self.contexts
            .binary_search(&context)
            .ok()
            .map(|place| &self.afters[place])
    }

    fn count(&self, after: &After, key: u128) -> u32 {
        let from = after.from as usize;
        let found = self.keys[from..after.to as usize].binary_search(&key);
        found.map_or(0, |place| self.counts[from + place])
    }
}

impl After {
    fn interpolate(&self, count: u32, discounts: &[f64; 3], shorter: f64) -> f64 {
        let left = match count {
            0 => 0.0,
            count => f64::from(count) - discounts[count.min(3) as usize - 1],
        };
        let freed: f64 = discounts
            .iter()
            .zip(self.kinds)
            .map(|(d, n)| d * f64::from(n))
            .sum();
        (left + freed * shorter) / self.total as f64
    }
}

/// D₁, D₂, D₃₊ from how many n-grams occur once to four times (Chen & Goodman 1999, eq. 26); where
/// the text is too small to tell, 0.5, 1 and 1.5. Kept within 0…count.
fn discounts(grams: &[(u128, u32)]) -> [f64; 3] {
    let mut n = [0f64; 5];
    for &(_, count) in grams {
        if count <= 4 {
            n[count as usize] += 1.0;
        }
    }
    if n[1..].contains(&0.0) {
        return [0.5, 1.0, 1.5];
    }
    let y = n[1] / (n[1] + 2.0 * n[2]);
    [1, 2, 3].map(|k| (k as f64 - (k + 1) as f64 * y * n[k + 1] / n[k]).clamp(0.01, k as f64))
}

#[cfg(test)]
mod tests;
