//! Translating generated English phrases into French ([`crate::data::phrases`]).

use super::{Parameter, Task, TaskRow, Values, parameter};
use crate::data::phrases::{Atom, FRAMES, KINDS, Phrase, split, vocabulary};
use crate::data::{Batch, DataError, Floor, Spec, Split, Words, seeds};
use rand_chacha::ChaCha8Rng;

/// digits of the largest number
const DIGITS: Parameter = parameter("digits", 9);
/// 1: phrases of two parts too
const COMPOSED: Parameter = parameter("composed", 1);
/// 1: source and translation stand in one sequence, for models that read no source
const IN_ONE: Parameter = parameter("in_one", 0);

pub(super) const ROW: TaskRow = TaskRow {
    name: "phrases",
    describes: "translate numbers, dates, times, prices and quantities from English to French",
    parameters: &[DIGITS, COMPOSED, IN_ONE],
    make: |values| Phrases::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// Half of the phrases are atoms, of each kind as many; half are pairs of atoms, unless there are none.
///
/// The test is apart by value and by template: an atom, told by its English, belongs to one split for
/// good (eight in ten to training, and the only one with a word of its own, zero), and so does what a pair is made of, its frame and the kinds of both
/// parts (four in five to training and validation, the rest to the test).
struct Phrases {
    digits: u32,
    composed: bool,
    words: Words,
}

impl Phrases {
    fn new(values: &Values) -> Result<Self, DataError> {
        let digits = values.within(DIGITS.name, 2..=9, "give 2 to 9 digits")? as u32;
        let flag = |p: &Parameter| values.flag(p.name, "give 0 or 1");
        let (composed, in_one) = (flag(&COMPOSED)?, flag(&IN_ONE)?);
        Ok(Phrases {
            digits,
            composed,
            words: Words::new(vocabulary(), in_one, longest(digits, composed)),
        })
    }

    /// An atom of a split.
    fn atom(&self, split: Split, kind: usize, rng: &mut ChaCha8Rng) -> Atom {
        loop {
            let atom = Atom::draw(kind, self.digits, rng);
            let own = match (atom, seeds::fnv(&Phrase::Single(atom).english()) % 10) {
                // No other atom has the word: in the test it would be one that nobody has learnt.
                (Atom::Number(0), _) | (_, 0..8) => Split::Train,
                (_, 8) => Split::Validation,
                _ => Split::Test,
            };
            if own == split {
                return atom;
            }
        }
    }

    fn phrase(&self, split: Split, rng: &mut ChaCha8Rng) -> Phrase {
        let below = |rng: &mut ChaCha8Rng, n: usize| seeds::below(rng, n as u64) as usize;
        if !self.composed || below(rng, 2) == 0 {
            let kind = below(rng, KINDS);
            return Phrase::Single(self.atom(split, kind, rng));
        }
        loop {
            let frame = below(rng, FRAMES.len());
            let kinds = [below(rng, KINDS), below(rng, KINDS)];
            let of_test = seeds::fnv(&format!("{frame} {kinds:?}")).is_multiple_of(5);
            if of_test == (split == Split::Test) {
                let [a, b] = kinds.map(|kind| self.atom(split, kind, rng));
                return Phrase::Pair(FRAMES[frame], a, b);
            }
        }
    }
}

/// Words in the longest source and the longest translation.
fn longest(digits: u32, composed: bool) -> [usize; 2] {
    // Nothing is longer than ninety-seven of everything, in either language.
    let number = Atom::Number(797_797_797 % 10u64.pow(digits));
    let date = Atom::Date {
        day: 28,
        month: 12,
        year: 2000,
        weekday: Some(2),
    };
    let many = (7797 % 10u64.pow(digits.min(4))) as u16;
    let quantity = Atom::Quantity {
        count: many,
        thing: 10,
        adjective: Some(0),
    };
    let price = Atom::Price {
        dollars: 999,
        cents: 99,
    };
    let time = Atom::Time {
        hour: 12,
        minute: 45,
    };
    let atoms = [number, date, quantity, price, time];
    let words =
        |phrase: Phrase| [split(&phrase.english()), split(&phrase.french())].map(|w| w.len());
    let most = |a: [usize; 2], b: [usize; 2]| [a[0].max(b[0]), a[1].max(b[1])];
    let singles = atoms
        .map(|atom| words(Phrase::Single(atom)))
        .into_iter()
        .fold([0; 2], most);
    if !composed {
        return singles;
    }
    let frames = FRAMES
        .into_iter()
        .flat_map(|f| atoms.map(|a| words(Phrase::Pair(f, a, a))));
    frames.fold(singles, most)
}

impl Task for Phrases {
    fn spec(&self) -> Spec {
        self.words.spec()
    }

    fn sample(&self, seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        self.sample_of(Split::Train, seq_len, rng, batch);
    }

    fn sample_of(&self, split: Split, _: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let phrase = self.phrase(split, rng);
        let source = self.words.tokens(&phrase.english());
        let translation = self.words.tokens(&phrase.french());
        let seq_len = self.spec().seq_len;
        self.words.write(&source, &translation, batch, seq_len);
    }

    fn words(&self) -> Option<Words> {
        Some(self.words.clone())
    }

    /// Any word.
    fn floor(&self) -> Floor {
        Floor::guess(self.words.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::data::tasks::{TaskSettings, TaskSource};
    use std::collections::BTreeSet;

    fn source(text: &str) -> TaskSource {
        let settings: TaskSettings = text.parse().unwrap();
        TaskSource::new(settings.make().unwrap(), 3)
    }

    #[test]
    fn a_batch_is_a_phrase_beside_its_translation() {
        let mut data = source("phrases");
        let words = data.words().unwrap();
        let batch = data.next_batch(50);
        let read = batch.input.source.as_ref().unwrap();
        let lengths = read.lengths.as_ref().unwrap();
        assert_eq!(*lengths.iter().max().unwrap(), read.seq_len);
        let t = batch.seq_len();
        for b in 0..50 {
            let own = &batch.tokens()[b * t..(b + 1) * t];
            let answers = &batch.targets.tokens()[b * t..(b + 1) * t];
            let scored = batch.mask[b * t..(b + 1) * t]
                .iter()
                .filter(|&&m| m == 1.0)
                .count();
            assert_eq!((own[0], answers[scored - 1]), (Words::BEGIN, Words::END));
            assert_eq!(own[1..scored], answers[..scored - 1]);
            assert!(
                batch.distance[b * t..][..scored]
                    .iter()
                    .all(|&d| d as usize == lengths[b])
            );
            assert!(!words.text(answers).is_empty());
        }
    }

    #[test]
    fn in_one_sequence_the_same_phrases_are_asked_for() {
        let (mut apart, mut in_one) = (source("phrases"), source("phrases:in_one=1"));
        let (a, b) = (apart.next_batch(20), in_one.next_batch(20));
        assert_eq!(b.input.source, None);
        let answers = |batch: &Batch| -> Vec<u32> {
            let all = batch.targets.tokens().iter().zip(&batch.mask);
            all.filter(|(_, m)| **m == 1.0).map(|(t, _)| *t).collect()
        };
        assert_eq!(answers(&a), answers(&b));
    }

    #[test]
    fn nothing_of_the_test_is_trained_on() {
        let task = Phrases {
            digits: 9,
            composed: true,
            words: Words::new(vocabulary(), false, longest(9, true)),
        };
        let mut seen = [BTreeSet::new(), BTreeSet::new()];
        let mut templates = [BTreeSet::new(), BTreeSet::new()];
        for (i, split) in [Split::Train, Split::Test].into_iter().enumerate() {
            let mut rng = seeds::generator(1, i as u64);
            for _ in 0..5000 {
                match task.phrase(split, &mut rng) {
                    Phrase::Single(atom) => {
                        seen[i].insert(Phrase::Single(atom).english());
                    }
                    Phrase::Pair(frame, a, b) => {
                        seen[i].extend([a, b].map(|atom| Phrase::Single(atom).english()));
                        templates[i].insert(format!("{frame:?} {} {}", a.kind(), b.kind()));
                    }
                }
            }
        }
        assert_eq!(seen[0].intersection(&seen[1]).count(), 0);
        assert_eq!(templates[0].intersection(&templates[1]).count(), 0);
        assert!(
            templates[0].len() > 80 && templates[1].len() > 15,
            "{templates:?}"
        );
        // Every kind of atom is in both.
        assert!(
            seen.iter()
                .all(|all| all.iter().any(|text| text.contains("o'clock")))
        );
    }

    #[test]
    fn no_word_of_the_test_is_new() {
        let words = |split: Split| -> BTreeSet<u32> {
            let mut data = source("phrases");
            let batch = match split {
                Split::Train => data.next_batch(30_000),
                split => data.evaluation(split, 20_000, 20_000).remove(0),
            };
            let read = batch.input.source.unwrap().values.tokens().to_vec();
            let answers = batch.targets.tokens().to_vec();
            let all: BTreeSet<u32> = read.into_iter().chain(answers).collect();
            assert!(all.len() > 200, "{} words", all.len());
            all
        };
        let trained = words(Split::Train);
        for split in [Split::Validation, Split::Test] {
            let new: Vec<u32> = words(split).difference(&trained).copied().collect();
            assert!(new.is_empty(), "{split:?}: {new:?}");
        }
    }

    #[test]
    fn the_longest_phrases_fit() {
        for digits in 2..=9 {
            for composed in [0, 1] {
                let mut data = source(&format!("phrases:digits={digits},composed={composed}"));
                data.next_batch(3000);
                // Every split has atoms of every kind.
                data.evaluation(Split::Validation, 1000, 100);
                data.evaluation(Split::Test, 1000, 100);
            }
        }
    }
}
