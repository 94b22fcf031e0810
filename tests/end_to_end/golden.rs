//! The same seeds give the same bits as when the golden files were made, for every model and every
//! variant that an experiment can name.
//!
//! A difference means that a trained number changed. Where that is meant, make the files again with
//! `SEQDUEL_GOLDEN=write cargo test --release golden` and review their diff.

use crate::common::{path, text};
use crate::program::{seqduel, words};
use kernels::simd::{Level, available};
use seqduel::record::metrics;
use seqduel::results::output::{RESULTS, read_csv};
use std::fmt::Write as _;
use std::path::Path;

const SUITE: [&str; 4] = ["tokens", "numbers", "text", "blocks"];

/// Run, metric, x and value of every record that is no timing, as written in results.csv.gz.
fn bits(directory: &str) -> String {
    let text = read_csv(&Path::new(directory).join(RESULTS)).expect("it was just written");
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let header = reader.headers().expect("a header").clone();
    let columns = ["run", "metric", "x", "value"];
    let indices = columns.map(|name| header.iter().position(|h| h == name).expect("a column"));
    let mut lines = format!("{}\n", columns.join(","));
    for row in reader.records() {
        let row = row.expect("a whole row");
        if !metrics::find(&row[indices[1]])
            .expect("a known metric")
            .timing
        {
            writeln!(lines, "{}", indices.map(|i| &row[i]).join(",")).expect("memory");
        }
    }
    lines
}

/// Runs the experiments at a level and compares with the golden file.
fn same_bits(level: Level) {
    let level = level.name();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden = here.join("bits.csv");
    let out = path(level);
    let mut line = words(&format!(
        "run --quiet --seed 3 --corpus {} --out {out}",
        text()
    ));
    line.extend(SUITE.map(|name| here.join(name).with_extension("toml").display().to_string()));
    seqduel(&line).env("SEQDUEL_SIMD", level).assert().success();
    let now = bits(&out);
    // The plainest level writes: the others must then agree with it.
    let writes = std::env::var_os("SEQDUEL_GOLDEN").is_some();
    if writes && level == Level::PortableFma.name() {
        std::fs::write(&golden, &now).expect("the source tree can be written");
    }
    let before = std::fs::read_to_string(&golden).expect("the golden file is committed");
    for (number, (was, is)) in before.lines().zip(now.lines()).enumerate() {
        assert_eq!(
            is,
            was,
            "{level}: line {} of {}",
            number + 1,
            golden.display()
        );
    }
    assert_eq!(
        now.lines().count(),
        before.lines().count(),
        "{level}: as many records"
    );
}

/// One file for all of them: a number trained on one CPU can be checked on any other.
#[test]
fn every_level_that_fuses_gives_the_golden_bits() {
    let exact = available().iter().filter(|level| level.is_exact());
    exact.for_each(|&level| same_bits(level));
}
