//! What a measurement is: the one row every measurement becomes ([`Record`]), what its metric means
//! ([`metrics::METRICS`]), and the values of its columns ([`ColumnValue`], [`word`]).
//!
//! Add a metric: a row in [`metrics::METRICS`] and the line that records it.

mod column;
pub mod metrics;

pub use column::{ColumnValue, word};

use serde::{Deserialize, Serialize};

/// One measured value with all its factors; a row of `results.csv`. Missing is empty, never 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Directory name of the run under `runs/`.
    pub run: String,
    /// Experiment id.
    pub experiment: String,
    /// `smoke`, `quick` or `full`.
    pub profile: String,
    /// Model name, or the name of a baseline (`unigram`, `kneser-ney`, `kneser-ney-unlimited`).
    pub model: String,
    /// Trainable values.
    pub parameters: Option<usize>,
    /// Task as the experiment names it, or `text`.
    pub task: Option<String>,
    /// Width of the model.
    pub width: Option<usize>,
    /// Layers of the model.
    pub layers: Option<usize>,
    /// Attention heads.
    pub heads: Option<usize>,
    /// Position scheme of a transformer.
    pub positions: Option<String>,
    /// Gate initialisation of a recurrent model: `default` or `chrono`.
    pub gates: Option<String>,
    /// Scan of minGRU and minLSTM: `sequential` or `parallel`.
    #[serde(default)]
    pub scan: Option<String>,
    /// Spectral radius of an Elman network's recurrent matrix before training, where the experiment
    /// chose one.
    #[serde(default)]
    pub radius: Option<f64>,
    /// Largest global gradient norm, where the experiment chose it for this model; 0 if none.
    #[serde(default)]
    pub clip: Option<f64>,
    /// Operation of the model's step that was measured; empty for the step as a whole.
    #[serde(default)]
    pub operation: Option<String>,
    /// Tokens in a sequence T.
    pub seq_len: Option<usize>,
    /// Sequences in a batch B.
    pub batch: Option<usize>,
    /// Vocabulary V.
    pub vocab: Option<usize>,
    /// Delay of the copy task.
    pub delay: Option<usize>,
    /// Key/value pairs of the recall task.
    pub pairs: Option<usize>,
    /// Parameter `length` of the task: positions of the adding problem, longest word trained on.
    pub length: Option<usize>,
    /// Peak learning rate.
    pub learning_rate: Option<f64>,
    /// What was equal between the models: `parameters`, `tokens`, `seconds`.
    pub equal: Option<String>,
    /// Worker threads.
    pub threads: Option<usize>,
    /// Seed of initialisation and data.
    pub seed: Option<u64>,
    /// Repeat of a timing, from 0.
    pub repeat: Option<usize>,
    /// What was measured: a name documented in `record::metrics`.
    pub metric: String,
    /// Abscissa within the run where the metric is a curve: training step, token position,
    /// distance. `record::metrics` says which.
    pub x: Option<f64>,
    /// Unit of the value.
    pub unit: String,
    /// The value.
    pub value: Option<f64>,
}

impl Record {
    /// Names of the columns, in the order of the file.
    pub fn columns() -> Vec<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = writer
            .serialize(Record::default())
            .ok()
            .and_then(|()| writer.into_inner().ok());
        let text = String::from_utf8(header.expect("writing to memory does not fail"));
        let text = text.expect("column names are UTF-8");
        let line = text.lines().next().unwrap_or_default();
        line.split(',').map(str::to_owned).collect()
    }
}
