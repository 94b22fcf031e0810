//! Translating with a model of phrases.

use super::beam::{Hypothesis, LengthPenalty, Search, search};
use crate::data::{Batch, Words};
use crate::models::{Content, Decoder, ModelError, Sequence, Shape};
use std::collections::BTreeMap;

/// Sentences that are decoded together.
const TOGETHER: usize = 64;

/// How to look for a translation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Hypotheses at a time; 1 takes the likeliest word every time.
    pub beams: usize,
    /// How they are compared.
    pub penalty: LengthPenalty,
    /// Words after which a translation ends by itself.
    pub longest: usize,
}

impl Choice {
    /// The likeliest word every time, up to as many as the data's longest translation has.
    pub fn greedy(words: &Words) -> Self {
        Choice {
            beams: 1,
            penalty: LengthPenalty::None,
            longest: words.longest + 1,
        }
    }
}

/// The hypotheses for each source, best first.
///
/// Fails as [`search`] does.
pub fn translate(
    decoder: &mut dyn Decoder,
    words: &Words,
    sources: &[Vec<u32>],
    choice: &Choice,
) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
    let wanted = Search {
        beams: choice.beams,
        penalty: choice.penalty,
        end: Words::END,
        longest: choice.longest,
    };
    // Prompts of one batch are of one length: where the source is a part of them, sources are.
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, source) in sources.iter().enumerate() {
        let length = if words.in_one { source.len() } else { 0 };
        groups.entry(length).or_default().push(i);
    }
    let mut all = vec![Vec::new(); sources.len()];
    let chunks = groups.values().flat_map(|group| group.chunks(TOGETHER));
    for chunk in chunks {
        let own: Vec<_> = chunk.iter().map(|&i| &sources[i][..]).collect();
        let prompt = |source: &&[u32]| match words.in_one {
            true => [source, &[Words::BEGIN][..]].concat(),
            false => vec![Words::BEGIN],
        };
        let prompts: Vec<_> = own.iter().map(prompt).collect();
        let beside = (!words.in_one).then(|| padded(&own));
        let found = search(decoder, beside.as_ref(), &prompts, &wanted)?;
        chunk
            .iter()
            .zip(found)
            .for_each(|(&i, found)| all[i] = found);
    }
    Ok(all)
}

/// Sources of several lengths as one batch.
pub fn padded(sources: &[&[u32]]) -> Sequence {
    let seq_len = sources.iter().map(|s| s.len()).max().unwrap_or(0).max(1);
    let row = |source: &&[u32]| {
        let mut row = source.to_vec();
        row.resize(seq_len, Words::PADDING);
        row
    };
    let shape = Shape {
        batch: sources.len(),
        seq_len,
    };
    Sequence {
        lengths: Some(sources.iter().map(|source| source.len()).collect()),
        ..Sequence::new(
            Content::Tokens(sources.iter().flat_map(row).collect()),
            shape,
        )
    }
}

/// The sources and the translations of a batch.
pub fn phrases(words: &Words, batch: &Batch) -> Vec<[Vec<u32>; 2]> {
    let t = batch.seq_len();
    let phrase = |b: usize| {
        let row = b * t..(b + 1) * t;
        let own = &batch.tokens()[row.clone()];
        let answers = &batch.targets.tokens()[row.clone()];
        let source = match (&batch.input.source, words.in_one) {
            (Some(source), false) => {
                let length = source.lengths.as_ref().map_or(source.seq_len, |l| l[b]);
                source.values.tokens()[b * source.seq_len..][..length].to_vec()
            }
            _ => {
                let before = own.iter().take_while(|&&token| token != Words::BEGIN);
                before.copied().collect()
            }
        };
        let scored = answers
            .iter()
            .zip(&batch.mask[row])
            .filter(|(_, m)| **m != 0.0);
        let said = scored
            .map(|(token, _)| *token)
            .filter(|&token| token != Words::END);
        [source, said.collect()]
    };
    (0..batch.sequences()).map(phrase).collect()
}
