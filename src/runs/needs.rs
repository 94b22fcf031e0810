//! What a training takes from other runs: a learning rate, the time of a step, weights to start from.

use crate::train::{self, Keep};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where the peak learning rate of a training comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Rate {
    /// Its settings say it.
    #[default]
    Fixed,
    /// The best of these trials; the name of a growing search stands for all of its trials.
    BestOf(Vec<String>),
}

/// What a training starts from.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The model's initial values.
    #[default]
    Fresh,
    /// Where another training stopped.
    From {
        /// Whose weights.
        weights: Weights,
        /// What is kept besides them.
        keep: Keep,
    },
}

/// Trained weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Of another run of the plan.
    Run(String),
    /// A checkpoint file; in the configuration its SHA-256 stands for it.
    Checkpoint {
        /// Where it is.
        #[serde(skip)]
        path: PathBuf,
        /// SHA-256 of its bytes, hex; empty before the run is resolved.
        sha256: String,
    },
}

/// What of a finished training stays in the run's directory, as a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Kept {
    /// Nothing.
    #[default]
    Nothing,
    /// The weights.
    Weights,
    /// The optimiser's moments too.
    Training,
}

impl Start {
    /// Whether it starts from initial values.
    pub fn is_fresh(&self) -> bool {
        *self == Start::Fresh
    }

    /// The same for training, seen from the directory of a run.
    pub(super) fn at(&self, directory: &Path) -> train::Start {
        let Start::From { weights, keep } = self else {
            return train::Start::Fresh;
        };
        train::Start::From {
            checkpoint: match weights {
                Weights::Run(run) => directory.with_file_name(run),
                Weights::Checkpoint { path, .. } => path.clone(),
            },
            keep: *keep,
        }
    }
}
