//! What a run is: its place in the suite, the factors of its records, and the work itself.

use crate::data::tasks::TaskSettings;
use crate::data::tokenizer::TokenizerChoice;
use crate::measure::layer::Layer;
use crate::measure::throughput::Mode;
use crate::models::{ModelConfig, ModelOptions, parameter_count};
use crate::record::Record;
use crate::train::TrainSettings;
use serde::Serialize;

/// One run, fully resolved but for a learning rate still to be chosen.
#[derive(Debug, Clone)]
pub struct Run {
    /// Name of its directory.
    pub id: String,
    /// Experiment it belongs to.
    pub experiment: String,
    /// Index of its model in the experiment's list.
    pub series: usize,
    /// When it runs.
    pub stage: Stage,
    /// The factors its records share.
    pub record: Record,
    /// What it does.
    pub work: Work,
}

/// The stages of a suite, in order. Timings run alone; what is deterministic runs side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Timings, one run at a time.
    Measure,
    /// Learning-rate trials, side by side.
    Tune,
    /// Runs that count, side by side.
    Train,
    /// Runs with a budget in seconds, one at a time with all threads.
    Timed,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
// A few hundred of these exist at a time.
#[allow(clippy::large_enum_variant)]
pub enum Work {
    /// Trains one model and tests it.
    Train(Training),
    /// Times all models, interleaved.
    Throughput(Throughput),
    /// Times one layer, fused and step by step.
    Layer(Layer),
    /// Follows the gradient of one layer back in time.
    Decay(DecayWork),
    /// Counts: unigram and Kneser-Ney.
    Baselines(Baselines),
}

/// One training run with its test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// Whether the learning rate comes from a tuning stage.
    pub tuned: bool,
    /// Sequences in the test.
    pub test_sequences: usize,
    /// Tokens of context k at which a text model is tested with the context cut off and shuffled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probe_context: Vec<usize>,
    /// Multiples of T to whose windows a text model is tested too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_multiples: Vec<usize>,
    /// Test sequences on which gradients are followed back before training and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_sequences: Option<usize>,
    /// What it is trained on.
    pub data: Data,
    /// The model.
    pub model: ModelConfig,
    /// How it is trained.
    pub train: TrainSettings,
}

/// Where the sequences come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// A generated task.
    Task(TaskSettings),
    /// The suite's text.
    Text(TextData),
}

impl Data {
    /// Tokens T in a training sequence; 0 of a task that cannot be made.
    pub fn seq_len(&self) -> usize {
        match self {
            Data::Task(task) => task.make().map_or(0, |task| task.seq_len()),
            Data::Text(text) => text.seq_len,
        }
    }
}

/// How the suite's text is cut up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextData {
    /// Characters, bytes or learned pieces.
    pub tokenizer: TokenizerChoice,
    /// Characters used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
    /// Tokens in a window T.
    pub seq_len: usize,
}

/// Timings of all models at one sweep point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughput {
    /// What a step is.
    pub mode: Mode,
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T; for `decode` the context before the token.
    pub seq_len: usize,
    /// Thread counts, each with every model, interleaved.
    pub threads: Vec<usize>,
    /// Repeats recorded of each, at least.
    pub repeats: usize,
    /// Seconds after which no further repeat of it begins.
    pub seconds_per_model: f64,
    /// Whether each operation of a step is timed too, and the machine's copying beside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub operations: bool,
    /// Whether work and span of a step are recorded too, and how the program splits it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub work_span: bool,
    /// The models.
    pub models: Vec<ModelConfig>,
}

/// The gradient of one Elman layer against the distance it travels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecayWork {
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T.
    pub seq_len: usize,
    /// Hidden size H, even.
    pub hidden: usize,
    /// Seed of the first measurement.
    pub first_seed: u64,
    /// Measurements.
    pub seeds: usize,
}

/// What counting alone predicts, on the text the models are tested on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baselines {
    /// Test windows, the same as the models'.
    pub test_sequences: usize,
    /// Parameters of the models: what an n-gram of their size may store.
    pub parameters: usize,
    /// The text.
    pub text: TextData,
}

/// Writes the factors of a model into a record.
pub fn set_model(record: &mut Record, model: &ModelConfig) {
    let transformer = model.model == "transformer";
    record.model = model.model.clone();
    record.parameters = parameter_count(model).ok();
    record.width = Some(model.width);
    record.layers = Some(model.layers);
    record.heads = transformer.then_some(model.heads);
    record.options = ModelOptions::of(model);
    record.vocab = Some(model.vocab);
}

impl Run {
    /// `config.toml`: everything its records depend on.
    pub fn config(&self, profile: &str) -> String {
        #[derive(Serialize)]
        struct Config<'a> {
            run: &'a str,
            experiment: &'a str,
            profile: &'a str,
            stage: Stage,
            work: &'a Work,
        }
        toml::to_string(&Config {
            run: &self.id,
            experiment: &self.experiment,
            profile,
            stage: self.stage,
            work: &self.work,
        })
        .expect("a configuration is plain TOML")
    }
}
