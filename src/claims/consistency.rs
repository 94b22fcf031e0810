//! Whether the records of a results directory contradict one of its verdicts on time: what one experiment
//! finds of two models at a shape, another that timed the same two there must not turn round.

use super::comparison::Comparison;
use super::given::Given;
use super::{Answer, CLAIMS, Claim, Evidence, Fixed, settle};
use crate::record::Record;
use crate::stats::{Interval, Looks};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// Two experiments that give opposite answers to the same comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contradiction {
    /// The claim whose verdict rests on it.
    pub claim: String,
    /// What is compared, and where.
    pub label: String,
    /// Unit of the effects.
    pub unit: String,
    /// The effect by the claim's own experiment.
    pub own: Interval,
    /// The other experiment.
    pub experiment: String,
    /// The effect by that.
    pub other: Interval,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shown = |i: &Interval| format!("{:.2} [{:.2}, {:.2}]", i.estimate, i.low, i.high);
        let Contradiction {
            claim,
            label,
            unit,
            own,
            experiment,
            other,
        } = self;
        write!(
            f,
            "{claim} finds {} {unit} of {label}, but the records of {experiment} say {}: time both \
             again on a quiet machine",
            shown(own),
            shown(other)
        )
    }
}

/// What decides how long a step takes: model and its options, task, sizes, threads.
fn condition(r: &Record) -> String {
    let sizes = [r.vocab, r.width, r.layers, r.seq_len, r.batch, r.threads];
    format!("{} {:?} {:?} {sizes:?}", r.model, r.options, r.task)
}

/// Every comparison on which a verdict on time rests, supported or reversed, and to which the records of
/// another experiment that timed the same under the same conditions give the opposite answer at the
/// margin. The rule of the claim itself reads those records.
pub fn contradictions(records: &[Record], fixed: &[Fixed], alpha: f64) -> Vec<Contradiction> {
    let timed = |claim: &&Claim| claim.observations == "launches";
    let of = |claim: &'static Claim| Some((claim, fixed.iter().find(|f| f.claim == claim.id)?));
    let claims = CLAIMS.iter().filter(timed).filter_map(of);
    let timings = records
        .iter()
        .filter(|r| r.repeat.is_some() && r.seed.is_none());
    let experiments: BTreeSet<&str> = timings.map(|r| r.experiment.as_str()).collect();
    let mut found = Vec::new();
    for (claim, own) in claims {
        let given = Given {
            records: of_experiment(records, claim.id),
            margin: own.margin,
            looks: &own.looks,
        };
        let said = decided(&(claim.compare)(&given), given.looks, alpha);
        if said.is_empty() {
            continue;
        }
        let conditions: HashSet<String> = given.records.iter().map(|r| condition(r)).collect();
        for experiment in experiments.iter().filter(|id| **id != claim.id) {
            let mut there = of_experiment(records, experiment);
            there.retain(|r| conditions.contains(&condition(r)));
            let launches: BTreeSet<usize> = there.iter().filter_map(|r| r.repeat).collect();
            let theirs = fixed.iter().find(|f| f.claim == **experiment);
            let all = Looks::new(&[launches.len()]);
            let other = Given {
                records: there,
                margin: own.margin,
                looks: theirs.map_or(&all, |f| &f.looks),
            };
            let others = decided(&(claim.compare)(&other), other.looks, alpha);
            for a in &said {
                let opposite = others
                    .iter()
                    .find(|b| b.label == a.label && b.answer != a.answer);
                found.extend(opposite.map(|b| Contradiction {
                    claim: claim.id.to_owned(),
                    label: a.label.clone(),
                    unit: a.unit.clone(),
                    own: a.effect,
                    experiment: (*experiment).to_owned(),
                    other: b.effect,
                }));
            }
        }
    }
    found
}

fn of_experiment<'a>(records: &'a [Record], id: &str) -> Vec<&'a Record> {
    records.iter().filter(|r| r.experiment == id).collect()
}

/// The deciding comparisons that say which side is ahead.
fn decided(comparisons: &[Comparison], looks: &Looks, alpha: f64) -> Vec<Evidence> {
    let (decided, _) = settle(comparisons, looks, alpha);
    let evidence = decided.into_iter().filter(|d| d.comparison.counts());
    let sides = [Answer::Supported, Answer::Reversed];
    evidence
        .filter_map(|d| d.evidence)
        .filter(|e| sides.contains(&e.answer))
        .collect()
}
