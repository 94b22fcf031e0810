//! Text read from its end: the token asked for is the one before.

use super::text::TextSource;
use super::{Batch, Cursor, Floor, Source, Spec, Split};
use crate::models::Content;

/// The windows of a text, each turned round.
pub struct Backwards(pub TextSource);

/// Each sequence of T tokens in opposite order.
pub fn turned(tokens: &[u32], seq_len: usize) -> Vec<u32> {
    let windows = tokens.chunks(seq_len.max(1));
    windows
        .flat_map(|window| window.iter().rev().copied())
        .collect()
}

/// A window x₀ … x_T asks for x₁ … x_T after those before them; turned round, for x_{T−1} … x₀.
fn turn(batch: Batch) -> Batch {
    let t = batch.seq_len();
    let own = turned(batch.targets.tokens(), t);
    let targets = Content::Tokens(turned(batch.tokens(), t));
    let mut turned = Batch { targets, ..batch };
    turned.input.own.values = Content::Tokens(own);
    turned
}

impl Source for Backwards {
    fn spec(&self) -> Spec {
        self.0.spec()
    }

    fn next_batch(&mut self, batch: usize) -> Batch {
        turn(self.0.next_batch(batch))
    }

    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch> {
        let batches = self.0.evaluation(split, sequences, batch);
        batches.into_iter().map(turn).collect()
    }

    fn cursor(&self) -> Cursor {
        self.0.cursor()
    }

    fn restore(&mut self, cursor: &Cursor) {
        self.0.restore(cursor);
    }

    fn characters_per_token(&self, split: Split) -> Option<f64> {
        self.0.characters_per_token(split)
    }

    fn text(&self) -> Option<&str> {
        self.0.text()
    }

    fn floor(&self) -> Floor {
        self.0.floor()
    }

    /// That of reading forwards: pairs of neighbours tell as much of either from the other.
    fn known(&self) -> Floor {
        self.0.known()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::text::Text;
    use crate::data::tokenizer::{Tokenizer, TokenizerChoice};
    use std::sync::Arc;

    #[test]
    fn every_token_is_asked_for_after_those_that_follow_it() {
        let text: String = (0..4000)
            .map(|i| (b'a' + (i * i % 23) as u8) as char)
            .collect();
        let tokenizer = Tokenizer::train(TokenizerChoice::Char, &text, &text).unwrap();
        let text = Arc::new(Text::encode("letters", &text, tokenizer).unwrap());
        let make = || TextSource::new(text.clone(), 5, 3).unwrap();
        let (mut forwards, mut backwards) = (make(), Backwards(make()));
        for _ in 0..3 {
            let (ahead, back) = (forwards.next_batch(4), backwards.next_batch(4));
            for b in 0..4 {
                let row = |tokens: &[u32]| tokens[b * 5..][..5].to_vec();
                let mut whole = row(ahead.tokens());
                whole.push(row(ahead.targets.tokens())[4]);
                whole.reverse();
                assert_eq!(row(back.tokens()), whole[..5]);
                assert_eq!(row(back.targets.tokens()), whole[1..]);
            }
        }
        assert_eq!(backwards.cursor(), forwards.cursor());
    }
}
