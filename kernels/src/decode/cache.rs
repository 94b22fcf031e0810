//! The cache of keys and values of one layer.
//!
//! It grows by pages of [`PAGE`] tokens. A page holds for each head its keys, transposed in blocks
//! of [`BLOCK`] tokens, (blocks, dh, BLOCK), so that a vector of scores is a plain sum of products;
//! then its values, (PAGE, dh padded to whole blocks). Both are read in order. Heads are those of
//! keys, of all sequences.

use super::super::simd::LANES;

/// Tokens whose keys are transposed together: a vector of scores.
pub const BLOCK: usize = LANES;
/// Tokens in a page.
pub const PAGE: usize = 64;

/// The sizes of a cache.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Heads of keys of all sequences.
    pub heads: usize,
    /// Width of a head.
    pub dh: usize,
}

impl Layout {
    /// Floats of one head's keys in a page.
    pub fn keys(self) -> usize {
        PAGE * self.dh
    }
    /// Floats of one token's value.
    pub fn padded(self) -> usize {
        self.dh.next_multiple_of(BLOCK)
    }
    /// Floats of one head in a page: keys, then values.
    pub fn head(self) -> usize {
        self.keys() + PAGE * self.padded()
    }
    pub fn page(self) -> usize {
        self.heads * self.head()
    }
    /// Floats of a cache of so many tokens.
    pub fn floats(self, tokens: usize) -> usize {
        tokens.div_ceil(PAGE) * self.page()
    }

    /// Makes room for `tokens` tokens.
    pub fn grow(self, cache: &mut Vec<f32>, tokens: usize) {
        cache.resize(self.floats(tokens), 0.0);
        // A page ahead: the copy that growing takes falls on the first token after a change of
        // state, and then on one token in as many as there were before.
        cache.reserve(self.page());
    }

    /// Writes a head's key and value of the token at `position`, whose page exists.
    pub fn store(
        self,
        cache: &mut [f32],
        head: usize,
        position: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let (page, t) = (position / PAGE, position % PAGE);
        let own = &mut cache[page * self.page() + head * self.head()..][..self.head()];
        let (keys, values) = own.split_at_mut(self.keys());
        let block = &mut keys[t / BLOCK * BLOCK * self.dh..][..BLOCK * self.dh];
        for (column, &k) in block.chunks_exact_mut(BLOCK).zip(key) {
            column[t % BLOCK] = k;
        }
        values[t * self.padded()..][..self.dh].copy_from_slice(value);
    }

    /// Reads them back.
    pub fn load(
        self,
        cache: &[f32],
        head: usize,
        position: usize,
        key: &mut [f32],
        value: &mut [f32],
    ) {
        let (page, t) = (position / PAGE, position % PAGE);
        let own = &cache[page * self.page() + head * self.head()..][..self.head()];
        let (keys, values) = own.split_at(self.keys());
        let block = &keys[t / BLOCK * BLOCK * self.dh..][..BLOCK * self.dh];
        for (column, k) in block.chunks_exact(BLOCK).zip(key) {
            *k = column[t % BLOCK];
        }
        value.copy_from_slice(&values[t * self.padded()..][..self.dh]);
    }
}

/// Floats that the cache of one layer holds for one sequence after `tokens` tokens: whole pages, heads
/// padded to whole vectors.
pub fn cache_floats(kv_heads: usize, dh: usize, tokens: usize) -> usize {
    let heads = kv_heads;
    Layout { heads, dh }.floats(tokens)
}

/// The cache of these sequences, in this order, of a cache of `batch`: a sequence may be left out, or
/// taken twice. Panics if one is not below `batch`.
pub fn select(
    cache: &[f32],
    (kv_heads, dh): (usize, usize),
    batch: usize,
    sequences: &[usize],
) -> Vec<f32> {
    let own = Layout {
        heads: kv_heads,
        dh,
    }
    .page();
    assert!(
        sequences.iter().all(|&b| b < batch) && cache.len().is_multiple_of(batch * own),
        "decode::select: {sequences:?} of {batch} sequences, {} cached",
        cache.len()
    );
    let pages = cache.chunks_exact((batch * own).max(1));
    let parts = pages.flat_map(|page| sequences.iter().map(move |&b| &page[b * own..][..own]));
    parts.flatten().copied().collect()
}

/// Cuts a cache of `consumed` tokens back to its first `tokens`. Panics if there are fewer.
pub fn truncate(cache: &mut Vec<f32>, consumed: usize, tokens: usize) {
    assert!(
        tokens <= consumed,
        "decode: {consumed} tokens hold no {tokens}"
    );
    // What a page holds of tokens past the last is never read before it is written again.
    let page = cache.len() / consumed.div_ceil(PAGE).max(1);
    cache.truncate(page * tokens.div_ceil(PAGE));
}
