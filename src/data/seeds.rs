//! Where the randomness of the data comes from: one ChaCha key a source, one stream a purpose.

use super::{Cursor, Split};
use crate::files::hex;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Streams that the sequences of a split are drawn from; the ranges share no stream, so that no
/// generated test sequence repeats the randomness of a training sequence.
pub fn stream_range(split: Split) -> Range<u64> {
    match split {
        Split::Train => 0..1 << 62,
        Split::Validation => 1 << 62..2 << 62,
        Split::Test => 2 << 62..3 << 62,
    }
}

/// The stream of sequence `index` of a split; indices wrap after 2⁶².
pub fn stream(split: Split, index: u64) -> u64 {
    stream_range(split).start + (index & ((1 << 62) - 1))
}

/// Generator number `stream` of the key that `seed` stands for.
pub fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The state of a generator, to go on from later.
pub fn save(rng: &ChaCha8Rng, drawn: u64) -> Cursor {
    Cursor {
        seed: hex(&rng.get_seed()),
        stream: rng.get_stream(),
        word: rng.get_word_pos().to_string(),
        drawn,
    }
}

/// The generator a cursor was saved from; `None` if its fields are no numbers.
pub fn load(cursor: &Cursor) -> Option<ChaCha8Rng> {
    let mut seed = [0u8; 32];
    if cursor.seed.len() != 64 || !cursor.seed.is_ascii() {
        return None;
    }
    for (byte, digits) in seed.iter_mut().zip(cursor.seed.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_stream(cursor.stream);
    rng.set_word_pos(cursor.word.parse().ok()?);
    Some(rng)
}

/// A number below `bound`, each equally likely (Lemire's method with rejection): written out so
/// that data never change with a release of a library.
pub fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    assert!(bound > 0, "nothing lies below 0");
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= bound.wrapping_neg() % bound {
            return (product >> 64) as u64;
        }
    }
}

/// A number in (0, 1], 53 random bits.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// The first `count` places of a random order of 0…n−1.
pub fn choose(rng: &mut ChaCha8Rng, n: usize, count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    for place in 0..count {
        let other = place + below(rng, (n - place) as u64) as usize;
        order.swap(place, other);
    }
    order.truncate(count);
    order
}

/// FNV-1a of a text: the same on every machine and in every release.
pub fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    proptest! {
        #[test]
        fn splits_share_no_stream(a in any::<u64>(), b in any::<u64>()) {
            for split in SPLITS {
                prop_assert!(stream_range(split).contains(&stream(split, a)));
                for other in SPLITS.into_iter().filter(|&other| other != split) {
                    prop_assert!(!stream_range(other).contains(&stream(split, a)));
                    prop_assert_ne!(stream(split, a), stream(other, b));
                }
            }
        }

        #[test]
        fn a_saved_generator_goes_on(seed in any::<u64>(), stream in any::<u64>(), skip in 0usize..200) {
            let mut rng = generator(seed, stream);
            for _ in 0..skip {
                rng.next_u32();
            }
            let json = serde_json::to_string(&save(&rng, 7)).unwrap();
            let mut again = load(&serde_json::from_str(&json).unwrap()).unwrap();
            for _ in 0..100 {
                prop_assert_eq!(rng.next_u64(), again.next_u64());
            }
        }

        #[test]
        fn choices_are_distinct_and_in_range(seed in any::<u64>(), n in 1usize..50, part in 0.0..1.0f64) {
            let count = (n as f64 * part) as usize;
            let mut chosen = choose(&mut generator(seed, 0), n, count);
            prop_assert_eq!(chosen.len(), count);
            chosen.sort_unstable();
            chosen.dedup();
            prop_assert_eq!(chosen.len(), count);
            prop_assert!(chosen.iter().all(|&x| (x as usize) < n));
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut rng = generator(1, 0);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[below(&mut rng, 7) as usize] += 1;
        }
        // Five standard deviations of a binomial count around 10,000.
        assert!(
            counts.iter().all(|&count| count.abs_diff(10_000) < 465),
            "{counts:?}"
        );
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        let mut cursor = save(&generator(1, 0), 0);
        cursor.seed.pop();
        assert!(load(&cursor).is_none());
    }
}
