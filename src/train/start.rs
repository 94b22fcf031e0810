//! What a training starts from: nothing, or the checkpoint of another training.

use super::checkpoint::{self, Ancestor, File, Keep, Parent};
use super::{Optimizer, TrainError, TrainSettings, same_data};
use crate::data::Source;
use crate::files;
use crate::models::{Model, ModelConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a training begins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the model's initial values.
    #[default]
    Fresh,
    /// Where another training stopped.
    From {
        /// Its checkpoint, a file or a directory with one.
        checkpoint: PathBuf,
        /// What is kept of it.
        keep: Keep,
    },
}

/// The training that another starts from.
pub(super) struct Origin {
    file: File,
    pub(super) parent: Parent,
}

impl Origin {
    /// Opens the checkpoint of `start`, `None` if that is fresh, and refuses one that `model`, `source`
    /// and `settings` cannot go on from.
    pub(super) fn open(
        start: &Start,
        model: &dyn Model,
        source: &dyn Source,
        settings: &TrainSettings,
    ) -> Result<Option<Self>, TrainError> {
        settings.adapt.check(model).map_err(TrainError::Refused)?;
        let Start::From { checkpoint, keep } = start else {
            let adapt = settings.adapt;
            let message = format!(
                "adapt = {adapt}: leaves most of a new model at its random values; give a checkpoint to \
                 start from, or adapt = all"
            );
            return match adapt.is_all() {
                true => Ok(None),
                false => Err(TrainError::Refused(message)),
            };
        };
        let path = checkpoint::locate(checkpoint);
        let file = File::read(&path)?;
        let refused = |reason: String| {
            let path = path.display();
            TrainError::Refused(format!("cannot start from {path}: {reason}"))
        };
        let identity = &file.metadata.identity;
        let differing = difference(&identity.model, model.config());
        if !differing.is_empty() {
            return Err(refused(format!(
                "its model differs ({differing}); give the model as it is there"
            )));
        }
        if *keep == Keep::Training {
            if !same_data(source, &file.metadata) {
                return Err(refused(
                    "it was trained on other data, so optimiser and data stream cannot be kept; \
                     keep the weights only"
                        .into(),
                ));
            }
            let (there, here) = (identity.settings.optimizer, settings.optimizer);
            if there != here {
                return Err(refused(format!(
                    "its optimizer is {} there, {} here, so its moments cannot be kept; keep the \
                     weights only",
                    there.name(),
                    here.name()
                )));
            }
        }
        let (there, here) = (identity.settings.adapt, settings.adapt);
        let moments = *keep == Keep::Training && file.has_moments();
        if moments && !(there.is_all() && here.is_all()) {
            return Err(refused(format!(
                "it trained adapt = {there} and now adapt = {here} is asked for, so the moments of its \
                 optimiser cannot be kept; keep the weights only"
            )));
        }
        let parent = Parent {
            hash: file.metadata.hash.clone(),
            weights: file.weights(model)?,
            keep: *keep,
            moments,
        };
        Ok(Some(Origin { file, parent }))
    }

    /// Gives `model` the weights to start from.
    pub(super) fn fill(&self, model: &mut dyn Model) -> Result<(), TrainError> {
        Ok(self.file.fill(model)?)
    }

    /// Gives `optimizer` and `source` what is kept, and says how many steps the optimiser has counted;
    /// `model` has the weights.
    pub(super) fn hand_over(
        &self,
        model: &dyn Model,
        optimizer: &mut Optimizer,
        source: &mut dyn Source,
    ) -> Result<u64, TrainError> {
        let position = &self.file.metadata.position;
        if let (Keep::Training, Some(cursor)) = (self.parent.keep, &position.cursor) {
            source.restore(cursor);
        }
        if !self.parent.moments {
            return Ok(0);
        }
        let steps = position.optimizer_steps();
        self.file.restore(model, optimizer, steps)?;
        Ok(steps)
    }

    /// The trainings that one from here descends from, the oldest first.
    pub(super) fn lineage(&self) -> Vec<Ancestor> {
        let metadata = &self.file.metadata;
        let mut all = metadata.lineage.clone();
        all.push(Ancestor {
            hash: self.parent.hash.clone(),
            weights: self.parent.weights.clone(),
            keep: self.parent.keep,
            steps: metadata.position.step,
            tokens: metadata.position.tokens,
            data: metadata.data_in_words(),
        });
        all
    }
}

/// The keys in which two models differ, with both values; the length of sequences matters only where
/// positions are in a table.
fn difference(there: &ModelConfig, here: &ModelConfig) -> String {
    let mut there = there.clone();
    if there.longest().is_none() && here.longest().is_none() {
        there.seq_len = here.seq_len;
    }
    let json = |config: &ModelConfig| serde_json::to_value(config).expect("plain data");
    let all = files::differences(&json(&there), &json(here)).into_iter();
    let all = all.map(|(key, a, b)| format!("{key} = {a} there, {b} here"));
    all.collect::<Vec<_>>().join("; ")
}
