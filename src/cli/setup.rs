//! What `train` is told: model, data and settings in one TOML, `config.toml` in the output directory.

use super::{UsageError, usage};
use crate::data::corpus;
use crate::data::pairs::{Pairs, PairsSource};
use crate::data::tasks::TaskSource;
use crate::data::text::{Text, TextSource};
use crate::data::tokenizer::Tokenizer;
use crate::data::{DataError, DataSection, Source};
use crate::files::{locate, place};
use crate::models::{ModelConfig, ModelError, ModelOptions};
use crate::train::{Keep, TrainSettings};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the configuration in an output directory.
pub const CONFIG: &str = "config.toml";
/// Name of the tokenizer in an output directory; a task has none.
pub const TOKENIZER: &str = "tokenizer.json";

/// A training run. What is left out of the file has the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainConfig {
    /// The model; its vocabulary comes from the data.
    pub model: ModelSection,
    /// The data.
    pub data: DataSection,
    /// The training.
    pub train: TrainSettings,
    /// The checkpoint it starts from, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<FromSection>,
}

/// Where training starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FromSection {
    /// The checkpoint file.
    pub checkpoint: PathBuf,
    /// What is kept of it; everything, if the data are the same, where that is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

/// [`ModelConfig`] without what the data decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSection {
    /// Name in the table of models.
    pub model: String,
    /// Width.
    pub width: usize,
    /// Layers or blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Options by their names in `models::OPTIONS`.
    #[serde(flatten)]
    pub options: ModelOptions,
}

impl Default for ModelSection {
    fn default() -> Self {
        ModelSection {
            model: String::new(),
            width: 128,
            layers: 2,
            heads: 4,
            options: ModelOptions::default(),
        }
    }
}

impl ModelSection {
    /// Of a model that is there.
    pub fn of(config: &ModelConfig) -> Self {
        ModelSection {
            model: config.model.clone(),
            width: config.width,
            layers: config.layers,
            heads: config.heads,
            options: ModelOptions::of(config),
        }
    }

    /// The configuration for data of so many different tokens in sequences of so many; options that
    /// the model does not take change nothing.
    fn config(&self, vocab: usize, seq_len: usize) -> Result<ModelConfig, ModelError> {
        let mut config = ModelConfig {
            heads: self.heads,
            forget_bias: 1.0,
            ..ModelConfig::new(&self.model, vocab, self.width, self.layers, seq_len)
        };
        self.options.apply(&mut config)?;
        Ok(config)
    }

    /// Spells out every option that the model takes, and drops the others: what is left out of a file
    /// and what is written there are then the same.
    pub fn complete(&mut self, seq_len: usize) -> Result<(), ModelError> {
        self.options = ModelOptions::of(&self.config(1, seq_len)?);
        Ok(())
    }
}

/// Data ready for use, with the tokenizer if it is text.
pub struct Data {
    /// Batches.
    pub source: Box<dyn Source>,
    /// Of a text.
    pub tokenizer: Option<Tokenizer>,
}

impl TrainConfig {
    /// Reads a TOML; errors name file, line and key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(usage)?;
        let name = path.display().to_string();
        let mut config: TrainConfig = toml::from_str(&text).map_err(|error| {
            let place = place(&name, &text, error.span());
            UsageError(format!(
                "{place}: {}; correct this key (`seqduel train --dry-run` prints every one in use)",
                error.message()
            ))
        })?;
        config.train.clip = config.train.clip.filter(|&clip| clip != 0.0);
        if locate(&text, "train.threads").is_none() {
            config.train.threads = 0; // as many as --threads says
        }
        if !config.model.model.is_empty() {
            config
                .model
                .complete(config.data.seq_len)
                .map_err(|error| {
                    let key = match &error {
                        ModelError::Impossible { key, .. } => format!("model.{key}"),
                        _ => "model.model".into(),
                    };
                    UsageError(format!(
                        "{}: {error}",
                        place(&name, &text, locate(&text, &key))
                    ))
                })?;
        }
        Ok(config)
    }

    /// As TOML. No clipping is written as 0: left out, it would be the default.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        let mut config = self.clone();
        config.train.clip = Some(config.train.clip.unwrap_or(0.0));
        Ok(toml::to_string(&config)?)
    }

    /// The whole configuration of the model for this data.
    pub fn model_config(&self, source: &dyn Source) -> Result<ModelConfig, ModelError> {
        let spec = source.spec();
        Ok(spec.fit(self.model.config(spec.vocab, spec.longest)?))
    }
}

/// A corpus as configurations and checkpoints keep it: the file by its whole path, so that it is found
/// from any directory; a named one, or what is no file, as it is.
pub fn absolute(corpus: String) -> String {
    let is_file = corpus::named(&corpus).is_none() && Path::new(&corpus).is_file();
    let path = is_file.then(|| std::path::absolute(&corpus).ok()).flatten();
    let Some(path) = path else {
        return corpus;
    };
    match path.to_str() {
        Some(path) => path.into(),
        None => {
            tracing::warn!(
                "corpus {corpus}: {} is not UTF-8, so the text will be found from this directory only",
                path.display()
            );
            corpus
        }
    }
}

/// Opens the data; `tokenizer` instead of a new one if given.
pub fn open_data(
    data: &DataSection,
    seed: u64,
    tokenizer: Option<Tokenizer>,
) -> anyhow::Result<Data> {
    match (&data.corpus, &data.task) {
        (Some(corpus), None) => {
            let text = match tokenizer {
                Some(tokenizer) => Text::open_with(corpus, tokenizer, data.extract()),
                None => Text::open(corpus, data.tokenizer, data.extract()),
            };
            let text = Arc::new(text.map_err(data_error)?);
            let tokenizer = Some(text.tokenizer().clone());
            let windows = TextSource::new(text, data.seq_len, seed).map_err(data_error)?;
            let source = data.objective.of(windows, seed);
            Ok(Data { source, tokenizer })
        }
        (None, None) if data.pairs.is_some() => {
            let file = data.pairs.as_deref().unwrap_or_default();
            let words = match tokenizer {
                Some(Tokenizer::Words { words }) => Some(words),
                Some(_) => bail!(UsageError(format!(
                    "--pairs {file}: the checkpoint to start from knows no words (it was trained on a \
                     text); train a new model without --from"
                ))),
                None => None,
            };
            let pairs = Pairs::open(file, words).map_err(data_error)?;
            let words = pairs.words().list().to_vec();
            Ok(Data {
                source: Box::new(PairsSource::new(Arc::new(pairs), seed)),
                tokenizer: Some(Tokenizer::Words { words }),
            })
        }
        (None, Some(task)) => {
            let task = task.make().map_err(data_error)?;
            Ok(Data {
                source: Box::new(TaskSource::new(task, seed)),
                tokenizer: None,
            })
        }
        (None, None) => bail!(UsageError(
            "nothing to train on: give --corpus NAME|FILE, --pairs FILE or --task NAME".into(),
        )),
        (Some(corpus), Some(task)) => bail!(UsageError(format!(
            "corpus `{corpus}` and task `{}` exclude each other: give one",
            task.name
        ))),
    }
}

/// A mistake of the user (exit code 2), unless it is the network or the cache that fails.
pub fn data_error(error: DataError) -> anyhow::Error {
    match error {
        DataError::Unavailable { .. } | DataError::Checksum { .. } | DataError::NoCache => {
            error.into()
        }
        other => usage(other),
    }
}
