//! What a run is: the factors of its records, the work itself, and what that needs of other runs.

pub use super::baselines::Baselines;
pub use super::decay::Decay;
pub use super::needs::Kept;
pub use super::step_time::{StepTime, Timed};
pub use super::throughput::Throughput;
pub use super::train::Training;

use super::session::{Failure, Session};
use super::texts::{TextData, Texts};
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::data::{DataError, DataSection, Source};
use crate::measure::layer::Layer;
use crate::models::{ModelConfig, ModelOptions, parameter_count};
use crate::record::{Record, metrics};
use crate::train::checkpoint::Embedded;
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One run, fully resolved but for what it takes from the runs it needs.
#[derive(Debug, Clone)]
pub struct Run {
    /// Name of its directory.
    pub id: String,
    /// Experiment it belongs to.
    pub experiment: String,
    /// The factors its records share.
    pub record: Record,
    /// What it does.
    pub work: Work,
}

/// What every kind of run answers.
pub trait Kind {
    /// What it does, in a word or two.
    fn what(&self) -> &'static str;

    /// The runs, or growing parts of the plan, that must have ended before it can begin.
    fn needs(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether it must have the machine for itself, with all threads, as timings must; what is
    /// deterministic runs side by side.
    fn alone(&self) -> bool {
        false
    }

    /// Which launch of a timing it is: launches of all timings are made in rounds, spread over the
    /// whole suite.
    fn launch(&self) -> Option<usize> {
        None
    }

    /// Estimated seconds on so many threads, building and testing not counted.
    fn seconds(&self, threads: usize) -> f64;

    /// Carries it out.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure>;
}

/// Declares the kinds of runs: the name in a run's configuration, and the type that does it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($work:ty),)*) => {
        /// What a run does.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "kebab-case")]
        // A few hundred of these exist at a time.
        #[allow(clippy::large_enum_variant)]
        pub enum Work {
            $($(#[$doc])* $name($work),)*
        }

        impl Work {
            /// What it does and how.
            pub fn kind(&self) -> &dyn Kind {
                match self {
                    $(Work::$name(work) => work,)*
                }
            }
        }
    };
}

kinds! {
    /// Trains one model and tests it.
    Train(Training),
    /// Times the training steps of all models, in turn, for budgets in seconds.
    StepTime(StepTime),
    /// Times all models, interleaved.
    Throughput(Throughput),
    /// Times one layer, fused and step by step.
    Layer(Layer),
    /// Follows the gradient of one layer back in time.
    Decay(Decay),
    /// Counts: unigram and Kneser-Ney.
    Baselines(Baselines),
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
            Data::Task(task) => task.make().map_or(0, |task| task.spec().seq_len),
            Data::Text(text) => text.seq_len,
        }
    }

    /// What a checkpoint says of it, so that it can be used without any other file.
    pub(super) fn embedded(&self, texts: &Texts) -> Result<Embedded, DataError> {
        Ok(match self {
            Data::Task(task) => Embedded {
                tokenizer: None,
                data: DataSection {
                    task: Some(task.clone()),
                    ..DataSection::default()
                },
            },
            Data::Text(text) => Embedded {
                tokenizer: Some(texts.open(text)?.tokenizer().clone()),
                data: DataSection {
                    corpus: Some(texts.corpus().into()),
                    tokenizer: text.tokenizer,
                    seq_len: text.seq_len,
                    skip_characters: text.skip_characters,
                    max_characters: text.max_characters,
                    train_characters: text.train_characters,
                    objective: text.objective,
                    ..DataSection::default()
                },
            },
        })
    }

    /// Ready for use; text is shared.
    pub(super) fn open(&self, seed: u64, texts: &Texts) -> Result<Box<dyn Source>, DataError> {
        Ok(match self {
            Data::Task(task) => Box::new(TaskSource::new(task.make()?, seed)),
            Data::Text(text) => {
                let windows = TextSource::new(texts.open(text)?, text.seq_len, seed)?;
                text.objective.of(windows, seed)
            }
        })
    }
}

/// Writes the factors of a model into a record.
pub fn set_model(record: &mut Record, model: &ModelConfig) {
    let has_heads = model.model == "transformer" || model.takes("mixers");
    record.model = model.model.clone();
    record.parameters = parameter_count(model).ok();
    record.width = Some(model.width);
    record.layers = Some(model.layers);
    record.heads = has_heads.then_some(model.heads);
    record.options = ModelOptions::of(model);
    record.vocab = Some(model.vocab);
}

impl Run {
    /// Carries it out; a panic inside counts as its failure.
    pub fn carry_out(&self, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let work = AssertUnwindSafe(|| self.work.kind().carry_out(self, session));
        catch_unwind(work).unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            let text = text.unwrap_or_default();
            Err(Failure::Failed(format!("internal error: {text}")))
        })
    }

    /// A run with the name of its record.
    pub fn new(record: Record, work: Work) -> Self {
        Run {
            id: record.run.clone(),
            experiment: record.experiment.clone(),
            record,
            work,
        }
    }

    /// Whether the other run does the same under the same name.
    pub fn is_same(&self, other: &Run) -> bool {
        self.id == other.id && self.experiment == other.experiment && self.work == other.work
    }

    /// The runs, or growing parts of the plan, that must have ended before it can begin.
    pub fn needs(&self) -> Vec<&str> {
        self.work.kind().needs()
    }

    /// Whether it must have the machine for itself.
    pub fn alone(&self) -> bool {
        self.work.kind().alone()
    }

    /// Which launch of a timing it is, if it is one.
    pub fn launch(&self) -> Option<usize> {
        self.work.kind().launch()
    }

    /// The run with what it takes from the records of those it needs filled in: `records` has those
    /// of a run, or of all runs of a growing part.
    ///
    /// Errors: why they give it nothing to run with.
    pub fn resolved(&self, records: &dyn Fn(&str) -> Vec<Record>) -> Result<Run, String> {
        let mut run = self.clone();
        if let Work::Train(training) = &mut run.work {
            training.resolve(&self.record, records)?;
            run.record.learning_rate = Some(training.train.learning_rate);
        }
        Ok(run)
    }

    /// What of a training stays in its directory when it has finished; nothing of other runs.
    pub fn kept(&self) -> Kept {
        match &self.work {
            Work::Train(training) => training.kept,
            _ => Kept::Nothing,
        }
    }

    /// The training it does, if it does one.
    pub fn training_mut(&mut self) -> Option<&mut Training> {
        match &mut self.work {
            Work::Train(training) => Some(training),
            _ => None,
        }
    }

    /// A record of this run; the unit comes from the table of metrics.
    pub fn record(&self, metric: &str, x: Option<f64>, value: Option<f64>) -> Record {
        let row = metrics::find(metric).expect("every metric has a row in metrics::METRICS");
        Record {
            metric: metric.into(),
            unit: row.unit.into(),
            x,
            value,
            ..self.record.clone()
        }
    }

    /// A record of a repeat of a timing.
    pub fn repeated(&self, metric: &str, repeat: usize, value: f64) -> Record {
        Record {
            repeat: Some(repeat),
            ..self.record(metric, None, Some(value))
        }
    }

    /// `config.toml`: everything its records depend on. `needs` holds the digests of the
    /// configurations of the runs it needs, by their ids, so that where one of them changes this
    /// changes too.
    pub fn config(&self, profile: &str, needs: &BTreeMap<String, String>) -> String {
        #[derive(Serialize)]
        struct Config<'a> {
            run: &'a str,
            experiment: &'a str,
            profile: &'a str,
            work: &'a Work,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            needs: &'a BTreeMap<String, String>,
        }
        toml::to_string(&Config {
            run: &self.id,
            experiment: &self.experiment,
            profile,
            work: &self.work,
            needs,
        })
        .expect("a configuration is plain TOML")
    }
}
