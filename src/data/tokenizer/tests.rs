use super::*;
use proptest::prelude::*;

fn bpe() -> Tokenizer {
    let text = "In the beginning was the word, and the word was with them. naïve café 你好 12 12\n";
    Tokenizer::train("bpe:300".parse().unwrap(), text, &text.repeat(3)).unwrap()
}

proptest! {
    #[test]
    fn round_trips_on_any_text(text: String, plain in "(in the |word |[a-z]|é|你){0,40}") {
        for text in [&text, &plain] {
            for tokenizer in [Tokenizer::Byte, bpe()] {
                let tokens = tokenizer.encode(text).unwrap();
                prop_assert!(tokens.iter().all(|&token| (token as usize) < tokenizer.vocab()));
                prop_assert_eq!(tokenizer.decode_bytes(&tokens), text.as_bytes());
            }
            if !text.is_empty() {
                let tokenizer = Tokenizer::Char(Characters::of(text).unwrap());
                let tokens = tokenizer.encode(text).unwrap();
                prop_assert_eq!(tokens.len(), text.chars().count());
                prop_assert_eq!(tokenizer.decode_bytes(&tokens), text.as_bytes());
            }
        }
    }

    #[test]
    fn json_round_trips(text in "(?s).{1,40}") {
        let trained = |choice: &str| Tokenizer::train(choice.parse().unwrap(), &text, &text).unwrap();
        for tokenizer in [trained("byte"), trained("char"), trained("bpe:270")] {
            let json = serde_json::to_string(&tokenizer).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tokenizer>(&json).unwrap(), tokenizer);
        }
    }
}

#[test]
fn bpe_shortens_text_it_knows() {
    assert!(bpe().vocab() > 260);
    let tokens = bpe().encode("In the beginning was the word").unwrap();
    assert!(tokens.len() <= 8, "{tokens:?}");
}

#[test]
fn an_unseen_character_is_named() {
    let tokenizer = Tokenizer::Char(Characters::of("hello").unwrap());
    let message = tokenizer.encode("hé").unwrap_err().to_string();
    assert!(
        message.contains("'é' (U+00E9)") && message.contains("4 characters"),
        "{message}"
    );
    let message = tokenizer.encode("hàéàxyzÀ").unwrap_err().to_string();
    let named = "characters 'à' (U+00E0), 'é' (U+00E9), 'x' (U+0078), 'y' (U+0079), 'z' (U+007A) and 1 \
                 more are not";
    assert!(message.contains(named), "{message}");
}

#[test]
fn parts_of_characters_are_shown_as_bytes() {
    assert_eq!(Tokenizer::Byte.show(0xE2), "<0xE2>");
    assert_eq!(Tokenizer::Byte.show(65), "A");
}

#[test]
fn choices_read_and_write() {
    for text in ["byte", "char", "bpe:512"] {
        assert_eq!(text.parse::<TokenizerChoice>().unwrap().to_string(), text);
    }
    assert_eq!(
        "bpe".parse::<TokenizerChoice>().unwrap().to_string(),
        "bpe:1024"
    );
    for text in ["word", "bpe:", "bpe:256", "bpe:-1", "bpe:70000"] {
        let message = text.parse::<TokenizerChoice>().unwrap_err().to_string();
        assert!(
            message.contains(&format!("tokenizer = {text}")),
            "{message}"
        );
    }
}

#[test]
fn damaged_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokenizer.json");
    bpe().save(&path).unwrap();
    assert_eq!(Tokenizer::load(&path).unwrap(), bpe());
    for (json, complaint) in [
        (
            "{\"kind\":\"bpe\",\"merges\":[[97,300]]}",
            "refers to a later token",
        ),
        ("{\"kind\":\"bpe\",\"merges\":[[97,98],[97,98]]}", "twice"),
        ("{\"kind\":\"char\",\"characters\":\"aa\"}", "twice"),
        ("{\"kind\":\"char\",\"characters\":\"\"}", "no characters"),
        ("{\"kind\":\"wor", "damaged"),
    ] {
        std::fs::write(&path, json).unwrap();
        let message = Tokenizer::load(&path).unwrap_err().to_string();
        assert!(
            message.contains(complaint) && message.contains("tokenizer.json"),
            "{message}"
        );
    }
    assert!(Tokenizer::load(&directory.path().join("none")).is_err());
}

#[test]
fn files_that_claim_tokens_of_gigabytes_are_refused() {
    // Each merge doubles the token before.
    let doubling: Vec<[u32; 2]> = (0..31)
        .map(|i| [255 + i; 2].map(|t| if i == 0 { 97 } else { t }))
        .collect();
    let json = serde_json::json!({ "kind": "bpe", "merges": doubling }).to_string();
    let error = serde_json::from_str::<Tokenizer>(&json)
        .unwrap_err()
        .to_string();
    assert!(error.contains("bytes, more than 128"), "{error}");
    let many: Vec<[u32; 2]> = (0..70_000).map(|i| [i % 256, i / 256]).collect();
    let json = serde_json::json!({ "kind": "bpe", "merges": many }).to_string();
    let error = serde_json::from_str::<Tokenizer>(&json)
        .unwrap_err()
        .to_string();
    assert!(error.contains("70000 merges"), "{error}");
}

#[test]
fn a_text_may_have_thousands_of_characters() {
    let text: String = ('\u{4e00}'..'\u{9000}').collect();
    let characters = Tokenizer::train(TokenizerChoice::Char, &text, &text).unwrap();
    assert_eq!(characters.vocab(), 0x9000 - 0x4e00);
    let tokens = characters.encode(&text).unwrap();
    assert_eq!(characters.decode_bytes(&tokens), text.as_bytes());
}
