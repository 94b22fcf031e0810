//! The next planned look of claims that a finished suite has left undecided.

use crate::claims::{Answer, Verdict};
use crate::results::output::Manifest;
use crate::runs::context::More;

/// The looks that a directory has taken, with the next one of every undecided claim that has one left,
/// and the experiments to which it adds.
///
/// A look adds to the cells of the comparisons that are still open, and to nothing else: what is decided
/// keeps the data that decided it.
pub fn next(manifest: &Manifest, verdicts: &[Verdict]) -> (More, Vec<String>) {
    let (mut more, mut added) = (manifest.looks.clone(), Vec::new());
    for experiment in &manifest.experiments {
        let taken = manifest.looks.get(&experiment.id).map_or(0, Vec::len);
        let undecided = verdicts.iter().find(|verdict| {
            verdict.claim == experiment.claim && verdict.answer == Answer::Undecided
        });
        let cells = undecided.map_or(&[][..], |verdict| &verdict.cells);
        if !cells.is_empty() && taken + 1 < experiment.looks().len() {
            let looks = more.entry(experiment.id.clone()).or_default();
            looks.push(cells.to_vec());
            added.push(experiment.id.clone());
        }
    }
    (more, added)
}
