use super::*;
use crate::data::tokenizer::Characters;
use proptest::prelude::*;

/// A text in which every token tells where it stands: distinct characters as far as they reach.
fn numbered(length: usize) -> String {
    (0..length as u32)
        .map(|index| char::from_u32(0x4E00 + index % 1000).unwrap())
        .collect()
}

fn source(text: &str, seq_len: usize, seed: u64) -> Result<TextSource, DataError> {
    let tokenizer = Tokenizer::Char(Characters::of(text)?);
    TextSource::new(
        Arc::new(Text::encode("test", text, tokenizer)?),
        seq_len,
        seed,
    )
}

proptest! {
    #[test]
    fn splits_make_up_the_text(text in "(?s).{0,300}") {
        let parts = split(&text, Extract::default());
        prop_assert_eq!(parts.concat(), text.as_str());
        let n = text.chars().count();
        prop_assert_eq!(parts[0].chars().count(), n * 90 / 100);
        prop_assert_eq!(parts[0].chars().count() + parts[1].chars().count(), n * 95 / 100);
    }

    #[test]
    fn windows_are_text_and_targets_the_next_token(
        length in 400usize..1000, seq_len in 1usize..19, seed in any::<u64>(), batch in 1usize..5,
    ) {
        let text = numbered(length);
        let mut source = source(&text, seq_len, seed).unwrap();
        let train = source.next_batch(batch);
        prop_assert_eq!(train.tokens().len(), batch * seq_len);
        for index in 0..train.tokens().len() {
            prop_assert_eq!(train.targets.tokens()[index], train.tokens()[index] + 1);
            prop_assert!((train.targets.tokens()[index] as usize) < length * 90 / 100);
        }
        prop_assert!(train.mask.iter().all(|&m| m == 1.0));

        // All windows of a split: in a row, no token twice, none of another split.
        let mut next = (length * 90 / 100) as u32;
        for part in source.evaluation(Split::Validation, usize::MAX, batch) {
            for (token, target) in part.tokens().iter().zip(part.targets.tokens()) {
                prop_assert_eq!((*token, *target), (next, next + 1));
                next += 1;
            }
        }
        let end = (length * 95 / 100) as u32;
        prop_assert!(next < end && next + seq_len as u32 >= end, "{next} {end}");
    }

    #[test]
    fn the_size_that_an_error_asks_for_is_enough(
        text in "([a-f]{1,9}[ .\n]{1,3}|[0-9]{1,80}|天地玄黄){1,30}x ab", seq_len in 1usize..80,
        choice in 0usize..3, short in 2usize..300,
    ) {
        let choice = ["char", "byte", "bpe:300"][choice].parse::<TokenizerChoice>().unwrap();
        let shown: Vec<char> = text.chars().cycle().take(short).collect();
        let open = |characters: usize| {
            let repeated: String = shown.iter().cycle().take(characters).collect();
            let tokenizer = Tokenizer::train(choice, &repeated, split(&repeated, Extract::default())[0])?;
            TextSource::new(Arc::new(Text::encode("test", &repeated, tokenizer)?), seq_len, 0)
        };
        let Err(error) = open(short) else { return Ok(()) };
        let error = error.to_string();
        let number = error.split("about ").nth(1).and_then(|rest| rest.split(' ').next());
        let characters = number.and_then(|number| number.parse().ok()).expect("a number");
        if let Err(again) = open(characters) {
            prop_assert!(false, "{} characters were not enough: {}", characters, again);
        }
    }

    #[test]
    fn training_goes_on_from_a_cursor(seed in any::<u64>(), before in 0usize..9, batch in 1usize..9) {
        let text = numbered(900);
        let mut whole = source(&text, 7, seed).unwrap();
        (0..before).for_each(|_| drop(whole.next_batch(batch)));
        let mut resumed = source(&text, 7, seed.wrapping_add(1)).unwrap();
        resumed.restore(&whole.cursor());
        for _ in 0..3 {
            prop_assert_eq!(whole.next_batch(batch), resumed.next_batch(batch));
        }
        prop_assert_eq!(whole.cursor(), resumed.cursor());
        prop_assert_eq!(whole.cursor().drawn, ((before + 3) * batch) as u64);
    }
}

#[test]
fn fewer_windows_are_spread_over_the_split() {
    let source = source(&numbered(1000), 4, 0).unwrap();
    // The test split is characters 950…999: twelve windows.
    let batches = source.evaluation(Split::Test, 3, 2);
    assert_eq!(
        batches
            .iter()
            .map(|batch| batch.sequences())
            .collect::<Vec<_>>(),
        [2, 1]
    );
    let starts: Vec<u32> = batches
        .iter()
        .flat_map(|b| b.tokens().chunks(4).map(|w| w[0]))
        .collect();
    assert_eq!(starts, [950, 966, 982]);
    assert_eq!(source.evaluation(Split::Test, 99, 99)[0].sequences(), 12);
    assert!(source.evaluation(Split::Test, 0, 9).is_empty());
}

#[test]
fn a_corpus_shorter_than_a_window_is_refused() {
    let error = source(&numbered(200), 10, 0).err().unwrap().to_string();
    assert!(error.contains("validation part has 10 tokens"), "{error}");
    let needed: usize = error
        .split("about ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(source(&numbered(needed), 10, 0).is_ok(), "the advice helps");
    assert!(source(&numbered(200), 0, 0).is_err());
}

#[test]
fn characters_are_counted_whatever_the_tokenizer() {
    let text = "naïve ".repeat(100);
    let text = Text::encode("test", &text, Tokenizer::Byte).unwrap();
    assert_eq!(text.characters(Split::Train), 540);
    assert_eq!(text.tokens(Split::Train).len(), 630);
    assert!((text.characters_per_token(Split::Train) - 6.0 / 7.0).abs() < 1e-12);
}

#[test]
fn windows_are_judged_by_their_own_characters() {
    // Short words in most of the test part, long ones at its end: windows at its start have fewer
    // characters a token than the part.
    let text = format!("{} {}", "a b c d ".repeat(500), "longest word ".repeat(12));
    let bpe = Tokenizer::train("bpe:280".parse().unwrap(), &text, &text).unwrap();
    let text = Arc::new(Text::encode("test", &text, bpe).unwrap());
    let source = TextSource::new(text.clone(), 8, 0).unwrap();
    let mean = text.characters_per_token(Split::Test);
    let first = &source.evaluation(Split::Test, usize::MAX, 1)[..1];
    let own = source.target_characters(first).unwrap();
    let said = text.tokenizer().decode_bytes(first[0].targets.tokens());
    assert_eq!(own, String::from_utf8(said).unwrap().chars().count());
    assert!(own as f64 / 8.0 < mean, "{own} of 8 tokens, mean {mean}");
    // Every character once, whatever bytes it is cut into.
    let text = "naïve 天 ".repeat(300);
    let source = |tokenizer: Tokenizer| {
        let text = Text::encode("test", &text, tokenizer).unwrap();
        TextSource::new(Arc::new(text), 13, 0).unwrap()
    };
    let bytes = source(Tokenizer::Byte);
    let windows = bytes.evaluation(Split::Test, 1, 1); // 13 bytes hold the 10 characters of a repeat
    let said = bytes
        .text
        .tokenizer
        .decode_bytes(windows[0].targets.tokens());
    let begun = String::from_utf8_lossy(&said)
        .chars()
        .filter(|&c| c != '\u{fffd}')
        .count();
    assert!(begun.abs_diff(bytes.target_characters(&windows).unwrap()) <= 1);
    let characters = source(Tokenizer::Char(Characters::of(&text).unwrap()));
    let windows = characters.evaluation(Split::Test, 2, 2);
    assert_eq!(characters.target_characters(&windows), Some(26));
}

#[test]
fn the_floor_is_that_of_the_frequencies() {
    let floor = source(&"aab".repeat(1000), 5, 0).unwrap().floor();
    assert!((floor.accuracy - 2.0 / 3.0).abs() < 0.01);
    let entropy = -(2f64 / 3.0).ln() * 2.0 / 3.0 - (1f64 / 3.0).ln() / 3.0;
    assert!((floor.loss - entropy).abs() < 0.01);
}

#[test]
fn files_are_opened_cut_and_split() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    std::fs::write(&path, numbered(900)).unwrap();
    let path = path.to_str().unwrap();
    let text = Text::open(path, TokenizerChoice::Char, Some(400)).unwrap();
    assert_eq!(text.tokens(Split::Train).len(), 360);
    let source = TextSource::new(Arc::new(text), 5, 1).unwrap();
    assert_eq!(source.spec().vocab, 400);
}

/// A second text begins where the first ends, and however little of it is trained on, the same is validated
/// and tested.
#[test]
fn an_extract_leaves_out_the_start_and_trains_on_what_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.txt");
    let words: String = (0..1000).map(|i| format!("é{i:04}")).collect();
    std::fs::write(&path, &words).unwrap();
    let open = |extract: Extract| {
        let path = path.to_str().unwrap();
        Text::open(path, TokenizerChoice::Byte, extract).unwrap()
    };
    let all = Extract {
        skip: 2000,
        most: Some(2500),
        train: None,
    };
    let said = |text: &Text, split| -> String {
        let bytes = text.tokenizer().decode_bytes(text.tokens(split));
        String::from_utf8(bytes).unwrap()
    };
    let whole = open(all);
    assert!(said(&whole, Split::Train).starts_with("é0400é0401"));
    assert!(said(&whole, Split::Test).ends_with("é0899"));
    let few = open(Extract {
        train: Some(100),
        ..all
    });
    assert_eq!(few.characters(Split::Train), 100);
    assert!(said(&whole, Split::Train).starts_with(&said(&few, Split::Train)));
    for split in [Split::Validation, Split::Test] {
        assert_eq!(few.tokens(split), whole.tokens(split));
    }
    assert_ne!(few.sha256, whole.sha256, "other data, another identity");
    let more = open(Extract {
        train: Some(1 << 30),
        ..all
    });
    assert_eq!(more.tokens(Split::Train), whole.tokens(Split::Train));
}
