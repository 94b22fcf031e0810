//! Verdicts, comparisons with published numbers, plots and page under `results/` are exactly what
//! the code makes of the committed records.

use crate::common::place;
use seqduel::campaign;
use seqduel::claims::reference::Reference;
use seqduel::claims::{self, ALPHA, consistency, published};
use seqduel::experiment::embedded;
use seqduel::report::sheet::Format;
use seqduel::report::{self, PLOTS, REPORT};
use seqduel::results::output::{self, MANIFEST, PUBLISHED, PUBLISHED_CSV, RESULTS, VERDICTS};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A directory under `results/`.
fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("results")
        .join(name)
}

fn verdicts_follow_from_records(name: &str) {
    let directory = committed(name);
    let manifest = output::read_manifest(&directory).expect("a manifest");
    let records = output::read_results(&directory).expect("records");
    let fixed: Vec<_> = manifest.experiments.iter().map(|e| e.fixed()).collect();
    let again = claims::judge_all(&records, &fixed, ALPHA);
    let stored = output::read_verdicts(&directory).expect("verdicts");
    for (again, stored) in again.iter().zip(&stored) {
        assert_eq!(again, stored, "{}", stored.claim);
        let words = stored.sentence.split_whitespace().count();
        assert!(words <= 25, "{words} words: {}", stored.sentence);
    }
    assert_eq!(again.len(), stored.len());
}

#[test]
fn verdicts_of_the_reference_follow_from_its_records() {
    verdicts_follow_from_records("reference");
}

#[test]
fn published_comparisons_follow_from_their_records() {
    verdicts_follow_from_records("published");
    let directory = committed("published");
    let manifest = output::read_manifest(&directory).expect("a manifest");
    let records = output::read_results(&directory).expect("records");
    let expected = include_str!("../../experiments/published/expected.toml");
    let expected =
        published::parse("expected.toml", expected).expect("the expected values are well formed");
    let again = campaign::beside_published(&expected, &manifest, &records);
    if writes_reference() {
        let text = serde_json::to_string_pretty(&again).expect("plain data");
        fs::write(directory.join(PUBLISHED), text + "\n").expect("writable");
        let sheet = report::published::sheet(&again, Format::Csv);
        let mut csv = csv::Writer::from_path(directory.join(PUBLISHED_CSV)).expect("writable");
        csv.write_record(&sheet.header).expect("writable");
        for row in &sheet.rows {
            csv.write_record(row).expect("writable");
        }
        csv.flush().expect("writable");
        return;
    }
    let stored = output::read_published(&directory).expect("comparisons");
    for (again, stored) in again.iter().zip(&stored) {
        assert_eq!(again, stored, "{}", stored.id);
    }
    assert_eq!(again.len(), stored.len());
}

/// Whether the files that the program carries of the committed reference are to be made again, as they
/// must be where that is another run now: `SEQDUEL_REFERENCE=write`, then build.
fn writes_reference() -> bool {
    std::env::var_os("SEQDUEL_REFERENCE").is_some_and(|v| v == "write")
}

fn experiments(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments")
        .join(file)
}

#[test]
fn the_program_carries_the_answers_of_the_reference() {
    let stored = output::read_verdicts(&committed("reference")).expect("verdicts");
    let again: Vec<Reference> = stored.iter().map(Reference::of).collect();
    if writes_reference() {
        let lines = again
            .iter()
            .map(|r| serde_json::to_string(r).expect("plain data"));
        let text = format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"));
        fs::write(experiments("reference.json"), text).expect("writable");
        return;
    }
    assert_eq!(embedded::reference(), again);
}

/// Mean steps by cell, of the cells whose runs do not all use up their budget.
#[test]
fn the_program_carries_the_steps_that_the_reference_took() {
    let records = output::read_results(&committed("reference")).expect("records");
    let mut cells: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
    for record in records.iter().filter(|r| r.metric == "steps_done") {
        let cell = record.run.rsplit_once("-seed").expect("a seed").0;
        let early = record.ending != "cap";
        let steps = record.value.expect("a number");
        cells.entry(cell).or_default().push((steps, early));
    }
    cells.retain(|_, runs| runs.iter().any(|run| run.1));
    let mean = |runs: Vec<(f64, bool)>| {
        let sum: f64 = runs.iter().map(|run| run.0).sum();
        (sum / runs.len() as f64).round() as usize
    };
    let again: BTreeMap<&str, usize> = cells
        .into_iter()
        .map(|(cell, runs)| (cell, mean(runs)))
        .collect();
    if writes_reference() {
        let text = serde_json::to_string_pretty(&again).expect("plain data");
        fs::write(experiments("steps.json"), text + "\n").expect("writable");
        return;
    }
    for (cell, steps) in &again {
        assert_eq!(embedded::steps_taken(cell), Some(*steps), "{cell}");
    }
    assert!(again.len() > 10, "{again:?}");
}

/// What one experiment finds of two models, the records of another do not turn round.
#[test]
fn no_records_contradict_a_verdict() {
    let results = fs::read_dir(committed("")).expect("there are results");
    for directory in results.flatten().map(|entry| entry.path()) {
        let manifest = output::read_manifest(&directory).expect("a manifest");
        let records = output::read_results(&directory).expect("records");
        let fixed: Vec<_> = manifest.experiments.iter().map(|e| e.fixed()).collect();
        let found = consistency::contradictions(&records, &fixed, ALPHA);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, [""; 0], "{}", directory.display());
    }
}

/// The lines of a page but for blank ones and those about `runs/`, which is not committed: the
/// table of runs, and the note that they are missing.
fn page_of_files(page: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    let mut of_runs = false;
    for line in page.lines().filter(|line| !line.trim().is_empty()) {
        let begins = [
            r#"<section class="note" role="note">"#,
            r#"<section id="runs">"#,
        ];
        of_runs |= begins.contains(&line);
        if !of_runs {
            lines.push(line);
        }
        of_runs &= line != "</section>";
    }
    lines
}

/// Builds plots and page again from the committed files and compares them.
fn report_follows_from_files(name: &str) {
    let (directory, again) = (committed(name), place(name));
    fs::create_dir_all(&again).expect("the scratch directory can be written");
    for file in [MANIFEST, RESULTS, VERDICTS, PUBLISHED, PUBLISHED_CSV] {
        if directory.join(file).exists() {
            fs::copy(directory.join(file), again.join(file)).expect("both are readable");
        }
    }
    report::build(&again).expect("the report can be built from files alone");
    let read = |dir: &Path, file: &Path| fs::read_to_string(dir.join(file)).expect("it is there");
    let pages = [&directory, &again].map(|dir| read(dir, Path::new(REPORT)));
    let [was, is] = [0, 1].map(|i| page_of_files(&pages[i]));
    for (was, is) in was.iter().zip(&is) {
        assert_eq!(was, is, "a line of the page of {name}");
    }
    assert!(
        was.len() == is.len() && is.len() > 1000,
        "{} {}",
        was.len(),
        is.len()
    );
    let plots = fs::read_dir(directory.join(PLOTS)).expect("plots are committed");
    let plots = plots.map(|entry| Path::new(PLOTS).join(entry.expect("readable").file_name()));
    let vector: Vec<_> = plots
        .filter(|f| f.extension().is_some_and(|e| e == "svg"))
        .collect();
    assert!(vector.len() > 10, "{}", vector.len());
    for file in &vector {
        // Not `assert_eq`, which would print plots of several megabytes.
        assert!(
            read(&directory, file) == read(&again, file),
            "{} of {name}",
            file.display()
        );
    }
    let drawn = fs::read_dir(again.join(PLOTS))
        .expect("plots were drawn")
        .count();
    assert_eq!(drawn, 2 * vector.len(), "each as SVG and PNG");
}

#[test]
fn the_report_of_the_reference_follows_from_its_files() {
    report_follows_from_files("reference");
}

#[test]
fn the_report_of_the_published_numbers_follows_from_its_files() {
    report_follows_from_files("published");
}
