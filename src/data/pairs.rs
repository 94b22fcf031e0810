//! Sentences beside their translations, from a file: a pair a line, source and translation parted by a tab;
//! what stands after a second tab, such as who wrote them, is left out.

use super::phrases::split;
use super::unigram::Unigram;
use super::{Batch, Cursor, DataError, Floor, Source, Spec, Split, Words, corpus, seeds};
use crate::files::sha256;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Words in a sentence of a pair, at most; pairs with a longer one are left out.
const LONGEST: usize = 32;
/// A word of the training pairs has a token of its own if it occurs so often …
const OFTEN: usize = 2;
/// … and is among so many of the most frequent.
const MOST: usize = 16_384;

/// A sentence and its translation, as tokens.
type Pair = (Vec<u32>, Vec<u32>);

/// The pairs of a file, by split: all with the same source are in the same one, by its hash, nine in ten
/// in training.
#[derive(Debug)]
pub struct Pairs {
    words: Words,
    /// Of train, validation, test.
    pairs: [Vec<Pair>; 3],
    /// SHA-256 of the file, hex.
    sha256: String,
    floor: Floor,
}

impl Pairs {
    /// Reads a file, and makes a vocabulary of its training pairs unless that of a checkpoint is given.
    ///
    /// Errors: no such file, a line without a tab, too few pairs.
    pub fn open(file: &str, words: Option<Vec<String>>) -> Result<Self, DataError> {
        Self::of(file, &corpus::read_file(file)?, words)
    }

    fn of(file: &str, text: &str, words: Option<Vec<String>>) -> Result<Self, DataError> {
        let mut texts: [Vec<[&str; 2]>; 3] = Default::default();
        let mut longest = [1, 1];
        for (i, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim().is_empty())
        {
            let mut fields = line.split('\t').map(str::trim);
            let pair = [fields.next(), fields.next()].map(|field| field.unwrap_or_default());
            if pair.contains(&"") {
                let problem = format!(
                    "line {} has no two texts parted by a tab; write the source, a tab, and its \
                     translation",
                    i + 1
                );
                return Err(DataError::text(file, problem));
            }
            let lengths = pair.map(|sentence| split(sentence).len());
            if lengths.iter().all(|&n| n <= LONGEST) {
                longest = [0, 1].map(|side| longest[side].max(lengths[side]));
                texts[of_split(pair[0]) as usize].push(pair);
            }
        }
        if texts.iter().any(Vec::is_empty) {
            let problem = format!(
                "has too few pairs of sentences of up to {LONGEST} words; give at least some hundred, of \
                 which one in twenty validates and one in twenty tests"
            );
            return Err(DataError::text(file, problem));
        }
        let words = words.unwrap_or_else(|| frequent(&texts[0]));
        let words = Words::of_all(words, false, longest);
        let pairs: [Vec<Pair>; 3] = texts.map(|of_split| {
            let pair = |pair: &[&str; 2]| (words.tokens(pair[0]), words.tokens(pair[1]));
            of_split.iter().map(pair).collect()
        });
        Ok(Pairs {
            floor: floor(&pairs[0], words.len()),
            sha256: sha256(text),
            words,
            pairs,
        })
    }

    /// The vocabulary.
    pub fn words(&self) -> &Words {
        &self.words
    }
}

/// The split that all pairs with this source belong to.
fn of_split(source: &str) -> Split {
    match seeds::fnv(source) % 20 {
        0 => Split::Validation,
        1 => Split::Test,
        _ => Split::Train,
    }
}

/// The words of both languages that have a token, the most frequent first.
fn frequent(pairs: &[[&str; 2]]) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in pairs.iter().flatten().flat_map(|sentence| split(sentence)) {
        *counts.entry(word).or_default() += 1;
    }
    let mut often: Vec<(String, usize)> = counts.into_iter().filter(|(_, n)| *n >= OFTEN).collect();
    often.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let kept = often.into_iter().take(MOST).map(|(word, _)| word);
    Words::SPECIAL
        .map(String::from)
        .into_iter()
        .chain(kept)
        .collect()
}

/// What the frequencies of words in translations predict.
fn floor(pairs: &[Pair], vocab: usize) -> Floor {
    let end = [Words::END];
    let answers = pairs.iter().flat_map(|(_, t)| t.iter().chain(&end));
    let answers: Vec<u32> = answers.copied().collect();
    let unigram = Unigram::of(&answers, vocab);
    let likeliest = unigram.likeliest();
    let right = answers.iter().filter(|&&a| a == likeliest).count();
    Floor {
        accuracy: right as f64 / answers.len() as f64,
        loss: unigram.bits(&answers) * std::f64::consts::LN_2 / answers.len() as f64,
    }
}

/// Pairs in random order, each as likely.
pub struct PairsSource {
    pairs: Arc<Pairs>,
    rng: ChaCha8Rng,
    drawn: u64,
}

impl PairsSource {
    /// Draws from these pairs.
    pub fn new(pairs: Arc<Pairs>, seed: u64) -> Self {
        PairsSource {
            pairs,
            rng: seeds::generator(seed, 0),
            drawn: 0,
        }
    }

    fn batch<'a>(&self, pairs: impl Iterator<Item = &'a Pair>) -> Batch {
        let spec = self.spec();
        let mut batch = Batch::empty(&spec);
        for (source, translation) in pairs {
            let words = &self.pairs.words;
            words.write(source, translation, &mut batch, spec.seq_len);
            batch.end_sequence(spec.seq_len);
        }
        batch.trim();
        batch
    }
}

impl Source for PairsSource {
    fn spec(&self) -> Spec {
        self.pairs.words.spec()
    }

    fn next_batch(&mut self, batch: usize) -> Batch {
        let pairs = self.pairs.clone();
        let train = &pairs.pairs[Split::Train as usize];
        let chosen: Vec<&Pair> = (0..batch)
            .map(|_| &train[seeds::below(&mut self.rng, train.len() as u64) as usize])
            .collect();
        self.drawn += batch as u64;
        self.batch(chosen.into_iter())
    }

    /// Evenly spaced pairs of the split.
    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch> {
        let all = &self.pairs.pairs[split as usize];
        let count = sequences.min(all.len());
        let chosen: Vec<&Pair> = (0..count).map(|i| &all[i * all.len() / count]).collect();
        let batches = chosen.chunks(batch.max(1));
        batches
            .map(|some| self.batch(some.iter().copied()))
            .collect()
    }

    fn cursor(&self) -> Cursor {
        seeds::save(&self.rng, self.drawn)
    }

    fn restore(&mut self, cursor: &Cursor) {
        self.rng = seeds::load(cursor).expect("a cursor that a source of this kind saved");
        self.drawn = cursor.drawn;
    }

    fn characters_per_token(&self, _split: Split) -> Option<f64> {
        None
    }

    fn text(&self) -> Option<&str> {
        Some(&self.pairs.sha256)
    }

    fn words(&self) -> Option<Words> {
        Some(self.pairs.words.clone())
    }

    fn floor(&self) -> Floor {
        self.pairs.floor
    }

    fn known(&self) -> Floor {
        self.pairs.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOUNS: [[&str; 2]; 5] = [
        ["cat", "chat"],
        ["dog", "chien"],
        ["horse", "cheval"],
        ["garden", "jardin"],
        ["book", "livre"],
    ];

    fn text() -> String {
        let mut text = String::new();
        for n in 0..400 {
            let [english, french] = NOUNS[n % 5];
            text += &format!("the {english} {n}\tle {french} {n}\tsomebody {n}\n");
        }
        text
    }

    fn source() -> PairsSource {
        PairsSource::new(Arc::new(Pairs::of("pairs.txt", &text(), None).unwrap()), 7)
    }

    #[test]
    fn a_pair_stands_in_one_split_with_all_of_its_source() {
        let twice = text() + &text().replace("le ", "un ");
        let pairs = Pairs::of("pairs.txt", &twice, None).unwrap();
        let of = |split: Split| -> BTreeSet<&Vec<u32>> {
            pairs.pairs[split as usize].iter().map(|(s, _)| s).collect()
        };
        let splits = [Split::Train, Split::Validation, Split::Test].map(of);
        assert!(splits[0].len() > 330 && splits.iter().all(|s| !s.is_empty()));
        assert!(splits[0].is_disjoint(&splits[1]) && splits[0].is_disjoint(&splits[2]));
        assert!(splits[1].is_disjoint(&splits[2]));
        assert_eq!(pairs.pairs.iter().map(Vec::len).sum::<usize>(), 800);
    }

    #[test]
    fn a_batch_reads_the_source_and_asks_for_the_translation() {
        let mut data = source();
        let words = data.words().unwrap();
        let first = data.next_batch(6);
        let read = first.input.source.as_ref().unwrap();
        for b in 0..6 {
            let source = &read.values.tokens()[b * read.seq_len..][..read.seq_len];
            let length = read.lengths.as_ref().unwrap()[b];
            let source = words.text(&source[..length]);
            let t = first.seq_len();
            let answers = words.text(&first.targets.tokens()[b * t..(b + 1) * t]);
            let known = NOUNS.iter().any(|[english, french]| {
                source.replace(english, french).replace("the", "le") == answers
            });
            assert!(known, "{source} | {answers}");
            assert!(!source.contains("somebody"));
        }
        let cursor = data.cursor();
        let expected = data.next_batch(9);
        let mut again = source();
        again.restore(&cursor);
        assert_eq!(again.next_batch(9), expected);
        assert_eq!(
            data.evaluation(Split::Test, 8, 8),
            again.evaluation(Split::Test, 8, 8)
        );
        assert!(data.floor().accuracy > 0.15 && data.floor().loss < 4.0);
    }

    #[test]
    fn rare_words_are_unknown_and_a_vocabulary_can_be_given() {
        let pairs = Pairs::of("pairs.txt", &(text() + "the zebra 1\tle zèbre 1\n"), None).unwrap();
        assert_eq!(pairs.words().unknown("the zebra"), ["zebra"]);
        let mut list = Words::SPECIAL.map(String::from).to_vec();
        list.extend(["the".into(), "le".into()]);
        let given = Pairs::of("pairs.txt", &text(), Some(list)).unwrap();
        assert_eq!(given.words().len(), 6);
    }

    #[test]
    fn what_is_no_pair_is_refused_with_its_line() {
        let error = |text: &str| Pairs::of("p.txt", text, None).unwrap_err().to_string();
        let problem = error("the cat\tle chat\n\nthe dog le chien\n");
        assert!(
            problem.contains("p.txt") && problem.contains("line 3"),
            "{problem}"
        );
        assert!(error("the cat\t\n").contains("line 1"));
        assert!(error("the cat\tle chat\n").contains("too few pairs"));
        assert!(error("").contains("too few pairs"));
    }
}
