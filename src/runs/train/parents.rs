//! What a training finds in the runs it needs.

use super::Training;
use crate::files;
use crate::record::Record;
use crate::runs::needs::{Kept, Rate, Start, Weights};
use crate::runs::tune;
use crate::stats::median;
use crate::train::Keep;

impl Training {
    /// The run whose weights it starts from, if it does, and what must be kept there for it.
    pub fn start_run(&self) -> Option<(&str, Kept)> {
        match &self.start {
            Start::From {
                weights: Weights::Run(run),
                keep,
            } => Some((
                run,
                match keep {
                    Keep::Weights => Kept::Weights,
                    Keep::Training => Kept::Training,
                },
            )),
            _ => None,
        }
    }

    /// The runs, or growing searches, whose records or weights it uses.
    pub(in crate::runs) fn parents(&self) -> Vec<&str> {
        let trials = match &self.rate {
            Rate::Fixed => &[][..],
            Rate::BestOf(trials) => trials,
        };
        let records = trials.iter().chain(&self.step_time).map(String::as_str);
        let start = self.start_run().map(|(run, _)| run);
        records.chain(start).collect()
    }

    /// Fills in the learning rate and the time of a step from the records of the runs it needs, and
    /// the digest of a checkpoint it starts from; `own` has the factors of this run's records.
    ///
    /// Errors: why there is none.
    pub(in crate::runs) fn resolve(
        &mut self,
        own: &Record,
        records: &dyn Fn(&str) -> Vec<Record>,
    ) -> Result<(), String> {
        if let Rate::BestOf(trials) = &self.rate {
            let trials: Vec<Record> = trials.iter().flat_map(|trial| records(trial)).collect();
            let choice = tune::choose(&trials)?;
            self.train.learning_rate = choice.rate;
            self.edge = Some(choice.edge.is_some());
            self.notes.push(choice.in_words());
        }
        if let Some(run) = &self.step_time {
            let measured = records(run);
            let of_this_model = measured.iter().filter(|r| same_model(r, own));
            let times: Vec<f64> = of_this_model.filter_map(|r| r.value).collect();
            if times.is_empty() {
                return Err(format!("{run} holds no step time of this model"));
            }
            let step = median(&times);
            self.train.budget.step_seconds = Some(step);
            let note = format!("a step takes {step} s, measured by {run}");
            self.notes.push(note);
        }
        if let Start::From {
            weights: Weights::Checkpoint { path, sha256 },
            ..
        } = &mut self.start
        {
            let bytes = std::fs::read(&path).map_err(|error| {
                format!("cannot read the checkpoint {}: {error}", path.display())
            })?;
            *sha256 = files::sha256(bytes);
        }
        Ok(())
    }
}

/// Whether two records are of the same model, trained in the same way.
fn same_model(a: &Record, b: &Record) -> bool {
    a.model == b.model
        && a.parameters == b.parameters
        && (a.width, a.layers, a.clip) == (b.width, b.layers, b.clip)
        && a.options == b.options
}

#[cfg(test)]
mod tests;
