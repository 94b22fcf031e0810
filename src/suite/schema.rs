//! What an experiment file may say. Every table refuses unknown keys.

use super::Record;
use crate::data::tokenizer::TokenizerChoice;
use crate::models::{Initial, Positions, Scan};
use crate::train::OptimizerKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One experiment: a question, the models it is put to, and how each profile measures it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment, as on the command line and in `results.csv`.
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
#[serde(deny_unknown_fields)]
pub struct Series {
    /// A name in `models::MODELS`.
    pub model: String,
    /// Layers, where they differ from `settings.layers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Position scheme of a transformer; default learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
    /// Gate initialisation of an LSTM, GRU, minGRU or minLSTM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gates>,
    /// Scan of a minGRU or minLSTM; default sequential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
    /// Spectral radius that an Elman network's recurrent matrix starts with, as that multiple of a
    /// random orthogonal matrix; without it, PyTorch's initialisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// Largest global gradient norm, in place of `settings.clip`; 0 does not clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

/// How the gates of an LSTM, GRU, minGRU or minLSTM start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gates {
    /// Forget bias `settings.forget_bias` (LSTM, minLSTM), PyTorch's initialisation otherwise.
    Default,
    /// Biases drawn for dependencies as long as the run's sequence (Tallec & Ollivier 2018).
    Chrono,
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

/// Declares a table of optional values that a later table of the same type overlays.
macro_rules! overlay_table {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl $name {
            /// Takes every value that `over` has.
            pub fn overlay(&mut self, over: &Self) {
                $(match (&mut self.$field, &over.$field) {
                    (Some(value), Some(over)) => value.overlay(over),
                    (None, Some(over)) => self.$field = Some(over.clone()),
                    (_, None) => {}
                })*
            }
        }
    };
}

/// How a value in a later table changes the one before: replaces it, or for a table of values
/// replaces those it names.
trait Overlay: Clone {
    fn overlay(&mut self, over: &Self) {
        *self = over.clone();
    }
}
impl Overlay for String {}
impl Overlay for usize {}
impl Overlay for f64 {}
impl Overlay for Initial {}
impl Overlay for OptimizerKind {}
impl Overlay for Threads {}
impl Overlay for TokenizerChoice {}
impl<T: Clone> Overlay for Vec<T> {}
impl<T: Clone> Overlay for BTreeMap<String, T> {
    fn overlay(&mut self, over: &Self) {
        self.extend(
            over.iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
    }
}

overlay_table! {
/// Everything a run depends on besides its model and its seed.
pub struct Settings {
    /// Task of a train run (`text` or a name in `data::tasks::TASKS`, which may carry parameters of
    /// its own: `permutation:group=5`), or the mode of a throughput run (`train-step`, `forward`,
    /// `decode`).
    task: String,
    /// Seeds of the runs that count.
    seeds: usize,
    /// What is equal between the models besides parameters: `tokens`, `seconds`; `parameters` only;
    /// or `width` instead of them, where the size of the state is the question.
    equal: String,
    /// Model whose width is `width`; the others get the width with nearest parameter count.
    reference: String,
    /// Width of the reference model.
    width: usize,
    /// Layers, unless the model's entry says otherwise.
    layers: usize,
    /// Attention heads.
    heads: usize,
    /// Initial forget-gate bias of LSTM and minLSTM.
    forget_bias: f64,
    /// Longest dependency, in tokens, that `gates = "chrono"` initialises for [default: T].
    chrono: usize,
    /// Initial weights of transformers: `pytorch` or `gpt2`.
    initial: Initial,
    /// Vocabulary of throughput runs; of the mode `layer` the numbers it reads at each token.
    vocab: usize,
    /// Tokens in a sequence T, of text and throughput runs.
    seq_len: usize,
    /// Sequences in a batch B.
    batch: usize,
    /// Instead of `batch`: tokens in a batch, B = tokens / T.
    tokens_per_batch: usize,
    /// Parameters of the task, by the names its row in `data::tasks::TASKS` gives them.
    parameters: BTreeMap<String, usize>,
    /// Training budget in steps.
    steps: usize,
    /// Training budget in seconds, where `equal = "seconds"`.
    seconds: f64,
    /// Peak learning rate, where there is no `[tune]`.
    learning_rate: f64,
    /// Steps of linear warm-up.
    warmup_steps: usize,
    /// The cosine schedule ends at this share of the peak rate.
    final_lr_ratio: f64,
    /// Update rule: `adamw` or `rmsprop`.
    optimizer: OptimizerKind,
    /// Decoupled weight decay.
    weight_decay: f64,
    /// β₂ of AdamW, α of RMSprop.
    beta2: f64,
    /// Largest global gradient norm; 0 does not clip.
    clip: f64,
    /// Steps between validations.
    validate_every: usize,
    /// Sequences in a validation.
    validation_sequences: usize,
    /// Sequences in the test.
    test_sequences: usize,
    /// Numbers of tokens k: a text model is tested with its context cut off, and shuffled, beyond k.
    probe_context: Vec<usize>,
    /// Test sequences, the longest of the test, on which the gradients of the loss at the last
    /// position are followed back, before training and after.
    gradient_sequences: usize,
    /// A text model is also tested on windows of so many times T, on their last T tokens.
    test_multiples: Vec<usize>,
    /// Stop early when validation accuracy exceeds this several times in a row.
    stop_when_accuracy: f64,
    /// Steps between checkpoints of a run; without it an interrupted run starts again.
    checkpoint_every: usize,
    /// Tokenizer of text runs: `byte`, `char`, `bpe` or `bpe:VOCAB`.
    tokenizer: TokenizerChoice,
    /// Characters of the corpus to use, from its start.
    max_characters: usize,
    /// Worker threads of throughput runs.
    threads: Threads,
    /// Repeats of a timing.
    repeats: usize,
    /// Seconds to spend on each model of a throughput run.
    seconds_per_model: f64,
    /// Sequences generated side by side in `decode` runs.
    decode_batch: usize,
}
}

overlay_table! {
/// Factors. Each list replaces the setting of the same name, value by value.
pub struct Sweep {
    /// Tasks or modes.
    task: Vec<String>,
    /// What is equal.
    equal: Vec<String>,
    /// Widths of the reference model.
    width: Vec<usize>,
    /// Layers.
    layers: Vec<usize>,
    /// Batch sizes B.
    batch: Vec<usize>,
    /// Sequence lengths T.
    seq_len: Vec<usize>,
    /// Values of parameters of the task.
    parameters: BTreeMap<String, Vec<usize>>,
    /// Worker threads.
    threads: Vec<Threads>,
}
}

impl Sweep {
    /// Removes from the settings of an earlier table what this one sweeps.
    pub fn release(&self, settings: &mut Settings) {
        fn clear<T, U>(swept: &Option<T>, setting: &mut Option<U>) {
            if swept.is_some() {
                *setting = None;
            }
        }
        clear(&self.task, &mut settings.task);
        clear(&self.equal, &mut settings.equal);
        clear(&self.width, &mut settings.width);
        clear(&self.layers, &mut settings.layers);
        clear(&self.batch, &mut settings.batch);
        clear(&self.batch, &mut settings.tokens_per_batch);
        clear(&self.seq_len, &mut settings.seq_len);
        clear(&self.threads, &mut settings.threads);
        if let (Some(swept), Some(parameters)) = (&self.parameters, &mut settings.parameters) {
            parameters.retain(|name, _| !swept.contains_key(name));
        }
    }
}

/// A number of worker threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Threads {
    /// As many as this.
    Count(usize),
    /// `"all"`: as many as `--threads` says, every core by default.
    Named(All),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum All {
    /// Every thread there is.
    All,
}

/// The same search for every model: each rate on the same short budget, judged on validation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tune {
    /// The rates tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rates: Option<Vec<f64>>,
    /// What differs from the runs that count: steps, seeds, the sweep point to search at.
    pub settings: Settings,
}

/// One plot of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlotSpec {
    /// File name without extension.
    pub file: String,
    /// Title over the plot.
    pub title: String,
    /// How the records become marks.
    pub kind: PlotKind,
    /// Metric on the ordinate.
    pub metric: String,
    /// Record column on the abscissa, or `x` for the record's own abscissa.
    pub x: String,
    /// Label of the abscissa, with unit.
    pub x_label: String,
    /// Label of the ordinate, with unit.
    pub y_label: String,
    /// Scale of the abscissa.
    #[serde(default)]
    pub x_scale: Scale,
    /// Scale of the ordinate.
    #[serde(default)]
    pub y_scale: Scale,
    /// Ends of the ordinate; from the data if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_range: Option<[f64; 2]>,
    /// Record columns whose values name a series.
    pub series: Vec<String>,
    /// Record columns with one panel for each of their values that occur together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facet: Vec<String>,
    /// Only records where these columns have these values.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<String, ColumnValue>,
    /// Metric drawn as a dotted line: the trivial floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Baseline models drawn as horizontal lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<String>,
    /// Further metrics of the same series, drawn as single marks on the same axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkSpec>,
}

/// A metric drawn as single marks, at the records' own abscissa `x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// The metric.
    pub metric: String,
    /// What it is, for the legend.
    pub label: String,
}

impl PlotSpec {
    /// Whether the filter lets records with these factors through, so far as they are known: an
    /// empty column may still get the value asked for.
    pub fn may_show(&self, record: &Record) -> bool {
        let fields = serde_json::to_value(record).unwrap_or_default();
        self.filter
            .iter()
            .all(|(column, wanted)| match fields.get(column) {
                Some(serde_json::Value::String(text)) if text.is_empty() => true,
                field => wanted.matches_value(field).unwrap_or(true),
            })
    }
}

/// A value to compare a record column with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnValue {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A name.
    Text(String),
}

impl ColumnValue {
    /// Whether a field of a record holds this value; `None` where it has none.
    pub fn matches_value(&self, field: Option<&serde_json::Value>) -> Option<bool> {
        match field {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(text)) => Some(self.matches(text)),
            Some(other) => Some(self.matches(&other.to_string())),
        }
    }

    /// Whether a CSV field holds this value.
    pub fn matches(&self, field: &str) -> bool {
        match self {
            ColumnValue::Integer(i) => field.parse() == Ok(*i as f64),
            ColumnValue::Number(x) => field.parse() == Ok(*x),
            ColumnValue::Text(text) => field == text,
        }
    }
}

/// How records become marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlotKind {
    /// One point with interval per value of a factor, joined.
    Lines,
    /// The course of a metric within each run: band over runs, faint single runs.
    Curves,
    /// One bar with interval per series.
    Bars,
    /// FLOP/s against FLOPs per byte under the machine's roofs: a large mark a training step, a small
    /// one for each of its operations. Runs that such a plot may show time their operations too.
    /// Metric is `operation_seconds`; `x` and the scales are not used.
    Roofline,
}

/// Scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Equal steps.
    #[default]
    Linear,
    /// Powers of two.
    Log2,
    /// Powers of ten.
    Log10,
}
