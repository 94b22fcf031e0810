//! What a run is: its place in the suite, the factors of its records, and the work itself.

pub use super::baselines::Baselines;
pub use super::decay::Decay;
pub use super::throughput::Throughput;
pub use super::train::Training;

use super::session::{Failure, Session};
use super::texts::TextData;
use crate::data::tasks::TaskSettings;
use crate::measure::layer::Layer;
use crate::models::{ModelConfig, ModelOptions, parameter_count};
use crate::record::{Record, metrics};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// What every kind of run answers.
pub trait Kind {
    /// What it does, in a word or two.
    fn what(&self) -> &'static str;

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
    pub fn new(series: usize, stage: Stage, record: Record, work: Work) -> Self {
        Run {
            id: record.run.clone(),
            experiment: record.experiment.clone(),
            series,
            stage,
            record,
            work,
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
