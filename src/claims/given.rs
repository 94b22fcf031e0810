//! What a rule is given: the records of its experiment with what was fixed before the run, and what
//! every rule asks of them.

use super::place::Series;
use super::sample::Sample;
use super::select::{by_run, distinct};
use super::text;
use crate::record::Record;
use crate::stats::Looks;

/// The records of one experiment, its margin and its looks.
pub(super) struct Given<'a> {
    pub records: Vec<&'a Record>,
    pub margin: f64,
    pub looks: &'a Looks,
}

/// Share of runs that must have learnt the easiest case, where there are more than [`FEW`].
const MOST_LEARN: f64 = 0.8;
/// So many runs must all have learnt it.
const FEW: usize = 3;

impl<'a> Given<'a> {
    /// Values of a metric by seed or launch.
    pub fn sample(&self, metric: &str, pass: impl Fn(&Record) -> bool) -> Sample {
        Sample::of(&self.records, metric, pass)
    }

    /// The variants of models that have a test result and pass.
    pub fn series(&self, metric: &str, pass: impl Fn(&Series) -> bool) -> Vec<Series> {
        let of_metric = self.records.iter().copied().filter(|r| r.metric == metric);
        let mut all = distinct(&of_metric.collect::<Vec<_>>(), |r| Some(Series::of(r)));
        all.retain(|series| pass(series));
        all
    }

    /// Whether the runs that pass have learnt their task: all of three, at least 80 % of more. Nobody
    /// is judged before; runs that did not record it have not.
    pub fn has_learnt(&self, pass: impl Fn(&Record) -> bool) -> bool {
        let learnt = by_run(&self.records, "learnt", pass);
        let yes = learnt.iter().filter(|v| **v > 0.5).count();
        match learnt.len() {
            0 => false,
            n if n <= FEW => yes == n,
            n => yes as f64 >= MOST_LEARN * n as f64,
        }
    }

    /// Why a comparison of these two cannot decide: one has not learnt at its anchor, or the search for
    /// its learning rate ended at an edge.
    pub fn void(
        &self,
        series: [&Series; 2],
        anchor: impl Fn(&Record) -> bool,
        here: impl Fn(&Record) -> bool,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        for series in series {
            let name = text::the(&series.label());
            let (anchor, here) = (
                |r: &Record| series.has(r) && anchor(r),
                |r: &Record| series.has(r) && here(r),
            );
            reasons.extend(self.unfit(&name, anchor, here));
        }
        reasons
    }

    /// The same of one model, by its name in a sentence and what its records are.
    pub fn unfit(
        &self,
        name: &str,
        anchor: impl Fn(&Record) -> bool,
        here: impl Fn(&Record) -> bool,
    ) -> Vec<String> {
        let unlearnt = !self.has_learnt(anchor);
        let unlearnt = unlearnt.then(|| format!("{name} has not learnt the easiest case"));
        unlearnt
            .into_iter()
            .chain(self.at_edge(name, here))
            .collect()
    }

    /// Why a model cannot be judged whose rate is the last that its search tried.
    pub fn at_edge(&self, name: &str, here: impl Fn(&Record) -> bool) -> Option<String> {
        let edges = by_run(&self.records, "edge", here);
        let any = edges.iter().any(|edge| *edge > 0.5);
        any.then(|| format!("the best rate of {name} is at the edge of its search"))
    }

    /// The same of a comparison of accuracies, which cannot decide either where a run that has not learnt
    /// was still learning when its budget ended.
    pub fn void_of_accuracy(
        &self,
        series: [&Series; 2],
        anchor: impl Fn(&Record) -> bool,
        here: impl Fn(&Record) -> bool,
    ) -> Vec<String> {
        let mut reasons = self.void(series, anchor, &here);
        for series in series {
            let pass = |r: &&&Record| series.has(r) && here(r);
            let mine: Vec<&&Record> = self.records.iter().filter(pass).collect();
            let capped = mine
                .iter()
                .filter(|r| r.metric == "steps_done" && r.ending == "cap");
            let unlearnt = |run: &str| {
                let learnt = mine.iter().find(|r| r.metric == "learnt" && r.run == run);
                learnt.is_none_or(|r| r.value != Some(1.0))
            };
            if capped.map(|r| r.run.as_str()).any(unlearnt) {
                let name = text::the(&series.label());
                reasons.push(format!("{name} was still learning when its budget ended"));
            }
        }
        reasons
    }
}
