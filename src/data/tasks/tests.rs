use super::*;
use proptest::prelude::*;

fn source(text: &str, seed: u64) -> TaskSource {
    TaskSource::new(text.parse::<TaskSettings>().unwrap().make().unwrap(), seed)
}

fn sequence(batch: &Batch, index: usize) -> (&[u32], &[u32], &[f32], &[u32]) {
    let range = index * batch.seq_len()..(index + 1) * batch.seq_len();
    (
        &batch.tokens()[range.clone()],
        &batch.targets.tokens()[range.clone()],
        &batch.mask[range.clone()],
        &batch.distance[range],
    )
}

proptest! {
    #[test]
    fn copy_says_again_what_it_read(delay in 1usize..80, seed: u64, all in 0usize..2) {
        let mut source = source(&format!("copy:delay={delay},all={all}"), seed);
        let batch = source.next_batch(3);
        prop_assert_eq!(batch.seq_len(), delay + 20);
        for index in 0..3 {
            let (tokens, targets, mask, distance) = sequence(&batch, index);
            prop_assert!(tokens[..10].iter().all(|token| (1..=8).contains(token)));
            prop_assert!(tokens[10..delay + 9].iter().all(|&token| token == 0));
            prop_assert_eq!(&tokens[delay + 9..], &[9; 11]);
            prop_assert!(targets[..delay + 10].iter().all(|&target| target == 0));
            prop_assert_eq!(&targets[delay + 10..], &tokens[..10]);
            for position in 0..delay + 20 {
                let due = position >= delay + 10;
                prop_assert_eq!(mask[position] == 1.0, due || all == 1);
                prop_assert!(mask[position] == 0.0 || mask[position] == 1.0);
                if due {
                    let back = position - distance[position] as usize;
                    prop_assert_eq!(tokens[back], targets[position]);
                } else {
                    prop_assert_eq!(distance[position], 0);
                }
            }
        }
    }

    #[test]
    fn recall_asks_each_key_once(
        pairs in 1usize..9, extra in 0usize..60, keys in 9usize..40, values in 9usize..40,
        uniform in 0usize..2, noise in 0usize..2, single in 0usize..2, seed: u64,
    ) {
        let length = 4 * pairs + extra;
        let mut source = source(&format!(
            "recall:pairs={pairs},length={length},keys={keys},values={values},uniform={uniform},noise={noise},single={single}"
        ), seed);
        let is_key = |token: u32| (1..=keys as u32).contains(&token);
        let is_value = |token: u32| token > keys as u32 && (token as usize) < source.spec().vocab;
        let batch = source.evaluation(Split::Test, 2, 2).remove(0);
        for index in 0..2 {
            let (tokens, targets, mask, distance) = sequence(&batch, index);
            let mut pending: BTreeMap<u32, (u32, usize)> = BTreeMap::new();
            for pair in 0..pairs {
                prop_assert!(is_key(tokens[2 * pair]) && is_value(tokens[2 * pair + 1]));
                pending.insert(tokens[2 * pair], (tokens[2 * pair + 1], 2 * pair + 1));
                prop_assert_eq!(mask[2 * pair] + mask[2 * pair + 1], 0.0);
            }
            prop_assert_eq!(pending.len(), pairs, "keys differ");
            for position in 2 * pairs..length {
                if mask[position] == 1.0 {
                    // Every scored target follows from the tokens alone, and every key is due once.
                    let (value, at) = pending.remove(&tokens[position]).expect("a key not asked yet");
                    prop_assert_eq!(targets[position], value);
                    prop_assert_eq!(position - distance[position] as usize, at);
                } else {
                    prop_assert!(!is_key(tokens[position]), "fillers are no keys");
                    prop_assert_eq!(is_value(tokens[position]), noise == 1);
                    prop_assert_eq!((targets[position], distance[position]), (0, 0));
                }
            }
            // Of a single query all pairs but one are left.
            prop_assert_eq!(pending.len(), single * (pairs - 1));
        }
        // The cursor is untouched by evaluation.
        prop_assert_eq!(source.cursor().drawn, 0);
        source.next_batch(3);
        prop_assert_eq!(source.cursor().drawn, 3);
    }

    #[test]
    fn splits_differ_and_training_resumes(seed: u64, first in 1usize..5, second in 1usize..5) {
        let mut source_a = source("recall", seed);
        let train = source_a.next_batch(first);
        let evaluated: Vec<Batch> = [Split::Train, Split::Validation, Split::Test]
            .map(|split| source_a.evaluation(split, first, first).remove(0)).into();
        prop_assert_eq!(&train, &evaluated[0]);
        prop_assert!(evaluated[0] != evaluated[1] && evaluated[1] != evaluated[2] && evaluated[0] != evaluated[2]);

        let cursor = source_a.cursor();
        let next = source_a.next_batch(second);
        let mut source_b = source("recall", seed);
        source_b.restore(&cursor);
        prop_assert_eq!(source_b.next_batch(second), next);
        prop_assert_eq!(source_b.cursor(), source_a.cursor());
    }
}

#[test]
fn evaluation_has_the_sequences_asked_for() {
    let source = source("copy", 1);
    let sizes: Vec<usize> = source
        .evaluation(Split::Test, 10, 4)
        .iter()
        .map(|batch| batch.sequences())
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert!(source.evaluation(Split::Test, 0, 4).is_empty());
    let at_once = source.evaluation(Split::Test, 10, 10).remove(0);
    let pieces = source.evaluation(Split::Test, 10, 4);
    let tokens: Vec<u32> = pieces.iter().flat_map(Batch::tokens).copied().collect();
    assert_eq!(
        tokens,
        at_once.tokens(),
        "the batch size changes no sequence"
    );
}

#[test]
fn floors_are_those_of_the_papers() {
    let floor = |text: &str| {
        text.parse::<TaskSettings>()
            .unwrap()
            .make()
            .unwrap()
            .floor()
    };
    assert_eq!(
        floor("copy"),
        Floor {
            accuracy: 0.125,
            loss: 8f64.ln()
        }
    );
    // Bai et al. 2018: 0.02039 at T = 1000.
    assert!((floor("copy:delay=1000,all=1").loss - 0.020387).abs() < 1e-6);
    assert!((floor("copy:delay=20,all=1").accuracy - 31.25 / 40.0).abs() < 1e-12);
    assert_eq!(floor("recall").accuracy, 1.0 / 64.0);
}

#[test]
fn power_law_asks_soon_and_uniform_anywhere() {
    let mean_distance = |text: &str| {
        let batches = source(text, 3).evaluation(Split::Test, 500, 500);
        let scored: Vec<f64> = batches[0]
            .distance
            .iter()
            .filter(|&&d| d > 0)
            .map(|&d| f64::from(d))
            .collect();
        assert_eq!(scored.len(), 2000);
        scored.iter().sum::<f64>() / 2000.0
    };
    // Pairs stand at 1, 3, 5, 7, uniform slots at 8 + 2·(0…27): mean 35 − 4.
    assert!((mean_distance("recall:uniform=1") - 31.0).abs() < 1.5);
    assert!(mean_distance("recall") < 24.0);
}

#[test]
fn settings_are_checked_and_read_back() {
    let settings: TaskSettings = "recall:pairs=8,length=128".parse().unwrap();
    assert_eq!(
        settings,
        TaskSettings::new("recall")
            .with("pairs", 8)
            .with("length", 128)
    );
    assert_eq!(
        settings.to_string().parse::<TaskSettings>().unwrap(),
        settings
    );
    let toml = toml::to_string(&settings).unwrap();
    assert_eq!(toml::from_str::<TaskSettings>(&toml).unwrap(), settings);
    assert_eq!(settings.complete().unwrap()["keys"], 63);

    let message = |text: &str| match text
        .parse::<TaskSettings>()
        .and_then(|s| s.make().map(|_| ()))
    {
        Ok(()) => panic!("{text} was accepted"),
        Err(error) => error.to_string(),
    };
    let known: Vec<_> = TASKS.iter().map(|row| row.name).collect();
    let known = known.join(", ");
    assert_eq!(
        message("copi"),
        format!("unknown task `copi`; known tasks: {known}")
    );
    assert!(message("copy:pairs=3").contains("copy.pairs = 3 is impossible"));
    assert!(message("copy:delay=0").contains("delay = 0"));
    assert!(message("copy:delay=-1").contains("delay=-1"));
    assert!(message("copy:delay=99999999999").contains("delay"));
    assert!(message("recall:pairs=0").contains("pairs = 0"));
    assert!(message("recall:pairs=17").contains("length = 64"));
    assert!(message("recall:keys=3").contains("keys = 3"));
    assert!(message("recall:noise=2").contains("noise = 2"));
    assert!(message("recall:pairs=9999999999999999999").contains("pairs"));
}

/// Reads words of one to three tokens beside each sequence.
struct Beside;

impl Task for Beside {
    fn spec(&self) -> Spec {
        Spec {
            source: Some(3),
            ..Spec::tokens(5, 2)
        }
    }

    fn sample(&self, _: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let length = 1 + seeds::below(rng, 3);
        (0..length).for_each(|_| batch.read_source(4));
        batch.read(0);
        batch.read(1);
        batch.ask(length as u32, 2);
    }

    fn floor(&self) -> Floor {
        Floor::guess(3)
    }
}

#[test]
fn sources_are_padded_and_their_lengths_kept() {
    let batch = TaskSource::new(Box::new(Beside), 3).next_batch(20);
    let source = batch.input.source.expect("the task has one");
    assert_eq!((source.batch, source.seq_len), (20, 3));
    let lengths = source.lengths.expect("they differ");
    assert_eq!(
        lengths
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        3
    );
    for (b, row) in source.values.tokens().chunks(3).enumerate() {
        assert_eq!(lengths[b], batch.targets.tokens()[2 * b + 1] as usize);
        assert!(row[..lengths[b]].iter().all(|&token| token == 4));
        assert!(row[lengths[b]..].iter().all(|&token| token == 0));
    }
    assert_eq!(batch.mask, [0.0, 1.0].repeat(20));
}
