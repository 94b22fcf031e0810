//! What stands for data in an identity.

use super::checkpoint::Metadata;
use crate::data::{Batch, Source, Split};
use crate::files;
use sha2::{Digest, Sha256};

/// SHA-256 of inputs, targets and masks: other data, other fingerprint.
pub(super) fn fingerprint(batches: &[Batch]) -> String {
    let mut hash = Sha256::new();
    for batch in batches {
        hash.update((batch.seq_len() as u64).to_le_bytes());
        for (token, target) in batch.tokens().iter().zip(batch.targets.tokens()) {
            hash.update(token.to_le_bytes());
            hash.update(target.to_le_bytes());
        }
        let numbers = batch.input.own.values.numbers().iter();
        for number in numbers.chain(batch.targets.numbers()) {
            hash.update(number.to_le_bytes());
        }
        if let Some(source) = &batch.input.source {
            for token in source.values.tokens() {
                hash.update(token.to_le_bytes());
            }
            for &length in source.lengths.iter().flatten() {
                hash.update((length as u64).to_le_bytes());
            }
        }
        hash.update(batch.mask.iter().map(|&m| m as u8).collect::<Vec<_>>());
    }
    files::hex(&hash.finalize())
}

/// Most tokens of a task to validate on: all are held during the training.
const MOST_VALIDATED: usize = 1 << 24;

/// Refuses more sequences to validate on than a training can hold. A text has only so many.
///
/// Errors: what to give instead.
pub fn check_validation(source: &dyn Source, sequences: usize) -> Result<(), String> {
    let most = MOST_VALIDATED / source.spec().longest.max(1);
    match sequences <= most.max(1) || source.text().is_some() {
        true => Ok(()),
        false => Err(format!("give at most {most}")),
    }
}

/// Whether `source` is the data of a checkpoint: the same text or task, in windows of the same
/// length. Not known, and so false, for a training that did not validate.
pub fn same_data(source: &dyn Source, metadata: &Metadata) -> bool {
    let settings = &metadata.identity.settings;
    let (sequences, batch) = (settings.validation_sequences, settings.batch);
    // A damaged file may claim any number.
    if check_validation(source, sequences).is_err() {
        return false;
    }
    // Cut up as the checkpoint's training did, whatever the batch is now.
    let batches = source.evaluation(Split::Validation, sequences, batch);
    !batches.is_empty() && fingerprint(&batches) == metadata.identity.data
}
