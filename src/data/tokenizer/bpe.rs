//! Byte-level byte-pair encoding (Sennrich et al. 2016; on bytes: Radford et al. 2019).

use serde::{Deserialize, Serialize};
use std::collections::{BinaryHeap, HashMap, HashSet};

type Pair = (u32, u32);

/// Tokens 0…255 are the bytes; token 256 + i is merge i, a pair of earlier tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Merges", into = "Merges")]
pub struct Bpe {
    merges: Vec<Pair>,
    ranks: HashMap<Pair, u32>,
    bytes: Vec<Vec<u8>>,
}

/// As written to a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merges {
    merges: Vec<Pair>,
}

impl Bpe {
    /// Learns merges from a text until there are `vocab` tokens or no pair occurs twice.
    ///
    /// The most frequent pair is merged next; among equally frequent ones that with the smallest
    /// tokens. Pairs never reach over the border of a [`piece`](pieces). Counts are kept up to date
    /// merge by merge, only in the pieces that hold the pair.
    pub fn train(text: &str, vocab: usize) -> Self {
        let mut words = distinct_pieces(text);
        let mut counts: HashMap<Pair, i64> = HashMap::new();
        let mut places: HashMap<Pair, HashSet<usize>> = HashMap::new();
        for (index, (tokens, count)) in words.iter().enumerate() {
            for pair in tokens.windows(2).map(|w| (w[0], w[1])) {
                *counts.entry(pair).or_default() += count;
                places.entry(pair).or_default().insert(index);
            }
        }
        // Entries go stale when a count changes; a changed pair is pushed again, and an entry that
        // does not show the present count is skipped.
        let entry = |count: i64, pair: Pair| (count, std::cmp::Reverse(pair));
        let mut heap: BinaryHeap<_> = counts
            .iter()
            .map(|(&pair, &count)| entry(count, pair))
            .collect();

        let mut merges = Vec::new();
        while 256 + merges.len() < vocab {
            let Some((count, std::cmp::Reverse(pair))) = heap.pop() else {
                break;
            };
            if count < 2 {
                break;
            }
            if counts.get(&pair) != Some(&count) {
                continue;
            }
            let token = 256 + merges.len() as u32;
            merges.push(pair);
            let mut changed: HashSet<Pair> = HashSet::new();
            for index in places.remove(&pair).unwrap_or_default() {
                let (tokens, count) = &mut words[index];
                for old in tokens.windows(2).map(|w| (w[0], w[1])) {
                    *counts
                        .get_mut(&old)
                        .expect("every pair of a piece is counted") -= *count;
                    changed.insert(old);
                }
                merge(tokens, pair, token);
                for new in tokens.windows(2).map(|w| (w[0], w[1])) {
                    *counts.entry(new).or_default() += *count;
                    places.entry(new).or_default().insert(index);
                    changed.insert(new);
                }
            }
            counts.remove(&pair);
            for pair in changed {
                if let Some(&count) = counts.get(&pair) {
                    heap.push(entry(count, pair));
                }
            }
        }
        Merges { merges }
            .try_into()
            .expect("merges refer to earlier tokens")
    }

    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.bytes.len()
    }

    /// Tokens of a text: in each piece the earliest learned merge first.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut known: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut out = Vec::with_capacity(text.len() / 3);
        for piece in pieces(text) {
            out.extend_from_slice(
                known
                    .entry(piece)
                    .or_insert_with(|| self.encode_piece(piece)),
            );
        }
        out
    }

    fn encode_piece(&self, piece: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = piece.bytes().map(u32::from).collect();
        while let Some(rank) = tokens
            .windows(2)
            .filter_map(|w| self.ranks.get(&(w[0], w[1])))
            .min()
        {
            merge(&mut tokens, self.merges[*rank as usize], 256 + rank);
        }
        tokens
    }

    /// The bytes of tokens.
    pub fn decode(&self, tokens: &[u32]) -> Vec<u8> {
        tokens
            .iter()
            .flat_map(|&token| &self.bytes[token as usize])
            .copied()
            .collect()
    }
}

/// Replaces every occurrence of a pair, from the left.
fn merge(tokens: &mut Vec<u32>, pair: Pair, token: u32) {
    let mut kept = 0;
    let mut at = 0;
    while at < tokens.len() {
        if at + 1 < tokens.len() && (tokens[at], tokens[at + 1]) == pair {
            tokens[kept] = token;
            at += 2;
        } else {
            tokens[kept] = tokens[at];
            at += 1;
        }
        kept += 1;
    }
    tokens.truncate(kept);
}

/// Longest piece in bytes: long runs are cut, so that encoding stays linear in the text.
const LONGEST_PIECE: usize = 64;

/// No token that was learned from pieces is longer; a file could claim tokens of gigabytes by merging
/// each with itself.
pub const LONGEST_TOKEN: usize = 2 * LONGEST_PIECE;
/// Most merges of a file: what `bpe:VOCAB` allows.
const MOST_MERGES: usize = 65_536 - 256;

/// Cuts a text where no merge may reach over: before every word, number, run of punctuation or run
/// of white space. One space sticks to the front of what follows it. No token is longer than a piece.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut characters = rest.char_indices().peekable();
        let (_, first) = characters.next()?;
        let mut class = Class::of(first);
        if first == ' ' {
            class = characters
                .peek()
                .map_or(class, |&(_, next)| Class::of(next));
        }
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            // A space before a word belongs to the word, not to the white space before it.
            let binds = character == ' '
                && characters
                    .peek()
                    .is_some_and(|&(_, next)| Class::of(next) != Class::Space);
            if Class::of(character) != class || binds || at >= LONGEST_PIECE {
                end = at;
                break;
            }
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[derive(PartialEq, Clone, Copy)]
enum Class {
    Letter,
    Digit,
    Space,
    Other,
}

impl Class {
    fn of(character: char) -> Self {
        match character {
            c if c.is_alphabetic() => Self::Letter,
            c if c.is_numeric() => Self::Digit,
            c if c.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }
}

/// Each different piece once, as bytes, with how often it occurs; in a fixed order.
fn distinct_pieces(text: &str) -> Vec<(Vec<u32>, i64)> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for piece in pieces(text) {
        *counts.entry(piece).or_default() += 1;
    }
    let mut words: Vec<(&str, i64)> = counts.into_iter().collect();
    words.sort_unstable();
    words
        .into_iter()
        .map(|(piece, n)| (piece.bytes().map(u32::from).collect(), n))
        .collect()
}

impl TryFrom<Merges> for Bpe {
    type Error = String;

    fn try_from(Merges { merges }: Merges) -> Result<Self, String> {
        let mut bytes: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        let mut ranks = HashMap::new();
        if merges.len() > MOST_MERGES {
            return Err(format!(
                "has {} merges, more than {MOST_MERGES}",
                merges.len()
            ));
        }
        for (rank, &pair) in merges.iter().enumerate() {
            let (Some(left), Some(right)) =
                (bytes.get(pair.0 as usize), bytes.get(pair.1 as usize))
            else {
                return Err(format!("merge {rank} refers to a later token"));
            };
            let length = left.len() + right.len();
            if length > LONGEST_TOKEN {
                return Err(format!(
                    "merge {rank} makes a token of {length} bytes, more than {LONGEST_TOKEN}"
                ));
            }
            if ranks.insert(pair, rank as u32).is_some() {
                return Err(format!("merge {rank} is there twice"));
            }
            bytes.push([left.as_slice(), right].concat());
        }
        Ok(Self {
            merges,
            ranks,
            bytes,
        })
    }
}

impl From<Bpe> for Merges {
    fn from(bpe: Bpe) -> Self {
        Self { merges: bpe.merges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_make_up_the_text(text in "(?s).{0,80}|[a b\n1,]{0,80}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }

        /// The slow way: count all pairs anew before each merge.
        #[test]
        fn incremental_counts_are_right(text in "[abc d\n]{0,200}", merges in 0usize..40) {
            let mut words = distinct_pieces(&text);
            let mut expected = Vec::new();
            while expected.len() < merges {
                let mut counts: HashMap<Pair, i64> = HashMap::new();
                for (tokens, count) in &words {
                    for pair in tokens.windows(2).map(|w| (w[0], w[1])) {
                        *counts.entry(pair).or_default() += count;
                    }
                }
                let best = counts.into_iter().max_by_key(|&(pair, n)| (n, std::cmp::Reverse(pair)));
                let Some((pair, count)) = best else { break };
                if count < 2 {
                    break;
                }
                let token = 256 + expected.len() as u32;
                words.iter_mut().for_each(|(tokens, _)| merge(tokens, pair, token));
                expected.push(pair);
            }
            prop_assert_eq!(Bpe::train(&text, 256 + merges).merges, expected);
        }
    }

    #[test]
    fn cuts_words_with_their_space() {
        let cut: Vec<&str> = pieces("In the  beginning, 12 days\n\nGod said:\n Let").collect();
        assert_eq!(
            cut,
            [
                "In",
                " the",
                " ",
                " beginning",
                ",",
                " 12",
                " days",
                "\n\n",
                "God",
                " said",
                ":",
                "\n",
                " Let"
            ]
        );
    }

    #[test]
    fn merges_the_most_frequent_first() {
        let bpe = Bpe::train("low low low lower lowest", 259);
        // "lo" and "ow" both occur five times, " l" four: the smaller pair of tokens wins.
        assert_eq!(bpe.merges, [(108, 111), (256, 119), (32, 257)]);
        assert_eq!(bpe.encode("low lower"), [257, 258, 101, 114]);
    }
}
