//! What an attention is asked for: sizes, who sees whom, and how scores are made.

/// Which keys a query sees. Query i stands at place `offset` + i among the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionMask {
    /// All of them: an encoder, or a decoder that reads a source.
    All,
    /// Its own place and those before it.
    Causal,
    /// The last so many of these (at least 1), its own place included (Beltagy et al. 2020).
    Window(usize),
}

/// What scores know of the places of query and key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttentionPositions {
    /// Nothing.
    None,
    /// Queries and keys are turned by their place (Su et al. 2021).
    Rotary {
        /// The slowest turn takes about 2π · base places; 10,000 in the paper.
        base: f64,
        /// Share of a head's values that are turned, the first ones; 1 in the paper.
        share: f64,
    },
    /// A score falls linearly with the distance, by a slope a head (Press et al. 2022).
    Alibi,
}

impl AttentionPositions {
    /// Rotary positions with the paper's base.
    pub const ROTARY: Self = AttentionPositions::Rotary {
        base: 10_000.0,
        share: 1.0,
    };
}

/// Shape and kind of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Sequences B.
    pub batch: usize,
    /// Queries Tq in each.
    pub queries: usize,
    /// Keys Tk in each, and as many values.
    pub keys: usize,
    /// Heads H of the queries.
    pub heads: usize,
    /// Heads of keys and values; they divide H, and each serves H / `kv_heads` neighbouring heads
    /// of queries (Ainslie et al. 2023; a single one: Shazeer 2019).
    pub kv_heads: usize,
    /// Which keys a query sees.
    pub mask: AttentionMask,
    /// The place of the first query among the keys, for the mask and the positions.
    pub offset: usize,
    /// What scores know of places.
    pub positions: AttentionPositions,
    /// Scores s become c · tanh(s / c) before positions lower them and the mask applies (Gemma
    /// Team 2024, "Gemma 2").
    pub soft_cap: Option<f32>,
}

impl AttentionShape {
    /// Causal attention of sequences to themselves, a head of keys for every head of queries, no
    /// positions.
    pub fn causal(batch: usize, seq_len: usize, heads: usize) -> Self {
        AttentionShape {
            batch,
            queries: seq_len,
            keys: seq_len,
            heads,
            kv_heads: heads,
            mask: AttentionMask::Causal,
            offset: 0,
            positions: AttentionPositions::None,
            soft_cap: None,
        }
    }

    /// Heads of queries that share a head of keys.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Heads in a row of packed q, k and v.
    pub(crate) fn packed_heads(&self) -> usize {
        self.heads + 2 * self.kv_heads
    }

    /// The width of a head, if rows of `columns` values are so many `heads` of one.
    /// Panics where they are not, or where the shape makes no attention.
    pub(crate) fn head_width(&self, columns: usize, heads: usize) -> usize {
        assert!(
            self.kv_heads > 0 && self.heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "attention: {} key/value heads do not divide {} heads",
            self.kv_heads,
            self.heads
        );
        assert!(
            columns.is_multiple_of(heads),
            "attention: {columns} columns are not {heads} heads of one width"
        );
        assert!(
            self.mask != AttentionMask::Window(0),
            "attention: a window holds at least the token itself"
        );
        assert!(
            self.soft_cap.is_none_or(|cap| cap > 0.0),
            "attention: a soft cap is above 0"
        );
        columns / heads
    }

    /// Panics unless there is a length a sequence, none beyond the keys.
    pub(crate) fn check_lengths(&self, lengths: Option<&[usize]>) {
        let Some(lengths) = lengths else { return };
        assert!(
            lengths.len() == self.batch && lengths.iter().all(|&len| len <= self.keys),
            "attention: lengths {lengths:?} do not fit {} sequences of {} keys",
            self.batch,
            self.keys
        );
    }

    /// The keys that query `i` sees in a sequence of which `len` count.
    #[inline]
    pub(crate) fn sees(&self, i: usize, len: usize) -> std::ops::Range<usize> {
        let place = self.offset + i + 1;
        match self.mask {
            AttentionMask::All => 0..len,
            AttentionMask::Causal => 0..place.min(len),
            AttentionMask::Window(n) => place.saturating_sub(n).min(len)..place.min(len),
        }
    }
}
