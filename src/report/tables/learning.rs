//! Which trainings learnt what they were given, and why they ended.

use super::records::grouped;
use crate::experiment::schema::Experiment;
use crate::models::OptionRow;
use crate::record::Record;
use crate::report::palette;
use crate::report::source::Source;
use crate::report::table::{Cell, Table, text};

/// Of each model: how many trainings learnt the task, how many ended as they did, and how many used a
/// learning rate at the edge of the search. Without such records it is empty.
pub fn learning(source: &Source, experiment: &Experiment) -> Table {
    let choices: Vec<&str> = OptionRow::choices().collect();
    let columns = [&["model"], &choices[..]].concat();
    let counts = |r: &Record| ["learnt", "edge", "steps_done"].contains(&r.metric.as_str());
    let groups = grouped(source, experiment, counts, &columns);
    let share = |records: &[&Record], metric: &str| -> Cell {
        let all: Vec<f64> = records
            .iter()
            .filter(|r| r.metric == metric)
            .filter_map(|r| r.value)
            .collect();
        let ones = all.iter().filter(|v| **v > 0.5).count();
        match all.len() {
            0 => text(""),
            n => text(format!("{ones} of {n}")),
        }
    };
    let ended = |records: &[&Record], how: &str| -> Cell {
        let steps = records.iter().filter(|r| r.metric == "steps_done");
        match steps.filter(|r| r.get("ending") == how).count() {
            0 => text(""),
            n => text(n.to_string()),
        }
    };
    Table::of(
        &groups,
        &[
            ("model", &|g| text(palette::name(g.get("model")))),
            ("variant", &|g| text(g.label(&choices))),
            ("learnt", &|g| share(&g.records, "learnt")),
            ("ended solved", &|g| ended(&g.records, "solved")),
            ("at a plateau", &|g| ended(&g.records, "plateau")),
            ("at the most steps", &|g| ended(&g.records, "cap")),
            ("rate at the edge", &|g| share(&g.records, "edge")),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn trainings_are_counted_by_model_and_their_absence_is_no_table() {
        let dir = tempfile::tempdir().unwrap();
        fixture::write(dir.path());
        let mut source = Source::open(dir.path()).unwrap();
        let experiment = source.manifest.experiments[1].clone();
        assert!(learning(&source, &experiment).rows.is_empty());
        let record = |model: &str, metric: &str, value: f64, ending: &str| Record {
            experiment: experiment.id.clone(),
            model: model.into(),
            metric: metric.into(),
            value: Some(value),
            ending: ending.into(),
            ..Record::default()
        };
        source.records.extend([
            record("lstm", "learnt", 1.0, ""),
            record("lstm", "learnt", 0.0, ""),
            record("lstm", "edge", 0.0, ""),
            record("lstm", "steps_done", 300.0, "solved"),
            record("lstm", "steps_done", 900.0, "cap"),
            record("gru", "steps_done", 500.0, "plateau"),
        ]);
        let table = learning(&source, &experiment);
        let row = |row: &Vec<Cell>| row.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
        let rows: Vec<_> = table.rows.iter().map(row).collect();
        assert_eq!(
            rows,
            [
                ["LSTM", "", "1 of 2", "1", "", "1", "0 of 1"],
                ["GRU", "", "", "", "1", "", ""],
            ]
        );
    }
}
