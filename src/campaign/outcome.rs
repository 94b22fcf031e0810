//! What becomes of the results while a suite runs and when it ends: `results.csv.gz`, verdicts, report.

use super::queue::Queue;
use crate::claims::published::{self, Circumstances, Compared, Expected};
use crate::claims::{self, Verdict};
use crate::experiment::schema::Experiment;
use crate::record::Record;
use crate::report::published as table;
use crate::report::sheet::Format;
use crate::report::verdicts::verdict_line;
use crate::results::directory::Directory;
use crate::results::output::{MANIFEST, Manifest, PUBLISHED, PUBLISHED_CSV, VERDICTS};
use crate::runs::progress::Progress;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// The results so far, and what is made of them each time an experiment ends.
pub(super) struct Outcome<'a> {
    directory: &'a Directory,
    manifest: Manifest,
    /// Published numbers to set the results beside.
    expected: Option<&'a Expected>,
    started: Instant,
    /// Seconds of the invocations before this one.
    earlier_seconds: f64,
    /// When the last report was written.
    reported: Option<Instant>,
}

/// Time between two reports while the suite goes on: drawing all plots takes some seconds.
const REPORT_EVERY: Duration = Duration::from_secs(20);

impl<'a> Outcome<'a> {
    /// That of a suite that starts, or goes on, now.
    pub(super) fn new(
        directory: &'a Directory,
        manifest: Manifest,
        expected: Option<&'a Expected>,
    ) -> Self {
        Outcome {
            directory,
            expected,
            earlier_seconds: manifest.wall_seconds,
            manifest,
            started: Instant::now(),
            reported: None,
        }
    }

    /// What `suite.json` says.
    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The runs of the experiments as they stand: a plan may have grown.
    pub(super) fn replan(&mut self, queue: &Queue) {
        for (experiment, planned) in &mut self.manifest.plan {
            let ids = queue.ids(experiment);
            // Experiments of earlier commands are not in this queue.
            if !ids.is_empty() {
                planned.runs = ids;
            }
        }
    }

    /// Writes `results.csv.gz` and the time taken; returns the records.
    pub(super) fn collect(&mut self) -> Result<Vec<Record>> {
        let runs = |e: &Experiment| {
            let planned = self.manifest.plan.get(&e.id);
            planned.into_iter().flat_map(|planned| &planned.runs)
        };
        let ids = self.manifest.experiments.iter().flat_map(runs);
        let records = self.directory.collect(ids.map(String::as_str))?;
        self.manifest.wall_seconds = self.earlier_seconds + self.started.elapsed().as_secs_f64();
        self.directory
            .write_json(Path::new(MANIFEST), &self.manifest)?;
        Ok(records)
    }

    /// Judges what there is and writes verdicts and report; returns the verdicts, and the published
    /// numbers with ours.
    /// Where the suite has stopped at its limit, what is undecided says so.
    pub(super) fn report(&mut self, limited: bool) -> Result<(Vec<Verdict>, Vec<Compared>)> {
        let records = self.collect()?;
        let mut verdicts = judge(&self.manifest.experiments, &records);
        for open in verdicts.iter_mut().filter_map(|v| v.open.as_mut()) {
            if limited {
                *open = format!("stopped at the limit; {open}");
            }
        }
        self.directory.write_json(Path::new(VERDICTS), &verdicts)?;
        let mut published = Vec::new();
        if let Some(expected) = self.expected {
            published = beside_published(expected, &self.manifest, &records);
            let (json, csv) = (Path::new(PUBLISHED), Path::new(PUBLISHED_CSV));
            self.directory.write_json(json, &published)?;
            let sheet = table::sheet(&published, Format::Csv);
            self.directory.write_csv(csv, &sheet.header, &sheet.rows)?;
        }
        crate::report::build(self.directory.path())
            .context("the results are complete, but the report is not")?;
        self.reported = Some(Instant::now());
        Ok((verdicts, published))
    }

    /// After an experiment, before the next: says its verdict and brings the report up to date, so
    /// that nobody waits for the last to read the first.
    pub(super) fn experiment_ended(&mut self, id: &str, progress: &Progress) -> Result<()> {
        let Some(experiment) = self.manifest.experiments.iter().find(|e| e.id == id) else {
            return Ok(());
        };
        let claim = experiment.claim.clone();
        let due = self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        // The first reports of a short suite would only cost time.
        let verdicts = match due && self.started.elapsed() >= REPORT_EVERY {
            true => self.report(false)?.0,
            false => {
                let records = self.collect()?;
                judge(&self.manifest.experiments, &records)
            }
        };
        if let Some(verdict) = verdicts.iter().find(|verdict| verdict.claim == claim) {
            progress.say(&verdict_line(verdict));
        }
        Ok(())
    }
}

fn judge(experiments: &[Experiment], records: &[Record]) -> Vec<Verdict> {
    let fixed: Vec<_> = experiments.iter().map(Experiment::fixed).collect();
    claims::judge_all(records, &fixed, claims::ALPHA)
}

/// The table of published numbers, from what the directory holds.
pub fn beside_published(
    expected: &Expected,
    manifest: &Manifest,
    records: &[Record],
) -> Vec<Compared> {
    let skipped = manifest.skipped.iter();
    let now = Circumstances {
        profile: &manifest.profile,
        skipped: skipped
            .map(|s| {
                (
                    s.experiment.as_str(),
                    (s.reason.as_str(), s.remedy.as_str()),
                )
            })
            .collect(),
        corpus: manifest.corpus.as_ref().map(|c| c.sha256.as_str()),
        tested: (manifest.experiments.iter())
            .filter_map(|e| Some((e.id.as_str(), e.settings.test_sequences?)))
            .collect(),
    };
    published::compare(expected, records, &now)
}
