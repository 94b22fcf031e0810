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
