//! The next planned look of claims that a finished suite has left undecided.

use crate::claims::{Answer, Verdict};
use crate::record::Record;
use crate::results::output::Manifest;
use crate::runs::context::More;
use std::collections::HashSet;

/// The looks that a directory has taken, with the next one of every undecided claim that has one left,
/// and the experiments to which it adds. A look that was interrupted is gone on with: it is the next one.
///
/// A look adds to the cells of the comparisons that are still open, and to nothing else: what is decided
/// keeps the data that decided it.
pub fn next(manifest: &Manifest, verdicts: &[Verdict], records: &[Record]) -> (More, Vec<String>) {
    let ended: HashSet<&str> = records.iter().map(|record| record.run.as_str()).collect();
    let (mut more, mut added) = (manifest.looks.clone(), Vec::new());
    for experiment in &manifest.experiments {
        let taken = manifest.looks.get(&experiment.id).map_or(0, Vec::len);
        let undecided = verdicts.iter().find(|verdict| {
            verdict.claim == experiment.claim && verdict.answer == Answer::Undecided
        });
        let planned = manifest.plan.get(&experiment.id);
        let mut planned = planned.iter().flat_map(|plan| &plan.runs);
        let interrupted = planned.any(|run| !ended.contains(run.as_str()));
        let cells = undecided.map_or(&[][..], |verdict| &verdict.cells);
        if undecided.is_some() && taken > 0 && interrupted {
            added.push(experiment.id.clone());
        } else if !cells.is_empty() && taken + 1 < experiment.looks().len() {
            let looks = more.entry(experiment.id.clone()).or_default();
            looks.push(cells.to_vec());
            added.push(experiment.id.clone());
        }
    }
    (more, added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::testing::{Fixture, SMALL};
    use crate::results::output::{read_manifest, read_results, read_verdicts};
    use std::collections::BTreeSet;

    fn seeds(fixture: &Fixture, cell: &str) -> BTreeSet<u64> {
        let records = read_results(&fixture.suite.out).expect("records");
        let mine = records.iter().filter(|r| r.run.starts_with(cell));
        mine.filter_map(|r| r.seed).collect()
    }

    #[test]
    fn the_next_look_adds_to_open_cells_and_to_nothing_else() {
        let sets = ["settings.looks=[2,3,5]"];
        let text = SMALL.replace("seeds = 2\n", "");
        let mut fixture = Fixture::new(&[&text], &sets);
        let summary = fixture.run(fixture.plan());
        assert!(summary.failed.is_empty() && !summary.limited);
        assert_eq!(seeds(&fixture, "p-gru-seed"), [7, 8].into());
        let manifest = read_manifest(&fixture.suite.out).expect("a manifest");
        let mut verdicts = read_verdicts(&fixture.suite.out).expect("verdicts");
        assert_eq!(verdicts.len(), 1);
        // Open in one cell of the two.
        verdicts[0].answer = Answer::Undecided;
        verdicts[0].cells = vec!["p-gru".into()];
        let records = read_results(&fixture.suite.out).expect("records");
        let (more, added) = next(&manifest, &verdicts, &records);
        assert_eq!(added, ["p"]);
        // A look whose runs have not all ended is the next one again.
        let mut begun = manifest.clone();
        begun.looks = more.clone();
        let planned = begun.plan.get_mut("p").expect("its plan");
        planned.runs.push("p-gru-seed9".into());
        assert_eq!(next(&begun, &verdicts, &records), (more.clone(), added));
        fixture.suite.more = more;
        fixture.run(fixture.plan());
        assert_eq!(seeds(&fixture, "p-gru-seed"), [7, 8, 9].into());
        assert_eq!(seeds(&fixture, "p-elman-seed"), [7, 8].into());
        // A third look is the last; what is decided asks for none.
        let manifest = read_manifest(&fixture.suite.out).expect("a manifest");
        let records = read_results(&fixture.suite.out).expect("records");
        let (more, _) = next(&manifest, &verdicts, &records);
        assert_eq!(more["p"].len(), 2);
        let mut taken = manifest.clone();
        taken.looks = more;
        assert_eq!(next(&taken, &verdicts, &records).1, [""; 0]);
        verdicts[0].answer = Answer::Supported;
        assert_eq!(next(&manifest, &verdicts, &records).1, [""; 0]);
    }

    #[test]
    fn nothing_begins_that_would_not_end_within_the_limit() {
        let mut fixture = Fixture::new(&[SMALL], &[]);
        fixture.suite.within = Some(1e-6);
        let summary = fixture.run(fixture.plan());
        assert!(summary.limited && !summary.interrupted && summary.failed.is_empty());
        let open = summary.verdicts[0].open.clone().expect("undecided");
        assert!(open.starts_with("stopped at the limit; "), "{open}");
        // Without it the same suite goes on to its end.
        fixture.suite.within = None;
        let summary = fixture.run(fixture.plan());
        assert!(!summary.limited);
        assert_eq!(seeds(&fixture, "p-gru-seed"), [7, 8].into());
    }
}
