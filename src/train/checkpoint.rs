//! Checkpoints: safetensors with PyTorch's names, and beside the tensors, in the metadata, all that
//! is needed to build the model and to go on training with the same results.
//!
//! The file holds the model's tensors; while training is unfinished it also holds the optimiser's
//! moments as `optimizer.m.NAME` and `optimizer.v.NAME`. One metadata entry, `seqduel`, is JSON of
//! [`Metadata`].

use super::optimizer::Optimizer;
use super::{Point, Stop, TrainSettings};
use crate::data::Cursor;
use crate::files::{self, sha256};
use crate::models::{self, Model, ModelConfig};
use crate::nn::Parameter;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// File name inside an output directory.
pub const FILE: &str = "checkpoint.safetensors";
const KEY: &str = "seqduel";

/// What results depend on, all of it: two runs with equal identities give equal results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Sizes and initialisation of the model.
    pub model: ModelConfig,
    /// Training settings; `threads` and `checkpoint_every`, which change nothing, are set to 1 and
    /// none.
    pub settings: TrainSettings,
    /// SHA-256 of the validation batches, hex: stands for the data.
    pub data: String,
}

impl Identity {
    /// Of a run.
    pub fn new(model: &ModelConfig, settings: &TrainSettings, data: String) -> Self {
        let mut settings = settings.clone();
        settings.threads = 1;
        settings.checkpoint_every = None;
        Identity {
            model: model.clone(),
            settings,
            data,
        }
    }

    /// SHA-256 of the canonical JSON, hex.
    pub fn hash(&self) -> String {
        sha256(serde_json::to_vec(self).expect("plain data"))
    }

    /// The keys that differ from `other`, with both values.
    fn difference(&self, other: &Identity) -> String {
        let json = |identity: &Identity| serde_json::to_value(identity).expect("plain data");
        let mut all = files::differences(&json(self), &json(other));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let text = |value: Value| match value {
            Value::Null => "none".into(),
            value => value.to_string(),
        };
        let all = all.into_iter().map(|(key, a, b)| match key.as_str() {
            "data" => "the data".to_string(),
            _ => format!("{key} {} there, {} here", text(a), text(b)),
        });
        all.collect::<Vec<_>>().join("; ")
    }
}

/// How far training has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Steps done.
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
}

/// What is wrong with a checkpoint file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not safetensors at all, or cut off.
    #[error("{}: not a safetensors file, or truncated ({reason}); if `seqduel train` wrote it, delete it and train again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Safetensors, but written by something else.
    #[error("{}: {reason}; only checkpoints written by `seqduel train` can be opened", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Tensors do not fit the model.
    #[error("{}: tensor {reason}; the file is damaged or of another model: train again, into another directory", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Its name and what is wrong with it.
        reason: String,
    },
    /// A run with other settings wrote it.
    #[error(
        "{}: made with other settings ({difference}); give the same settings to go on, or another output directory",
        path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The keys that differ, with both values.
        difference: String,
    },
}

impl CheckpointError {
    /// For `map_err`.
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| CheckpointError::Io { path, source }
    }
}

/// `path`, or the checkpoint in it if it is a directory.
pub fn locate(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(FILE),
        false => path.to_path_buf(),
    }
}

/// Writes a checkpoint so that `path` always holds a whole one, the old or the new. Moments are
/// written if an optimiser is given.
pub fn save(
    path: &Path,
    model: &dyn Model,
    optimizer: Option<&Optimizer>,
    metadata: &Metadata,
) -> Result<(), CheckpointError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for parameter in model.parameters() {
        let bytes = to_bytes(&parameter.values());
        tensors.push((parameter.name.clone(), parameter.shape.clone(), bytes));
    }
    if let Some(optimizer) = optimizer {
        for (parameter, (m, v)) in model.parameters().into_iter().zip(optimizer.moments()) {
            for (kind, values) in [("m", m), ("v", v)] {
                let name = format!("optimizer.{kind}.{}", parameter.name);
                tensors.push((name, parameter.shape.clone(), to_bytes(values)));
            }
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.expect("bytes fit the shape"))
    });
    let json = serde_json::to_string(metadata).expect("plain data");
    // One entry only: the order of several would differ from file to file.
    let entries = HashMap::from([(KEY.to_string(), json)]);
    let file = safetensors::serialize(views, Some(entries)).expect("names differ");
    files::write_atomically(path, &file).map_err(CheckpointError::io(path))
}

/// A checkpoint file in memory, its metadata understood.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
}

impl File {
    fn read(path: &Path) -> Result<Self, CheckpointError> {
        let path = path.to_path_buf();
        let bytes = std::fs::read(&path).map_err(CheckpointError::io(&path))?;
        let unreadable = |e: safetensors::SafeTensorError| CheckpointError::Unreadable {
            path: path.clone(),
            reason: e.to_string(),
        };
        SafeTensors::deserialize(&bytes).map_err(unreadable)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
        let foreign = |reason: String| CheckpointError::Foreign {
            path: path.clone(),
            reason,
        };
        let json = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let json = json.ok_or_else(|| foreign(format!("has no `{KEY}` metadata")))?;
        let metadata = serde_json::from_str(json)
            .map_err(|e| foreign(format!("its `{KEY}` metadata cannot be read: {e}")))?;
        Ok(File {
            path,
            bytes,
            metadata,
        })
    }

    /// The values of tensor `name`, which must have this shape.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let wrong = |reason: String| self.wrong(name, reason);
        let tensors = SafeTensors::deserialize(&self.bytes).expect("checked when read");
        let view = tensors
            .tensor(name)
            .map_err(|_| wrong("is missing".into()))?;
        if view.dtype() != Dtype::F32 {
            return Err(wrong(format!("holds {:?}, expected F32", view.dtype())));
        }
        if view.shape() != shape {
            let found = view.shape();
            return Err(wrong(format!("has shape {found:?}, expected {shape:?}")));
        }
        let values = view.data().chunks_exact(4);
        Ok(values
            .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
            .collect())
    }

    fn wrong(&self, tensor: &str, reason: String) -> CheckpointError {
        CheckpointError::Tensor {
            path: self.path.clone(),
            reason: format!("`{tensor}` {reason}"),
        }
    }

    /// Loads all parameters, and refuses tensors the model does not have.
    fn fill(&self, model: &mut dyn Model) -> Result<(), CheckpointError> {
        let mut known = Vec::new();
        let mut all = Vec::new();
        for Parameter { name, shape, .. } in model.parameters() {
            all.push(self.tensor(name, shape)?);
            known.push(name.clone());
        }
        let tensors = SafeTensors::deserialize(&self.bytes).expect("checked when read");
        for name in tensors.names() {
            if !name.starts_with("optimizer.") && !known.iter().any(|k| k == name) {
                let model = &model.config().model;
                return Err(self.wrong(name, format!("does not belong to this {model}")));
            }
        }
        for (parameter, values) in model.parameters_mut().into_iter().zip(&all) {
            parameter.set(values);
        }
        Ok(())
    }
}

/// Opens a checkpoint file, or the one in a directory, and builds its model.
pub fn load(path: &Path) -> Result<(Box<dyn Model>, Metadata), CheckpointError> {
    let file = File::read(&locate(path))?;
    let identity = &file.metadata.identity;
    let built = models::build(&identity.model, identity.settings.seed);
    let mut model = built.map_err(|e| CheckpointError::Foreign {
        path: file.path.clone(),
        reason: e.to_string(),
    })?;
    file.fill(&mut *model)?;
    Ok((model, file.metadata))
}

/// Restores model and optimiser from `path` and says where training stands; `None` if there is no
/// such file. A checkpoint of a run with another identity is refused.
pub fn resume(
    path: &Path,
    model: &mut dyn Model,
    optimizer: &mut Optimizer,
    identity: &Identity,
) -> Result<Option<Position>, CheckpointError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = File::read(path)?;
    if file.metadata.hash != identity.hash() {
        return Err(CheckpointError::OtherRun {
            path: path.into(),
            difference: file.metadata.identity.difference(identity),
        });
    }
    file.fill(model)?;
    let position = file.metadata.position.clone();
    if position.finished.is_none() {
        let mut moments = Vec::new();
        for Parameter { name, shape, .. } in model.parameters() {
            let m = file.tensor(&format!("optimizer.m.{name}"), shape)?;
            let v = file.tensor(&format!("optimizer.v.{name}"), shape)?;
            moments.push((m, v));
        }
        optimizer.restore(model, position.step as u64, moments);
    }
    Ok(Some(position))
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
