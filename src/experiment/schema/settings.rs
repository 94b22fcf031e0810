//! Settings and factors: tables of optional values that a later table overlays.

use crate::data::Objective;
use crate::data::tokenizer::TokenizerChoice;
use crate::models::Initial;
use crate::train::{Adapt, OptimizerKind, Schedule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Launches of each point of a throughput run, where none are given.
pub const LAUNCHES: usize = 5;

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
impl Overlay for bool {}
impl Overlay for usize {}
impl Overlay for f64 {}
impl Overlay for Initial {}
impl Overlay for OptimizerKind {}
impl Overlay for Schedule {}
impl Overlay for Objective {}
impl Overlay for Threads {}
impl Overlay for Arm {}
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
    /// Seeds of the runs that count [default: those of the first look].
    seeds: usize,
    /// After how many seeds, or launches of timings, a comparison is looked at, rising; more than the
    /// first are only taken by `reproduce --more` [default: once, after all].
    looks: Vec<usize>,
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
    /// Training budget in seconds, where `equal = "seconds"`: as many steps as take so long at the time
    /// of a step that is measured before.
    seconds: f64,
    /// Peak learning rate, where there is no `[tune]`.
    learning_rate: f64,
    /// Steps of linear warm-up.
    warmup_steps: usize,
    /// How the rate falls after the warm-up: `cosine` or `inverse-square-root`.
    schedule: Schedule,
    /// The cosine schedule ends at this share of the peak rate.
    final_lr_ratio: f64,
    /// Update rule: `adamw` or `rmsprop`.
    optimizer: OptimizerKind,
    /// Share of every answer that training spreads over all tokens alike.
    label_smoothing: f64,
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
    /// Stop early when the last third of the steps has not brought the validation loss below this share
    /// of the lowest before: learning has ended.
    plateau: f64,
    /// Steps before which no plateau stops.
    least_steps: usize,
    /// Steps between checkpoints of a run; without it an interrupted run starts again.
    checkpoint_every: usize,
    /// Whether the trained weights of the runs that count stay in their directories, as checkpoints.
    keep_weights: bool,
    /// Tokenizer of text runs: `byte`, `char`, `bpe` or `bpe:VOCAB`.
    tokenizer: TokenizerChoice,
    /// What is asked of a text: `next`, the token after each, or `masked`, hidden ones.
    objective: Objective,
    /// Whether models of a text are judged at gaps, one a test window: who sees both sides is trained on
    /// gaps, who reads from the left gets a twin that reads from the right.
    gaps: bool,
    /// Characters of the corpus to use, from its start.
    max_characters: usize,
    /// With it the corpus is cut into a first text and a second one, and models are trained on the second:
    /// from `scratch`, or after a training on the first `all`, the `head` or `lora:RANK` of them. The weights
    /// of the lowest validation loss are judged.
    adapt: Arm,
    /// Share of the corpus, at its end, that is the second text.
    second_share: f64,
    /// Characters of the second text to train on.
    characters: usize,
    /// Steps of the training on the first text.
    first_steps: usize,
    /// Experiment whose trainings on the first text these are [default: its own]: one set of weights serves
    /// both, which must have the same settings but for what is trained on the second text.
    first_of: String,
    /// Worker threads of throughput runs.
    threads: Threads,
    /// A point of a throughput run with more work in a step than this is left out: B T D², for tokens in
    /// a batch times the square of the reference model's width.
    most_work: usize,
    /// Processes that time each point of a throughput run, one after the other with all else of the
    /// suite in between [default: 5].
    launches: usize,
    /// Repeats of a timing within a launch, at least.
    repeats: usize,
    /// Seconds to spend on each model within a launch of a throughput run.
    seconds_per_model: f64,
    /// Sequences generated side by side in `decode` runs [default: `batch`, or 1].
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
    /// What is trained on a second text.
    adapt: Vec<Arm>,
    /// Characters of a second text.
    characters: Vec<usize>,
    /// Worker threads.
    threads: Vec<Threads>,
}
}

impl Sweep {
    /// How many combinations of values there are; threads are interleaved within one run and do not
    /// count.
    pub fn points(&self) -> usize {
        let of = |list: Option<usize>| list.unwrap_or(1);
        let sizes = [
            &self.width,
            &self.layers,
            &self.batch,
            &self.seq_len,
            &self.characters,
        ];
        let arms = of(self.adapt.as_ref().map(Vec::len));
        let names = [&self.task, &self.equal];
        let parameters = self.parameters.iter().flatten().map(|(_, list)| list.len());
        let sizes = sizes.map(|list| of(list.as_ref().map(Vec::len)));
        let names = names.map(|list| of(list.as_ref().map(Vec::len)));
        let all = sizes
            .into_iter()
            .chain(names)
            .chain(parameters)
            .chain([arms]);
        all.fold(1, usize::saturating_mul)
    }

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
        clear(&self.adapt, &mut settings.adapt);
        clear(&self.characters, &mut settings.characters);
        if let (Some(swept), Some(parameters)) = (&self.parameters, &mut settings.parameters) {
            parameters.retain(|name, _| !swept.contains_key(name));
        }
    }
}

/// What is trained on a second text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Arm {
    /// A new model.
    Scratch,
    /// Of a model that was trained on a first text.
    Trained(Adapt),
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Arm::Scratch => f.write_str("scratch"),
            Arm::Trained(adapt) => adapt.fmt(f),
        }
    }
}

impl From<Arm> for String {
    fn from(arm: Arm) -> String {
        arm.to_string()
    }
}

impl TryFrom<String> for Arm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "scratch" => Ok(Arm::Scratch),
            _ => text
                .parse()
                .map(Arm::Trained)
                .map_err(|error: String| format!("{error}, or scratch")),
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
