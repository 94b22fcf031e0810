//! English phrases and their French translations, by rule: numbers, dates, times of day, prices,
//! quantities, and compositions of two of them.
//!
//! French is spelt as before 1990: hyphens below a hundred only, and none beside `et`
//! (`deux cent vingt et un`, `quatre-vingt-dix-sept`).

mod english;
mod french;
mod words;

pub use words::{joined, split};

use super::seeds;
use rand_chacha::ChaCha8Rng;

/// Something to be said in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    /// A whole number in words, below 10⁹.
    Number(u64),
    /// A day, with the name of its weekday or without.
    Date {
        /// 1…31
        day: u8,
        /// 1…12
        month: u8,
        /// In figures.
        year: u16,
        /// 0 (Monday)…6
        weekday: Option<u8>,
    },
    /// A time of day as one says it; hour 0 is midnight, 12 noon.
    Time {
        /// 0…12
        hour: u8,
        /// A multiple of five; 0 at midnight.
        minute: u8,
    },
    /// An amount of money in figures.
    Price {
        /// From 0; 0 only with cents.
        dollars: u16,
        /// 0…99
        cents: u8,
    },
    /// So many things, in words, below 10,000.
    Quantity {
        /// From 1.
        count: u16,
        /// A row of the table of things.
        thing: usize,
        /// A row of the table of adjectives.
        adjective: Option<usize>,
    },
}

/// How two atoms are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// from … to …
    From,
    /// between … and …
    Between,
    /// … or …
    Or,
    /// not … but …
    Not,
    /// …, then …
    Then,
}

/// All frames.
pub const FRAMES: [Frame; 5] = [
    Frame::From,
    Frame::Between,
    Frame::Or,
    Frame::Not,
    Frame::Then,
];

/// One phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phrase {
    /// An atom by itself.
    Single(Atom),
    /// Two of them.
    Pair(Frame, Atom, Atom),
}

impl Phrase {
    /// In English.
    pub fn english(&self) -> String {
        match self {
            Phrase::Single(atom) => english::atom(atom),
            Phrase::Pair(frame, a, b) => english::pair(*frame, a, b),
        }
    }

    /// In French.
    pub fn french(&self) -> String {
        match self {
            Phrase::Single(atom) => french::atom(atom),
            Phrase::Pair(frame, a, b) => french::pair(*frame, a, b),
        }
    }
}

/// How many kinds of atoms there are.
pub const KINDS: usize = 5;

impl Atom {
    /// Draws one of kind `kind`, numbers of at most `digits` digits.
    pub fn draw(kind: usize, digits: u32, rng: &mut ChaCha8Rng) -> Self {
        let mut below = |n: u64| seeds::below(rng, n);
        match kind {
            0 => {
                // As many digits as any.
                let digits = 1 + below(u64::from(digits)) as u32;
                let least = if digits == 1 {
                    0
                } else {
                    10u64.pow(digits - 1)
                };
                Atom::Number(least + below(10u64.pow(digits) - least))
            }
            1 => {
                let month = 1 + below(12) as u8;
                let days = match month {
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                Atom::Date {
                    day: 1 + below(days) as u8,
                    month,
                    year: 1700 + below(330) as u16,
                    weekday: (below(2) == 1).then(|| below(7) as u8),
                }
            }
            2 => match below(13) as u8 {
                0 => Atom::Time { hour: 0, minute: 0 },
                hour => Atom::Time {
                    hour,
                    minute: 5 * below(12) as u8,
                },
            },
            3 => {
                let dollars = below(1000) as u16;
                let cents = below(100) as u8;
                Atom::Price {
                    dollars,
                    cents: if dollars == 0 { cents.max(1) } else { cents },
                }
            }
            _ => {
                let digits = 1 + below(u64::from(digits.min(4))) as u32;
                let least = 10u64.pow(digits - 1);
                Atom::Quantity {
                    count: (least + below(10u64.pow(digits) - least)) as u16,
                    thing: below(words::THINGS.len() as u64) as usize,
                    adjective: (below(2) == 1)
                        .then(|| below(words::ADJECTIVES.len() as u64) as usize),
                }
            }
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> usize {
        match self {
            Atom::Number(_) => 0,
            Atom::Date { .. } => 1,
            Atom::Time { .. } => 2,
            Atom::Price { .. } => 3,
            Atom::Quantity { .. } => 4,
        }
    }
}

/// Every word that a phrase can have in either language, in order; both share it.
pub fn vocabulary() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    all.extend(english::EVERYTHING.iter().flat_map(|text| split(text)));
    all.extend(french::EVERYTHING.iter().flat_map(|text| split(text)));
    for thing in words::THINGS {
        all.extend([thing.one, thing.many].into_iter().flat_map(split));
        all.extend([thing.un, thing.des].into_iter().flat_map(split));
    }
    for adjective in words::ADJECTIVES {
        all.extend(split(adjective.english));
        all.extend(adjective.french.into_iter().flat_map(split));
    }
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
