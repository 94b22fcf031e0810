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

    /// [`Fault::new`], unless the value is right.
    fn unless(
        right: bool,
        key: impl Into<String>,
        value: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> Result<(), Self> {
        match right {
            true => Ok(()),
            false => Err(Fault::new(key, value, remedy)),
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
    check_count(experiment)?;
    plots::check_plots(experiment)
}

/// More runs than a machine ends in months are a slip of the keyboard, and making a plan of them would
/// take its memory.
const MOST_RUNS: usize = 20_000;

fn check_count(experiment: &Experiment) -> Result<(), Fault> {
    let product = |factors: [usize; 3]| factors.into_iter().fold(1, usize::saturating_mul);
    let few = |runs: usize, key: &str, problem: String, remedy: &str| match runs <= MOST_RUNS {
        true => Ok(()),
        false => Err(Fault {
            key: key.into(),
            problem: format!("{problem} are {runs} runs"),
            remedy: format!("at most {MOST_RUNS} are carried out; {remedy}"),
        }),
    };
    let models = experiment.models.len();
    let (points, seeds) = (
        experiment.sweep.points(),
        experiment.settings.seeds.unwrap_or(1),
    );
    let key = match points > seeds {
        true => "sweep",
        false => "settings.seeds",
    };
    let problem = format!("{points} points of the sweep with {models} models and {seeds} seeds");
    let runs = product([points, models, seeds]);
    few(runs, key, problem, "sweep less or give fewer seeds")?;
    let Some(tune) = &experiment.tune else {
        return Ok(());
    };
    let rates = tune.learning_rates.as_ref().map_or(0, Vec::len);
    let seeds = tune.settings.seeds.unwrap_or(1);
    let key = match rates > seeds {
        true => "tune.learning_rates",
        false => "tune.settings.seeds",
    };
    let problem = format!("{rates} rates to try with {models} models and {seeds} seeds");
    let runs = product([rates, models, seeds]);
    few(runs, key, problem, "try fewer rates or give fewer seeds")
}

fn check_names(experiment: &Experiment) -> Result<(), Fault> {
    let id = &experiment.id;
    let readable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let right = (1..=40).contains(&id.len()) && id.chars().all(readable);
    let remedy = "use at most 40 of a-z, 0-9 and -";
    Fault::unless(right, "id", format!("{id:?}"), remedy)?;
    let margin = experiment.margin;
    let right = margin.is_finite() && margin >= 0.0;
    Fault::unless(right, "margin", margin, "give a number from 0")
}

fn check_models(experiment: &Experiment) -> Result<(), Fault> {
    let known: Vec<&str> = models::MODELS.iter().map(|row| row.name).collect();
    let remedy = format!("name some of {}", known.join(", "));
    Fault::unless(!experiment.models.is_empty(), "models", "[]", remedy)?;
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
                let models = known.takers();
                return refuse(format!("only {models} can have it; leave it out"));
            }
            if !known.values.admit(value) {
                return refuse(known.values.remedy());
            }
        }
        let clip = series.clip.unwrap_or(0.0);
        let right = clip == 0.0 || (1e-6..=1e6).contains(&clip);
        let remedy = "give a number from 0.000001 to 1000000, or 0 for none";
        Fault::unless(right, format!("{key}.clip"), clip, remedy)?;
        let right = series.layers != Some(0);
        Fault::unless(right, format!("{key}.layers"), 0, "give at least 1")?;
        let again = experiment.models[..i].contains(series);
        let remedy = "it is listed twice; remove one";
        Fault::unless(!again, key, format!("{name:?}"), remedy)?;
    }
    let Some(name) = experiment.settings.reference.as_deref() else {
        return Ok(());
    };
    let right = experiment.models.iter().any(|series| series.model == name);
    let remedy = "name a model of this experiment";
    Fault::unless(right, "settings.reference", format!("{name:?}"), remedy)
}
