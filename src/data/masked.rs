//! Text with gaps: some tokens of a window are hidden, and asked for (Devlin et al. 2019, section 3.1).
//!
//! In training 15 % of the tokens are asked for. Of these 80 % read `[MASK]`, 10 % a random token and 10 %
//! the token itself, so that a model cannot rest on what is not masked. Validation and test hide one token a
//! window, always behind `[MASK]`, at a place in its middle half that its number decides: who reads one side
//! alone has as much to read on either.

use super::text::TextSource;
use super::{Batch, Cursor, Floor, Source, Spec, Split, seeds};
use crate::models::Content;
use rand_chacha::ChaCha8Rng;

/// Share of the tokens that training asks for.
const ASKED: f64 = 0.15;
/// Of these, the share that reads `[MASK]`, and that reads a random token.
const MASKED: f64 = 0.8;
const RANDOM: f64 = 0.1;
/// Masks are drawn from another key than windows.
const KEY: u64 = 0x6d61_736b;

/// A window of a text and the place in it that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// All T tokens, the one asked for among them.
    pub window: Vec<u32>,
    /// Its place.
    pub at: usize,
}

impl Gap {
    /// The token asked for.
    pub fn token(&self) -> u32 {
        self.window[self.at]
    }
}

/// Windows of a text with gaps. Token V, one past those of the text, is `[MASK]`.
pub struct MaskedSource {
    windows: TextSource,
    seed: u64,
}

impl MaskedSource {
    /// Hides tokens of these windows.
    pub fn new(windows: TextSource, seed: u64) -> Self {
        MaskedSource { windows, seed }
    }

    /// The gaps of a split, one in each of at most so many windows.
    pub fn gaps(&self, split: Split, windows: usize) -> Vec<Gap> {
        let of_batch = |batch: &Batch| -> Vec<Gap> {
            let t = batch.seq_len();
            let windows = batch.targets.tokens().chunks(t).zip(batch.mask.chunks(t));
            let gap = |(window, mask): (&[u32], &[f32])| {
                let at = mask.iter().position(|&m| m != 0.0)?;
                let window = window.to_vec();
                Some(Gap { window, at })
            };
            windows.filter_map(gap).collect()
        };
        let batches = self.evaluation(split, windows, 64);
        batches.iter().flat_map(of_batch).collect()
    }

    /// The token that hides another.
    fn mask(&self) -> u32 {
        self.windows.spec().vocab as u32
    }

    /// A batch that asks for its own tokens at some places, each of which reads something else.
    fn hide(&self, batch: Batch, mut places: impl FnMut(usize) -> Vec<(usize, Read)>) -> Batch {
        let (sequences, t) = (batch.sequences(), batch.seq_len());
        let original = batch.tokens().to_vec();
        let mut hidden = Batch {
            mask: vec![0.0; original.len()],
            ..batch
        };
        let mask = self.mask();
        if let Content::Tokens(tokens) = &mut hidden.input.own.values {
            for b in 0..sequences {
                for (place, read) in places(b) {
                    let row = b * t + place;
                    hidden.mask[row] = 1.0;
                    tokens[row] = match read {
                        Read::Mask => mask,
                        Read::Token(token) => token,
                        Read::Itself => original[row],
                    };
                }
            }
        }
        hidden.targets = Content::Tokens(original);
        hidden
    }
}

/// What stands where a token is asked for.
enum Read {
    Mask,
    Token(u32),
    Itself,
}

/// Places of a training window, at least one.
fn places(t: usize, vocab: u32, rng: &mut ChaCha8Rng) -> Vec<(usize, Read)> {
    let asked = ((ASKED * t as f64).round() as usize).max(1);
    let chosen = seeds::choose(rng, t, asked);
    let read = |place: u32| {
        let draw = seeds::unit(rng);
        let read = match draw {
            _ if draw <= MASKED => Read::Mask,
            _ if draw <= MASKED + RANDOM => Read::Token(seeds::below(rng, vocab.into()) as u32),
            _ => Read::Itself,
        };
        (place as usize, read)
    };
    chosen.into_iter().map(read).collect()
}

impl Source for MaskedSource {
    fn spec(&self) -> Spec {
        let spec = self.windows.spec();
        Spec {
            vocab: spec.vocab + 1,
            masked: true,
            ..spec
        }
    }

    /// The masks of window number n follow from the seed and n alone.
    fn next_batch(&mut self, batch: usize) -> Batch {
        let first = self.windows.cursor().drawn;
        let windows = self.windows.next_batch(batch);
        let (t, vocab) = (windows.seq_len(), self.mask());
        self.hide(windows, |b| {
            let mut rng = seeds::generator(self.seed ^ KEY, first + b as u64);
            places(t, vocab, &mut rng)
        })
    }

    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch> {
        let mut number = 0;
        let batches = self.windows.evaluation(split, sequences, batch).into_iter();
        let hide = |windows: Batch| {
            let t = windows.seq_len();
            self.hide(windows, |_| {
                let mut rng = seeds::generator(KEY, seeds::stream(split, number));
                number += 1;
                let (quarter, middle) = (t / 4, t - 2 * (t / 4));
                let place = quarter + seeds::below(&mut rng, middle as u64) as usize;
                vec![(place, Read::Mask)]
            })
        };
        batches.map(hide).collect()
    }

    fn cursor(&self) -> Cursor {
        self.windows.cursor()
    }

    fn restore(&mut self, cursor: &Cursor) {
        self.windows.restore(cursor);
    }

    fn characters_per_token(&self, _split: Split) -> Option<f64> {
        None
    }

    fn text(&self) -> Option<&str> {
        self.windows.text()
    }

    fn floor(&self) -> Floor {
        self.windows.floor()
    }

    /// From the token before the gap alone.
    fn known(&self) -> Floor {
        self.windows.known()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::text::Text;
    use crate::data::tokenizer::{Tokenizer, TokenizerChoice};
    use std::sync::Arc;

    fn source(seq_len: usize) -> MaskedSource {
        let text: String = (0..40_000)
            .map(|i| (b'a' + (i * i % 23 + i % 3) as u8) as char)
            .collect();
        let tokenizer = Tokenizer::train(TokenizerChoice::Char, &text, &text).unwrap();
        let text = Arc::new(Text::encode("letters", &text, tokenizer).unwrap());
        MaskedSource::new(TextSource::new(text, seq_len, 5).unwrap(), 5)
    }

    #[test]
    fn training_asks_for_15_percent_and_hides_most_of_them() {
        let mut data = source(100);
        let (mut asked, mut masked, mut itself) = (0, 0, 0);
        for _ in 0..40 {
            let batch = data.next_batch(50);
            let targets = batch.targets.tokens();
            for (row, &read) in batch.tokens().iter().enumerate() {
                if batch.mask[row] == 0.0 {
                    assert_eq!(read, targets[row], "what is not asked for stays");
                    continue;
                }
                asked += 1;
                masked += usize::from(read == data.mask());
                itself += usize::from(read == targets[row]);
            }
        }
        assert_eq!(asked, 40 * 50 * 15);
        let share = |n: usize| n as f64 / asked as f64;
        // Five standard deviations of a share of 30,000; a random token is the token itself now and then.
        assert!((share(masked) - 0.8).abs() < 0.012, "{}", share(masked));
        assert!((share(itself) - 0.1).abs() < 0.015, "{}", share(itself));
    }

    #[test]
    fn a_test_has_one_gap_a_window_in_its_middle_half_and_always_the_same() {
        let data = source(20);
        let batches = data.evaluation(Split::Test, 80, 16);
        let read = |batches: &[Batch]| -> Vec<u32> {
            batches
                .iter()
                .flat_map(|batch| batch.tokens().to_vec())
                .collect()
        };
        assert_eq!(read(&batches), read(&data.evaluation(Split::Test, 80, 7)));
        let mut places = [0; 20];
        for batch in &batches {
            let rows = batch.mask.chunks(20).zip(batch.tokens().chunks(20));
            for (mask, read) in rows {
                let gaps = data.gaps(Split::Test, 80);
                assert_eq!(gaps.len(), 80);
                for (i, gap) in gaps.iter().enumerate() {
                    let batch = &batches[i / 16];
                    let row = (i % 16) * 20;
                    assert_eq!(batch.mask[row + gap.at], 1.0);
                    assert_eq!(batch.targets.tokens()[row..row + 20], gap.window);
                    assert_eq!(gap.token(), batch.targets.tokens()[row + gap.at]);
                }
                let asked: Vec<usize> = (0..20).filter(|&t| mask[t] == 1.0).collect();
                assert_eq!(asked.len(), 1);
                assert_eq!(read[asked[0]], data.mask());
                places[asked[0]] += 1;
            }
        }
        let gaps = data.gaps(Split::Test, 80);
        assert_eq!(gaps.len(), 80);
        for (i, gap) in gaps.iter().enumerate() {
            let batch = &batches[i / 16];
            let row = (i % 16) * 20;
            assert_eq!(batch.mask[row + gap.at], 1.0);
            assert_eq!(batch.targets.tokens()[row..row + 20], gap.window);
            assert_eq!(gap.token(), batch.targets.tokens()[row + gap.at]);
        }
        let asked: Vec<usize> = (0..20).filter(|&t| places[t] > 0).collect();
        assert_eq!(asked, (5..15).collect::<Vec<_>>(), "{places:?}");
    }

    #[test]
    fn training_goes_on_where_it_stopped() {
        let mut whole = source(30);
        whole.next_batch(7);
        let cursor = whole.cursor();
        let expected = whole.next_batch(9);
        let mut again = source(30);
        again.restore(&cursor);
        assert_eq!(again.next_batch(9), expected);
    }
}
