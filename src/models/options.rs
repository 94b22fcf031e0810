//! What may be chosen of a model besides its sizes: one row an option. Experiments, the command line,
//! checkpoints, records and reports take it from here.
//!
//! Add an option: its field in [`ModelConfig`], its row here, and its name in the row of each model
//! that takes it.

mod blocks;
mod table;

pub use table::OPTIONS;

use super::{MODELS, ModelConfig, ModelError, ModelRow};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A value as a configuration, a flag or a column of a record has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A name.
    Text(String),
}

impl Value {
    /// The name of a choice, as configurations spell it.
    pub fn of(choice: impl Serialize) -> Self {
        let json = serde_json::to_value(choice).unwrap_or_default();
        serde_json::from_value(json).expect("a choice is written as its name")
    }

    /// What a column of a file holds: a number where it is one.
    pub fn parse(text: &str) -> Self {
        let integer = text.parse().ok().map(Value::Integer);
        let number = || text.parse().ok().map(Value::Number);
        integer.or_else(number).unwrap_or(Value::Text(text.into()))
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(i) => Some(*i as f64),
            Value::Number(x) => Some(*x),
            Value::Text(_) => None,
        }
    }

    /// Whether a CSV field holds this value.
    pub fn matches(&self, field: &str) -> bool {
        match self {
            Value::Text(text) => field == text,
            number => field.parse().ok() == number.number(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(i) => i.fmt(f),
            Value::Number(x) => x.fmt(f),
            Value::Text(text) => text.fmt(f),
        }
    }
}

/// The values an option may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// One of these names; the first is the default.
    Names(&'static [&'static str]),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A whole number from this on.
    Count(i64),
    /// Letters, repeated over the layers; which ones the model says.
    Letters,
}

impl Values {
    /// Whether this is one of them.
    pub fn admit(&self, value: &Value) -> bool {
        match (self, value) {
            (Values::Names(names), Value::Text(name)) => names.contains(&name.as_str()),
            (Values::Number(least, most), value) => value
                .number()
                .is_some_and(|v| (*least..=*most).contains(&v)),
            (Values::Count(least), Value::Integer(n)) => n >= least,
            (Values::Letters, Value::Text(text)) => {
                !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase())
            }
            _ => false,
        }
    }

    /// What to give, for messages and help.
    pub fn remedy(&self) -> String {
        match self {
            Values::Names([rest @ .., last]) => format!("use {} or {last}", rest.join(", ")),
            Values::Names([]) => unreachable!("an option has values"),
            Values::Number(least, most) => format!("give a number from {least} to {most}"),
            Values::Count(least) => format!("give a whole number from {least}"),
            Values::Letters => "give lower-case letters, one a layer".into(),
        }
    }
}

/// An option of models.
pub struct OptionRow {
    /// Name in experiments and records.
    pub name: &'static str,
    /// One line about it.
    pub describes: &'static str,
    /// What it may be.
    pub values: Values,
    /// Whether models of equal width differ in size by it.
    pub changes_parameters: bool,
    /// A value as it stands in legends, `None` where it goes without saying.
    pub label: fn(&str) -> Option<String>,
    /// The value in a configuration, if it has one.
    pub get: fn(&ModelConfig) -> Option<Value>,
    /// Puts an admitted value into a configuration.
    pub(super) set: fn(&mut ModelConfig, &Value),
}

/// The choice of that name, which has been admitted.
fn choice<T: DeserializeOwned>(value: &Value) -> T {
    let json = serde_json::Value::from(value.to_string());
    serde_json::from_value(json).expect("the row lists the names of the type")
}

impl OptionRow {
    /// The row of a name, in either spelling.
    pub fn find(name: &str) -> Option<&'static OptionRow> {
        OPTIONS
            .iter()
            .find(|row| row.name == name || row.key() == name)
    }

    /// Names of the options whose values are names or letters: they tell the variants of a model apart.
    pub fn choices() -> impl Iterator<Item = &'static str> {
        let choices = OPTIONS
            .iter()
            .filter(|row| matches!(row.values, Values::Names(_) | Values::Letters));
        choices.map(|row| row.name)
    }

    /// Name in checkpoints and, as a flag, on the command line.
    pub fn key(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The models that take it, in words; those that differ in their options alone by one name.
    pub fn takers(&self) -> String {
        let takes = MODELS.iter().filter(|row| row.options.contains(&self.name));
        let (presets, others): (Vec<&ModelRow>, Vec<_>) =
            takes.partition(|row| !row.preset.is_empty());
        let mut names: Vec<&str> = others.iter().map(|row| row.name).collect();
        names.extend((!presets.is_empty()).then_some("presets of blocks"));
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }

    /// Names of the models that take it.
    pub fn models(&self) -> Vec<&'static str> {
        let takes = MODELS.iter().filter(|row| row.options.contains(&self.name));
        takes.map(|row| row.name).collect()
    }
}

/// Options by name, as a series, a command line or a record gives them: some, not all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelOptions(BTreeMap<String, Value>);

/// Those that are given a name.
impl<const N: usize> From<[(&str, Option<&str>); N]> for ModelOptions {
    fn from(names: [(&str, Option<&str>); N]) -> Self {
        let given = names.into_iter();
        let given = given.filter_map(|(key, name)| Some((key.into(), Value::Text(name?.into()))));
        ModelOptions(given.collect())
    }
}

impl ModelOptions {
    /// All that the model of a configuration takes, with their values.
    pub fn of(config: &ModelConfig) -> Self {
        let taken = OPTIONS.iter().filter(|row| config.takes(row.name));
        let values = taken.filter_map(|row| Some((row.name.to_owned(), (row.get)(config)?)));
        ModelOptions(values.collect())
    }

    /// The value given for an option.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The name given for an option whose values are names.
    pub fn name(&self, option: &str) -> Option<&str> {
        match self.get(option)? {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }

    /// Gives an option a value.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// Options and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Puts those that the model takes into a configuration; the others change nothing.
    ///
    /// Errors: an unknown name, a value that the option cannot have.
    pub fn apply(&self, config: &mut ModelConfig) -> Result<(), ModelError> {
        for (name, value) in self.iter() {
            let Some(row) = OptionRow::find(name) else {
                let known: Vec<_> = OPTIONS.iter().map(OptionRow::key).collect();
                let remedy = format!("options of models are {}", known.join(", "));
                return Err(ModelError::impossible(name, value, remedy));
            };
            if !row.values.admit(value) {
                return Err(ModelError::impossible(name, value, row.values.remedy()));
            }
        }
        for row in OPTIONS {
            let given = self.get(row.name).or_else(|| self.get(&row.key()));
            if let Some(value) = given.filter(|_| config.takes(row.name)) {
                (row.set)(config, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values other than that of a configuration.
    fn others(row: &OptionRow, config: &ModelConfig) -> Vec<Value> {
        let all = match row.values {
            Values::Names(names) => names.iter().map(|&name| Value::Text(name.into())).collect(),
            Values::Number(least, most) => vec![Value::Number((least + 3.0).min(most / 2.0))],
            Values::Count(least) => vec![Value::Integer(least + 2)],
            Values::Letters => ["gl", "rd"].map(|text| Value::Text(text.into())).into(),
        };
        let now = (row.get)(config);
        all.into_iter()
            .filter(|value| Some(value) != now.as_ref())
            .collect()
    }

    #[test]
    fn every_option_of_every_model_is_set_read_and_written_by_its_name() {
        let mut changing = BTreeMap::new();
        for model in MODELS {
            let plain = ModelConfig {
                heads: 4,
                ..ModelConfig::new(model.name, 11, 24, 2, 13)
            };
            for name in model.options {
                let row = OptionRow::find(name).expect("models name options of the table");
                let mut sizes = vec![(model.parameters)(&plain)];
                for value in others(row, &plain) {
                    let mut options = ModelOptions::default();
                    options.set(name, value);
                    let mut config = plain.clone();
                    options.apply(&mut config).unwrap();
                    assert_ne!(config, plain, "{} {name}", model.name);
                    let written = |options: &ModelOptions| options.get(name).map(Value::to_string);
                    assert_eq!(written(&ModelOptions::of(&config)), written(&options));
                    let json = serde_json::to_string(&config).unwrap();
                    assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
                    sizes.push((model.parameters)(&config));
                }
                sizes.dedup();
                *changing.entry(row.name).or_insert(false) |= sizes.len() > 1;
            }
        }
        for row in OPTIONS {
            assert_eq!(changing[row.name], row.changes_parameters, "{}", row.name);
            assert!(!row.models().is_empty(), "{} has no model", row.name);
        }
    }

    #[test]
    fn options_of_other_models_change_nothing_and_unknown_ones_are_refused() {
        let plain = ModelConfig::new("elman", 11, 24, 2, 13);
        let apply = |name: &str, value: Value| {
            let mut options = ModelOptions::default();
            options.set(name, value);
            let mut config = plain.clone();
            options.apply(&mut config).map(|()| config)
        };
        assert_eq!(apply("scan", Value::parse("parallel")), Ok(plain.clone()));
        let error = apply("scan", Value::parse("sideways"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("scan = sideways") && error.contains("sequential or parallel"));
        let error = apply("scam", Value::parse("parallel"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("scam") && error.contains("forget-bias"),
            "{error}"
        );
    }

    #[test]
    fn chrono_gates_reach_over_the_sequence_unless_a_length_is_given() {
        let given = |pairs: &[(&str, &str)]| {
            let mut options = ModelOptions::default();
            pairs
                .iter()
                .for_each(|(name, value)| options.set(name, Value::parse(value)));
            let mut config = ModelConfig::new("gru", 11, 24, 2, 13);
            options.apply(&mut config).unwrap();
            config.chrono
        };
        assert_eq!(given(&[]), None);
        assert_eq!(given(&[("gates", "chrono")]), Some(13));
        assert_eq!(given(&[("gates", "chrono"), ("chrono", "50")]), Some(50));
        assert_eq!(given(&[("chrono", "50")]), Some(50));
        let mut short = ModelConfig::new("gru", 11, 24, 2, 1);
        let mut options = ModelOptions::default();
        options.set("gates", Value::parse("chrono"));
        options.apply(&mut short).unwrap();
        assert_eq!(ModelOptions::of(&short).apply(&mut short), Ok(()));
    }
}
