//! Generated tasks, one file each, and the [`TASKS`] table.
//!
//! Add a task: one file with a type that implements [`Task`] and a `make` function, and one row in
//! [`TASKS`]. Its parameters are named in its row; `--task name:key=value,…` and experiment files
//! then accept them, and anything else is refused.

use super::{Batch, Cursor, DataError, Floor, Source, Spec, Split, Words, seeds};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

mod adding;
mod automaton;
mod copy;
mod cyclic;
mod lengths;
mod modular;
mod parity;
mod permutation;
mod phrases;
mod recall;
mod retention;
mod reverse;
mod selective_copy;

/// All tasks.
pub const TASKS: &[TaskRow] = &[
    copy::ROW,
    selective_copy::ROW,
    adding::ROW,
    recall::ROW,
    parity::ROW,
    cyclic::ROW,
    modular::ROW,
    permutation::ROW,
    reverse::ROW,
    retention::ROW,
    phrases::ROW,
];

/// A generator of sequences whose answers are known.
pub trait Task: Send + Sync {
    /// What it needs of a model; T is that of every sequence of the training and validation splits:
    /// what is shorter is padded, and the padding not scored.
    fn spec(&self) -> Spec;

    /// Tokens T in the sequences of the test where they differ from those trained on, rising: as many
    /// sequences of each length, one length after the other. Empty: tested as trained.
    fn test_seq_lens(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Appends one sequence of T positions to `batch`, position by position: `read`, and `ask` where
    /// the answer counts. T is one of [`Task::test_seq_lens`] if it is given, else that to train on.
    fn sample(&self, seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch);

    /// The same of one split, where its sequences are of another kind than those of another: what a
    /// task keeps for the test by itself, and not by its seed alone.
    fn sample_of(
        &self,
        _split: Split,
        seq_len: Option<usize>,
        rng: &mut ChaCha8Rng,
        batch: &mut Batch,
    ) {
        self.sample(seq_len, rng, batch);
    }

    /// How its tokens are words of a source and of its own sequence, if they are.
    fn words(&self) -> Option<Words> {
        None
    }

    /// What the best answer that ignores the input reaches on the scored positions.
    fn floor(&self) -> Floor;

    /// What the best answer from part of the information reaches, of a part that a model may well learn
    /// without learning the task: no less than the floor.
    fn known(&self) -> Floor {
        self.floor()
    }
}

/// A task the command line and experiment files can name.
pub struct TaskRow {
    /// Name.
    pub name: &'static str,
    /// One line about it.
    pub describes: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// Builds it; every parameter has a value by then.
    pub make: fn(&Values) -> Result<Box<dyn Task>, DataError>,
}

/// A whole number that shapes a task.
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Value where none is given.
    pub default: usize,
}

const fn parameter(name: &'static str, default: usize) -> Parameter {
    Parameter { name, default }
}

/// A task's parameters, complete.
pub struct Values(BTreeMap<String, usize>);

impl Values {
    /// The value of a parameter the task's row names.
    fn get(&self, name: &str) -> usize {
        *self
            .0
            .get(name)
            .expect("a task reads only parameters its row names")
    }

    /// The value, refused outside of a range.
    fn within(
        &self,
        name: &str,
        range: RangeInclusive<usize>,
        remedy: impl Into<String>,
    ) -> Result<usize, DataError> {
        let value = self.get(name);
        match range.contains(&value) {
            true => Ok(value),
            false => Err(DataError::impossible(name, value, remedy)),
        }
    }

    /// Whether the value is 1 and not 0; others are refused.
    fn flag(&self, name: &str, remedy: &str) -> Result<bool, DataError> {
        Ok(self.within(name, 0..=1, remedy)? == 1)
    }
}

/// A task and the parameters that differ from its defaults, as TOML (`name = "copy"`,
/// `delay = 50`) or as text (`copy:delay=50`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSettings {
    /// A name in [`TASKS`].
    pub name: String,
    /// Parameters by name.
    #[serde(flatten)]
    pub parameters: BTreeMap<String, usize>,
}

impl TaskSettings {
    /// A task with its defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            parameters: BTreeMap::new(),
        }
    }

    /// The same with one parameter set.
    pub fn with(mut self, parameter: &str, value: usize) -> Self {
        self.parameters.insert(parameter.into(), value);
        self
    }

    /// Looks the task up and builds it.
    pub fn make(&self) -> Result<Box<dyn Task>, DataError> {
        let row = row(&self.name)?;
        (row.make)(&self.values()?)
    }

    /// All parameters with their values, defaults filled in.
    pub fn complete(&self) -> Result<BTreeMap<String, usize>, DataError> {
        Ok(self.values()?.0)
    }

    fn values(&self) -> Result<Values, DataError> {
        let row = row(&self.name)?;
        if let Some((name, value)) = self
            .parameters
            .iter()
            .find(|(name, _)| row.parameters.iter().all(|p| p.name != *name))
        {
            let known: Vec<_> = row.parameters.iter().map(|p| p.name).collect();
            return Err(DataError::impossible(
                format!("{}.{name}", self.name),
                value,
                format!("the parameters of this task are {}", known.join(", ")),
            ));
        }
        let mut values: BTreeMap<String, usize> = row
            .parameters
            .iter()
            .map(|p| (p.name.to_string(), p.default))
            .collect();
        values.extend(self.parameters.clone());
        Ok(Values(values))
    }
}

impl FromStr for TaskSettings {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let (name, list) = text.split_once(':').unwrap_or((text, ""));
        let mut settings = Self::new(name);
        for item in list.split(',').filter(|item| !item.is_empty()) {
            let parsed = item
                .split_once('=')
                .and_then(|(k, v)| Some((k.trim(), v.trim().parse().ok()?)));
            let Some((parameter, value)) = parsed else {
                let remedy = "write parameters as name=number, separated by commas";
                return Err(DataError::impossible(format!("task {name}"), item, remedy));
            };
            settings.parameters.insert(parameter.into(), value);
        }
        settings.values()?;
        Ok(settings)
    }
}

impl fmt::Display for TaskSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

/// The row of a task.
pub fn row(name: &str) -> Result<&'static TaskRow, DataError> {
    TASKS
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| DataError::UnknownTask {
            name: name.into(),
            known: TASKS
                .iter()
                .map(|row| row.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Endless training sequences of a task, and fixed ones to validate and test with.
///
/// Sequence number n of a split is drawn from ChaCha stream n of that split's range
/// ([`seeds::stream_range`]), so no split ever sees another's sequences' randomness.
pub struct TaskSource {
    task: Box<dyn Task>,
    seed: u64,
    drawn: u64,
}

impl TaskSource {
    /// All sequences follow from the task and the seed.
    pub fn new(task: Box<dyn Task>, seed: u64) -> Self {
        Self {
            task,
            seed,
            drawn: 0,
        }
    }

    /// Sequences `numbers` of a split, of T tokens each.
    fn batch(&self, split: Split, numbers: Range<u64>, seq_len: Option<usize>) -> Batch {
        let spec = self.task.spec();
        let mut out = Batch::empty(&spec);
        for number in numbers {
            let mut rng = seeds::generator(self.seed, seeds::stream(split, number));
            self.task.sample_of(split, seq_len, &mut rng, &mut out);
            out.end_sequence(seq_len.unwrap_or(spec.seq_len));
        }
        if self.task.words().is_some() {
            out.trim();
        }
        out
    }
}

impl Source for TaskSource {
    fn spec(&self) -> Spec {
        let spec = self.task.spec();
        let tested = self.task.test_seq_lens().into_iter().max();
        Spec {
            longest: spec.longest.max(tested.unwrap_or(0)),
            ..spec
        }
    }

    fn next_batch(&mut self, batch: usize) -> Batch {
        let end = self.drawn + batch as u64;
        let out = self.batch(Split::Train, self.drawn..end, None);
        self.drawn = end;
        out
    }

    /// Where the test has several lengths, an equal share of the sequences has each; no batch mixes
    /// them.
    fn evaluation(&self, split: Split, sequences: usize, batch: usize) -> Vec<Batch> {
        let lengths: Vec<Option<usize>> = match split {
            Split::Test => self.task.test_seq_lens().into_iter().map(Some).collect(),
            _ => Vec::new(),
        };
        let parts = lengths.len().max(1);
        let mut batches = Vec::new();
        for part in 0..parts {
            let seq_len = lengths.get(part).copied().flatten();
            let end = (part + 1) * sequences / parts;
            for first in (part * sequences / parts..end).step_by(batch.max(1)) {
                let last = (first + batch.max(1)).min(end);
                batches.push(self.batch(split, first as u64..last as u64, seq_len));
            }
        }
        batches
    }

    fn cursor(&self) -> Cursor {
        let next = seeds::stream(Split::Train, self.drawn);
        seeds::save(&seeds::generator(self.seed, next), self.drawn)
    }

    fn restore(&mut self, cursor: &Cursor) {
        self.drawn = cursor.drawn;
    }

    fn characters_per_token(&self, _split: Split) -> Option<f64> {
        None
    }

    fn words(&self) -> Option<Words> {
        self.task.words()
    }

    fn floor(&self) -> Floor {
        self.task.floor()
    }

    fn known(&self) -> Floor {
        self.task.known()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod word_tests;
