//! Checkpoints: safetensors with PyTorch's names, and beside the tensors, in the metadata, all that
//! is needed to build the model and to go on training with the same results.
//!
//! The file holds the model's tensors, those of adapters merged into them; while training is unfinished, and
//! after it where that is asked for, it also holds the optimiser's moments as `optimizer.m.NAME` and
//! `optimizer.v.NAME`. Adapters are kept beside, as `optimizer.lora.a.NAME` and `optimizer.lora.b.NAME`, and
//! while a training that keeps its best weights is unfinished these, as `optimizer.best.NAME`. One metadata
//! entry, `seqduel`, is JSON of [`Metadata`].

use super::optimizer::Optimizer;
use super::variable::Variable;
use crate::data::tokenizer::Tokenizer;
use crate::data::{Objective, seeds};
use crate::files;
use crate::models::{self, Model};
use crate::nn::Parameter;
use safetensors::tensor::{Dtype, SafeTensors, View};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use super::metadata::{Ancestor, Best, Embedded, Identity, Keep, Metadata, Parent, Position};

/// File name inside an output directory.
pub const FILE: &str = "checkpoint.safetensors";
const KEY: &str = "seqduel";
/// Names of all tensors that are not the model's begin so.
const OPTIMIZER: &str = "optimizer.";
/// What follows: first moments, second moments, the values of an adapter, the best values of a variable.
const M: &str = "m.";
const V: &str = "v.";
const ADAPTER: &str = "";
const BEST: &str = "best.";
/// No training draws more sequences.
const MOST_DRAWN: u64 = 1 << 40;

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
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
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

/// What of the optimiser is written beside the model.
pub(super) struct Beside<'a> {
    pub(super) optimizer: &'a Optimizer,
    /// Whether its moments are.
    pub(super) moments: bool,
    /// The best values so far of what it moves.
    pub(super) best: Option<&'a [Vec<f32>]>,
}

/// The name of a tensor of the optimiser.
fn named(kind: &str, variable: &Variable) -> String {
    format!("{OPTIMIZER}{kind}{}", variable.name)
}

/// Writes a checkpoint so that `path` always holds a whole one, the old or the new.
pub(super) fn save(
    path: &Path,
    model: &dyn Model,
    beside: &Beside,
    metadata: &Metadata,
) -> Result<(), CheckpointError> {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    for parameter in model.parameters() {
        let (shape, values) = (&parameter.shape[..], Values::Of(parameter));
        tensors.push((parameter.name.clone(), Tensor { shape, values }));
    }
    let mut best = beside.best.into_iter().flatten();
    for variable in beside.optimizer.variables() {
        let Variable { shape, m, v, .. } = variable;
        let moments = beside.moments.then_some([(M, m), (V, v)]);
        let adapter = variable.is_adapter().then_some((ADAPTER, &variable.values));
        let best = best.next().map(|best| (BEST, best));
        for (kind, values) in moments.into_iter().flatten().chain(adapter).chain(best) {
            let values = Values::Here(values);
            tensors.push((named(kind, variable), Tensor { shape, values }));
        }
    }
    let json = serde_json::to_string(metadata).expect("plain data");
    // One entry only: the order of several would differ from file to file.
    let entries = HashMap::from([(KEY.to_string(), json)]);
    let file = safetensors::serialize(tensors, Some(entries)).expect("names differ");
    files::write_atomically(path, &file).map_err(CheckpointError::io(path))
}

/// A tensor to be written: its bytes are made when it is its turn, not of all tensors at once.
struct Tensor<'a> {
    shape: &'a [usize],
    values: Values<'a>,
}

enum Values<'a> {
    Of(&'a Parameter),
    Here(&'a [f32]),
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.values {
            Values::Of(parameter) => to_bytes(&parameter.values()).into(),
            Values::Here(values) => to_bytes(values).into(),
        }
    }

    fn data_len(&self) -> usize {
        4 * self.shape.iter().product::<usize>()
    }
}

/// A checkpoint file in memory, its metadata understood.
pub(super) struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    pub(super) metadata: Metadata,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, CheckpointError> {
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
        let metadata: Metadata = serde_json::from_str(json)
            .map_err(|e| foreign(format!("its `{KEY}` metadata cannot be read: {e}")))?;
        if let Some(cursor) = &metadata.position.cursor
            && (seeds::load(cursor).is_none() || cursor.drawn > MOST_DRAWN)
        {
            return Err(foreign(format!(
                "its `{KEY}` metadata has position.cursor = {cursor:?}, which no data stream has"
            )));
        }
        if let Some(Embedded { tokenizer, data }) = &metadata.embedded {
            // A model of gaps has one token more: what hides another.
            let gaps = usize::from(data.objective == Objective::Masked);
            let want = metadata.identity.model.vocab.saturating_sub(gaps);
            let problem = match tokenizer.as_ref().map(Tokenizer::vocab) {
                Some(have) if have != want => {
                    format!("its tokenizer has {have} tokens but its model has vocab = {want}")
                }
                None if data.corpus.is_some() || data.pairs.is_some() => {
                    "it names a text but has no tokenizer".into()
                }
                _ => String::new(),
            };
            if !problem.is_empty() {
                return Err(foreign(problem));
            }
        }
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

    pub(super) fn has_moments(&self) -> bool {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("checked when read");
        let moments = format!("{OPTIMIZER}{V}");
        tensors
            .names()
            .iter()
            .any(|name| name.starts_with(&moments))
    }

    /// Puts the optimiser where it stood after so many steps: its moments and adapters; `model` is filled.
    pub(super) fn restore(
        &self,
        model: &dyn Model,
        optimizer: &mut Optimizer,
        steps: u64,
    ) -> Result<(), CheckpointError> {
        optimizer.restore(model, steps, |variable| {
            variable.m = self.tensor(&named(M, variable), &variable.shape)?;
            variable.v = self.tensor(&named(V, variable), &variable.shape)?;
            if variable.is_adapter() {
                variable.values = self.tensor(&named(ADAPTER, variable), &variable.shape)?;
            }
            Ok(())
        })
    }

    /// The best values so far of what an optimiser moves.
    fn best(&self, optimizer: &Optimizer) -> Result<Vec<Vec<f32>>, CheckpointError> {
        let of = |variable: &Variable| self.tensor(&named(BEST, variable), &variable.shape);
        optimizer.variables().map(of).collect()
    }

    /// SHA-256 of the weights, hex, in the order of the model's parameters.
    pub(super) fn weights(&self, model: &dyn Model) -> Result<String, CheckpointError> {
        let mut hash = Sha256::new();
        for Parameter { name, shape, .. } in model.parameters() {
            hash.update(name);
            hash.update(to_bytes(&self.tensor(name, shape)?));
        }
        Ok(files::hex(&hash.finalize()))
    }

    fn wrong(&self, tensor: &str, reason: String) -> CheckpointError {
        CheckpointError::Tensor {
            path: self.path.clone(),
            reason: format!("`{tensor}` {reason}"),
        }
    }

    /// Loads all parameters, and refuses tensors the model does not have.
    pub(super) fn fill(&self, model: &mut dyn Model) -> Result<(), CheckpointError> {
        let mut known = Vec::new();
        let mut all = Vec::new();
        for Parameter { name, shape, .. } in model.parameters() {
            all.push(self.tensor(name, shape)?);
            known.push(name.clone());
        }
        let tensors = SafeTensors::deserialize(&self.bytes).expect("checked when read");
        for name in tensors.names() {
            if !name.starts_with(OPTIMIZER) && !known.iter().any(|k| k == name) {
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
    let foreign = |reason: String| CheckpointError::Foreign {
        path: file.path.clone(),
        reason,
    };
    // Before a model of any size is built: could its values be there at all? One that only lacks a
    // tensor is built, so that the tensor is named.
    let count = models::parameter_count(&identity.model).map_err(|e| foreign(e.to_string()))?;
    if file.bytes.len() < count {
        return Err(foreign(format!(
            "its model has {count} values, more than a file of {} bytes can hold",
            file.bytes.len()
        )));
    }
    let built = models::build(&identity.model, identity.settings.seed);
    let mut model = built.map_err(|e| foreign(e.to_string()))?;
    file.fill(&mut *model)?;
    Ok((model, file.metadata))
}

/// Whether a checkpoint file, or the one in a directory, holds the optimiser's moments.
pub fn has_moments(path: &Path) -> Result<bool, CheckpointError> {
    Ok(File::read(&locate(path))?.has_moments())
}

/// Where a training stands, and its best values where it keeps them.
pub(super) type Resumed = (Position, Option<Vec<Vec<f32>>>);

/// Restores model and optimiser from `path` and says where training stands; `None` if there is no
/// such file. A checkpoint of a run with another identity is refused.
pub(super) fn resume(
    path: &Path,
    model: &mut dyn Model,
    optimizer: &mut Optimizer,
    identity: &Identity,
) -> Result<Option<Resumed>, CheckpointError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = File::read(path)?;
    let mut identity = identity.clone();
    if file.metadata.identity.text.is_none() {
        identity.text = None; // earlier versions did not record it
    }
    if file.metadata.hash != identity.hash() {
        return Err(CheckpointError::OtherRun {
            path: path.into(),
            difference: file.metadata.identity.difference(&identity),
        });
    }
    file.fill(model)?;
    let position = file.metadata.position.clone();
    let unfinished = position.finished.is_none();
    // A finished training may have left its moments out; they are not needed to report it.
    if unfinished || file.has_moments() {
        file.restore(model, optimizer, position.optimizer_steps())?;
    }
    let best = position.best.filter(|_| unfinished);
    let best = best.map(|_| file.best(optimizer)).transpose()?;
    Ok(Some((position, best)))
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
