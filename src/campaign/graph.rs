//! Whether the runs of a plan can be put in order: every need is there, none comes in a later
//! experiment, and there is no circle.

use crate::runs::grow::Growing;
use crate::runs::work::Run;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, HashSet};

/// Refuses a plan that cannot be carried out, before its first run.
pub(super) fn check(runs: &[Run], growing: &[Growing]) -> Result<()> {
    let mut experiments: Vec<&str> = runs.iter().map(|run| run.experiment.as_str()).collect();
    experiments.dedup();
    let place = |experiment: &str| experiments.iter().position(|e| *e == experiment);
    // Needs and experiment of every run and growing part.
    let of_runs = runs
        .iter()
        .map(|run| (run.id.as_str(), run.needs(), run.experiment.as_str()));
    let of_growing = growing.iter().map(|part| {
        let runs = part.runs.iter().map(String::as_str).collect();
        (part.id.as_str(), runs, part.experiment.as_str())
    });
    // Sorted, so that of several faults the same is told each time.
    let mut needs: BTreeMap<&str, (Vec<&str>, &str)> = BTreeMap::new();
    for (id, of_it, experiment) in of_runs.chain(of_growing) {
        if needs.insert(id, (of_it, experiment)).is_some() {
            bail!("two runs are called {id}; give the experiments different ids");
        }
    }
    for (id, (of_it, own)) in &needs {
        for need in of_it {
            let Some((_, experiment)) = needs.get(need) else {
                bail!(
                    "{id} needs the run {need}, which is not in the plan; run its experiment too"
                );
            };
            if place(experiment) > place(own) {
                bail!(
                    "{id} needs the run {need} of experiment {experiment}, which comes later; name \
                     {experiment} before {own}"
                );
            }
        }
    }
    let mut cleared = HashSet::new();
    for run in runs {
        clear(&run.id, &needs, &mut cleared)?;
    }
    Ok(())
}

/// Follows the needs of a run, depth first; those in `cleared` lead to no circle.
fn clear<'a>(
    id: &'a str,
    needs: &BTreeMap<&'a str, (Vec<&'a str>, &'a str)>,
    cleared: &mut HashSet<&'a str>,
) -> Result<()> {
    // The way from the run to where it stands, each with the needs not yet followed.
    let mut way: Vec<(&str, &[&str])> = vec![(id, &needs[id].0)];
    while let Some((at, left)) = way.last_mut() {
        let Some((&next, rest)) = left.split_first() else {
            cleared.insert(*at);
            way.pop();
            continue;
        };
        *left = rest;
        if let Some(from) = way.iter().position(|(id, _)| *id == next) {
            let circle: Vec<&str> = way[from..].iter().map(|(id, _)| *id).collect();
            bail!(
                "these runs wait for each other: {} needs {next}; none could begin",
                circle.join(" needs ")
            );
        }
        if !cleared.contains(next) {
            way.push((next, &needs[next].0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
