//! Chooses each model's learning rate from its tuning runs.

use super::work::{Run, Stage, Work};
use crate::record::Record;
use crate::results::directory::Directory;
use std::collections::HashMap;

/// Experiment id and index of the model in it.
type Key = (String, usize);

/// Fills the chosen rates into the runs that wait for one; for those whose search has no result,
/// returns why.
pub fn choose(runs: &mut [Run], directory: &Directory) -> HashMap<String, String> {
    let mut trials: HashMap<Key, Vec<Option<Record>>> = HashMap::new();
    for run in runs.iter().filter(|run| run.stage == Stage::Tune) {
        let record = directory
            .records(&run.id)
            .ok()
            .and_then(|mut all| all.pop());
        trials
            .entry((run.experiment.clone(), run.series))
            .or_default()
            .push(record);
    }
    let mut without = HashMap::new();
    for run in runs.iter_mut().filter(|run| run.stage != Stage::Tune) {
        let Work::Train(training) = &mut run.work else {
            continue;
        };
        if !training.tuned {
            continue;
        }
        let key = (run.experiment.clone(), run.series);
        match best_rate(trials.get(&key).map(Vec::as_slice).unwrap_or_default()) {
            Ok(rate) => {
                training.train.learning_rate = rate;
                run.record.learning_rate = Some(rate);
            }
            Err(reason) => {
                without.insert(run.id.clone(), reason);
            }
        }
    }
    without
}

/// The rate with the lowest mean validation loss over its seeds, the smaller of two equal ones. A
/// rate that diverged for a seed is out; a trial that failed otherwise leaves the search undecided.
fn best_rate(trials: &[Option<Record>]) -> Result<f64, String> {
    let mut losses: Vec<(f64, Vec<Option<f64>>)> = Vec::new();
    for trial in trials {
        let trial = trial
            .as_ref()
            .ok_or("a trial of its learning-rate search failed")?;
        let rate = trial.learning_rate.ok_or("a trial has no learning rate")?;
        match losses.iter_mut().find(|(known, _)| *known == rate) {
            Some((_, values)) => values.push(trial.value),
            None => losses.push((rate, vec![trial.value])),
        }
    }
    losses
        .into_iter()
        .filter_map(|(rate, values)| {
            let finite: Option<Vec<f64>> = values.into_iter().collect();
            let finite = finite?;
            Some((finite.iter().sum::<f64>() / finite.len() as f64, rate))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)))
        .map(|(_, rate)| rate)
        .ok_or_else(|| {
            "every learning rate of its search diverged; add smaller ones to tune.learning_rates"
                .into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(learning_rate: f64, value: Option<f64>) -> Option<Record> {
        Some(Record {
            learning_rate: Some(learning_rate),
            value,
            ..Record::default()
        })
    }

    #[test]
    fn lowest_mean_loss_wins_and_divergence_is_out() {
        let trials = [
            trial(1e-3, Some(2.0)),
            trial(1e-3, Some(1.0)),
            trial(3e-3, Some(0.9)),
            trial(3e-3, Some(2.5)),
            trial(1e-2, Some(0.1)),
            trial(1e-2, None),
        ];
        assert_eq!(best_rate(&trials), Ok(1e-3));
        assert_eq!(
            best_rate(&[trial(3e-3, Some(1.0)), trial(1e-3, Some(1.0))]),
            Ok(1e-3)
        );
        assert!(
            best_rate(&[trial(1e-3, None)])
                .unwrap_err()
                .contains("diverged")
        );
        assert!(
            best_rate(&[trial(1e-3, Some(1.0)), None])
                .unwrap_err()
                .contains("failed")
        );
    }
}
