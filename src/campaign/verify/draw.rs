//! Which runs are verified: few of many, so that every claim and model is touched.

use super::candidates::Candidate;
use crate::stats::random::SplitMix64;
use std::collections::HashMap;

/// A trial of a learning rate records one value, a training all of them: one of those for three of
/// these.
const TRAININGS_A_TRIAL: usize = 3;

/// Draws at most so many of the candidates, in rising order: again and again one of the claim with
/// model (and its options) that was drawn least, of these one of the model drawn least, then of the claim,
/// then of the kind of run. The seed decides among equals.
pub(super) fn draw(candidates: &[Candidate], most: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64::new(seed);
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    for i in (1..left.len()).rev() {
        left.swap(i, random.below(i + 1));
    }
    let mut drawn = Vec::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    while drawn.len() < most.min(candidates.len()) {
        let rank = |&(_, &i): &(usize, &usize)| {
            let of = &candidates[i];
            let [series, model, claim, kind] = strata(of).map(|key| times.get(&key).copied());
            let weight = if of.is_trial() { TRAININGS_A_TRIAL } else { 1 };
            let kind = kind.unwrap_or_default() * weight;
            [series, model, claim, Some(kind)].map(Option::unwrap_or_default)
        };
        let Some((place, _)) = left.iter().enumerate().min_by_key(rank) else {
            break;
        };
        let next = left.remove(place);
        for key in strata(&candidates[next]) {
            *times.entry(key).or_default() += 1;
        }
        drawn.push(next);
    }
    drawn.sort_unstable();
    drawn
}

/// What is to be touched evenly, most important first.
fn strata(candidate: &Candidate) -> [String; 4] {
    let record = &candidate.run.record;
    let claim = format!("claim {}", candidate.claim);
    let model = format!("model {}", record.model);
    [
        format!("{claim} {model} {:?}", record.options),
        model,
        claim,
        format!("kind {}", candidate.is_trial()),
    ]
}
