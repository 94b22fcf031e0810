//! What a measurement is: the one row every measurement becomes ([`Record`]), what its metric means
//! ([`metrics::METRICS`]), and how its columns are written and read.
//!
//! Add a metric: a row in [`metrics::METRICS`] and the line that records it.

mod column;
pub mod metrics;

use crate::data::tasks::TASKS;
pub use crate::models::Value as ColumnValue;
use crate::models::{ModelOptions, OPTIONS, Value};
use column::Field;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Declares the columns that every record has, once: as fields, and by name.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// One measured value with all its factors; a row of `results.csv.gz`. Missing is empty, never 0.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Record {
            $($(#[$doc])* pub $name: $type,)*
            /// Options of the model by their names in `models::OPTIONS`, each a column.
            pub options: ModelOptions,
            /// Parameters of the task by the names its row in `data::tasks::TASKS` gives them, each
            /// a column.
            pub task_parameters: BTreeMap<String, usize>,
        }

        const FIELDS: &[&str] = &[$(stringify!($name)),*];

        impl Record {
            /// The text in a column, empty where there is none.
            pub fn get(&self, column: &str) -> String {
                match column {
                    $(stringify!($name) => self.$name.write(),)*
                    other => match self.options.get(other) {
                        Some(value) => value.to_string(),
                        None => self.task_parameters.get(other).copied().write(),
                    },
                }
            }

            /// Reads the text in a column.
            ///
            /// Errors: a text that is no value of it.
            pub fn put(&mut self, column: &str, text: &str) -> Result<(), String> {
                let wrong = || format!("column {column}: {text:?} is no value of it");
                match column {
                    $(stringify!($name) => self.$name = Field::read(text).ok_or_else(wrong)?,)*
                    _ if text.is_empty() => {}
                    option if OPTIONS.iter().any(|row| row.name == option) => {
                        self.options.set(option, Value::parse(text));
                    }
                    parameter => {
                        let value = text.parse().map_err(|_| wrong())?;
                        self.task_parameters.insert(parameter.into(), value);
                    }
                }
                Ok(())
            }
        }
    };
}

columns! {
    /// Directory name of the run under `runs/`.
    run: String,
    /// Experiment id.
    experiment: String,
    /// `smoke`, `quick` or `full`.
    profile: String,
    /// Model name, or the name of a baseline (`unigram`, `kneser-ney`, `kneser-ney-unlimited`).
    model: String,
    /// Trainable values.
    parameters: Option<usize>,
    /// Task as the experiment names it, or `text`.
    task: Option<String>,
    /// Width of the model.
    width: Option<usize>,
    /// Layers of the model.
    layers: Option<usize>,
    /// Attention heads.
    heads: Option<usize>,
    /// Largest global gradient norm, where the experiment chose it for this model; 0 if none.
    clip: Option<f64>,
    /// What is read of a text to fill its gaps: `left` or `right` of them, `both`, or both made of models
    /// that read one (`product`, `rescored`).
    sides: String,
    /// What is done with a model and a second text: `first`, trained on the first; `scratch`, on the second
    /// alone; `all`, `head` or `lora:RANK`, trained on the first and that much of it on the second.
    arm: String,
    /// Characters of the second text to train on.
    characters: Option<usize>,
    /// Operation of the model's step that was measured; empty for the step as a whole.
    operation: Option<String>,
    /// Tokens in a sequence T.
    seq_len: Option<usize>,
    /// Sequences in a batch B.
    batch: Option<usize>,
    /// Vocabulary V.
    vocab: Option<usize>,
    /// Peak learning rate.
    learning_rate: Option<f64>,
    /// What was equal between the models: `parameters`, `tokens`, `seconds`.
    equal: Option<String>,
    /// Width that the sweep asks for. Models of equal parameters have it in common, and a width of their
    /// own.
    size: Option<usize>,
    /// Worker threads.
    threads: Option<usize>,
    /// Seed of initialisation and data.
    seed: Option<u64>,
    /// Repeat of a timing, from 0: of what is timed by launches, the launch.
    repeat: Option<usize>,
    /// Block of test windows of a text, from 0.
    block: Option<usize>,
    /// Why a training ended: `solved`, `plateau` or `cap`.
    ending: String,
    /// What was measured: a name documented in `record::metrics`.
    metric: String,
    /// Abscissa within the run where the metric is a curve: training step, token position,
    /// distance. `record::metrics` says which.
    x: Option<f64>,
    /// Unit of the value.
    unit: String,
    /// The value.
    value: Option<f64>,
}

impl Record {
    /// Names of all columns, in the order of the file: what every record has, with the options of
    /// models and the parameters of tasks in between.
    pub fn columns() -> &'static [&'static str] {
        // Asked for every record of a report.
        static COLUMNS: LazyLock<Vec<&str>> = LazyLock::new(|| {
            let (before, after) = FIELDS.split_at(9);
            let all = before.iter().copied().chain(Record::factors());
            all.chain(after.iter().copied()).collect()
        });
        &COLUMNS
    }

    /// Names of the columns of model options and task parameters.
    pub fn factors() -> impl Iterator<Item = &'static str> {
        let options = OPTIONS.iter().map(|row| row.name);
        let parameters = TASKS.iter().flat_map(|task| task.parameters);
        let parameters: BTreeSet<_> = parameters.map(|parameter| parameter.name).collect();
        // A task's `vocab` is the model's.
        options.chain(parameters.into_iter().filter(|name| !FIELDS.contains(name)))
    }

    /// The name that the model's option has here, if it has one.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.name(name)
    }

    /// The value of a parameter of the task, if it has one.
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.task_parameters.get(name).copied()
    }
}

/// A run's name without its seed or launch: runs that differ in nothing else share it.
pub fn cell(run: &str) -> &str {
    let end = run.rfind("-seed").or(run.rfind("-launch"));
    &run[..end.unwrap_or(run.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_a_column_is_read_from_it() {
        let columns = Record::columns();
        let distinct: BTreeSet<_> = columns.iter().collect();
        assert_eq!(distinct.len(), columns.len());
        let mut record = Record::default();
        for (i, column) in columns.iter().enumerate() {
            assert_eq!(record.get(column), "", "{column} is empty by default");
            // Numbers are texts too; only numeric columns refuse other texts.
            record.put(column, &(i + 1).to_string()).unwrap();
        }
        for (i, column) in columns.iter().enumerate() {
            let number = record.get(column).parse::<f64>();
            assert_eq!(number, Ok(i as f64 + 1.0), "{column}");
        }
        let mut again = Record::default();
        for column in columns {
            again.put(column, &record.get(column)).unwrap();
        }
        assert_eq!(again, record);
        for column in ["seed", "delay", "value"] {
            let error = record.put(column, "many").unwrap_err();
            assert!(error.contains(column) && error.contains("many"), "{error}");
        }
    }

    #[test]
    fn every_bit_of_a_value_is_kept() {
        for value in [0.1 + 0.2, 1e-7, -3.0, 1e21, f64::MIN_POSITIVE, 5e-324] {
            let mut record = Record {
                value: Some(value),
                ..Record::default()
            };
            let text = record.get("value");
            record.put("value", &text).unwrap();
            assert_eq!(
                record.value.map(f64::to_bits),
                Some(value.to_bits()),
                "{text}"
            );
        }
    }
}
