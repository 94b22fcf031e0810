//! `tokenizer.json`, of every kind: reading it, and what is read encoding and decoding.

use crate::common::place;
use crate::guard;
use crate::mutate::{bytes, edits, to_json, tree};
use proptest::prelude::*;
use proptest::sample::Index;
use seqduel::data::text::Text;
use seqduel::data::tokenizer::Tokenizer;

const TEXT: &str = "In the beginning was the word, and the word was with 3 cats. Ünïcödé 漢字\n\t";

fn valid() -> Vec<serde_json::Value> {
    let made = ["byte", "char", "bpe:300"].map(|kind| {
        let kind = kind.parse().expect("a kind");
        let tokenizer = Tokenizer::train(kind, TEXT, TEXT).expect("a text");
        serde_json::to_value(tokenizer).expect("plain data")
    });
    let double: Vec<[u32; 2]> = std::iter::once([97, 97])
        .chain((256..262).map(|n| [n, n]))
        .collect();
    let long = serde_json::json!({ "kind": "bpe", "merges": double });
    made.into_iter().chain([long]).collect()
}

/// Opens a file; a tokenizer that can be opened must tell every text and every token.
fn open(file: &std::path::Path) {
    let Ok(tokenizer) = Tokenizer::load(file) else {
        return;
    };
    let vocab = tokenizer.vocab();
    assert!(vocab > 0);
    for token in [0, vocab / 2, vocab - 1] {
        tokenizer.show(token as u32);
    }
    for text in [
        TEXT,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "",
    ] {
        if let Ok(tokens) = tokenizer.encode(text) {
            assert!(tokens.iter().all(|&token| (token as usize) < vocab));
            assert_eq!(tokenizer.decode_bytes(&tokens), text.as_bytes());
        }
    }
    let again: Tokenizer = serde_json::from_value(serde_json::to_value(&tokenizer).expect("data"))
        .expect("what is written can be read");
    assert_eq!(again, tokenizer);
    let _ = Text::encode("text", TEXT, tokenizer);
}

#[test]
fn tokenizer_files() {
    let valid = valid();
    let file = place("tokenizer.json");
    let inputs = (any::<Index>(), edits(0..4), edits(0..2));
    guard::run(300, inputs, |(which, changes, damage)| {
        let mut value = which.get(&valid).clone();
        tree(&mut value, changes);
        let mut data = to_json(&value).into_bytes();
        bytes(&mut data, damage);
        std::fs::write(&file, data).expect("writable");
        open(&file);
    });
}
