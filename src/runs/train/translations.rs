//! What a model of phrases says when it has to find the words by itself.

use crate::data::{Batch, Words};
use crate::generate::translate::{Choice, phrases, translate};
use crate::models::{Model, ModelError};
use crate::record::Record;
use crate::runs::work::Run;
use crate::scores::{Scores, scores};

/// More words than this make a phrase long.
const LONG: usize = 12;
/// Words of a source up to which phrases are judged together.
const LENGTHS: [usize; 6] = [4, 8, 12, 16, 24, usize::MAX];

/// Greedy translations of the test: exact matches, chrF2 and BLEU, of all and by the length of the source.
pub(super) fn translations(
    run: &Run,
    model: &dyn Model,
    words: &Words,
    batches: &[Batch],
) -> Result<Vec<Record>, ModelError> {
    let all: Vec<_> = batches
        .iter()
        .flat_map(|batch| phrases(words, batch))
        .collect();
    let sources: Vec<Vec<u32>> = all.iter().map(|[source, _]| source.clone()).collect();
    let found = translate(
        &mut *model.decoder(),
        words,
        &sources,
        &Choice::greedy(words),
    )?;
    let said = |i: usize| {
        found[i]
            .first()
            .map_or(String::new(), |best| words.text(&best.tokens))
    };
    let pairs: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(i, [source, reference])| (source.len(), said(i), words.text(reference)))
        .collect();
    let of = |least: usize, most: usize| {
        let own = pairs.iter().filter(|(n, ..)| (least..=most).contains(n));
        scores(own.map(|(_, said, reference)| (&said[..], &reference[..])))
    };
    let mut rows = Vec::new();
    if let Some(Scores { exact, chrf, bleu }) = of(0, usize::MAX) {
        for (metric, value) in [("exact", exact), ("chrf", chrf), ("bleu", bleu)] {
            rows.push(run.record(&format!("test_{metric}"), None, Some(value)));
        }
    }
    if let Some(Scores { exact, .. }) = of(LONG + 1, usize::MAX) {
        rows.push(run.record("test_exact_long", None, Some(exact)));
    }
    let mut least = 0;
    for most in LENGTHS {
        // The last has no end of its own.
        let x = most.min(words.longest_source.max(least)) as f64;
        if let Some(Scores { exact, .. }) = of(least, most) {
            rows.push(run.record("test_exact_by_length", Some(x), Some(exact)));
        }
        least = most.saturating_add(1);
    }
    Ok(rows)
}
