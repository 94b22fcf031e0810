//! What stands beside the tensors of a checkpoint: what results depend on, how far training has
//! come, and all that is needed to use the model without any other file.

use super::{Point, Stop, TrainSettings};
use crate::data::tokenizer::Tokenizer;
use crate::data::{Cursor, DataSection};
use crate::files::{self, sha256};
use crate::models::ModelConfig;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What results depend on, all of it: two runs with equal identities give equal results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Sizes and initialisation of the model.
    pub model: ModelConfig,
    /// Training settings; `threads` and `checkpoint_every`, which change nothing, are set to 1 and
    /// none.
    #[serde(deserialize_with = "as_written")]
    pub settings: TrainSettings,
    /// SHA-256 of the validation batches, hex: stands for the data.
    pub data: String,
    /// SHA-256 of the whole text, if it is one; earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The training it started from, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// Settings in which what is left out is none: in a configuration it is the default.
fn as_written<'de, D: Deserializer<'de>>(from: D) -> Result<TrainSettings, D::Error> {
    let mut settings = Map::deserialize(from)?;
    for key in ["clip", "checkpoint-every"] {
        settings.entry(key).or_insert(Value::Null);
    }
    serde_json::from_value(settings.into()).map_err(Error::custom)
}

/// What a training keeps of the one it starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The weights; optimiser and data stream are new.
    Weights,
    /// The optimiser's moments too, if the checkpoint holds them, and the data stream, which goes on
    /// after what was seen. The data must be the same.
    Training,
}

/// The checkpoint that a training started from, as far as results depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// [`Identity::hash`] of its training, in which those of its own ancestors are.
    pub hash: String,
    /// SHA-256 of its weights: how far it had been trained.
    pub weights: String,
    /// What was kept of it.
    pub keep: Keep,
    /// Whether it handed on the optimiser's moments.
    pub moments: bool,
}

impl Identity {
    /// Of a run, `data` as in [`Identity::data`] and [`Identity::text`].
    pub fn new(
        model: &ModelConfig,
        settings: &TrainSettings,
        (data, text): (String, Option<String>),
        parent: Option<Parent>,
    ) -> Self {
        let mut settings = settings.clone();
        settings.threads = 1;
        settings.checkpoint_every = None;
        Identity {
            model: model.clone(),
            settings,
            data,
            text,
            parent,
        }
    }

    /// SHA-256 of the canonical JSON, hex.
    pub fn hash(&self) -> String {
        sha256(serde_json::to_vec(self).expect("plain data"))
    }

    /// The keys that differ from `other`, with both values.
    pub(super) fn difference(&self, other: &Identity) -> String {
        let json = |identity: &Identity| serde_json::to_value(identity).expect("plain data");
        let mut all = files::differences(&json(self), &json(other));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let text = |value: Value| match value {
            Value::Null => "none".into(),
            value => value.to_string(),
        };
        let all = all.into_iter().map(|(key, a, b)| match key.as_str() {
            "data" => "the data".to_string(),
            "text" => "the text has changed since".to_string(),
            _ => format!("{key} {} there, {} here", text(a), text(b)),
        });
        all.collect::<Vec<_>>().join("; ")
    }
}

/// How far training has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Steps done, those of a parent not counted.
    pub step: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Where the data stands; `None` before the first step.
    pub cursor: Option<Cursor>,
    /// The learning curve so far.
    pub curve: Vec<Point>,
    /// Sum of training losses since its last point, in steps.
    pub loss_sum: f64,
    /// Largest gradient norm since then.
    pub largest_norm: f64,
    /// Why training ended, if it has.
    pub finished: Option<Stop>,
    /// Where the validation loss was lowest, where those weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// Steps that the optimiser had counted before step 0: those of a parent whose moments were kept.
    #[serde(default, skip_serializing_if = "files::is_default")]
    pub inherited_steps: u64,
}

/// The lowest validation loss so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step after which it was measured.
    pub step: usize,
    /// The loss.
    pub loss: f64,
}

impl Position {
    /// Steps the optimiser has counted.
    pub(super) fn optimizer_steps(&self) -> u64 {
        self.inherited_steps.saturating_add(self.step as u64)
    }
}

/// What makes a checkpoint usable without any file beside it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Embedded {
    /// Of a text; a task has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Tokenizer>,
    /// What the model is trained on.
    pub data: DataSection,
}

/// A training that a checkpoint descends from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    /// [`Identity::hash`] of it.
    pub hash: String,
    /// SHA-256 of the weights that it handed on.
    pub weights: String,
    /// What was kept of it.
    pub keep: Keep,
    /// Steps it did.
    pub steps: usize,
    /// Tokens it saw.
    pub tokens: u64,
    /// On what data, in words.
    pub data: String,
}

/// What stands beside the tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of seqduel that wrote it.
    pub version: String,
    /// What results depend on.
    pub identity: Identity,
    /// [`Identity::hash`].
    pub hash: String,
    /// How far training has come.
    pub position: Position,
    /// Tokenizer and data; earlier versions kept them in files beside the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Embedded>,
    /// The trainings it descends from, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Ancestor>,
}

impl Metadata {
    /// What the model was trained on, in words.
    pub fn data_in_words(&self) -> String {
        let known = self.embedded.as_ref().map(|e| e.data.to_string());
        known.unwrap_or_else(|| "data that an earlier version did not record".into())
    }
}
