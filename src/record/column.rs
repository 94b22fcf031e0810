//! Values of the columns of a record: names of choices, and what a filter compares them with.

use serde::{Deserialize, Serialize};

/// A value to compare a record column with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnValue {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A name.
    Text(String),
}

impl ColumnValue {
    /// Whether a field of a record holds this value; `None` where it has none.
    pub fn matches_value(&self, field: Option<&serde_json::Value>) -> Option<bool> {
        match field {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(text)) => Some(self.matches(text)),
            Some(other) => Some(self.matches(&other.to_string())),
        }
    }

    /// Whether a CSV field holds this value.
    pub fn matches(&self, field: &str) -> bool {
        match self {
            ColumnValue::Integer(i) => field.parse() == Ok(*i as f64),
            ColumnValue::Number(x) => field.parse() == Ok(*x),
            ColumnValue::Text(text) => field == text,
        }
    }
}

/// The name of a choice, as in configurations.
pub fn word(choice: impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("a choice is written as its name, not as {other:?}"),
    }
}
