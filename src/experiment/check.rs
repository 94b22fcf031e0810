//! Checks of every value of a resolved experiment, before anything runs.

mod plots;
mod settings;

use super::schema::Experiment;
use crate::models::{self, OPTIONS, OptionRow, Value};

/// A value that cannot be run, by its key (`settings.batch`, `sweep.delay[1]`, `models[0].model`).
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Key within the experiment.
    pub key: String,
    /// Key, value and what is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// `key = value` is wrong; `remedy` says what to do.
    pub fn new(
        key: impl Into<String>,
        value: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        let key = key.into();
        Fault {
            problem: format!("{key} = {value} cannot be run"),
            remedy: remedy.into(),
            key,
        }
    }

    /// A key that must be there is not.
    pub fn missing(key: &str, why: &str) -> Self {
        Fault {
            key: key.into(),
            problem: format!("{key} is missing"),
            remedy: format!("{why} needs it"),
        }
    }
}

/// The task name of text runs.
pub const TEXT: &str = "text";

/// Checks every value by itself and in combination; sizes of models are checked by expansion.
pub fn check(experiment: &Experiment) -> Result<(), Fault> {
    check_names(experiment)?;
    check_models(experiment)?;
    settings::check_settings("settings", experiment.kind, &experiment.settings)?;
    settings::check_sweep(experiment)?;
    settings::check_tune(experiment)?;
    plots::check_plots(experiment)
}

fn check_names(experiment: &Experiment) -> Result<(), Fault> {
    let id = &experiment.id;
    let readable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 40 || !id.chars().all(readable) {
        return Err(Fault::new(
            "id",
            format!("{id:?}"),
            "use at most 40 of a-z, 0-9 and -",
        ));
    }
    if !experiment.margin.is_finite() || experiment.margin < 0.0 {
        return Err(Fault::new(
            "margin",
            experiment.margin,
            "give a number from 0",
        ));
    }
    Ok(())
}

fn check_models(experiment: &Experiment) -> Result<(), Fault> {
    let known: Vec<&str> = models::MODELS.iter().map(|row| row.name).collect();
    if experiment.models.is_empty() {
        return Err(Fault::new(
            "models",
            "[]",
            format!("name some of {}", known.join(", ")),
        ));
    }
    for (i, series) in experiment.models.iter().enumerate() {
        let (key, name) = (format!("models[{i}]"), series.model.as_str());
        let Ok(row) = models::row(name) else {
            let remedy = format!("known models: {}", known.join(", "));
            return Err(Fault::new(key + ".model", format!("{name:?}"), remedy));
        };
        for (option, value) in series.options.iter() {
            let key = format!("{key}.{option}");
            let value_in_words = match value {
                Value::Text(name) => format!("{name:?}"),
                number => number.to_string(),
            };
            let refuse = |remedy: String| Err(Fault::new(&key, &value_in_words, remedy));
            let Some(known) = OptionRow::find(option) else {
                let known: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
                return refuse(format!("options of models are {}", known.join(", ")));
            };
            if !row.options.contains(&known.name) {
                let models = known.models().join(" and ");
                return refuse(format!("only {models} can have it; leave it out"));
            }
            if !known.values.admit(value) {
                return refuse(known.values.remedy());
            }
        }
        if let Some(clip) = series
            .clip
            .filter(|c| *c != 0.0 && !(1e-6..=1e6).contains(c))
        {
            let remedy = "give a number from 0.000001 to 1000000, or 0 for none";
            return Err(Fault::new(key + ".clip", clip, remedy));
        }
        if series.layers == Some(0) {
            return Err(Fault::new(key + ".layers", 0, "give at least 1"));
        }
        if experiment.models[..i].contains(series) {
            return Err(Fault::new(
                key,
                format!("{name:?}"),
                "it is listed twice; remove one",
            ));
        }
    }
    let reference = experiment.settings.reference.as_deref();
    if let Some(name) = reference.filter(|r| experiment.models.iter().all(|s| s.model != *r)) {
        let remedy = "name a model of this experiment";
        return Err(Fault::new(
            "settings.reference",
            format!("{name:?}"),
            remedy,
        ));
    }
    Ok(())
}
