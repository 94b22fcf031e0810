use super::{discounts as discounts_of, *};
use crate::data::text::TextSource;
use crate::data::tokenizer::Tokenizer;
use crate::data::{Source, seeds};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// Tokens in which the last two decide a good deal about the next.
fn tokens(count: usize, vocab: u32, seed: u64) -> Vec<u32> {
    let mut rng = seeds::generator(seed, 0);
    let mut out = vec![0, 1 % vocab];
    while out.len() < count {
        let guess = (out[out.len() - 1] * 3 + out[out.len() - 2]) % vocab;
        let random = seeds::below(&mut rng, u64::from(vocab)) as u32;
        out.push(if seeds::below(&mut rng, 10) < 7 {
            guess
        } else {
            random
        });
    }
    out.truncate(count);
    out
}

proptest! {
    #[test]
    fn probabilities_sum_to_one(
        count in 1usize..400, vocab in 1u32..20, seed in any::<u64>(), order in 1usize..7,
        context in prop::collection::vec(0u32..20, 0..9),
    ) {
        let tokens = tokens(count, vocab, seed);
        let model = KneserNey::train(&tokens, vocab as usize, 6);
        let order = order.min(model.longest());
        let seen = &tokens[..tokens.len() / 2];
        let unseen: Vec<u32> = context.iter().map(|token| token % vocab).collect();
        for context in [seen, &unseen] {
            let p: Vec<f64> = (0..vocab).map(|token| model.probability(order, context, token)).collect();
            prop_assert!(p.iter().all(|&p| p > 0.0 && p <= 1.0 + 1e-12), "{p:?}");
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p:?}");
        }
    }

    /// Against the definition, with sets and loops instead of tables.
    #[test]
    fn equals_the_definition(seed in any::<u64>(), at in 5usize..190, order in 1usize..5) {
        let tokens = tokens(200, 5, seed);
        let model = KneserNey::train(&tokens, 5, 4);
        let got = model.probability(order, &tokens[..at], tokens[at]);
        let want = definition(&tokens, order, order, &tokens[at + 1 - order..at], tokens[at]);
        prop_assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
}

fn definition(text: &[u32], highest: usize, k: usize, context: &[u32], token: u32) -> f64 {
    if k == 0 {
        return 0.2;
    }
    let count = |gram: &[u32]| -> u32 {
        if k == highest {
            text.windows(k).filter(|window| *window == gram).count() as u32
        } else {
            let before: HashSet<u32> = text
                .windows(k + 1)
                .filter(|window| window[1..] == *gram)
                .map(|w| w[0])
                .collect();
            before.len() as u32
        }
    };
    let all: HashSet<&[u32]> = text.windows(k).collect();
    let with_counts: Vec<(u128, u32)> = all
        .iter()
        .map(|gram| (0, count(gram)))
        .filter(|gram| gram.1 > 0)
        .collect();
    let discounts = discounts_of(&with_counts);
    let discount = |count: u32| {
        if count == 0 {
            0.0
        } else {
            discounts[count.min(3) as usize - 1]
        }
    };
    let after: Vec<u32> = (0..5)
        .map(|next| count(&[context, &[next]].concat()))
        .collect();
    let shorter = definition(text, highest, k - 1, context.get(1..).unwrap_or(&[]), token);
    let total: u32 = after.iter().sum();
    if total == 0 {
        return shorter;
    }
    let freed: f64 = after.iter().map(|&count| discount(count)).sum();
    let own = after[token as usize];
    (f64::from(own) - discount(own) + freed * shorter) / f64::from(total)
}

#[test]
fn longer_context_helps_where_the_text_depends_on_it() {
    let tokens = tokens(20_000, 8, 1);
    let (train, test) = tokens.split_at(18_000);
    let model = KneserNey::train(train, 8, 5);
    let per_token = |order| model.bits(order, test) / test.len() as f64;
    // The source: the guess with 0.7 + 0.3/8, the other seven with 0.3/8 each.
    let guess: f64 = 0.7 + 0.3 / 8.0;
    let entropy = -guess * guess.log2() - 7.0 * 0.3 / 8.0 * (0.3f64 / 8.0).log2();
    assert!(
        per_token(1) > 2.9 && per_token(3) < entropy * 1.05,
        "{} {entropy}",
        per_token(3)
    );
    assert!(per_token(3) > entropy * 0.93 && per_token(3) < per_token(2));
}

#[test]
fn a_large_vocabulary_limits_the_length() {
    let tokens = tokens(100, 3, 1);
    assert_eq!(KneserNey::train(&tokens, 1 << 17, 8).longest(), 7);
    assert_eq!(KneserNey::train(&tokens[..2], 3, 8).longest(), 2);
}

#[test]
fn windows_and_rows_agree() {
    let tokens = tokens(500, 6, 2);
    let model = KneserNey::train(&tokens, 6, 4);
    let shape = crate::models::Shape {
        batch: 1,
        seq_len: 499,
    };
    let whole = Batch::of_tokens(shape, tokens[..499].to_vec(), tokens[1..].to_vec());
    let first = -model.probability(3, &[], tokens[0]).log2();
    assert!((model.bits_of_windows(3, &whole) + first - model.bits(3, &tokens)).abs() < 1e-9);
}

#[test]
fn baselines_order_as_they_should() {
    let text: String = tokens(30_000, 26, 3)
        .iter()
        .map(|&t| char::from(b'a' + t as u8))
        .collect();
    let text = Arc::new(Text::encode("test", &text, Tokenizer::Byte).unwrap());
    let source = TextSource::new(text.clone(), 64, 0).unwrap();
    let test = source.evaluation(Split::Test, 20, 8);
    let seen = text.tokens(Split::Train);
    let all = baselines(&text, 400, &seen[..4000], &test, 3);
    assert_eq!(all.unlimited.order, 3);
    assert!(
        all.unlimited.bits_per_character < 0.8 * all.unigram_bits_per_character,
        "{all:?}"
    );
    // 26 single letters and some 600 pairs do not fit 400 counts; with room for all it is the best.
    assert_eq!((all.same_size.order, all.same_size.counts), (1, 26));
    assert!(all.same_size.bits_per_character > all.unlimited.bits_per_character);
    let roomy = baselines(&text, all.unlimited.counts, seen, &test, 3);
    assert_eq!(roomy.same_size, roomy.unlimited);
    // The same tokens counted are the same model; fewer tokens know less.
    let whole = baselines(&text, 400, seen, &test, 3);
    assert_eq!(whole.seen, whole.unlimited);
    assert!(all.seen.bits_per_character > all.unlimited.bits_per_character);
    assert_eq!(all.seen.by_block.len(), 3);
    let mean = all.seen.by_block.iter().sum::<f64>() / 3.0;
    assert!(
        (mean / all.seen.bits_per_character - 1.0).abs() < 0.05,
        "{all:?}"
    );
}

#[test]
fn counts_are_the_different_n_grams() {
    // a b a c: 3 different tokens, 3 pairs, 2 triples; each also stands after some other or is the
    // text's first.
    let model = KneserNey::train(&[0, 1, 0, 2], 3, 3);
    assert_eq!(model.counts(1), 3);
    assert_eq!(model.counts(2), 3 + 3);
    assert_eq!(model.counts(3), 3 + 2 + 2);
}
