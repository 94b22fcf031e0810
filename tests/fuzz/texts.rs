//! Any bytes as a corpus: reading, every tokenizer, windows and what is measured on them.

use crate::common::place;
use crate::guard;
use crate::mutate::{bytes, edits};
use proptest::collection::vec;
use proptest::prelude::*;
use seqduel::data::text::{Text, TextSource};
use seqduel::data::tokenizer::TokenizerChoice;
use seqduel::data::{Source, Split};
use std::sync::Arc;

/// Bytes of any kind, or words in some encoding.
fn start() -> impl Strategy<Value = Vec<u8>> {
    let utf16 = |big: bool| {
        move |text: String| -> Vec<u8> {
            let units = text.encode_utf16();
            let bytes = |unit: u16| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            units.flat_map(bytes).collect()
        }
    };
    let words = "([a-z]{1,6}[ ,.\n]){20,200}";
    prop_oneof![
        vec(any::<u8>(), 0..2000),
        words.prop_map(String::into_bytes),
        words.prop_map(String::into_bytes),
        "(?s).{0,600}".prop_map(String::into_bytes),
        "[一-龥。\r\n]{0,400}".prop_map(String::into_bytes),
        words.prop_map(utf16(true)),
        words.prop_map(utf16(false)),
        "[一-龥。]{40,400}".prop_map(utf16(false)),
        vec(Just(b'a'), 0..900),
    ]
}

fn tokenizer() -> impl Strategy<Value = TokenizerChoice> {
    let bpe = (257usize..=65_536).prop_map(|vocab| TokenizerChoice::Bpe { vocab });
    prop_oneof![
        Just(TokenizerChoice::Byte),
        Just(TokenizerChoice::Char),
        bpe
    ]
}

#[test]
fn corpus_files() {
    let file = place("corpus.txt");
    let name = file.to_str().expect("UTF-8");
    let limit = proptest::option::of(prop_oneof![0usize..400, Just(usize::MAX)]);
    let seq_len = prop_oneof![1usize..40, Just(usize::MAX), Just(0)];
    let inputs = (start(), edits(0..4), tokenizer(), limit, seq_len);
    guard::run(300, inputs, |(start, damage, choice, limit, seq_len)| {
        let mut data = start.clone();
        bytes(&mut data, damage);
        std::fs::write(&file, &data).expect("writable");
        let Ok(text) = Text::open(name, *choice, *limit) else {
            return;
        };
        let tokenizer = text.tokenizer().clone();
        let whole = Text::open_whole(name, tokenizer.clone());
        let _ = Text::open_with(name, tokenizer, None);
        let texts = [Some(text), whole.ok()].into_iter().flatten();
        for text in texts {
            let Ok(mut source) = TextSource::new(Arc::new(text), *seq_len, 1) else {
                continue;
            };
            source.next_batch(3);
            for split in [Split::Validation, Split::Test] {
                source.evaluation(split, usize::MAX, 2);
                source.characters_per_token(split);
            }
            let floor = source.floor();
            assert!((0.0..=1.0).contains(&floor.accuracy) && floor.loss.is_finite());
        }
    });
}
