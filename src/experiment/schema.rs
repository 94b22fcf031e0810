//! What an experiment file may say. Every table refuses unknown keys.

mod plot;
mod settings;

pub use plot::{MarkSpec, PlotKind, PlotSpec, PublishedSpec, Scale};
pub use settings::{All, Arm, LAUNCHES, Settings, Sweep, Threads};

use crate::claims::Fixed;
use crate::models::ModelOptions;
use crate::stats::Looks;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One experiment: a question, the models it is put to, and how each profile measures it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment, as on the command line and in the results.
    pub id: String,
    /// Id of the claim in the catalogue that its records judge.
    pub claim: String,
    /// Heading in the report.
    pub title: String,
    /// The question in one sentence.
    pub question: String,
    /// What a run does.
    pub kind: Kind,
    /// The effect the claim must exceed, in the claim's own unit; fixed before the run.
    pub margin: f64,
    /// The models compared.
    pub models: Vec<Series>,
    /// What holds for every run unless the sweep or the profile says otherwise.
    #[serde(default)]
    pub settings: Settings,
    /// Factors: every combination of the values is run with every model and seed.
    #[serde(default)]
    pub sweep: Sweep,
    /// The learning-rate search before the runs that count; without it `settings.learning_rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
    /// Learning rates where there is no search: the first entry that fits a run is its rate.
    #[serde(default, rename = "rate", skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateFor>,
    /// What `smoke`, `quick` and `full` (or further profiles) change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, Patch>,
    /// What the report draws.
    #[serde(default, rename = "plot")]
    pub plots: Vec<PlotSpec>,
    /// What a reader should know to understand the plots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// A learning rate, and which runs have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateFor {
    /// The model.
    pub model: String,
    /// The peak rate.
    pub rate: f64,
    /// The task, where several are swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The width of the reference model, where several are swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// What is trained on a second text, where several are swept; `first` is the training on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// The characters of a second text, where several are swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<usize>,
    /// Parameters of the task, where several values are swept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, usize>,
    /// Options of the model, where it is listed with several.
    #[serde(flatten)]
    pub options: ModelOptions,
}

/// The arm of trainings on the first of two texts.
pub const FIRST: &str = "first";

/// A page of the report in plain words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// Its heading, a question.
    pub title: String,
    /// Its paragraphs. The label of a comparison in braces stands for its effect with interval.
    pub paragraphs: Vec<String>,
}

/// What a run of an experiment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Trains a model and evaluates it.
    Train,
    /// Times steps of all models of a sweep point, interleaved.
    Throughput,
}

/// One line in the plots: a model with its variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// A name in `models::MODELS`.
    pub model: String,
    /// Layers, where they differ from `settings.layers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Options of the model, by their names in `models::OPTIONS`; any other key is refused when the
    /// experiment is checked.
    #[serde(flatten)]
    pub options: ModelOptions,
    /// Largest global gradient norm, in place of `settings.clip`; 0 does not clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

/// What a profile, or `--set`, changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patch {
    /// Settings to replace.
    pub settings: Settings,
    /// Factors to replace, whole lists.
    pub sweep: Sweep,
    /// Parts of the learning-rate search to replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
}

/// The same search for every model, task, parameter of it and width: each rate on the same short
/// budget, judged on validation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tune {
    /// The rates tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rates: Option<Vec<f64>>,
    /// While the best rate of a model is at an edge of those tried, the next rate outward is tried
    /// too, at most so many beyond the list; without it none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend: Option<usize>,
    /// What differs from the runs that count: steps, seeds, the sweep point to search at.
    pub settings: Settings,
}

impl Experiment {
    /// After how many observations its claim is looked at.
    pub fn looks(&self) -> Vec<usize> {
        let s = &self.settings;
        let taken = match self.kind {
            Kind::Train => s.seeds,
            Kind::Throughput => Some(s.launches.unwrap_or(LAUNCHES)),
        };
        s.looks.clone().unwrap_or(taken.into_iter().collect())
    }

    /// What it fixes of its claim.
    pub fn fixed(&self) -> Fixed {
        Fixed {
            claim: self.claim.clone(),
            margin: self.margin,
            looks: Looks::new(&self.looks()),
        }
    }

    /// The rate of a run of this model at these settings, where a table says it.
    pub fn rate_for(&self, series: &Series, at: &Settings) -> Option<f64> {
        let arm = at.adapt.map_or(FIRST.to_owned(), |arm| arm.to_string());
        self.rate_of_arm(series, at, &arm)
    }

    /// The same with another arm than that of the settings, such as [`FIRST`].
    pub fn rate_of_arm(&self, series: &Series, at: &Settings, of_arm: &str) -> Option<f64> {
        let fits = |rate: &&RateFor| {
            let of = |name: &str| series.options.get(name);
            let parameter = |name: &str| at.parameters.as_ref()?.get(name);
            rate.model == series.model
                && rate
                    .options
                    .iter()
                    .all(|(name, value)| of(name) == Some(value))
                && (rate.task.is_none() || rate.task == at.task)
                && (rate.width.is_none() || rate.width == at.width)
                && (rate.characters.is_none() || rate.characters == at.characters)
                && rate.arm.as_ref().is_none_or(|arm| *arm == of_arm)
                && rate
                    .parameters
                    .iter()
                    .all(|(name, value)| parameter(name) == Some(value))
        };
        self.rates.iter().find(fits).map(|rate| rate.rate)
    }
}
