//! What may be chosen of a model besides its sizes: one row an option. Experiments, the command line,
//! checkpoints, records and reports take it from here.
//!
//! Add an option: its field in [`ModelConfig`], its row here, and its name in the row of each model
//! that takes it.

use super::{
    Initial, MODELS, ModelConfig, ModelError, NormPlace, Positions, Reading, Scan, SourceAttention,
};
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
    set: fn(&mut ModelConfig, &Value),
}

/// Every option. One that sets another stands before it.
pub const OPTIONS: &[OptionRow] = &[
    OptionRow {
        name: "positions",
        describes: "how a transformer knows where a token stands",
        values: Values::Names(&["learned", "rotary", "sinusoidal", "none", "alibi"]),
        changes_parameters: true,
        label: |value| {
            Some(match value {
                "alibi" => "ALiBi positions".into(),
                "none" => "no positions".into(),
                value => format!("{value} positions"),
            })
        },
        get: |config| Some(Value::of(config.positions)),
        set: |config, value| config.positions = choice::<Positions>(value),
    },
    OptionRow {
        name: "gates",
        describes: "initial biases of gates; chrono draws them for dependencies up to `chrono` tokens",
        values: Values::Names(&["default", "chrono"]),
        changes_parameters: false,
        label: |value| (value != "default").then(|| format!("{value} gates")),
        get: |config| {
            let gates = if config.chrono.is_some() {
                "chrono"
            } else {
                "default"
            };
            Some(Value::Text(gates.into()))
        },
        set: |config, value| {
            // At least what `chrono` may be, so that what is written can be read back.
            let longest = config.chrono.unwrap_or(config.seq_len.max(3));
            config.chrono = value.matches("chrono").then_some(longest);
        },
    },
    OptionRow {
        name: "chrono",
        describes: "longest dependency in tokens that chrono gates start with [default: seq-len]",
        values: Values::Count(3),
        changes_parameters: false,
        label: |_| None,
        get: |config| Some(Value::Integer(config.chrono? as i64)),
        set: |config, value| {
            if let Value::Integer(n) = value {
                config.chrono = usize::try_from(*n).ok();
            }
        },
    },
    OptionRow {
        name: "forget_bias",
        describes: "initial bias of the forget gate",
        values: Values::Number(-100.0, 100.0),
        changes_parameters: false,
        label: |value| (value != "1").then(|| format!("forget bias {value}")),
        get: |config| Some(Value::parse(&config.forget_bias.to_string())),
        set: |config, value| config.forget_bias = value.number().unwrap_or(0.0) as f32,
    },
    OptionRow {
        name: "radius",
        describes: "spectral radius of the recurrent matrices before training",
        values: Values::Number(1e-3, 1e6),
        changes_parameters: false,
        label: |value| Some(format!("radius {value}")),
        get: |config| config.radius.map(Value::Number),
        set: |config, value| config.radius = value.number(),
    },
    OptionRow {
        name: "scan",
        describes: "how a linear recurrence runs over time",
        values: Values::Names(&["sequential", "parallel"]),
        changes_parameters: false,
        label: |value| {
            Some(match value {
                "sequential" => "loop".into(),
                value => format!("{value} scan"),
            })
        },
        get: |config| Some(Value::of(config.scan)),
        set: |config, value| config.scan = choice::<Scan>(value),
    },
    OptionRow {
        name: "initial",
        describes: "initial weights of a transformer",
        values: Values::Names(&["pytorch", "gpt2"]),
        changes_parameters: false,
        label: |value| (value == "gpt2").then(|| "GPT-2's initial weights".into()),
        get: |config| Some(Value::of(config.initial)),
        set: |config, value| config.initial = choice::<Initial>(value),
    },
    OptionRow {
        name: "norm",
        describes: "where the blocks of an encoder-decoder normalise",
        values: Values::Names(&["post", "pre"]),
        changes_parameters: true,
        label: |value| (value == "pre").then(|| "norm first".into()),
        get: |config| Some(Value::of(config.norm)),
        set: |config, value| config.norm = choice::<NormPlace>(value),
    },
    OptionRow {
        name: "source_attention",
        describes: "how a recurrent decoder looks at the source",
        values: Values::Names(&["additive", "none"]),
        changes_parameters: true,
        label: |value| {
            Some(match value {
                "additive" => "with attention".into(),
                _ => "without attention".into(),
            })
        },
        get: |config| Some(Value::of(config.source_attention)),
        set: |config, value| config.source_attention = choice::<SourceAttention>(value),
    },
    OptionRow {
        name: "encoder",
        describes: "which way a recurrent encoder reads",
        values: Values::Names(&["forward", "both"]),
        changes_parameters: true,
        label: |value| (value == "both").then(|| "reading both ways".into()),
        get: |config| Some(Value::of(config.encoder)),
        set: |config, value| config.encoder = choice::<Reading>(value),
    },
];

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

    /// Names of the options whose values are names: they tell the variants of a model apart.
    pub fn choices() -> impl Iterator<Item = &'static str> {
        let choices = OPTIONS
            .iter()
            .filter(|row| matches!(row.values, Values::Names(_)));
        choices.map(|row| row.name)
    }

    /// Name in checkpoints and, as a flag, on the command line.
    pub fn key(&self) -> String {
        self.name.replace('_', "-")
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

    /// A value other than the default.
    fn another(row: &OptionRow) -> Value {
        match row.values {
            Values::Names(names) => Value::Text(names[1].into()),
            Values::Number(least, most) => Value::Number((least + 3.0).min(most)),
            Values::Count(least) => Value::Integer(least + 2),
        }
    }

    #[test]
    fn every_option_of_every_model_is_set_read_and_written_by_its_name() {
        for model in MODELS {
            let plain = ModelConfig::new(model.name, 11, 24, 2, 13);
            for name in model.options {
                let row = OptionRow::find(name).expect("models name options of the table");
                let mut options = ModelOptions::default();
                options.set(name, another(row));
                let mut config = plain.clone();
                options.apply(&mut config).unwrap();
                assert_ne!(config, plain, "{} {name}", model.name);
                let written = |options: &ModelOptions| options.get(name).map(Value::to_string);
                assert_eq!(written(&ModelOptions::of(&config)), written(&options));
                let json = serde_json::to_string(&config).unwrap();
                assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
                let count = |c: &ModelConfig| (model.parameters)(c);
                let differs = count(&config) != count(&plain);
                assert_eq!(differs, row.changes_parameters, "{} {name}", model.name);
            }
        }
        for row in OPTIONS {
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
