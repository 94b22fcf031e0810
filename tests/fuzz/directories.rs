//! Results directories: opened, compared with the undamaged one, and reported on.

use crate::common::place;
use crate::guard;
use crate::mutate::{Edit, bytes, edits, to_json, tree};
use proptest::prelude::*;
use proptest::sample::Index;
use seqduel::experiment::schema::Scale;
use seqduel::report::axis::Axis;
use seqduel::report::compare::compare;
use seqduel::report::source::Source;
use seqduel::report::{build, verdicts};
use seqduel::results::output::{PLAIN_RESULTS, RESULTS, read_csv};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Records of an experiment that are kept: every so manieth, at most so many.
const MOST_RECORDS: usize = 120;

/// One experiment of a suite.
struct Suite {
    manifest: Value,
    verdicts: Value,
    published: Value,
    /// Header and lines.
    results: Vec<String>,
}

/// Every experiment of the committed runs, with a few of its records.
fn suites() -> Vec<Suite> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    ["reference", "published"]
        .iter()
        .flat_map(|name| suites_of(&committed.join(name)))
        .collect()
}

fn suites_of(directory: &Path) -> Vec<Suite> {
    let json = |name: &str| -> Value {
        let text = fs::read(directory.join(name)).unwrap_or_else(|_| b"[]".to_vec());
        serde_json::from_slice(&text).expect("JSON")
    };
    let (manifest, verdicts) = (json("suite.json"), json("verdicts.json"));
    let mut published = json("published.json");
    if let Some(rows) = published.as_array_mut() {
        rows.truncate(3);
    }
    let results = read_csv(&directory.join(RESULTS)).expect("committed");
    let results = String::from_utf8(results).expect("text");
    let mut lines = results.lines();
    let header = lines.next().expect("a header");
    let mut records: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let experiment = line.split(',').nth(1).expect("a column");
        records.entry(experiment).or_default().push(line);
    }
    let experiments = manifest["experiments"].as_array().expect("a list");
    let one = |experiment: &Value| {
        let id = experiment["id"].as_str().expect("a name");
        let mut manifest = manifest.clone();
        manifest["experiments"] = Value::Array(vec![experiment.clone()]);
        let of = |v: &&Value| v["claim"] == experiment["claim"];
        let verdicts = verdicts.as_array().expect("a list").iter().filter(of);
        let all = records.get(id).map_or(&[][..], Vec::as_slice);
        let step = all.len().div_ceil(MOST_RECORDS).max(1);
        let kept = all.iter().step_by(step).copied();
        Suite {
            manifest,
            verdicts: verdicts.cloned().collect(),
            published: published.clone(),
            results: std::iter::once(header)
                .chain(kept)
                .map(str::to_owned)
                .collect(),
        }
    };
    experiments.iter().map(one).collect()
}

/// Changes of the fields of results.csv.gz: place, and what stands there then.
type Fields = Vec<(Index, Index, Index)>;

const HOSTILE: &[&str] = &[
    "",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e308",
    "-1e308",
    "5e-324",
    "1e-300",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "\"a\"\"b\"",
    "\u{1b}[2J",
    "<script>",
    "../../x",
    "é",
    "\"\n\"",
    "2",
    "test_accuracy",
    "step_seconds",
    "lstm",
];

#[derive(Debug)]
struct Damage {
    manifest: Vec<Edit>,
    verdicts: Vec<Edit>,
    published: Vec<Edit>,
    fields: Fields,
    bytes: Vec<Edit>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let some = || prop_oneof![2 => Just(Vec::new()), 1 => edits(1..3)];
    let fields = proptest::collection::vec(any::<(Index, Index, Index)>(), 0..4);
    let bytes = prop_oneof![6 => Just(Vec::new()), 1 => edits(1..3)];
    (some(), some(), some(), fields, bytes).prop_map(
        |(manifest, verdicts, published, fields, bytes)| Damage {
            manifest,
            verdicts,
            published,
            fields,
            bytes,
        },
    )
}

impl Suite {
    fn write(&self, directory: &Path, damage: Option<&Damage>) {
        let json = |name: &str, value: &Value, edits: Option<&[Edit]>| {
            let mut value = value.clone();
            tree(&mut value, edits.unwrap_or_default());
            fs::write(directory.join(name), to_json(&value)).expect("writable");
        };
        json("suite.json", &self.manifest, damage.map(|d| &*d.manifest));
        json(
            "verdicts.json",
            &self.verdicts,
            damage.map(|d| &*d.verdicts),
        );
        json(
            "published.json",
            &self.published,
            damage.map(|d| &*d.published),
        );
        let mut lines = self.results.clone();
        for (line, column, with) in damage.iter().flat_map(|d| &d.fields) {
            let line = &mut lines[line.index(self.results.len())];
            let mut fields: Vec<&str> = line.split(',').collect();
            // Half of them in the last column: the values.
            let columns = fields.len();
            let column = column.index(2 * columns).min(columns - 1);
            fields[column] = HOSTILE[with.index(HOSTILE.len())];
            *line = fields.join(",");
        }
        let mut csv = lines.join("\n").into_bytes();
        bytes(&mut csv, damage.map_or(&[], |d| &d.bytes));
        fs::write(directory.join(PLAIN_RESULTS), csv).expect("writable");
    }
}

fn fresh(name: &str) -> PathBuf {
    let directory = place(name);
    fs::create_dir_all(&directory).expect("writable");
    directory
}

#[test]
fn results_directories() {
    let suites = suites();
    let (whole, damaged) = (fresh("whole"), fresh("damaged"));
    let page = any::<u8>().prop_map(|n| n % 8 == 0);
    guard::run(
        60,
        (any::<Index>(), damage(), page),
        |(which, damage, page)| {
            let suite = which.get(&suites);
            suite.write(&damaged, Some(damage));
            let Ok(after) = Source::open(&damaged) else {
                return;
            };
            for verdict in &after.verdicts {
                verdicts::verdict_line(verdict);
            }
            suite.write(&whole, None);
            let before = Source::open(&whole).expect("undamaged");
            for (a, b) in [(&before, &after), (&after, &before), (&after, &after)] {
                let _ = compare(a, b, &[]);
            }
            if *page {
                let _ = build(&damaged);
            }
        },
    );
}

#[test]
fn extreme_values_and_ranges_give_an_axis_with_few_ticks() {
    let ranges = [
        None,
        Some([0.0, 1.0]),
        Some([1.0, 1.0]),
        Some([2.0, 1.0]),
        Some([f64::NAN, 1.0]),
    ];
    for values in [
        [5e-324, 1e308],
        [1e308, 1e308],
        [-1e308, 1e308],
        [-f64::MAX, -f64::MAX],
        [5e-324, 5e-324],
    ] {
        for (scale, range) in [Scale::Linear, Scale::Log2, Scale::Log10]
            .into_iter()
            .flat_map(|scale| ranges.map(|range| (scale, range)))
        {
            let axis = Axis::fit(scale, values, range, &[], 5);
            let case = format!("{scale:?} {range:?} {values:?}: {axis:?}");
            assert!(
                axis.low() < axis.high() && axis.position(1.0).is_finite(),
                "{case}"
            );
            assert!(axis.ticks.len() < 20, "{case}");
        }
    }
}
