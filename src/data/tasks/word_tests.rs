//! The tasks on words of any length and selective copying: answers found again another way.

use super::*;
use proptest::prelude::*;

fn source(text: &str, seed: u64) -> TaskSource {
    TaskSource::new(text.parse::<TaskSettings>().unwrap().make().unwrap(), seed)
}

fn floor(text: &str) -> Floor {
    source(text, 0).floor()
}

/// What a word comes to, by other means than a table of states.
fn parity(word: &[u32]) -> u32 {
    word.iter().filter(|&&bit| bit == 1).count() as u32 % 2
}

fn cyclic(word: &[u32]) -> u32 {
    let steps = word.iter().map(|step| [0i64, 1, -1][*step as usize]);
    steps.sum::<i64>().rem_euclid(5) as u32
}

/// Terms are products of numbers, split where a sign stands; exact in i128, reduced at the end.
fn modular(word: &[u32]) -> u32 {
    let mut total = 0i64;
    let mut sign = 1;
    for term in word.split_inclusive(|&symbol| symbol == 5 || symbol == 6) {
        let numbers = term.iter().filter(|&&symbol| symbol < 5);
        total += sign * numbers.fold(1, |product, &n| product * i64::from(n) % 5);
        sign = if term.last() == Some(&6) { -1 } else { 1 };
    }
    total.rem_euclid(5) as u32
}

/// Carries the permutations out on n things and looks the outcome up by counting smaller ones
/// (Lehmer's code gives the place in lexicographic order).
fn permuted(n: usize, word: &[u32], generators: bool) -> u32 {
    let mut images: Vec<usize> = (0..n).collect();
    for &symbol in word {
        let x = match (generators, symbol) {
            (false, symbol) => nth_permutation(n, symbol as usize),
            (true, 0) => (0..n).collect(),
            (true, 1) => [1, 0].into_iter().chain(2..n).collect(),
            (true, _) => (0..n).map(|i| (i + 1) % n).collect(),
        };
        images = images.iter().map(|&i| x[i]).collect();
    }
    let mut rank = 0;
    for i in 0..n {
        let smaller = images[i + 1..].iter().filter(|&&j| j < images[i]).count();
        rank = rank * (n - i) + smaller;
    }
    rank as u32
}

fn nth_permutation(n: usize, mut rank: usize) -> Vec<usize> {
    let mut free: Vec<usize> = (0..n).collect();
    let mut images = Vec::new();
    for left in (1..=n).rev() {
        let block: usize = (1..left).product();
        images.push(free.remove(rank / block));
        rank %= block;
    }
    images
}

/// Checks a batch of a word task against `answer`; `period` symbols lie between two ends of words.
fn check_words(
    batch: &Batch,
    end: u32,
    all: bool,
    period: usize,
    answer: impl Fn(&[u32]) -> u32,
) -> Vec<usize> {
    let t = batch.seq_len();
    let sequences = batch
        .tokens()
        .chunks(t)
        .zip(batch.targets.tokens().chunks(t));
    let scores = batch.mask.chunks(t).zip(batch.distance.chunks(t));
    let mut lengths = Vec::new();
    for ((tokens, targets), (mask, distance)) in sequences.zip(scores) {
        let length = tokens.iter().position(|&token| token == end).unwrap();
        assert!(tokens[length..].iter().all(|&token| token == end));
        assert!(tokens[..length].iter().all(|&token| token < end));
        for position in 0..t {
            let within = all && position < length && position % period == 0;
            let due = position == length || within;
            assert_eq!(
                mask[position],
                f32::from(u8::from(due)),
                "position {position}"
            );
            if due {
                let read = &tokens[..length.min(position + 1)];
                assert_eq!(targets[position], answer(read), "{read:?}");
                assert_eq!(distance[position] as usize, position);
            } else {
                assert_eq!((targets[position], distance[position]), (0, 0));
            }
        }
        lengths.push(length);
    }
    lengths
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn words_come_to_what_other_means_find(
        length in 1usize..50, extra in 20usize..120, lengths in 1usize..6, all in 0usize..2, seed: u64,
    ) {
        let parameters = format!("length={length},test_length={},test_lengths={lengths},all={all}", length + extra);
        type Answer = fn(&[u32]) -> u32;
        let tasks: [(&str, u32, usize, Answer); 6] = [
            ("parity:", 2, 1, parity),
            ("cyclic:", 5, 1, cyclic),
            ("modular:", 8, 2, modular),
            ("permutation:group=3,", 6, 1, |word| permuted(3, word, false)),
            ("permutation:group=5,", 120, 1, |word| permuted(5, word, false)),
            ("permutation:group=5,generators=1,", 120, 1, |word| permuted(5, word, true)),
        ];
        for (name, end, period, answer) in tasks {
            let mut source = source(&format!("{name}{parameters}"), seed);
            prop_assert_eq!(source.spec().vocab, end as usize + 1);
            let longest_fit = 1 + (length - 1) / period * period;
            prop_assert_eq!(source.spec().seq_len, longest_fit + 1);
            for batch in [source.next_batch(5), source.evaluation(Split::Validation, 5, 5).remove(0)] {
                for found in check_words(&batch, end, all == 1, period, answer) {
                    prop_assert!((1..=length).contains(&found) && found % period == 1 % period);
                }
            }
            let test = source.evaluation(Split::Test, 2 * lengths, 7);
            let mut tested = Vec::new();
            for batch in &test {
                let found = check_words(batch, end, false, period, answer);
                prop_assert!(found.iter().all(|&l| l + 1 == batch.seq_len()), "no padding in the test");
                tested.extend(found);
            }
            prop_assert_eq!(tested.len(), 2 * lengths);
            prop_assert!(tested.chunks(2).all(|pair| pair[0] == pair[1]) && tested.is_sorted());
            prop_assert!(tested[0] > length && tested[tested.len() - 1] + period > length + extra);
            prop_assert_eq!(source.spec().longest, tested[tested.len() - 1] + 1);
        }
    }

    #[test]
    fn reverse_says_it_backwards(length in 1usize..40, symbols in 2usize..9, seed: u64) {
        let mut source = source(&format!("reverse:length={length},test_length=100,test_lengths=4,symbols={symbols}"), seed);
        prop_assert_eq!(source.spec().longest, 200);
        let ask = symbols as u32;
        let mut batches = source.evaluation(Split::Test, 4, 4);
        prop_assert_eq!(batches.len(), 4, "lengths are not mixed");
        batches.push(source.next_batch(6));
        for (index, batch) in batches.iter().enumerate() {
            let t = batch.seq_len();
            for row in 0..batch.sequences() {
                let range = row * t..(row + 1) * t;
                let (tokens, targets) = (&batch.tokens()[range.clone()], &batch.targets.tokens()[range.clone()]);
                let (mask, distance) = (&batch.mask[range.clone()], &batch.distance[range]);
                let word: Vec<u32> = tokens.iter().copied().take_while(|&token| token != ask).collect();
                prop_assert!(tokens[word.len()..].iter().all(|&token| token == ask));
                prop_assert!(index == 4 || 2 * word.len() == t);
                let backwards: Vec<u32> = word.iter().rev().copied().collect();
                prop_assert_eq!(&targets[word.len()..2 * word.len()], &backwards[..]);
                for position in 0..t {
                    let due = (word.len()..2 * word.len()).contains(&position);
                    prop_assert_eq!(mask[position], f32::from(u8::from(due)));
                    if due {
                        prop_assert_eq!(tokens[position - distance[position] as usize], targets[position]);
                        prop_assert_eq!(position - distance[position] as usize, 2 * word.len() - 1 - position);
                    }
                }
            }
        }
    }

    #[test]
    fn selective_copy_keeps_the_symbols_and_their_order(
        symbols in 1usize..8, blanks in 0usize..60, vocab in 4usize..20, seed: u64,
    ) {
        let length = symbols + blanks;
        let mut source = source(&format!("selective-copy:length={length},symbols={symbols},vocab={vocab}"), seed);
        let batch = source.next_batch(3);
        prop_assert_eq!(batch.seq_len(), length + symbols);
        for row in 0..3 {
            let range = row * batch.seq_len()..(row + 1) * batch.seq_len();
            let tokens = &batch.tokens()[range.clone()];
            let kept: Vec<u32> = tokens[..length].iter().copied().filter(|&token| token != 0).collect();
            prop_assert!(kept.iter().all(|&token| (token as usize) < vocab - 1));
            prop_assert_eq!(kept.len(), symbols);
            prop_assert!(tokens[length..].iter().all(|&token| token as usize == vocab - 1));
            prop_assert_eq!(&batch.targets.tokens()[range.clone()][length..], &kept[..]);
            let mask = &batch.mask[range.clone()];
            prop_assert!(mask[..length].iter().all(|&m| m == 0.0) && mask[length..].iter().all(|&m| m == 1.0));
            for (position, &distance) in batch.distance[range].iter().enumerate().skip(length) {
                prop_assert_eq!(tokens[position - distance as usize], kept[position - length]);
            }
        }
    }

    #[test]
    fn adding_adds_what_is_marked(length in 2usize..90, anywhere in 0usize..2, seed: u64) {
        let mut source = source(&format!("adding:length={length},anywhere={anywhere}"), seed);
        let evaluated = [Split::Train, Split::Validation, Split::Test].map(|split| source.evaluation(split, 4, 4).remove(0));
        let trained = source.next_batch(4);
        prop_assert_eq!(&trained, &evaluated[0]);
        prop_assert!(evaluated[0] != evaluated[1] && evaluated[1] != evaluated[2] && evaluated[0] != evaluated[2]);
        for batch in &evaluated {
            prop_assert!(batch.tokens().is_empty() && batch.targets.tokens().is_empty());
            prop_assert_eq!(batch.input.own.values.numbers().len(), 4 * length * 3);
            for row in 0..4 {
                let positions = row * length..(row + 1) * length;
                let values = &batch.input.own.values.numbers()[positions.start * 3..positions.end * 3];
                let marked: Vec<usize> = (0..length).filter(|t| values[3 * t + 1] == 1.0).collect();
                prop_assert_eq!(marked.len(), 2);
                prop_assert!(anywhere == 1 || (marked[0] < length / 2 && marked[1] >= length / 2));
                for position in values.chunks(3) {
                    prop_assert!((0.0..1.0).contains(&position[0]) && position[2] == 1.0);
                    prop_assert!(position[1] == 0.0 || position[1] == 1.0);
                }
                let sum = values[3 * marked[0]] + values[3 * marked[1]];
                let last = positions.end - 1;
                prop_assert_eq!(batch.targets.numbers()[last], sum);
                prop_assert_eq!(last - batch.distance[last] as usize - positions.start, marked[0]);
                let mask: Vec<f32> = (0..length).map(|t| f32::from(u8::from(t + 1 == length))).collect();
                prop_assert_eq!(&batch.mask[positions], &mask[..]);
            }
        }
    }

    #[test]
    fn no_split_repeats_another_sequence(seed: u64) {
        // 64 random symbols: equal sequences would come from equal streams.
        for name in ["parity:length=64,test_length=400,test_lengths=1", "reverse:length=64,test_length=400,test_lengths=1", "selective-copy:vocab=1000,symbols=20", "permutation:length=64,test_length=400,test_lengths=1"] {
            let source = source(name, seed);
            let starts = |split| -> Vec<Vec<u32>> {
                let batches = source.evaluation(split, 20, 20);
                let rows = batches.iter().flat_map(|b| b.tokens().chunks(b.seq_len()));
                rows.filter(|row| row.len() > 40).map(|row| row[..40].to_vec()).collect()
            };
            let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(starts);
            let long = |row: &&Vec<u32>| row.iter().take(30).all(|&token| (token as usize) + 1 < source.spec().vocab);
            prop_assert!(train.iter().filter(long).all(|row| !validation.contains(row) && !test.contains(row)));
            prop_assert!(validation.iter().filter(long).all(|row| !test.contains(row)));
        }
    }
}

#[test]
fn training_lengths_are_uniform() {
    let batch = source("parity:length=5,test_length=20", 4).next_batch(20_000);
    let mut counts = [0usize; 6];
    for tokens in batch.tokens().chunks(6) {
        counts[tokens.iter().filter(|&&token| token < 2).count()] += 1;
    }
    // Five standard deviations around 4,000.
    assert!(
        counts[0] == 0 && counts[1..].iter().all(|&c| c.abs_diff(4_000) < 283),
        "{counts:?}"
    );
}

#[test]
fn floors_are_those_of_the_best_guess() {
    for (task, answers) in [
        ("parity", 2.0),
        ("cyclic", 5.0),
        ("permutation", 6.0),
        ("permutation:group=5", 120.0),
        ("reverse", 2.0),
        ("selective-copy", 4.0),
    ] {
        let floor = floor(task);
        assert!(
            (floor.accuracy - 1.0 / answers).abs() < 1e-9,
            "{task} {floor:?}"
        );
        assert!(
            (floor.loss - f64::ln(answers)).abs() < 1e-9,
            "{task} {floor:?}"
        );
    }
    let modular = floor("modular");
    assert!(
        (modular.accuracy - 0.2).abs() < 1e-4 && modular.accuracy > 0.2,
        "{modular:?}"
    );
    // After two steps the walk is at 0 in 3 of 9 cases, at 1 and 4 in 2, at 2 and 3 in 1.
    let short = floor("cyclic:length=1,test_length=2,test_lengths=1");
    let entropy = -[3.0f64, 2.0, 2.0, 1.0, 1.0]
        .iter()
        .map(|n| n / 9.0 * (n / 9.0).ln())
        .sum::<f64>();
    assert!((short.accuracy - 3.0 / 9.0).abs() < 1e-12 && (short.loss - entropy).abs() < 1e-12);
    // Two lengths count the same: after one step three places are equally likely.
    let both = floor("cyclic:length=1,test_length=3,test_lengths=2");
    let third = [7.0f64, 6.0, 6.0, 4.0, 4.0];
    let entropy_3 = -third
        .iter()
        .map(|n| n / 27.0 * (n / 27.0).ln())
        .sum::<f64>();
    assert!((both.accuracy - (3.0 / 9.0 + 7.0 / 27.0) / 2.0).abs() < 1e-12);
    assert!((both.loss - (entropy + entropy_3) / 2.0).abs() < 1e-12);
    assert_eq!(
        both,
        floor("cyclic:length=1,test_length=3,test_lengths=2,all=1")
    );
    // Counted: the most frequent answer of short expressions.
    let batches = source("modular:length=3,test_length=5,test_lengths=1", 9).evaluation(
        Split::Test,
        40_000,
        40_000,
    );
    let answers: Vec<u32> = batches[0]
        .targets
        .tokens()
        .chunks(6)
        .map(|row| row[5])
        .collect();
    let zeros = answers.iter().filter(|&&a| a == 0).count() as f64 / answers.len() as f64;
    let expected = floor("modular:length=3,test_length=5,test_lengths=1").accuracy;
    assert!((zeros - expected).abs() < 0.012, "{zeros} {expected}");
}

#[test]
fn the_mean_reaches_the_floor_of_adding() {
    let source = source("adding:length=10", 2);
    let batch = source.evaluation(Split::Test, 20_000, 20_000).remove(0);
    let errors: Vec<f64> = (0..20_000)
        .map(|row| f64::from(batch.targets.numbers()[10 * row + 9]) - 1.0)
        .collect();
    let floor = source.floor();
    let mse = errors.iter().map(|e| e * e).sum::<f64>() / 20_000.0;
    // The fourth moment of the triangle is 1/15: five standard deviations of the mean are 0.007.
    assert!((mse - floor.loss).abs() < 0.007, "{mse}");
    let close = errors
        .iter()
        .filter(|e| e.abs() < f64::from(crate::data::CLOSE))
        .count() as f64
        / 20_000.0;
    assert!((close - floor.accuracy).abs() < 0.013, "{close} {floor:?}");
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let message = |text: &str| match text
        .parse::<TaskSettings>()
        .and_then(|s| s.make().map(|_| ()))
    {
        Ok(()) => panic!("{text} was accepted"),
        Err(error) => error.to_string(),
    };
    assert!(message("parity:length=0").contains("length = 0 is impossible"));
    assert!(message("parity:test_length=40").contains("give 50 to"));
    assert!(message("modular:test_length=59").contains("give 60 to"));
    assert!(message("cyclic:test_lengths=0").contains("test_lengths = 0"));
    assert!(message("parity:all=2").contains("all = 2"));
    assert!(message("permutation:group=4").contains("give 3 or 5"));
    assert!(message("permutation:generators=2").contains("generators = 2"));
    assert!(message("reverse:symbols=1").contains("symbols = 1"));
    assert!(message("selective-copy:symbols=65").contains("give 65 to"));
    assert!(message("selective-copy:vocab=3").contains("vocab = 3"));
    assert!(message("adding:length=1").contains("length = 1"));
    assert!(message("adding:anywhere=2").contains("anywhere = 2"));
    assert!(message("selective-copy:symbols=0").contains("symbols = 0"));
}
